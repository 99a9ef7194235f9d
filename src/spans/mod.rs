//! Traces from spans: who called whom, which work the caller waited for, and how long.
//!
//! The critical path of a trace is found by walking back from its end: at each moment the span counts that
//! the root was waiting for. Self times on it are exclusive, so the rows of a [`Breakdown`] add up to the mean
//! duration of the traces, in milliseconds per request.
//!
//! Nothing is repaired or left out silently: clock shifts are recorded with their traces, and traces with
//! missing parents, cycles or too many spans are counted apart.

mod breakdown;
mod clocks;
mod gather;
mod names;
mod path;
mod skew;
#[cfg(test)]
mod tests;
mod trace;

pub use breakdown::{Breakdown, LeftOut, Row};
pub use gather::{Coverage, DEFAULT_SPANS, Gather, Gathered, MOST_SPANS_OF_A_TRACE};
pub use names::Name;
pub use path::Step;
pub use skew::Shift;
pub use trace::{Defects, Placed, Trace};
