//! Bytes to typed values and back.

#[path = "../../src/formats/expvar.rs"]
pub mod expvar;
#[path = "../../src/formats/gotrace/mod.rs"]
pub mod gotrace;
#[path = "../../src/formats/hlog/mod.rs"]
pub mod hlog;
#[path = "../../src/formats/kernel.rs"]
pub mod kernel;
#[path = "../../src/formats/logline/mod.rs"]
pub mod logline;
#[path = "../../src/formats/openmetrics/mod.rs"]
pub mod openmetrics;
#[path = "../../src/formats/otlp/mod.rs"]
pub mod otlp;
#[path = "../../src/formats/postgres/mod.rs"]
pub mod postgres;
#[path = "../../src/formats/pprof/mod.rs"]
pub mod pprof;
#[path = "../../src/formats/promql.rs"]
pub mod promql;
#[path = "../../src/formats/redis/mod.rs"]
pub mod redis;
#[path = "../../src/formats/sock_diag.rs"]
pub mod sock_diag;
