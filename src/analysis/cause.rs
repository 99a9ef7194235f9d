//! Breakdown rows and causes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Estimate;
use crate::time::Window;

/// Where the mean response time of a request goes, in the reference and in the judged window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Breakdown {
    /// Healthy window or baseline; none when the level is explained.
    pub reference: Option<WindowFacts>,
    /// The window that is explained.
    pub judged: WindowFacts,
    /// Rows, largest change (or level) first, without the unattributed one.
    pub rows: Vec<BreakdownRow>,
    /// Measured mean less the sum of the rows; never spread over the others.
    pub unattributed: BreakdownRow,
    /// Work of the service outside requests, resource time per request: not part of the sum.
    pub background: Vec<BreakdownRow>,
}

/// The facts of one window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WindowFacts {
    /// The window in its run.
    pub window: Window,
    /// Answers per second.
    pub throughput: f64,
    /// Mean response time in nanoseconds.
    pub mean: i64,
    /// Goroutine (or other state) snapshots used.
    pub snapshots: u64,
    /// CPU profile samples used.
    pub cpu_samples: u64,
    /// The part of the functions' CPU time that these saw by what the kernel counted, if what they say was divided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seen: Option<f64>,
    /// How many requests were in flight at the snapshots, if the rows that they give were set right by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
}

/// Requests in flight by the generator's own count: what snapshots met beyond the mean is chance, and taken out of the rows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InFlight {
    /// Mean at the snapshots.
    pub at_snapshots: f64,
    /// Mean over the whole window.
    pub mean: f64,
}

/// One exclusive state of a request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreakdownRow {
    /// What the request does or waits for.
    pub state: State,
    /// Innermost function of the application in that state; empty for client phases.
    pub at: String,
    /// Service it was seen in; empty for client phases.
    pub service: String,
    /// Time per request in the reference.
    pub reference: Option<Estimate>,
    /// Time per request in the judged window.
    pub judged: Estimate,
    /// Change; the level itself if there is no reference.
    pub change: Estimate,
}

/// What a request does or waits for: exclusive, so rows add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In the generator: late or waiting for a connection.
    ClientQueue,
    /// Name look-up, TCP connect, TLS handshake.
    ClientConnect,
    /// Writing the request and reading the answer on the client's side.
    ClientTransfer,
    /// Sent and not yet read by the service: in the receive queue of its socket.
    Unread,
    /// On a CPU.
    Cpu,
    /// Ready to run, waiting for a CPU.
    RunQueue,
    /// Waiting for a mutex.
    Lock,
    /// Waiting to hand something over on a channel, or for a free worker.
    ChannelSend,
    /// Waiting for something from a channel.
    ChannelReceive,
    /// Waiting in a select.
    Select,
    /// Waiting for a condition variable, wait group or semaphore.
    Sync,
    /// Waiting for a connection of a pool.
    ConnectionPool,
    /// Opening a connection to another service, a database or a cache.
    Dial,
    /// Waiting for another service over HTTP or gRPC.
    Downstream,
    /// Waiting for a database.
    Database,
    /// Waiting for a cache.
    Cache,
    /// Waiting for the network, neither of the above.
    Network,
    /// In a system call or a file.
    Syscall,
    /// Sleeping.
    Sleep,
    /// Helping or waiting for the garbage collector.
    GarbageCollection,
    /// In the service's handlers by its own count, beyond what is known of it.
    Handler,
    /// Waiting, for what is not known.
    OtherWait,
    /// Not seen by any source.
    Unattributed,
}

/// A named cause.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Kind.
    pub kind: CauseKind,
    /// Function (or pool, endpoint, setting) to blame, with its full name.
    pub at: String,
    /// What it does there: the called function that the time goes to; empty if it is itself.
    pub doing: String,
    /// Service.
    pub service: String,
    /// Added (or whole) time per request that goes away with it.
    pub explains: Estimate,
    /// Its share of the measured change (or level); may exceed 1, is never rescaled.
    pub share: f64,
    /// One sentence: who waits for whom.
    pub mechanism: String,
    /// What to do.
    pub remedy: String,
    /// Numbers beside it.
    pub evidence: Vec<Evidence>,
    /// Lines of source code that it is seen at, as far as profiles tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<CodeLine>,
}

/// A line of source code that evidence points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CodeLine {
    /// What is seen there.
    pub finding: LineFinding,
    /// Full name of the function it is in.
    pub function: String,
    /// Source file, as the profile names it.
    pub file: String,
    /// Line that was being executed, or waited at.
    pub line: i64,
    /// What is waited for there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Its part of all that was seen of this in the function: of what it has more of than in the reference, if that is known by
    /// lines, else of all of it.
    pub part: f64,
    /// Whether it is a part of what there is more of.
    pub added: bool,
}

/// What a line of code is seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineFinding {
    /// Burns CPU, or calls what does.
    Works,
    /// Allocates memory, or calls a library that does.
    Allocates,
    /// Allocates memory that stays in use.
    Keeps,
    /// Holds the lock, in what it is held for.
    Holds,
    /// Gives back a lock that others waited for.
    Unlocks,
    /// Waits.
    Waits,
}

/// Kinds of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A function burns CPU.
    Cpu,
    /// A lock is held too long.
    Lock,
    /// A pool of workers or connections is too small for its work.
    Pool,
    /// Another service answers late.
    Downstream,
    /// A database answers late.
    Database,
    /// A cache answers late.
    Cache,
    /// A site allocates so much that collecting it costs time.
    Allocation,
    /// A site allocates and keeps what it allocates, so that collecting costs more and more.
    MemoryLeak,
    /// Goroutines are started and never end.
    GoroutineLeak,
    /// A wait of another kind (sleep, condition, file).
    Wait,
    /// The CPUs are full and no one function is to blame.
    CpuSaturation,
    /// Connections are opened again and again, or slowly.
    Connect,
    /// The control group of the service may not use more of the CPUs.
    CpuLimit,
    /// Other processes of the machine take the CPUs.
    #[serde(rename = "noisy-neighbour")]
    Neighbour,
    /// The way between two services takes the time.
    Network,
    /// Writes wait for a disk.
    Disk,
    /// Calls fail and are made again.
    Retry,
    /// Something blocks on a worker of an asynchronous runtime, and all other tasks wait.
    BlockedWorker,
    /// A span takes longer, what is done in it is not known.
    Span,
}

impl CauseKind {
    /// The word in files and in `[expect]`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Lock => "lock",
            Self::Pool => "pool",
            Self::Downstream => "downstream",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Allocation => "allocation",
            Self::MemoryLeak => "memory-leak",
            Self::GoroutineLeak => "goroutine-leak",
            Self::Wait => "wait",
            Self::CpuSaturation => "cpu-saturation",
            Self::Connect => "connect",
            Self::CpuLimit => "cpu-limit",
            Self::Neighbour => "noisy-neighbour",
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Retry => "retry",
            Self::BlockedWorker => "blocked-worker",
            Self::Span => "span",
        }
    }
}

/// A number with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Which source, e.g. `goroutine snapshots`, `cpu profile`, `mutex profile`, `metrics`.
    pub tier: String,
    /// What it shows, one sentence with figures.
    pub says: String,
    /// Files in the run folder it was read from (a folder or one file).
    pub path: Option<String>,
}

/// CPU of a function per request, as `pprof -top -cum` counts it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FunctionRow {
    /// Full name.
    pub function: String,
    /// Service.
    pub service: String,
    /// Own time per request in the reference, nanoseconds.
    pub flat_reference: Option<i64>,
    /// Own time per request in the judged window.
    pub flat: i64,
    /// Time with everything it calls, in the reference.
    pub cum_reference: Option<i64>,
    /// Time with everything it calls, in the judged window.
    pub cum: i64,
}
