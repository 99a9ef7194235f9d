//! Events in their order.

use std::num::NonZeroU32;

/// Number of a goroutine, thread, processor or task, as the runtime counts them.
pub type Id = u64;

/// A string of a [`super::Generation`]; the default is "".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TextIndex(pub(super) Option<NonZeroU32>);

impl TextIndex {
    pub(super) fn new(index: u32) -> Self {
        Self(NonZeroU32::new(index.saturating_add(1)))
    }

    /// Index below [`super::Generation::texts`]; none for "".
    #[must_use]
    pub fn index(self) -> Option<usize> {
        self.0.map(|i| i.get() as usize - 1)
    }
}

/// A stack of a [`super::Generation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackIndex(pub(super) u32);

impl StackIndex {
    /// Index below [`super::Generation::stacks`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a goroutine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoState {
    /// Could run and waits for a processor.
    Runnable,
    /// Runs.
    Running,
    /// In a system call.
    Syscall,
    /// Waits for something other than a processor.
    Waiting,
}

/// What a processor (the P of the scheduler, not a core) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcState {
    /// Belongs to a thread.
    Running,
    /// Free.
    Idle,
    /// Belongs to a thread in a system call and can be taken from it.
    Syscall,
    /// As `Syscall`, but the thread it belonged to is not known any more.
    SyscallAbandoned,
}

/// What has a begin and an end besides states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// The concurrent mark phase of the garbage collector.
    Gc,
    /// A processor sweeps.
    Sweep,
    /// A goroutine that allocates helps to mark.
    MarkAssist,
    /// A goroutine holds the world stopped.
    StopTheWorld,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, nanoseconds of the trace's clock; later than every event before it.
    pub nanos: u64,
    /// Thread on which it happened; none for events outside of any.
    pub thread: Option<Id>,
    /// Processor that the thread held before the event.
    pub proc: Option<Id>,
    /// Goroutine that the thread ran before the event.
    pub goroutine: Option<Id>,
    /// Stack of what ran: of the waker where a goroutine is woken, of the creator where one is created.
    pub stack: Option<StackIndex>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A goroutine changes its state, or is seen in it at the start of a generation (`from` = `to`).
    Goroutine {
        /// Which.
        id: Id,
        /// State before; none if it did not exist, or was not seen yet (`known` is false).
        from: Option<GoState>,
        /// State after; none if it ended.
        to: Option<GoState>,
        /// False where a goroutine from before the trace is first seen.
        known: bool,
        /// Why it stops or blocks; empty for other changes.
        reason: TextIndex,
        /// Its own stack, where the trace has it; of a new goroutine that of its start function.
        own_stack: Option<StackIndex>,
    },
    /// A processor changes its state.
    Proc {
        /// Which.
        id: Id,
        /// State after.
        to: ProcState,
    },
    /// `GOMAXPROCS` is now this.
    Procs(u64),
    /// A range begins.
    Begin {
        /// Which kind.
        range: Range,
        /// Goroutine or processor it belongs to; none for [`Range::Gc`].
        owner: Option<Id>,
        /// Why the world is stopped; empty for other ranges.
        kind: TextIndex,
        /// True if it had begun before the generation did and is only seen now.
        already: bool,
    },
    /// A range ends.
    End {
        /// Which kind.
        range: Range,
        /// Goroutine or processor it belongs to; none for [`Range::Gc`].
        owner: Option<Id>,
    },
    /// Bytes on the heap.
    HeapAlloc(u64),
    /// Bytes on the heap at which the next collection is to end.
    HeapGoal(u64),
    /// The running goroutine gets a label (the runtime marks its workers so).
    Label(TextIndex),
    /// A task begins.
    TaskBegin {
        /// Which.
        id: Id,
        /// The task it is part of.
        parent: Option<Id>,
        /// Its name.
        name: TextIndex,
    },
    /// A task ends; may come twice, and without a begin.
    TaskEnd {
        /// Which.
        id: Id,
    },
    /// A region begins in the running goroutine.
    RegionBegin {
        /// Its task; 0 is the background task.
        task: Id,
        /// Its name.
        name: TextIndex,
    },
    /// A region ends in the running goroutine; may lack a begin.
    RegionEnd {
        /// Its task; 0 is the background task.
        task: Id,
        /// Its name.
        name: TextIndex,
    },
    /// A line of the program's own.
    Log {
        /// Its task; 0 is the background task.
        task: Id,
        /// Its category.
        key: TextIndex,
        /// Its text.
        value: TextIndex,
    },
    /// A CPU sample: `goroutine` was running `stack`.
    CpuSample,
}
