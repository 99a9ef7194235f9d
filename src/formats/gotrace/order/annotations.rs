//! Ranges, metrics and what the program says itself. Only the collector's begins and ends are numbered.

use super::super::Range;
use super::super::spec::*;
use super::{Context, Fault, GcState, Key, Order, Outcome, Raw, Step, TextIndex, What};

impl Order {
    /// The collector marked when the generation began.
    pub(super) fn gc_active(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        if self.is_first_generation() {
            if self.gc != GcState::Unknown {
                return Err(Fault::Rule("the collector is said to run after its first event"));
            }
        } else if self.gc_seq.wrapping_add(1) != raw.args[0] {
            return Ok(Step::Wait(Key::Gc));
        } else if self.gc != GcState::Running {
            return Err(Fault::Rule("the collector is said to run and does not"));
        }
        self.set_gc(GcState::Running, raw.args[0]);
        self.emit(ctx, None, begin(Range::Gc, None, TextIndex::default(), true));
        Ok(Step::Done)
    }

    pub(super) fn gc_begin(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        if self.gc != GcState::Unknown {
            if self.gc_seq.wrapping_add(1) != raw.args[0] {
                return Ok(Step::Wait(Key::Gc));
            }
            if self.gc == GcState::Running {
                return Err(Fault::Rule("the collector begins while it runs"));
            }
        }
        self.set_gc(GcState::Running, raw.args[0]);
        self.emit(ctx, raw.stack(1), begin(Range::Gc, None, TextIndex::default(), false));
        Ok(Step::Done)
    }

    pub(super) fn gc_end(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        if self.gc == GcState::Unknown || self.gc_seq.wrapping_add(1) != raw.args[0] {
            return Ok(Step::Wait(Key::Gc));
        }
        if self.gc == GcState::Idle {
            return Err(Fault::Rule("the collector ends but does not run"));
        }
        self.set_gc(GcState::Idle, raw.args[0]);
        self.emit(ctx, None, What::End { range: Range::Gc, owner: None });
        Ok(Step::Done)
    }

    fn set_gc(&mut self, state: GcState, number: u64) {
        (self.gc, self.gc_seq) = (state, number);
        self.touched.push(Key::Gc);
    }

    /// Everything that neither waits nor changes who runs what.
    pub(super) fn annotation(&mut self, raw: &Raw, ctx: &Context) {
        let goroutine = ctx.goroutine.map(|g| g.id);
        let [first, second, ..] = raw.args;
        let none = TextIndex::default();
        let (stack, what) = match raw.kind {
            PROCS_CHANGE => (raw.stack(1), What::Procs(first)),
            STW_BEGIN => (raw.stack(1), begin(Range::StopTheWorld, goroutine, raw.text(0), false)),
            STW_END => (None, What::End { range: Range::StopTheWorld, owner: goroutine }),
            SWEEP_ACTIVE => (None, begin(Range::Sweep, Some(first), none, true)),
            SWEEP_BEGIN => (raw.stack(0), begin(Range::Sweep, ctx.proc_id, none, false)),
            SWEEP_END => (None, What::End { range: Range::Sweep, owner: ctx.proc_id }),
            ASSIST_ACTIVE => (None, begin(Range::MarkAssist, Some(first), none, true)),
            ASSIST_BEGIN => (raw.stack(0), begin(Range::MarkAssist, goroutine, none, false)),
            ASSIST_END => (None, What::End { range: Range::MarkAssist, owner: goroutine }),
            HEAP_ALLOC => (None, What::HeapAlloc(first)),
            HEAP_GOAL => (None, What::HeapGoal(first)),
            GO_LABEL => (None, What::Label(raw.text(0))),
            TASK_BEGIN => {
                let parent = (second != 0).then_some(second);
                (raw.stack(3), What::TaskBegin { id: first, parent, name: raw.text(2) })
            }
            TASK_END => (raw.stack(1), What::TaskEnd { id: first }),
            REGION_BEGIN => (raw.stack(2), What::RegionBegin { task: first, name: raw.text(1) }),
            REGION_END => (raw.stack(2), What::RegionEnd { task: first, name: raw.text(1) }),
            USER_LOG => (raw.stack(3), What::Log { task: first, key: raw.text(1), value: raw.text(2) }),
            // The allocation experiment.
            _ => return,
        };
        self.emit(ctx, stack, what);
    }
}

fn begin(range: Range, owner: Option<u64>, kind: TextIndex, already: bool) -> What {
    What::Begin { range, owner, kind, already }
}
