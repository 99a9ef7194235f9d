//! loadprof: a load test that says why.
//!
//! See `docs/design.md` for the shape: [`run`] is the one seam between recording and analysis.

pub mod analysis;
pub mod collect;
pub mod demo;
pub mod formats;
pub mod run;
pub mod scenario;
pub mod time;
