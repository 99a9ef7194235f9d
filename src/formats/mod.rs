//! Codecs: bytes to typed values and back. No I/O, bounded, fuzzed.

pub mod hlog;
pub mod openmetrics;
pub mod postgres;
pub mod pprof;
pub mod redis;
