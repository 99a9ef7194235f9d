//! What hits count as.

#[path = "../../src/run/period.rs"]
pub(crate) mod period;
