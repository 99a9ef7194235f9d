//! The open model: arrivals come by the clock, whatever the target does.
//!
//! Every load thread runs a single-threaded runtime and takes arrivals `n = k mod threads` of the one
//! schedule. Nothing is shared between threads while load is sent. Arrivals go to *lanes*: tasks that own
//! at most one connection and serve one arrival after the other.

pub(crate) mod lane;
pub(crate) mod links;
mod lull;
#[cfg(test)]
mod nap_tests;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
pub(crate) mod worker;
