//! The runtime of journeys' data, without sockets.

#[path = "../../src/load/choice.rs"]
pub(crate) mod choice;

/// What the codec of HTTP/1.1 lends.
pub(crate) mod http1 {
    /// As in `src/load/http1/mod.rs`.
    pub(crate) const KEEP_LIMIT: usize = 1024 * 1024;
}
pub(crate) mod script;
