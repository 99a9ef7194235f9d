//! What stood beside the requests: the machine of a service, its scheduler while a trace was taken, and what it wrote
//! into its logs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{State, Unit};
use crate::time::RunTime;

/// A reading of a service's processes or their machine: the judged part, and the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Service.
    pub service: String,
    /// What was read.
    pub what: ReadingKind,
    /// Unit of the values.
    pub unit: Unit,
    /// Typical value in the reference; none without one.
    pub reference: Option<f64>,
    /// Typical value in the judged part.
    pub judged: f64,
}

/// What was read of a service's processes or their machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingKind {
    /// CPU time per second.
    CoresUsed,
    /// Cores that it may run on.
    Cores,
    /// How many of them were busy, whoever used them.
    CoresBusy,
    /// Time per second that its threads were ready and waited for a core.
    TasksWaiting,
    /// Cores that its control group may use.
    CpuQuota,
    /// Share of the quota's periods in which the group had to stop; time without a quota counts as periods without a stop.
    ThrottledPeriods,
    /// Share of the time of its cores in which the group was stopped.
    Stopped,
    /// Share of the time in which at least one task waited for a CPU.
    CpuPressure,
    /// Share of the time in which at least one task waited for memory.
    MemoryPressure,
    /// Share of the time in which at least one task waited for a disk.
    IoPressure,
    /// Resident memory.
    ResidentMemory,
    /// Resident memory as a share of what its control group may use: the group's own count has the page cache in it.
    MemoryLimit,
    /// Threads.
    Threads,
    /// Open descriptors.
    OpenFds,
    /// The same as a share of how many it may open.
    FdLimit,
    /// Connections that waited to be accepted.
    AcceptQueue,
    /// Connections that were refused or dropped because the accept queue was full.
    ListenOverflows,
    /// Segments that were sent again.
    Retransmits,
}

/// How full a resource is: a part of what it can give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Utilization {
    /// Service.
    pub service: String,
    /// The resource in words, with how much of it there is, e.g. `CPU quota of 0.5 cores`.
    pub resource: String,
    /// Part that was in use in the reference; none without one.
    pub reference: Option<f64>,
    /// The same in the judged part.
    pub judged: f64,
    /// Whether what asks for more of it waits; else it fails.
    pub queues: bool,
}

/// Part of a resource from which it is called full: what asks for more of it waits.
pub const FULL: f64 = 0.9;

impl Utilization {
    /// Whether there is next to none left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.judged >= FULL
    }
}

/// What a query to a Prometheus server gave, or a number of `expvar` that moved: the judged part, and the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricReading {
    /// Service.
    pub service: String,
    /// Name of the query, or path of the number.
    pub name: String,
    /// Labels of the series, by name.
    pub labels: BTreeMap<String, String>,
    /// Unit of the values; none if it is not known.
    pub unit: Option<Unit>,
    /// Mean in the reference, of a counter its growth per second; none without one.
    pub reference: Option<f64>,
    /// The same of the judged part.
    pub judged: f64,
}

/// Log lines of one statement: what stays the same in them when values change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogPattern {
    /// Service.
    pub service: String,
    /// The message, `<*>` in the place of values.
    pub pattern: String,
    /// Level as the service writes it; empty if there is none.
    pub level: String,
    /// Lines in the judged part.
    pub lines: u64,
    /// Lines per second in the judged part.
    pub per_second: f64,
    /// Lines per second in the reference; none without one.
    pub reference_per_second: Option<f64>,
    /// How many of the lines carry the trace id of one of the slowest requests of a period.
    pub of_slow: u64,
    /// One of the lines, its message cut.
    pub example: String,
}

/// What an execution trace says of the goroutines that serve requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceFacts {
    /// Service.
    pub service: String,
    /// Why it was taken: `healthy` or `anomaly`.
    pub why: String,
    /// When it was asked for.
    pub at: RunTime,
    /// Length of the trace.
    pub nanos: u64,
    /// Path in the run folder.
    pub path: String,
    /// Requests that ended while it was taken; what follows is per such request.
    pub requests: u64,
    /// Time of the goroutines that serve requests, by what they did; waiting for a next request is left out.
    pub states: Vec<StateTime>,
    /// Waits of requests by who ended them, the longest in all first.
    pub handoffs: Vec<Handoff>,
    /// Time in which a collection was marking, as a share of the trace.
    pub marking: f64,
    /// Time in which the program was stopped as a whole, as a share of the trace.
    pub stopped: f64,
    /// Why a part of the file could not be read; none if it was read to its end.
    pub problem: Option<String>,
}

/// Time in one state, nanoseconds per request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StateTime {
    /// The state.
    pub state: State,
    /// Nanoseconds per request.
    pub nanos: i64,
}

/// Waits of requests at one place that another place ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Handoff {
    /// What they waited for.
    pub state: State,
    /// Function that waited.
    pub waiter: String,
    /// Function that let it go on, e.g. the one that released a lock; empty for the network, a timer or the runtime.
    pub waker: String,
    /// Nanoseconds per request.
    pub nanos: i64,
    /// How many waits.
    pub count: u64,
}

/// Critical paths of the traces that services sent, by service and span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanFacts {
    /// Traces of the judged part, whole ones.
    pub traces: u64,
    /// Traces of the reference; none without one.
    pub reference_traces: Option<u64>,
    /// Traces of either that are not whole and in no row.
    pub left_out: u64,
    /// Traces of the judged part in which a clock was set right.
    pub shifted: u64,
    /// Clocks that were off by a millisecond or more; log records and metrics were set right by the same.
    #[serde(default)]
    pub clocks: Vec<ClockFacts>,
    /// Share of the traces received that was kept: 1 unless there were too many.
    pub kept: f64,
    /// Mean length of a trace of the judged part, nanoseconds.
    pub mean: i64,
    /// The service that most traces of the judged part begin in.
    #[serde(default)]
    pub root: String,
    /// The slowest traces of the judged part; none if there are too few.
    #[serde(default)]
    pub tail: Option<TailFacts>,
    /// Rows; those of the judged part add up to the mean.
    pub rows: Vec<SpanRow>,
}

/// The slowest of many traces: where their time goes may differ from where that of all goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TailFacts {
    /// How many there are.
    pub traces: u64,
    /// Length of the shortest of them, nanoseconds.
    pub beyond: i64,
    /// Their mean length, nanoseconds.
    pub mean: i64,
}

/// The clock of a machine, or of a service that names none, against the clock that most traces begin on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockFacts {
    /// Name of the machine or service.
    pub clock: String,
    /// Nanoseconds that it is behind; less than zero if it is ahead.
    pub behind: i64,
}

/// Time that spans of one name have on the critical path, without their children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanRow {
    /// Service.
    pub service: String,
    /// Name of the spans.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: String,
    /// Nanoseconds per trace.
    pub nanos: i64,
    /// The same in the reference; none without one.
    pub reference: Option<i64>,
    /// Nanoseconds per trace of the slowest ones of the judged part.
    #[serde(default)]
    pub tail: Option<i64>,
    /// Spans per trace.
    pub per_trace: f64,
    /// Other services whose spans are children of these.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Spans in error.
    pub failed: u64,
}

impl SpanRow {
    /// Nanoseconds per trace more than in the reference; all of them without one.
    #[must_use]
    pub fn growth(&self) -> i64 {
        self.nanos - self.reference.unwrap_or(0)
    }

    /// Whether these spans are calls of another service, so that their own time is the way there and back.
    #[must_use]
    pub fn is_call(&self) -> bool {
        matches!(self.kind.as_str(), "client" | "producer")
    }
}
