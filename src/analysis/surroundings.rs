//! What stood beside the requests: the machine of a service, and what the service wrote into its logs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unit;

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
    /// Time per second that its threads were ready and waited for a core.
    TasksWaiting,
    /// Cores that its control group may use.
    CpuQuota,
    /// Share of the quota's periods in which the group had to stop.
    ThrottledPeriods,
    /// Share of the time in which at least one task waited for a CPU.
    CpuPressure,
    /// Share of the time in which at least one task waited for memory.
    MemoryPressure,
    /// Share of the time in which at least one task waited for a disk.
    IoPressure,
    /// Resident memory.
    ResidentMemory,
    /// Threads.
    Threads,
    /// Open descriptors.
    OpenFds,
    /// Connections that waited to be accepted.
    AcceptQueue,
    /// Connections that were refused or dropped because the accept queue was full.
    ListenOverflows,
    /// Segments that were sent again.
    Retransmits,
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
