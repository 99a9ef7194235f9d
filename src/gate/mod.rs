//! Judges a run: is it a valid measurement, does it hold its thresholds, is it worse than a baseline, and
//! which exit code says so.
//!
//! Every function takes the periods that the load engine recorded and gives the plain values of
//! [`crate::analysis`]. The unit of every comparison is the period or the run, never the request: requests of
//! one second share their fate, and a test that counts them finds differences between two equal runs.

mod baseline;
mod exit;
mod figures;
mod intervention;
mod samples;
mod summary;
#[cfg(test)]
mod testing;
mod thresholds;
mod unlike;
mod validity;

pub use baseline::{ALPHA, Compared, Side, compare};
pub use exit::{Exit, Outcomes, confirmation_exit, exit_code};
pub use figures::{judged_part, quantiles};
pub use intervention::{MIN_PAIRS, Stretch, confirmation, stretch};
pub use summary::{summarize, timeline};
pub use thresholds::evaluate;
pub use unlike::unlike;
pub use validity::{GeneratorPeriod, GeneratorReadings, LATE_NANOS, SENT, is_own_shortage, validity};
