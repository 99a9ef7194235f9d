//! loadprof: a load test that says why.
//!
//! See `docs/design.md` for the shape: [`run`] is the one seam between recording and analysis.

pub mod analysis;
pub mod analyze;
pub mod attribute;
pub mod capacity;
pub mod cli;
pub mod collect;
pub mod confirm;
pub mod demo;
pub mod detect;
pub mod formats;
pub mod gate;
pub mod load;
#[cfg(test)]
#[path = "../tests/common/ports.rs"]
mod ports;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod spans;
pub mod stats;
pub mod time;
