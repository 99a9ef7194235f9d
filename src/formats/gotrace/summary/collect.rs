//! Adds up the events of a trace as they come.

use super::super::hash::Table;
use super::super::{
    Event, Generation, GoState, GoTraceError, Id, Reading, StackIndex, TextIndex, Visitor, What,
};
use super::intern::Interner;
use super::ranges::Ranges;
use super::totals::{EdgeKey, Rows, StateKey};
use super::{Goroutine, MAX_GOROUTINES, Name, Stack, Summary, Total, Wait};

/// A goroutine that has not ended, and the state it is in.
#[derive(Clone, Copy, Debug)]
struct Live {
    index: u32,
    state: GoState,
    reason: Name,
    stack: Stack,
    /// Begin of the state, at the earliest the trace's.
    since: u64,
    /// The event that showed the state; later than `since` for the first state of the trace.
    seen: u64,
    has_run: bool,
}

/// The change of a goroutine's state.
#[derive(Clone, Copy)]
struct Change {
    id: Id,
    to: Option<GoState>,
    reason: TextIndex,
    own_stack: Option<StackIndex>,
}

/// The visitor behind [`Summary::read`].
#[derive(Debug, Default)]
pub(super) struct Collector {
    names: Interner,
    goroutines: Vec<Goroutine>,
    /// Index of what stands for all goroutines of a start function that are not kept.
    rest: Table<Name, u32>,
    slots: Table<Id, u32>,
    /// By slot; those of goroutines that ended are used again.
    live: Vec<Live>,
    free: Vec<u32>,
    rows: Rows,
    ranges: Ranges,
    procs: u64,
    heap_peak: u64,
    generation_begin: u64,
}

impl Visitor for Collector {
    fn generation(&mut self, generation: &Generation<'_>) -> Result<(), GoTraceError> {
        self.names.begin(generation);
        self.generation_begin = generation.begin_nanos();
        Ok(())
    }

    fn event(&mut self, event: &Event, generation: &Generation<'_>) -> Result<(), GoTraceError> {
        match event.what {
            What::Goroutine { id, from, to, known, reason, own_stack } => {
                let change = Change { id, to, reason, own_stack };
                if from.is_none() {
                    self.appear(event, generation, change, known);
                } else if from == to {
                    self.confirm(generation, change);
                } else {
                    self.change(event, generation, change);
                }
            }
            What::Begin { range, owner, kind, already } => {
                let kind = self.names.name(generation, kind);
                let begin = if already { self.generation_begin.min(event.nanos) } else { event.nanos };
                self.ranges.begin(range, owner, kind, begin);
            }
            What::End { range, owner } => {
                if let Some(assist) = self.ranges.end(range, owner, event.nanos) {
                    self.assisted(owner, assist);
                }
            }
            What::Procs(n) => self.procs = self.procs.max(n),
            What::HeapAlloc(bytes) => self.heap_peak = self.heap_peak.max(bytes),
            What::CpuSample => {
                let stack = self.names.stack(generation, event.stack);
                let goroutine = event.goroutine.and_then(|id| self.live(id)).map(|l| l.index);
                self.rows.cpu(goroutine, stack);
            }
            What::Proc { .. } | What::HeapGoal(_) | What::Label(_) => {}
            _ => self.annotation(event, generation),
        }
        Ok(())
    }
}

impl Collector {
    fn live(&self, id: Id) -> Option<&Live> {
        self.slots.get(&id).map(|&slot| &self.live[slot as usize])
    }

    fn born(&mut self, id: Id, live: Live) {
        let slot = self.free.pop().unwrap_or(self.live.len() as u32);
        match self.live.get_mut(slot as usize) {
            Some(free) => *free = live,
            None => self.live.push(live),
        }
        self.slots.insert(id, slot);
    }

    /// A goroutine is created, or is first seen.
    fn appear(&mut self, event: &Event, generation: &Generation<'_>, change: Change, known: bool) {
        let Some(state) = change.to else { return };
        let stack = self.names.stack(generation, event.stack);
        let own_stack = self.names.stack(generation, change.own_stack);
        let start = self.names.root(own_stack).unwrap_or_default();
        let since = if known { event.nanos } else { self.generation_begin.min(event.nanos) };
        let (creator, creator_stack) =
            if known { (event.goroutine, stack) } else { (None, Stack::default()) };
        let goroutine = Goroutine {
            id: Some(change.id),
            members: 1,
            start,
            creator,
            creator_stack,
            begin_nanos: since,
            end_nanos: None,
            observer: self.names.is_observer(own_stack),
            mark_assist: Total::default(),
            index: 0,
        };
        let live = Live {
            index: self.keep(goroutine),
            state,
            reason: Name::default(),
            stack,
            since,
            seen: event.nanos,
            has_run: state == GoState::Running,
        };
        self.born(change.id, live);
    }

    /// Index of a new goroutine, or of what stands for those like it.
    fn keep(&mut self, goroutine: Goroutine) -> u32 {
        let next = self.goroutines.len() as u32;
        if (next as usize) < MAX_GOROUTINES {
            self.goroutines.push(Goroutine { index: next, ..goroutine });
            return next;
        }
        let index = *self.rest.entry(goroutine.start).or_insert(next);
        if index == next {
            let creator_stack = Stack::default();
            let rest = Goroutine { id: None, members: 0, creator: None, creator_stack, index, ..goroutine };
            self.goroutines.push(rest);
        }
        self.goroutines[index as usize].members += 1;
        index
    }

    /// A later generation shows a goroutine in the state it is in; what it lacked may be filled in.
    fn confirm(&mut self, generation: &Generation<'_>, change: Change) {
        let own_stack = self.names.stack(generation, change.own_stack);
        let Some(&slot) = self.slots.get(&change.id) else { return };
        let live = &mut self.live[slot as usize];
        if live.stack == Stack::default() {
            live.stack = own_stack;
        }
        let index = live.index;
        self.learn(index, own_stack);
    }

    /// What a stack of its own tells about a goroutine.
    fn learn(&mut self, index: u32, own_stack: Stack) {
        if own_stack == Stack::default() {
            return;
        }
        let goroutine = &mut self.goroutines[index as usize];
        if goroutine.id.is_none() {
            return;
        }
        if goroutine.start == Name::default() {
            goroutine.start = self.names.root(own_stack).unwrap_or_default();
        }
        goroutine.observer |= self.names.is_observer(own_stack);
    }

    fn change(&mut self, event: &Event, generation: &Generation<'_>, change: Change) {
        let Some(&slot) = self.slots.get(&change.id) else { return };
        let live = self.live[slot as usize];
        let own_stack = self.names.stack(generation, change.own_stack);
        self.learn(live.index, own_stack);
        let stack = self.names.stack(generation, event.stack);
        if live.state == GoState::Waiting && change.to == Some(GoState::Runnable) {
            self.woken(event, change.id, &live, stack);
        }
        self.close(&live, event.nanos, true);
        let Some(state) = change.to else {
            self.slots.remove(&change.id);
            self.free.push(slot);
            self.ranges.forget(change.id);
            let goroutine = &mut self.goroutines[live.index as usize];
            goroutine.end_nanos = goroutine.id.map(|_| event.nanos);
            return;
        };
        self.live[slot as usize] = Live {
            state,
            reason: self.names.name(generation, change.reason),
            stack,
            since: event.nanos,
            seen: event.nanos,
            has_run: live.has_run || state == GoState::Running,
            ..live
        };
    }

    /// Adds the state that ends, or is cut off by the trace's end.
    fn close(&mut self, live: &Live, nanos: u64, ended: bool) {
        let key =
            StateKey { goroutine: live.index, state: live.state, reason: live.reason, stack: live.stack };
        let profiled = (ended && live.has_run).then(|| nanos.saturating_sub(live.seen));
        self.rows.state(key, nanos.saturating_sub(live.since), profiled);
    }

    fn woken(&mut self, event: &Event, id: Id, live: &Live, waker_stack: Stack) {
        let start = |index: u32| self.goroutines[index as usize].start;
        let waker = event.goroutine.map(|w| self.live(w).map_or(Name::default(), |l| start(l.index)));
        let (reason, waiter_stack) = (live.reason, live.stack);
        let key = EdgeKey { waiter: start(live.index), waiter_stack, reason, waker, waker_stack };
        self.rows.edge(key, event.nanos.saturating_sub(live.since));
        if let Some(waker) = event.goroutine {
            let (begin_nanos, end_nanos) = (live.since.min(event.nanos), event.nanos);
            self.rows.wait(Wait {
                waiter: id,
                waker,
                reason,
                waiter_stack,
                waker_stack,
                begin_nanos,
                end_nanos,
            });
        }
    }

    fn assisted(&mut self, goroutine: Option<Id>, nanos: u64) {
        if let Some(live) = goroutine.and_then(|id| self.live(id)).copied() {
            self.goroutines[live.index as usize].mark_assist.add(nanos);
        }
    }

    fn annotation(&mut self, event: &Event, generation: &Generation<'_>) {
        match event.what {
            What::TaskBegin { id, name, .. } => {
                let name = self.names.name(generation, name);
                self.ranges.begin_task(id, name, event.nanos);
            }
            What::TaskEnd { id } => self.ranges.end_task(id, event.nanos),
            What::RegionBegin { name, .. } => {
                let name = self.names.name(generation, name);
                self.ranges.begin_region(event.goroutine, name, event.nanos);
            }
            What::RegionEnd { name, .. } => {
                let name = self.names.name(generation, name);
                let live = event.goroutine.and_then(|id| self.live(id));
                let function = live.map_or(Name::default(), |l| self.goroutines[l.index as usize].start);
                self.ranges.end_region(event.goroutine, function, name, event.nanos);
            }
            What::Log { task, key, value } => {
                let key = self.names.name(generation, key);
                let value = self.names.name(generation, value);
                self.ranges.log(event, task, key, value);
            }
            _ => {}
        }
    }

    /// Ends everything at the trace's end.
    pub(super) fn finish(mut self, reading: Reading) -> Summary {
        let slots = std::mem::take(&mut self.slots);
        for &slot in slots.values() {
            let live = self.live[slot as usize];
            self.close(&live, reading.end_nanos, false);
        }
        let owner = |id| slots.get(&id).map(|&slot| self.live[slot as usize].index);
        self.ranges.finish(reading.end_nanos, &mut self.goroutines, owner);
        self.names.finish();
        let Self { names, goroutines, mut rows, mut ranges, procs, heap_peak, .. } = self;
        Summary {
            reading,
            names,
            procs,
            heap_peak,
            omitted_nanos: rows.omitted_nanos,
            goroutines,
            states: rows.take_states(),
            edges: rows.take_edges(),
            waits: rows.take_waits(),
            stw_totals: ranges.take_stw_totals(),
            tasks: ranges.take_tasks(),
            regions: ranges.take_regions(),
            gc: ranges.gc,
            gc_total: ranges.gc_total,
            stw: ranges.stw,
            sweep: ranges.sweep,
            log: ranges.log,
            cpu: rows.take_cpu(),
        }
    }
}
