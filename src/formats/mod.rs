//! Codecs: bytes to typed values and back. No I/O, bounded, fuzzed.

pub mod expvar;
pub mod gotrace;
pub mod hlog;
pub mod kernel;
pub mod logline;
pub mod openmetrics;
pub mod otlp;
pub mod postgres;
pub mod pprof;
pub mod promql;
pub mod redis;
pub mod sock_diag;
