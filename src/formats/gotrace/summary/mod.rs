//! What a latency analysis asks of a trace, added up while it is read.
//!
//! Every goroutine is in exactly one state at a time, so the totals of its states add up to its life. Ranges
//! (marking, sweeping, the stopped world) overlap states and are counted apart.

mod collect;
mod intern;
mod profile;
mod query;
mod ranges;
mod totals;

use super::{Frame, GoState, GoTraceError, Id, Reader, Reading};

use collect::Collector;
use intern::Interner;
pub use profile::WaitKind;

/// Goroutines kept one by one; those beyond are added up by start function.
const MAX_GOROUTINES: usize = 100_000;
/// Rows of states, of edges and of CPU samples; what would open another one is added to coarser rows.
const MAX_ROWS: usize = 1 << 20;
/// Intervals, waits and lines of the log that are kept.
const MAX_INTERVALS: usize = 10_000;
const MAX_WAITS: usize = 1000;
const MAX_LOG: usize = 10_000;

/// A text of the trace: a function, a reason, a name. Read it with [`Summary::text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// A stack of the trace, the same in all generations. Read it with [`Summary::frames`]. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stack(u32);

/// How often and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How often.
    pub count: u64,
    /// Together, nanoseconds.
    pub nanos: u64,
    /// The longest one.
    pub longest_nanos: u64,
}

/// A goroutine, or all those of a start function that are not kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goroutine {
    /// Its number; none if this stands for several.
    pub id: Option<Id>,
    /// How many goroutines this stands for.
    pub members: u64,
    /// Function it was started with; "" if the trace does not show it.
    pub start: Name,
    /// Goroutine that started it; none if that was before the trace.
    pub creator: Option<Id>,
    /// Where it was started.
    pub creator_stack: Stack,
    /// Creation or begin of the trace, nanoseconds of the trace's clock.
    pub begin_nanos: u64,
    /// When it ended; none if it lives on.
    pub end_nanos: Option<u64>,
    /// Whether it was seen in the handlers of `net/http/pprof` or in the tracer: it is there because the
    /// program is looked at.
    pub observer: bool,
    /// Help with marking that its allocations were charged with; lies within its states.
    pub mark_assist: Total,
    index: u32,
}

/// Time that a goroutine spent in one state, for one reason, entered at one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTotal {
    /// Index into [`Summary::goroutines`].
    pub goroutine: u32,
    /// The state.
    pub state: GoState,
    /// Why it waits or was stopped; "" for other states, and where that was before the trace.
    pub reason: Name,
    /// Stack of the event that began the state: its own where it blocked, stopped or entered a system call;
    /// of the waker or creator where it became runnable; none where it began to run.
    pub stack: Stack,
    /// All of it, cut off at both ends of the trace.
    pub total: Total,
    /// How much of it `go tool trace -pprof` counts: what ended within the trace, and not before the
    /// goroutine ran for the first time.
    pub profiled_count: u64,
    /// As `profiled_count`, nanoseconds.
    pub profiled_nanos: u64,
}

/// Time that several goroutines spent in one state, for one reason, entered at one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSum {
    /// The state.
    pub state: GoState,
    /// As in [`StateTotal`].
    pub reason: Name,
    /// As in [`StateTotal`].
    pub stack: Stack,
    /// All goroutines together.
    pub total: Total,
}

/// Waits that began at one stack and were ended at another: who waited for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Start function of the goroutines that waited.
    pub waiter: Name,
    /// Where they blocked.
    pub waiter_stack: Stack,
    /// For what.
    pub reason: Name,
    /// Start function of the goroutines that woke them; none if that was the network poller, a timer or the
    /// collector.
    pub waker: Option<Name>,
    /// Where they were woken, e.g. in the `Unlock` of the function that held the lock.
    pub waker_stack: Stack,
    /// From the block to the wake.
    pub total: Total,
}

/// A single wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Who waited.
    pub waiter: Id,
    /// Who ended it.
    pub waker: Id,
    /// For what.
    pub reason: Name,
    /// Where it blocked.
    pub waiter_stack: Stack,
    /// Where it was woken.
    pub waker_stack: Stack,
    /// Begin, nanoseconds of the trace's clock.
    pub begin_nanos: u64,
    /// End.
    pub end_nanos: u64,
}

/// A stretch of time: a collection's marking, or a stopped world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Begin, nanoseconds of the trace's clock; the trace's begin if it was before.
    pub begin_nanos: u64,
    /// End; the trace's end if it was after.
    pub end_nanos: u64,
    /// Why the world was stopped; "" for marking.
    pub kind: Name,
    /// Goroutine that stopped the world.
    pub goroutine: Option<Id>,
}

/// Regions, or tasks, of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Start function of the goroutines; "" for tasks, which belong to none.
    pub function: Name,
    /// Name that the program gave.
    pub name: Name,
    /// Those that ended within the trace.
    pub total: Total,
}

/// A line that the program logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When, nanoseconds of the trace's clock.
    pub nanos: u64,
    /// By which goroutine.
    pub goroutine: Option<Id>,
    /// In which task; 0 is the background task.
    pub task: Id,
    /// Category.
    pub key: Name,
    /// Text.
    pub value: Name,
}

/// CPU samples of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTotal {
    /// Index into [`Summary::goroutines`]; none for samples outside of any.
    pub goroutine: Option<u32>,
    /// What ran.
    pub stack: Stack,
    /// How many samples.
    pub samples: u64,
}

/// A trace, added up.
#[derive(Debug)]
pub struct Summary {
    reading: Reading,
    names: Interner,
    procs: u64,
    heap_peak: u64,
    omitted_nanos: u64,
    goroutines: Vec<Goroutine>,
    states: Vec<StateTotal>,
    edges: Vec<Edge>,
    waits: Vec<Wait>,
    gc: Vec<Interval>,
    gc_total: Total,
    stw: Vec<Interval>,
    stw_totals: Vec<(Name, Total)>,
    sweep: Total,
    tasks: Vec<Region>,
    regions: Vec<Region>,
    log: Vec<LogLine>,
    cpu: Vec<CpuTotal>,
}

impl Summary {
    /// Reads and adds up a trace.
    ///
    /// # Errors
    /// If the bytes are not a trace or no generation of it is whole.
    pub fn read(bytes: &[u8]) -> Result<Self, GoTraceError> {
        let mut collector = Collector::default();
        let reading = Reader::new(bytes)?.read(&mut collector)?;
        Ok(collector.finish(reading))
    }

    /// Version, times, clock, and how the trace ended.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// `GOMAXPROCS`: the largest value seen; 0 if never.
    #[must_use]
    pub fn procs(&self) -> u64 {
        self.procs
    }

    /// Most bytes on the heap; 0 if not seen.
    #[must_use]
    pub fn heap_peak(&self) -> u64 {
        self.heap_peak
    }

    /// Nanoseconds of states and waits that are in no row because there were too many rows; 0 for any
    /// trace but a hostile one.
    #[must_use]
    pub fn omitted_nanos(&self) -> u64 {
        self.omitted_nanos
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// Frames of a stack, innermost call first.
    pub fn frames(&self, stack: Stack) -> impl DoubleEndedIterator<Item = Frame<'_>> {
        self.names.frames(stack)
    }

    /// Function names of a stack, innermost call first.
    pub fn functions(&self, stack: Stack) -> impl DoubleEndedIterator<Item = &str> {
        self.frames(stack).map(|f| f.function)
    }

    /// Goroutines, in the order in which they were first seen.
    #[must_use]
    pub fn goroutines(&self) -> &[Goroutine] {
        &self.goroutines
    }

    /// Totals of all states, by goroutine.
    #[must_use]
    pub fn states(&self) -> &[StateTotal] {
        &self.states
    }

    /// Who waited for whom, the most time first.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The longest waits that another goroutine ended, the longest first; at most a thousand.
    #[must_use]
    pub fn longest_waits(&self) -> &[Wait] {
        &self.waits
    }

    /// Mark phases of the collector; at most ten thousand.
    #[must_use]
    pub fn gc(&self) -> &[Interval] {
        &self.gc
    }

    /// All mark phases together.
    #[must_use]
    pub fn gc_total(&self) -> Total {
        self.gc_total
    }

    /// When the world was stopped; at most ten thousand.
    #[must_use]
    pub fn stopped_world(&self) -> &[Interval] {
        &self.stw
    }

    /// How long the world was stopped, by reason.
    #[must_use]
    pub fn stopped_world_totals(&self) -> &[(Name, Total)] {
        &self.stw_totals
    }

    /// Sweeping, on all processors together.
    #[must_use]
    pub fn sweep(&self) -> Total {
        self.sweep
    }

    /// Tasks by name, begun and ended within the trace.
    #[must_use]
    pub fn tasks(&self) -> &[Region] {
        &self.tasks
    }

    /// Regions by start function and name, begun and ended within the trace.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// What the program logged; at most ten thousand lines.
    #[must_use]
    pub fn log(&self) -> &[LogLine] {
        &self.log
    }

    /// CPU samples; there are some only if a CPU profile was taken at the same time.
    #[must_use]
    pub fn cpu(&self) -> &[CpuTotal] {
        &self.cpu
    }
}
