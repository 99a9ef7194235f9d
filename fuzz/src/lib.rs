//! The crate's codecs, built alone, and what must hold for any input of theirs.

/// Bytes to typed values and back.
pub mod formats {
    #[path = "../../../src/formats/hlog/mod.rs"]
    pub mod hlog;
    #[path = "../../../src/formats/openmetrics/mod.rs"]
    pub mod openmetrics;
    #[path = "../../../src/formats/pprof/mod.rs"]
    pub mod pprof;
}
#[path = "../../src/time.rs"]
pub mod time;

pub mod checks;
