//! `events.jsonl`: what happened in a run, one JSON object a line, flushed line by line.

use serde::{Deserialize, Serialize};

use crate::time::{RunTime, Window};

/// Kind of [`EventKind::Failure`] of a teardown request: no hit, so it is in no count of the load.
pub const TEARDOWN: &str = "teardown";

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub at: RunTime,
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Load started.
    LoadStarted,
    /// A stage of the load began.
    Stage {
        /// Index from 0.
        index: usize,
        /// Words for people, e.g. `200/s for 30s`.
        what: String,
    },
    /// Arrivals ended; requests still under way were waited for.
    ScheduleEnded,
    /// The last request ended.
    LoadEnded,
    /// The live detector saw an anomaly begin.
    AnomalyBegan {
        /// Name of the series.
        series: String,
    },
    /// Evidence taken on a trigger.
    Capture {
        /// Service it speaks of.
        service: String,
        /// `goroutines` or `trace`.
        what: String,
        /// Why it was taken: `healthy` or `anomaly`.
        why: String,
        /// From asking to the last byte.
        window: Window,
        /// Path in the run folder; none if it failed.
        path: Option<String>,
        /// What went wrong.
        problem: Option<String>,
    },
    /// A collector lost something; the load went on.
    CollectorFault {
        /// Service it speaks of.
        service: String,
        /// Which collector, e.g. `go-pprof/cpu`.
        collector: String,
        /// What went wrong.
        problem: String,
    },
    /// A collector changed its pace because fetching got costly.
    CollectorSlowed {
        /// Service it speaks of.
        service: String,
        /// Which collector.
        collector: String,
        /// New time between two fetches.
        interval_nanos: u64,
        /// Why.
        why: String,
    },
    /// One of the slowest requests of a period.
    Slow {
        /// Slug of the request.
        request: String,
        /// Trace id of the hit, 32 hex digits.
        trace_id: String,
        /// Intended start to last byte.
        response_nanos: u64,
        /// Sent to last byte.
        service_nanos: u64,
        /// Status, 0 if there was none.
        status: u16,
    },
    /// An example of a failure, the first few of each kind in a run.
    Failure {
        /// Slug of the request.
        request: String,
        /// Kind of failure, e.g. `timeout`.
        kind: String,
        /// What was seen.
        detail: String,
        /// Named checks of the request that failed, by their index in the scenario.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<usize>,
    },
    /// A command of the user's changed the target (`loadprof confirm`).
    Intervention {
        /// Whether it applied the intervention; else it took it back.
        applied: bool,
        /// From starting the command to its end.
        window: Window,
        /// The end of what it printed, secrets masked.
        output: String,
        /// How it failed; none if it did not.
        problem: Option<String>,
    },
    /// Recording could not go on (full disk): what was written stays.
    RecordingStopped {
        /// Why.
        why: String,
    },
    /// The user asked to stop.
    Interrupted,
}
