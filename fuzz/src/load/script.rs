//! The parts that read answers and files; requests and whole scripts stay out.

#[path = "../../../src/load/script/answer.rs"]
pub(crate) mod answer;
#[path = "../../../src/load/script/checks.rs"]
pub(crate) mod checks;
#[path = "../../../src/load/script/cookies.rs"]
pub(crate) mod cookies;
#[path = "../../../src/load/script/decode.rs"]
pub(crate) mod decode;
#[path = "../../../src/load/script/extract.rs"]
pub(crate) mod extract;
#[path = "../../../src/load/script/feeder.rs"]
pub(crate) mod feeder;
#[path = "../../../src/load/script/judge.rs"]
pub(crate) mod judge;
#[path = "../../../src/load/script/records.rs"]
pub(crate) mod records;
#[path = "../../../src/load/script/text.rs"]
pub(crate) mod text;
#[path = "../../../src/load/script/values.rs"]
pub(crate) mod values;
