//! HTTP/1.1 once more, with limits that short inputs reach.

#[path = "../../src/load/http1/body.rs"]
pub(crate) mod body;
#[path = "http1_check.rs"]
pub mod check;
#[path = "../../src/load/http1/chunked.rs"]
pub(crate) mod chunked;
#[path = "../../src/load/http1/conn.rs"]
pub(crate) mod conn;
#[path = "../../src/load/http1/error.rs"]
pub(crate) mod error;
#[path = "../../src/load/http1/head.rs"]
pub(crate) mod head;
#[path = "../../src/load/http1/parser.rs"]
pub(crate) mod parser;

pub(crate) const HEAD_LIMIT: usize = 100;
pub(crate) const BODY_LIMIT: u64 = 60;
pub(crate) const KEEP_LIMIT: usize = 20;
