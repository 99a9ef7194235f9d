//! The charts of a report.

mod breakdown;
mod latency;

pub(crate) use breakdown::breakdown;
pub(crate) use latency::latency;
