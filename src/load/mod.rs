//! The load engine: sends a scenario's requests by its executor and measures every one of them.
//!
//! Two clocks stand side by side: *response time* runs from the moment an arrival was due (closed model: from
//! the moment its user began it) to the last byte, *service time* from the moment its request began to be
//! written. No arrival is dropped: what cannot be sent in time waits, and counts at its age if the run ends
//! first. Service time exists only for requests that were sent.
//!
//! - [`schedule`]: when arrivals are due, a pure function.
//! - `open`: the open model, one runtime per load thread. `vus`: the closed model, users kept by goose.
//! - `session`: one user and its hits, the same for both; `connections`, `http1`, `http2` and `connect` below it.
//! - `ask`: one question before a run, on a connection made as those of the load.
//! - `script`: journeys, variables and checks, without sockets.
//! - `recorder` and `aggregate`: thread-local histograms, merged once a period, given to the caller's sink.

mod aggregate;
mod ask;
mod attention;
mod buffer;
#[cfg(test)]
mod chain_tests;
mod choice;
mod connect;
mod connections;
mod error;
mod expect;
mod hit;
#[doc(hidden)]
pub mod hot;
mod http1;
mod http2;
mod jitter;
#[cfg(test)]
mod journey_tests;
mod limits;
mod nap;
mod once;
mod open;
mod person;
mod plan;
mod poisson;
mod recorder;
mod redirect;
pub mod schedule;
mod script;
mod session;
mod socket;
pub mod stages;
mod stamp;
mod start;
mod stream;
mod template;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timer;
mod trace;
mod vus;
mod wire;

pub use ask::{Answered, AskError, ask};
pub use connect::ConnectError;
pub use error::LoadError;
pub use http1::request::RequestError;
pub use plan::StopFlag;
pub use script::{BadPath, FeederError, ScriptError};
pub use start::{LoadHandle, LoadOutcome, start};

use url::Url;

use crate::run::in_flight::InFlight;
use crate::scenario::Scenario;
use crate::time::RunClock;

/// What to send, where, on which clock.
#[derive(Debug)]
pub struct LoadPlan<'a> {
    /// The checked scenario.
    pub scenario: &'a Scenario,
    /// Where the target is; the demo target's address once it runs.
    pub base: Url,
    /// 16 hex digits: the first half of every trace id, as in the manifest.
    pub run_id: &'a str,
    /// The clock of the run.
    pub clock: RunClock,
    /// Where the load threads count their requests in flight, if anybody wants to know: it costs a look at the clock for each.
    pub in_flight: Option<InFlight>,
}
