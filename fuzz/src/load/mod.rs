//! The load engine without sockets: the codecs, and what journeys do with data.

#[path = "../../../src/load/attention.rs"]
pub(crate) mod attention;
#[path = "../../../src/load/buffer.rs"]
pub(crate) mod buffer;
#[path = "../../../src/load/choice.rs"]
pub(crate) mod choice;
#[path = "../../../src/load/expect.rs"]
pub(crate) mod expect;
pub mod http1;
pub mod http2;
pub(crate) mod script;

/// Of `src/load/stream.rs`, which needs sockets and TLS, only what a connection asks of a stream.
pub(crate) mod stream {
    /// As there.
    pub(crate) trait Arrivals {
        fn arrived(&self, clock: &crate::time::RunClock) -> crate::time::RunTime {
            clock.now()
        }

        fn came_before(&self, _: &crate::time::RunClock, _: crate::time::RunTime) -> bool {
            false
        }
    }
}
