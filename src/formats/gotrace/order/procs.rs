//! Events of processors.

use super::{
    Context, Fault, Id, Key, MAX_PROCS, Order, Outcome, Proc, ProcState, Raw, Seq, Step, What, new_slot,
};

impl Order {
    pub(super) fn proc_start(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, number, ..] = raw.args;
        let ready = self.proc_in(id, number, |s| s == ProcState::Idle);
        let Some(slot) = ready else { return Ok(Step::Wait(Key::Proc(id))) };
        // A thread back from a system call still seems to hold the processor that is taken from it.
        if let Some(own) = ctx.proc_id {
            return Ok(Step::Wait(Key::Proc(own)));
        }
        self.thread_of(ctx)?.proc = Some(slot);
        self.set_proc(slot, ProcState::Running, Some(number));
        self.emit(ctx, None, What::Proc { id, to: ProcState::Running });
        Ok(Step::Done)
    }

    pub(super) fn proc_stop(&mut self, ctx: &Context) -> Outcome {
        let slot = Self::needs_proc(ctx)?;
        let Proc { id, state, .. } = self.procs[slot as usize];
        if !matches!(state, ProcState::Running | ProcState::Syscall) {
            return Err(Fault::Rule("a processor stops that does not run"));
        }
        self.thread_of(ctx)?.proc = None;
        self.set_proc(slot, ProcState::Idle, None);
        self.emit(ctx, None, What::Proc { id, to: ProcState::Idle });
        Ok(Step::Done)
    }

    pub(super) fn proc_steal(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, number, victim, _] = raw.args;
        let in_syscall = |s| matches!(s, ProcState::Syscall | ProcState::SyscallAbandoned);
        let Some(slot) = self.proc_in(id, number, in_syscall) else {
            return Ok(Step::Wait(Key::Proc(id)));
        };
        // Of an abandoned processor nobody knows the thread any more.
        if self.procs[slot as usize].state == ProcState::Syscall {
            let victim = self
                .thread_slots
                .get(&victim)
                .map(|&t| &mut self.threads[t as usize])
                .filter(|t| t.proc == Some(slot))
                .ok_or(Fault::Rule("a processor is taken from a thread that does not hold it"))?;
            victim.proc = None;
        }
        self.set_proc(slot, ProcState::Idle, Some(number));
        self.emit(ctx, None, What::Proc { id, to: ProcState::Idle });
        Ok(Step::Done)
    }

    pub(super) fn proc_status(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, code, ..] = raw.args;
        let state = match code {
            1 => ProcState::Running,
            2 => ProcState::Idle,
            3 => ProcState::Syscall,
            4 => ProcState::SyscallAbandoned,
            _ => return Err(Fault::Rule("a processor has a state that does not exist")),
        };
        let slot = match self.proc_slots.get(&id) {
            Some(&slot) => {
                let known = self.procs[slot as usize].state;
                // `Syscall` says more than `SyscallAbandoned`: nothing is lost here.
                let agrees =
                    known == state || (state == ProcState::SyscallAbandoned && known == ProcState::Syscall);
                if !agrees {
                    return Err(Fault::Rule("a processor is not in the state that it is said to be in"));
                }
                slot
            }
            None => self.new_proc(id, state)?,
        };
        self.procs[slot as usize].seq = Seq { generation: self.generation, number: 0 };
        self.touched.push(Key::Proc(id));
        if matches!(state, ProcState::Running | ProcState::Syscall) && ctx.thread.is_some() {
            self.thread_of(ctx)?.proc = Some(slot);
        }
        self.emit(ctx, None, What::Proc { id, to: self.procs[slot as usize].state });
        Ok(Step::Done)
    }

    fn new_proc(&mut self, id: Id, state: ProcState) -> Result<u32, Fault> {
        let slot = new_slot(self.procs.len(), "processors", MAX_PROCS)?;
        self.procs.push(Proc { id, state, seq: Seq { generation: self.generation, number: 0 } });
        self.proc_slots.insert(id, slot);
        Ok(slot)
    }

    /// Slot of a processor in a state that fits and whose next change has this number.
    fn proc_in(&self, id: Id, number: u64, fits: impl Fn(ProcState) -> bool) -> Option<u32> {
        let &slot = self.proc_slots.get(&id)?;
        let proc = &self.procs[slot as usize];
        (fits(proc.state) && proc.seq.precedes(self.generation, number)).then_some(slot)
    }

    /// Changes a processor, and wakes what waits for it.
    pub(super) fn set_proc(&mut self, slot: u32, state: ProcState, number: Option<u64>) {
        let generation = self.generation;
        let proc = &mut self.procs[slot as usize];
        proc.state = state;
        if let Some(number) = number {
            proc.seq = Seq { generation, number };
        }
        self.touched.push(Key::Proc(proc.id));
    }
}
