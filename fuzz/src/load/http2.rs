//! The state machine of HTTP/2, and what must hold for any bytes of a server.

#[path = "../../../src/load/http2/tests/check.rs"]
pub mod check;
#[path = "../../../src/load/http2/control.rs"]
pub(crate) mod control;
#[path = "../../../src/load/http2/error.rs"]
pub(crate) mod error;
#[path = "../../../src/load/http2/frame.rs"]
pub(crate) mod frame;
#[path = "../../../src/load/http2/head.rs"]
pub(crate) mod head;
#[path = "../../../src/load/http2/hpack/mod.rs"]
pub(crate) mod hpack;
#[path = "../../../src/load/http2/limits.rs"]
pub(crate) mod limits;
#[path = "../../../src/load/http2/mux.rs"]
pub(crate) mod mux;
#[path = "../../../src/load/http2/receive.rs"]
pub(crate) mod receive;
#[path = "../../../src/load/http2/streams.rs"]
pub(crate) mod streams;
