//! The state of one load thread: what is due, who is free, what waits.
//!
//! Everything is a `Cell` of one thread: handing an arrival to a lane is a store and a wake, without a
//! channel, a lock or an allocation. The backlog is a pair of sequence numbers, since arrivals are sent in
//! their order: it takes no memory, however long it gets.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::lane::{self, Lane};
use super::links::Links;
use super::lull::Lull;
use crate::load::attention::Attention;
use crate::load::hit::{Hit, Problem};
use crate::load::plan::Plan;
use crate::load::recorder::{Gauges, Recorder};
use crate::load::schedule::{Cursor, Schedule};
use crate::load::script::Turns;
use crate::run::in_flight::{Count, InFlight};
use crate::time::RunTime;

/// A moment that never comes.
pub(crate) const NEVER: RunTime = RunTime::from_nanos(u64::MAX);
/// Time between two looks for time limits that have passed, so that a look costs little however many
/// requests are under way.
const SWEEP: u64 = 1_000_000;

/// Longest sleep of the whole thread; answers, time limits and stops are looked at this often at least.
const LONGEST_NAP: u64 = 1_000_000;
/// An answer of more bytes may not fit the receive window of a connection (64 KiB at first on Linux): its sender would
/// wait for a thread that naps.
const LONG_ANSWER: u64 = 32 * 1024;

/// An arrival on its way to a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) n: u64,
    pub(crate) intended: RunTime,
}

/// How far a thread's run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Arrivals are offered and sent.
    Running,
    /// The run was stopped: nothing more is sent, answers are waited for.
    Stopping,
    /// Lanes end.
    Closing,
}

/// One load thread's state, shared by its lanes.
pub(crate) struct Worker {
    pub(crate) plan: Arc<Plan>,
    /// When arrivals are due; none in the closed model, where each lane makes its own.
    schedule: Option<Arc<Schedule>>,
    started: RunTime,
    max_lanes: usize,
    /// Where the schedule was asked last: for what is due next, and for the oldest of the backlog.
    ahead: RefCell<Cursor>,
    behind: RefCell<Cursor>,
    /// First arrival that was not offered yet, and when it is due.
    next: Cell<u64>,
    next_due: Cell<RunTime>,
    /// First arrival that was not given to a lane: `unsent..next` is the backlog.
    unsent: Cell<u64>,
    stage: Cell<Stage>,
    lanes: RefCell<Vec<Rc<Lane>>>,
    /// Connections that lanes share (HTTP/2).
    pub(crate) links: Links,
    /// Connections that need the thread to listen.
    pub(crate) attention: Attention,
    /// Whether all answers so far were short; none before the first. One long answer keeps the thread from napping
    /// for good: which request gets the next one is not known.
    short_answers: Cell<Option<bool>>,
    /// How long answers may gather (closed model).
    lull: RefCell<Lull>,
    /// Lanes that wait with an open connection, and those without; the last one is taken first.
    ready: RefCell<Vec<Rc<Lane>>>,
    resting: RefCell<Vec<Rc<Lane>>>,
    recorder: RefCell<Recorder>,
    /// Whose turn it is with the feeders.
    pub(crate) turns: RefCell<Turns>,
    in_flight: Cell<u64>,
    /// The same for those who look at the service meanwhile.
    shown: Option<Arc<Count>>,
    connections: Cell<u64>,
    /// No time limit passes before this.
    limit: Cell<RunTime>,
    /// When the thread's own task wakes next, and how to wake it earlier.
    armed: Cell<RunTime>,
    kicked: Cell<bool>,
    main: RefCell<Option<Waker>>,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<Plan>,
        schedule: Option<Arc<Schedule>>,
        thread: usize,
        started: RunTime,
        recorder: Recorder,
    ) -> Self {
        let worker = Self {
            started,
            max_lanes: plan.connections_of(thread) * plan.streams.max(1),
            next: Cell::new(thread as u64),
            next_due: Cell::new(NEVER),
            unsent: Cell::new(thread as u64),
            stage: Cell::new(Stage::Running),
            lanes: RefCell::default(),
            links: Links::new(plan.connections_of(thread), plan.streams),
            attention: Attention::default(),
            short_answers: Cell::new(None),
            lull: RefCell::default(),
            ready: RefCell::default(),
            resting: RefCell::default(),
            ahead: RefCell::default(),
            behind: RefCell::default(),
            recorder: RefCell::new(recorder),
            turns: RefCell::new(plan.script.turns()),
            in_flight: Cell::new(0),
            shown: plan.in_flight.as_ref().map(InFlight::join),
            connections: Cell::new(0),
            limit: Cell::new(NEVER),
            armed: Cell::new(RunTime::ZERO),
            kicked: Cell::new(false),
            main: RefCell::default(),
            plan,
            schedule,
        };
        worker.next_due.set(worker.due(&worker.ahead, thread as u64));
        worker
    }

    /// When arrival `n` is due on the run clock.
    fn due(&self, cursor: &RefCell<Cursor>, n: u64) -> RunTime {
        let due = self.schedule.as_ref().and_then(|s| s.due_from(&mut cursor.borrow_mut(), n));
        due.map_or(NEVER, |due| self.started.plus(due.as_nanos()))
    }

    /// Whether each lane makes its own arrivals.
    pub(crate) const fn closed_model(&self) -> bool {
        self.schedule.is_none()
    }

    /// Lets the lanes of the closed model begin.
    pub(crate) fn begin(self: &Rc<Self>) {
        if self.schedule.is_none() {
            for _ in 0..self.max_lanes {
                let first = self.take_next();
                first.map(|first| self.hand_out(first));
            }
        }
    }

    /// The time of the plan is over: the closed model begins nothing more.
    pub(crate) fn end_of_plan(&self, now: RunTime) {
        if self.schedule.is_none() && self.stage.get() == Stage::Running {
            self.stage.set(Stage::Stopping);
            self.limit.set(self.limit.get().max(now));
        }
    }

    // ---- time ------------------------------------------------------------------------------------

    /// Does everything that is due at `now`: hands out arrivals and hands over periods, in the order in
    /// which they fall, so that each arrival counts in its own period.
    pub(crate) fn tick(self: &Rc<Self>, now: RunTime) {
        loop {
            let period_end = self.recorder.borrow().period_end();
            if now < period_end {
                break;
            }
            self.offer_until(period_end.minus(1), now);
            let gauges = self.gauges();
            self.recorder.borrow_mut().roll(gauges);
        }
        self.offer_until(now, now);
        if now >= self.limit.get() {
            self.sweep(now);
        }
    }

    /// Until when the whole thread may sleep, deaf to its sockets: the next arrival. None where something
    /// else would have to wait for it: a backlog, the next step of a journey, an exchange that needs the generator.
    pub(crate) fn nap(&self, now: RunTime) -> Option<RunTime> {
        let due = self.next_due.get();
        if !self.plan.naps || due > now.plus(LONGEST_NAP) || self.unsent.get() < self.next.get() {
            return None;
        }
        if self.short_answers.get() != Some(true) || self.attention.wanted() {
            return None;
        }
        Some(due.min(self.recorder.borrow().period_end()).min(self.limit.get()))
    }

    /// Until when a thread of the closed model whose lanes all wait may sleep, so that answers gather.
    pub(crate) fn lull(&self) -> Option<RunTime> {
        if self.schedule.is_some() || self.stage.get() != Stage::Running {
            return None;
        }
        if self.short_answers.get() != Some(true) || self.attention.wanted() {
            return None;
        }
        let now = self.plan.clock.now();
        let length = self.lull.borrow_mut().length(now, self.totals().1, self.in_flight.get())?;
        Some(now.plus(length).min(self.next_moment()))
    }

    /// The next moment at which [`Worker::tick`] has something to do.
    pub(crate) fn next_moment(&self) -> RunTime {
        self.next_due.get().min(self.recorder.borrow().period_end()).min(self.limit.get())
    }

    /// The thread's own task sleeps until `at`, unless it is woken.
    pub(crate) fn sleeps_until(&self, at: RunTime) {
        self.armed.set(at);
    }

    fn offer_until(self: &Rc<Self>, until: RunTime, now: RunTime) {
        while self.next_due.get() <= until {
            let (n, due) = (self.next.get(), self.next_due.get());
            self.next.set(self.after(n));
            self.next_due.set(self.due(&self.ahead, self.next.get()));
            self.recorder.borrow_mut().offered(now.since(due));
            if self.unsent.get() == n && self.hand_out(Arrival { n, intended: due }) {
                self.unsent.set(self.after(n));
            }
        }
    }

    /// The arrival of this thread that follows `n`.
    fn after(&self, n: u64) -> u64 {
        n.saturating_add(self.plan.threads as u64)
    }

    /// Cuts off every lane whose time limit has passed.
    fn sweep(&self, now: RunTime) {
        let mut next = NEVER;
        for lane in self.lanes.borrow().iter() {
            match lane.limit() {
                limit if limit <= now => lane.cut(lane::TIME_LIMIT),
                limit => next = next.min(limit),
            }
        }
        self.limit.set(if next == NEVER { NEVER } else { next.max(now.plus(SWEEP)) });
    }

    // ---- arrivals and lanes ----------------------------------------------------------------------

    /// Gives an arrival to a lane: one with a connection, one without, or a new one. False if all work.
    fn hand_out(self: &Rc<Self>, arrival: Arrival) -> bool {
        let free = self.free_lane();
        if free.is_none() && self.lanes.borrow().len() >= self.max_lanes {
            return false;
        }
        self.flying(self.in_flight.get() + 1);
        if let Some(lane) = free {
            lane.give(arrival);
            return true;
        }
        let lane = Rc::new(Lane::new(self.lanes.borrow().len(), arrival));
        self.lanes.borrow_mut().push(Rc::clone(&lane));
        tokio::task::spawn_local(lane::run(Rc::clone(self), lane));
        true
    }

    fn free_lane(&self) -> Option<Rc<Lane>> {
        let mut ready = self.ready.borrow_mut();
        while let Some(lane) = ready.pop() {
            if lane.connected() {
                return Some(lane);
            }
            self.resting.borrow_mut().push(lane);
        }
        self.resting.borrow_mut().pop()
    }

    /// The oldest arrival of the backlog.
    pub(crate) fn take_backlog(&self) -> Option<Arrival> {
        if self.schedule.is_none() {
            let next = self.take_next();
            self.flying(self.in_flight.get() + u64::from(next.is_some()));
            return next;
        }
        let n = self.unsent.get();
        if n >= self.next.get() || self.stage.get() != Stage::Running {
            return None;
        }
        self.unsent.set(self.after(n));
        self.flying(self.in_flight.get() + 1);
        Some(Arrival { n, intended: self.due(&self.behind, n) })
    }

    /// The closed model's next arrival: now.
    fn take_next(&self) -> Option<Arrival> {
        if self.stage.get() != Stage::Running || self.plan.out_of_data() || self.plan.stopped() {
            return None;
        }
        let n = self.plan.counted().unwrap_or_else(|| {
            let n = self.next.get();
            self.next.set(self.after(n));
            n
        });
        self.unsent.set(self.next.get());
        self.recorder.borrow_mut().begun();
        Some(Arrival { n, intended: self.plan.clock.now() })
    }

    /// A lane has nothing to do.
    pub(crate) fn rest(&self, lane: &Rc<Lane>) {
        let list = if lane.connected() { &self.ready } else { &self.resting };
        list.borrow_mut().push(Rc::clone(lane));
    }

    fn backlog(&self) -> u64 {
        self.next.get().saturating_sub(self.unsent.get()) / self.plan.threads as u64
    }

    // ---- hits ------------------------------------------------------------------------------------

    /// A lane writes its request.
    pub(crate) fn sending(&self) {
        self.recorder.borrow_mut().sent();
    }

    /// What a lane does must be over by `limit`.
    pub(crate) fn limit_lane(&self, lane: &Lane, limit: RunTime) {
        lane.set_limit(limit);
        if limit < self.limit.get() {
            self.limit.set(limit);
            if limit < self.armed.get() {
                self.kick();
            }
        }
    }

    /// A step after the first of a journey is due.
    pub(crate) fn begun(&self) {
        self.recorder.borrow_mut().begun();
    }

    /// A hit is over.
    pub(crate) fn record(self: &Rc<Self>, hit: &Hit, problem: Option<&Problem>) {
        // Arrivals and periods that fall before the hit's end come first.
        if hit.done >= self.next_moment() {
            self.tick(hit.done);
        }
        if hit.sent.is_some() && self.short_answers.get() != Some(false) {
            self.short_answers.set(Some(hit.progress.bytes_in <= LONG_ANSWER));
        }
        self.recorder.borrow_mut().record(hit, problem);
    }

    /// There is no record for an arrival, and the scenario says that the run ends then.
    pub(crate) fn withdraw(&self) {
        self.recorder.borrow_mut().withdrawn();
        // It was handed out, so it comes before this one.
        self.plan.end_of_data(self.unsent.get());
        self.kick();
        self.ended();
    }

    /// A lane's arrival is done with.
    pub(crate) fn ended(&self) {
        self.flying(self.in_flight.get() - 1);
        if self.in_flight.get() == 0 && self.next_due.get() == NEVER {
            self.kick();
        }
    }

    fn flying(&self, count: u64) {
        self.in_flight.set(count);
        if let Some(shown) = &self.shown {
            shown.set(count, self.plan.clock.now());
        }
    }

    /// A lane opened or lost its connection.
    pub(crate) fn connection(&self, lane: &Lane, connected: bool) {
        match (lane.connected(), connected) {
            (false, true) => self.connections.set(self.connections.get() + 1),
            (true, false) => self.connections.set(self.connections.get() - 1),
            _ => {}
        }
        lane.set_connected(connected);
    }

    /// A connection that lanes share is open.
    pub(crate) fn link_opened(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    /// A connection that lanes share is closed.
    pub(crate) fn link_closed(&self) {
        self.connections.set(self.connections.get().saturating_sub(1));
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            backlog: self.backlog(),
            in_flight: self.in_flight.get(),
            connections: self.connections.get(),
            vus: 0,
        }
    }

    // ---- the end ---------------------------------------------------------------------------------

    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Whether every arrival was offered and every one that could be sent has ended.
    pub(crate) fn drained(&self) -> bool {
        let backlog = self.backlog() > 0 && self.stage.get() == Stage::Running;
        self.next_due.get() == NEVER && self.in_flight.get() == 0 && !backlog
    }

    /// No arrival that is due after `now` is offered, and none is sent any more.
    pub(crate) fn stop(self: &Rc<Self>, now: RunTime) {
        self.tick(now);
        self.next_due.set(NEVER);
        self.stage.set(Stage::Stopping);
    }

    /// Lanes end; what is under way is cut off.
    pub(crate) fn close(&self) {
        self.stage.set(Stage::Closing);
        for lane in self.lanes.borrow().iter() {
            lane.cut(lane::RUN_ENDED);
        }
    }

    /// Records what was never sent, at its age, and hands over the last period. What comes after the end of the data was
    /// never to be sent.
    pub(crate) fn finish(&self, now: RunTime) {
        let mut recorder = self.recorder.borrow_mut();
        let mut n = self.unsent.get();
        let data_end = self.plan.data_end();
        while n < self.next.get() {
            if n >= data_end {
                recorder.withdrawn();
                n = self.after(n);
                continue;
            }
            let journey = self.plan.choice.journey(n);
            let request = self.plan.script.journeys[journey].steps.start;
            recorder.record(&Hit::unsent(n, request, self.due(&self.behind, n), now), None);
            n = self.after(n);
        }
        self.unsent.set(self.next.get());
        let gauges = self.gauges();
        recorder.finish(gauges, now);
    }

    /// Arrivals offered and requests sent in the whole run.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let totals = self.recorder.borrow().totals();
        (totals.offered, totals.sent)
    }

    // ---- the thread's own task -------------------------------------------------------------------

    /// Whether the thread's own task was woken for another reason than time; forgets it.
    pub(crate) fn take_kick(&self, waker: &Waker) -> bool {
        let mut main = self.main.borrow_mut();
        if !main.as_ref().is_some_and(|w| w.will_wake(waker)) {
            *main = Some(waker.clone());
        }
        self.kicked.replace(false)
    }

    fn kick(&self) {
        self.kicked.set(true);
        if let Some(main) = self.main.borrow().as_ref() {
            main.wake_by_ref();
        }
    }
}
