//! The scheduler replayed: which event may come next, and what it means.
//!
//! Every thread has at most one processor and one goroutine. An event that changes a goroutine or a
//! processor from afar (start, unblock, steal) carries a number, and may come only when that resource is in
//! the right state with the number before; until then its thread has to wait. Rules: `order.go` of
//! `internal/trace`. Ranges, tasks and regions do not bear on the order and are taken as they come.

mod annotations;
mod goroutines;
mod procs;
mod raw;

pub(super) use raw::Raw;

use super::hash::Table;
use super::spec::*;
use super::{Event, GoState, GoTraceError, Id, ProcState, StackIndex, TextIndex, What};

/// Most goroutines alive at once, threads and processors.
const MAX_GOROUTINES: usize = 1 << 21;
const MAX_THREADS: usize = 1 << 18;
const MAX_PROCS: usize = 1 << 16;

/// A resource whose change a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Goroutine(Id),
    Proc(Id),
    Gc,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It happened.
    Done,
    /// It cannot happen before this resource changes.
    Wait(Key),
}

/// Why an event can never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Rule(&'static str),
    TooMany(&'static str, usize),
}

impl Fault {
    pub(super) fn at(self, at: usize, generation: u64) -> GoTraceError {
        match self {
            Self::Rule(what) => GoTraceError::Broken { at, generation, what },
            Self::TooMany(what, limit) => GoTraceError::TooMany { what, limit },
        }
    }
}

type Outcome = Result<Step, Fault>;

/// Number of changes of a resource within a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seq {
    generation: u64,
    number: u64,
}

impl Seq {
    fn precedes(self, generation: u64, number: u64) -> bool {
        self.generation == generation && self.number.checked_add(1) == Some(number)
    }
}

#[derive(Clone, Copy, Debug)]
struct Goroutine {
    id: Id,
    state: GoState,
    seq: Seq,
}

#[derive(Clone, Copy, Debug)]
struct Proc {
    id: Id,
    state: ProcState,
    seq: Seq,
}

/// A thread and the slots of what it holds.
#[derive(Clone, Copy, Debug)]
struct Thread {
    id: Id,
    goroutine: Option<Held>,
    proc: Option<u32>,
}

/// A goroutine's slot; the slot may be another's by now, so the number is kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    slot: u32,
    id: Id,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum GcState {
    #[default]
    Unknown,
    Idle,
    Running,
}

/// State of the scheduler; lives as long as the trace.
#[derive(Debug, Default)]
pub(super) struct Order {
    generation: u64,
    first_generation: Option<u64>,
    goroutines: Vec<Goroutine>,
    free: Vec<u32>,
    goroutine_slots: Table<Id, u32>,
    procs: Vec<Proc>,
    proc_slots: Table<Id, u32>,
    threads: Vec<Thread>,
    thread_slots: Table<Id, u32>,
    gc: GcState,
    gc_seq: u64,
    /// What the event that was just done gives out, in order; times are set by the caller.
    pub(super) queue: Vec<Event>,
    /// What it changed that others may wait for.
    pub(super) touched: Vec<Key>,
}

/// The thread of an event and what it held before.
#[derive(Clone, Copy, Debug)]
struct Context {
    thread: Option<u32>,
    thread_id: Option<Id>,
    goroutine: Option<Held>,
    proc: Option<u32>,
    proc_id: Option<Id>,
}

impl Order {
    pub(super) fn begin_generation(&mut self, number: u64) {
        self.generation = number;
        self.first_generation.get_or_insert(number);
    }

    /// Slot of a thread, which is new if it was not seen before.
    pub(super) fn thread(&mut self, id: Id) -> Result<u32, GoTraceError> {
        self.thread_slot(id).map_err(|fault| fault.at(0, self.generation))
    }

    fn thread_slot(&mut self, id: Id) -> Result<u32, Fault> {
        if let Some(&slot) = self.thread_slots.get(&id) {
            return Ok(slot);
        }
        let slot = new_slot(self.threads.len(), "threads", MAX_THREADS)?;
        self.threads.push(Thread { id, goroutine: None, proc: None });
        self.thread_slots.insert(id, slot);
        Ok(slot)
    }

    /// Lets an event of a thread happen if it can. If it cannot, nothing has changed.
    pub(super) fn advance(&mut self, raw: &Raw, thread: Option<u32>) -> Outcome {
        let ctx = self.context(thread);
        match raw.kind {
            PROC_START => self.proc_start(raw, &ctx),
            PROC_STOP => self.proc_stop(&ctx),
            PROC_STEAL => self.proc_steal(raw, &ctx),
            PROC_STATUS => self.proc_status(raw, &ctx),
            GO_CREATE | GO_CREATE_BLOCKED => self.go_create(raw, &ctx),
            GO_CREATE_SYSCALL => self.go_create_syscall(raw, &ctx),
            GO_START => self.go_start(raw, &ctx),
            GO_DESTROY => self.go_destroy(&ctx),
            GO_DESTROY_SYSCALL => self.go_destroy_syscall(&ctx),
            GO_STOP => self.go_stop(raw, &ctx, GoState::Runnable),
            GO_BLOCK => self.go_stop(raw, &ctx, GoState::Waiting),
            GO_UNBLOCK => self.go_unblock(raw, &ctx),
            GO_SYSCALL_BEGIN => self.go_syscall_begin(raw, &ctx),
            GO_SYSCALL_END => self.go_syscall_end(&ctx),
            GO_SYSCALL_END_BLOCKED => self.go_syscall_end_blocked(&ctx),
            GO_STATUS | GO_STATUS_STACK => self.go_status(raw, &ctx),
            GO_SWITCH | GO_SWITCH_DESTROY => self.go_switch(raw, &ctx),
            GC_ACTIVE => self.gc_active(raw, &ctx),
            GC_BEGIN => self.gc_begin(raw, &ctx),
            GC_END => self.gc_end(raw, &ctx),
            _ => {
                self.annotation(raw, &ctx);
                Ok(Step::Done)
            }
        }
    }

    fn context(&self, thread: Option<u32>) -> Context {
        let held = thread.map(|slot| self.threads[slot as usize]);
        let proc = held.and_then(|t| t.proc);
        Context {
            thread,
            thread_id: held.map(|t| t.id),
            goroutine: held.and_then(|t| t.goroutine),
            proc,
            proc_id: proc.map(|slot| self.procs[slot as usize].id),
        }
    }

    /// The thread's record; events that bind something must happen on one.
    fn thread_of(&mut self, ctx: &Context) -> Result<&mut Thread, Fault> {
        let slot = ctx.thread.ok_or(Fault::Rule("an event that needs a thread has none"))?;
        Ok(&mut self.threads[slot as usize])
    }

    /// The thread's goroutine, which must be in `state`.
    fn current(&self, ctx: &Context, state: GoState) -> Result<Held, Fault> {
        let held = ctx.goroutine.ok_or(Fault::Rule("an event that needs a goroutine has none"))?;
        let goroutine = &self.goroutines[held.slot as usize];
        if goroutine.id != held.id {
            return Err(Fault::Rule("a thread runs a goroutine that has ended"));
        }
        if goroutine.state != state {
            return Err(Fault::Rule("a goroutine is in the wrong state for what it does"));
        }
        Ok(held)
    }

    fn needs_proc(ctx: &Context) -> Result<u32, Fault> {
        ctx.proc.ok_or(Fault::Rule("an event that needs a processor has none"))
    }

    fn is_first_generation(&self) -> bool {
        self.first_generation == Some(self.generation)
    }

    fn emit(&mut self, ctx: &Context, stack: Option<StackIndex>, what: What) {
        self.queue.push(Event {
            nanos: 0,
            thread: ctx.thread_id,
            proc: ctx.proc_id,
            goroutine: ctx.goroutine.map(|g| g.id),
            stack,
            what,
        });
    }

    /// A change of a goroutine without reason or stack of its own.
    fn emit_state(
        &mut self,
        ctx: &Context,
        stack: Option<StackIndex>,
        id: Id,
        from: Option<GoState>,
        to: Option<GoState>,
    ) {
        let reason = TextIndex::default();
        self.emit(ctx, stack, What::Goroutine { id, from, to, known: true, reason, own_stack: None });
    }
}

fn new_slot(used: usize, what: &'static str, limit: usize) -> Result<u32, Fault> {
    if used >= limit { Err(Fault::TooMany(what, limit)) } else { Ok(used as u32) }
}
