//! The crate's codecs, built alone, and what must hold for any input of theirs.

pub mod checks;
pub mod formats;
#[allow(dead_code, reason = "only what reads bytes from outside is called")]
pub mod load;
#[allow(dead_code, reason = "only what reads bytes from outside is called")]
mod run;
#[allow(dead_code, unused_imports, reason = "only what reads bytes from outside is called")]
mod scenario;
pub mod script_checks;
#[allow(dead_code, reason = "only what reads bytes from outside is called")]
pub mod small;
pub mod text_checks;
#[path = "../../src/time.rs"]
pub mod time;
