//! Events of goroutines.

use super::{
    Context, Fault, GO_CREATE_BLOCKED, GO_STATUS_STACK, GO_SWITCH, GoState, Goroutine, Held, Id, Key,
    MAX_GOROUTINES, Order, Outcome, ProcState, Raw, Seq, Step, TextIndex, What, new_slot,
};

impl Order {
    pub(super) fn go_create(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        Self::needs_proc(ctx)?;
        if ctx.goroutine.is_some() {
            self.current(ctx, GoState::Running)?;
        }
        let id = raw.args[0];
        let state = if raw.kind == GO_CREATE_BLOCKED { GoState::Waiting } else { GoState::Runnable };
        self.new_goroutine(id, state)?;
        self.emit(ctx, raw.stack(2), first_state(id, state, raw.stack(1)));
        Ok(Step::Done)
    }

    /// A thread of another language calls into Go.
    pub(super) fn go_create_syscall(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        if ctx.goroutine.is_some() {
            return Err(Fault::Rule("a thread gets a second goroutine"));
        }
        let id = raw.args[0];
        let held = self.new_goroutine(id, GoState::Syscall)?;
        self.thread_of(ctx)?.goroutine = Some(held);
        self.emit(ctx, None, first_state(id, GoState::Syscall, None));
        Ok(Step::Done)
    }

    pub(super) fn go_start(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, number, ..] = raw.args;
        let Some(held) = self.goroutine_in(id, number, GoState::Runnable) else {
            return Ok(Step::Wait(Key::Goroutine(id)));
        };
        Self::needs_proc(ctx)?;
        if ctx.goroutine.is_some() {
            return Err(Fault::Rule("a thread starts a second goroutine"));
        }
        self.thread_of(ctx)?.goroutine = Some(held);
        self.set_goroutine(held, GoState::Running, Some(number));
        self.emit_state(ctx, None, id, Some(GoState::Runnable), Some(GoState::Running));
        Ok(Step::Done)
    }

    pub(super) fn go_destroy(&mut self, ctx: &Context) -> Outcome {
        Self::needs_proc(ctx)?;
        let held = self.current(ctx, GoState::Running)?;
        self.thread_of(ctx)?.goroutine = None;
        self.end_goroutine(held);
        self.emit_state(ctx, None, held.id, Some(GoState::Running), None);
        Ok(Step::Done)
    }

    /// A thread of another language leaves Go, for good: its number may be used again, so it must not keep
    /// the processor.
    pub(super) fn go_destroy_syscall(&mut self, ctx: &Context) -> Outcome {
        let held = self.current(ctx, GoState::Syscall)?;
        if let Some(proc) = ctx.proc {
            if self.procs[proc as usize].state != ProcState::Syscall {
                return Err(Fault::Rule("a goroutine ends in a system call but its processor is in none"));
            }
            self.set_proc(proc, ProcState::SyscallAbandoned, None);
        }
        let thread = self.thread_of(ctx)?;
        (thread.goroutine, thread.proc) = (None, None);
        self.end_goroutine(held);
        self.emit_state(ctx, None, held.id, Some(GoState::Syscall), None);
        Ok(Step::Done)
    }

    /// Stops (`Runnable`) or blocks (`Waiting`).
    pub(super) fn go_stop(&mut self, raw: &Raw, ctx: &Context, to: GoState) -> Outcome {
        Self::needs_proc(ctx)?;
        let held = self.current(ctx, GoState::Running)?;
        self.thread_of(ctx)?.goroutine = None;
        self.set_goroutine(held, to, None);
        let what = What::Goroutine {
            id: held.id,
            from: Some(GoState::Running),
            to: Some(to),
            known: true,
            reason: raw.text(0),
            own_stack: raw.stack(1),
        };
        self.emit(ctx, raw.stack(1), what);
        Ok(Step::Done)
    }

    pub(super) fn go_unblock(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, number, ..] = raw.args;
        let Some(held) = self.goroutine_in(id, number, GoState::Waiting) else {
            return Ok(Step::Wait(Key::Goroutine(id)));
        };
        self.set_goroutine(held, GoState::Runnable, Some(number));
        self.emit_state(ctx, raw.stack(2), id, Some(GoState::Waiting), Some(GoState::Runnable));
        Ok(Step::Done)
    }

    /// A coroutine hands over: the next one is unblocked, this one blocks or ends, the next one starts, all
    /// in one moment.
    pub(super) fn go_switch(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        Self::needs_proc(ctx)?;
        let current = self.current(ctx, GoState::Running)?;
        let [id, number, ..] = raw.args;
        let Some(next) = self.goroutine_in(id, number, GoState::Waiting) else {
            return Ok(Step::Wait(Key::Goroutine(id)));
        };
        self.thread_of(ctx)?.goroutine = Some(next);
        let blocks = raw.kind == GO_SWITCH;
        if blocks {
            self.set_goroutine(current, GoState::Waiting, None);
        } else {
            self.end_goroutine(current);
        }
        self.set_goroutine(next, GoState::Running, Some(number));
        self.emit_state(ctx, None, id, Some(GoState::Waiting), Some(GoState::Runnable));
        self.emit_state(ctx, None, current.id, Some(GoState::Running), blocks.then_some(GoState::Waiting));
        let between = Context { goroutine: None, ..*ctx };
        self.emit_state(&between, None, id, Some(GoState::Runnable), Some(GoState::Running));
        Ok(Step::Done)
    }

    pub(super) fn go_syscall_begin(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let proc = Self::needs_proc(ctx)?;
        let held = self.current(ctx, GoState::Running)?;
        let number = raw.args[0];
        if !self.procs[proc as usize].seq.precedes(self.generation, number) {
            return Err(Fault::Rule("a system call has the wrong number for its processor"));
        }
        self.set_goroutine(held, GoState::Syscall, None);
        self.set_proc(proc, ProcState::Syscall, Some(number));
        let what = What::Goroutine {
            id: held.id,
            from: Some(GoState::Running),
            to: Some(GoState::Syscall),
            known: true,
            reason: TextIndex::default(),
            own_stack: raw.stack(1),
        };
        self.emit(ctx, raw.stack(1), what);
        Ok(Step::Done)
    }

    pub(super) fn go_syscall_end(&mut self, ctx: &Context) -> Outcome {
        let proc = Self::needs_proc(ctx)?;
        let held = self.current(ctx, GoState::Syscall)?;
        if self.procs[proc as usize].state != ProcState::Syscall {
            return Err(Fault::Rule("a system call ends but its processor is in none"));
        }
        self.set_goroutine(held, GoState::Running, None);
        self.set_proc(proc, ProcState::Running, None);
        self.emit_state(ctx, None, held.id, Some(GoState::Syscall), Some(GoState::Running));
        Ok(Step::Done)
    }

    /// Ends a system call during which the processor was lost, so it must be lost first.
    pub(super) fn go_syscall_end_blocked(&mut self, ctx: &Context) -> Outcome {
        if let (Some(slot), Some(id)) = (ctx.proc, ctx.proc_id)
            && self.procs[slot as usize].state == ProcState::Syscall
        {
            return Ok(Step::Wait(Key::Proc(id)));
        }
        let held = self.current(ctx, GoState::Syscall)?;
        self.thread_of(ctx)?.goroutine = None;
        self.set_goroutine(held, GoState::Runnable, None);
        self.emit_state(ctx, None, held.id, Some(GoState::Syscall), Some(GoState::Runnable));
        Ok(Step::Done)
    }

    pub(super) fn go_status(&mut self, raw: &Raw, ctx: &Context) -> Outcome {
        let [id, thread, code, _] = raw.args;
        let state = match code {
            1 => GoState::Runnable,
            2 => GoState::Running,
            3 => GoState::Syscall,
            4 => GoState::Waiting,
            _ => return Err(Fault::Rule("a goroutine has a state that does not exist")),
        };
        let (held, known) = self.confirm(id, state)?;
        let mut ctx = *ctx;
        match state {
            GoState::Running => self.thread_of(&ctx)?.goroutine = Some(held),
            GoState::Syscall => ctx = self.status_in_syscall(held, thread, &ctx)?,
            GoState::Runnable | GoState::Waiting => {}
        }
        let own_stack = if raw.kind == GO_STATUS_STACK { raw.stack(3) } else { None };
        let from = known.then_some(state);
        let reason = TextIndex::default();
        let what = What::Goroutine { id, from, to: Some(state), known, reason, own_stack };
        self.emit(&ctx, own_stack, what);
        Ok(Step::Done)
    }

    /// The goroutine with its stated state, and whether it was known. Its changes are counted anew.
    fn confirm(&mut self, id: Id, state: GoState) -> Result<(Held, bool), Fault> {
        if let Some(&slot) = self.goroutine_slots.get(&id) {
            let held = Held { slot, id };
            if self.goroutines[slot as usize].state != state {
                return Err(Fault::Rule("a goroutine is not in the state that it is said to be in"));
            }
            self.set_goroutine(held, state, Some(0));
            return Ok((held, true));
        }
        if !self.is_first_generation() {
            return Err(Fault::Rule("a goroutine appears out of nowhere"));
        }
        Ok((self.new_goroutine(id, state)?, false))
    }

    /// A goroutine that sits in a system call, perhaps on another thread than the one that says so.
    fn status_in_syscall(&mut self, held: Held, thread: Id, ctx: &Context) -> Result<Context, Fault> {
        let other = Fault::Rule("a goroutine in a system call is not on the thread that it is said to be on");
        if Some(thread) == ctx.thread_id {
            if !self.is_first_generation() && ctx.goroutine != Some(held) {
                return Err(other);
            }
            self.thread_of(ctx)?.goroutine = Some(held);
            return Ok(*ctx);
        }
        if thread == u64::MAX {
            return Err(Fault::Rule("a goroutine is in a system call without a thread"));
        }
        let mut before = None;
        match self.thread_slots.get(&thread) {
            // A thread that has events of its own later on is known before it has done anything.
            Some(&slot) => {
                let thread = &mut self.threads[slot as usize];
                before = thread.goroutine;
                match before {
                    Some(goroutine) if goroutine != held => return Err(other),
                    _ => thread.goroutine = Some(held),
                }
            }
            None => {
                let slot = self.thread_slot(thread)?;
                self.threads[slot as usize].goroutine = Some(held);
            }
        }
        Ok(Context { thread_id: Some(thread), goroutine: before, ..*ctx })
    }

    fn new_goroutine(&mut self, id: Id, state: GoState) -> Result<Held, Fault> {
        if self.goroutine_slots.contains_key(&id) {
            return Err(Fault::Rule("a goroutine is created twice"));
        }
        let goroutine = Goroutine { id, state, seq: Seq { generation: self.generation, number: 0 } };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.goroutines[slot as usize] = goroutine;
                slot
            }
            None => {
                let slot = new_slot(self.goroutines.len(), "goroutines at once", MAX_GOROUTINES)?;
                self.goroutines.push(goroutine);
                slot
            }
        };
        self.goroutine_slots.insert(id, slot);
        self.touched.push(Key::Goroutine(id));
        Ok(Held { slot, id })
    }

    fn end_goroutine(&mut self, held: Held) {
        self.goroutine_slots.remove(&held.id);
        self.free.push(held.slot);
    }

    /// The goroutine, if it is in this state and its next change has this number.
    fn goroutine_in(&self, id: Id, number: u64, state: GoState) -> Option<Held> {
        let &slot = self.goroutine_slots.get(&id)?;
        let goroutine = &self.goroutines[slot as usize];
        let ready = goroutine.state == state && goroutine.seq.precedes(self.generation, number);
        ready.then_some(Held { slot, id })
    }

    /// Changes a goroutine, and wakes what waits for it.
    fn set_goroutine(&mut self, held: Held, state: GoState, number: Option<u64>) {
        let generation = self.generation;
        let goroutine = &mut self.goroutines[held.slot as usize];
        goroutine.state = state;
        if let Some(number) = number {
            goroutine.seq = Seq { generation, number };
        }
        // Nothing ever waits for a goroutine to run.
        if matches!(state, GoState::Runnable | GoState::Waiting) {
            self.touched.push(Key::Goroutine(held.id));
        }
    }
}

fn first_state(id: Id, state: GoState, own_stack: Option<super::StackIndex>) -> What {
    let reason = TextIndex::default();
    What::Goroutine { id, from: None, to: Some(state), known: true, reason, own_stack }
}
