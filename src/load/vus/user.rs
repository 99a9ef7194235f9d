//! What the users of a run share, and what each of them does in its turn.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::shape::Shape;
use crate::load::connections::Own;
use crate::load::hit::{Hit, Problem};
use crate::load::plan::Plan;
use crate::load::recorder::{Gauges, Recorder};
use crate::load::script::{Begin, Context, Fault, Missing, Taker};
use crate::load::session::{Due, REFUSED_PAUSE, Session, unless_cut};
use crate::run::in_flight::{Count, InFlight};
use crate::time::RunTime;

/// A moment that never comes.
const NEVER: u64 = u64::MAX;
/// Bits of a sequence number that count a user's own hits; the rest is the user's index. So numbers are
/// unique and repeat with the seed, and no counter is shared.
const HIT_BITS: u32 = 40;

/// Why a hit is cut off; 0 is not at all.
const CUT: [&str; 3] = ["", "not done within the time limit", "not done when the run ended"];
pub(crate) const TIME_LIMIT: u8 = 1;
pub(crate) const RUN_ENDED: u8 = 2;

thread_local! {
    /// Which recorder the current worker thread uses.
    static SHARD: Cell<usize> = const { Cell::new(0) };
}

/// Makes the current thread use recorder `index`.
pub(crate) fn use_shard(index: usize) {
    SHARD.set(index);
}

/// What all users of a run share.
pub(crate) struct Users {
    pub(crate) plan: Arc<Plan>,
    pub(crate) shape: Shape,
    /// A user's pause after each turn.
    think_time: Duration,
    started: OnceLock<RunTime>,
    start: Notify,
    /// No hit begins any more.
    closed: AtomicBool,
    slots: Mutex<Vec<Arc<Slot>>>,
    /// One recorder per worker thread: locked by that thread for a moment, and once a period by another.
    shards: Vec<Shard>,
    flying: Option<Flying>,
}

/// Requests in flight of all users together, whichever thread they are on, for whoever looks at the service.
struct Flying {
    count: Mutex<u64>,
    shown: Arc<Count>,
}

/// A recorder on cache lines of its own; none once it is finished.
#[repr(align(128))]
struct Shard(Mutex<Option<Recorder>>);

/// What the run sees of one user.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    working: AtomicBool,
    busy: AtomicBool,
    connected: AtomicBool,
    /// When the hit under way must be over, in run nanoseconds.
    limit: AtomicU64,
    cut: AtomicU8,
    waker: AtomicWaker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the run; what was measured until then is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Users {
    pub(crate) fn new(plan: Arc<Plan>, shape: Shape, think_time: Duration) -> Self {
        let shards = (0..plan.threads).map(|_| Shard(Mutex::new(None))).collect();
        let flying = plan.in_flight.as_ref().map(InFlight::join);
        Self {
            plan,
            shape,
            think_time,
            started: OnceLock::new(),
            start: Notify::new(),
            closed: AtomicBool::new(false),
            slots: Mutex::default(),
            shards,
            flying: flying.map(|shown| Flying { count: Mutex::default(), shown }),
        }
    }

    /// Lets the users begin at `started`, with one recorder per worker thread.
    pub(crate) fn begin(&self, started: RunTime, recorders: Vec<Recorder>) {
        for (shard, recorder) in self.shards.iter().zip(recorders) {
            *lock(&shard.0) = Some(recorder);
        }
        let _ = self.started.set(started);
        self.start.notify_waiters();
    }

    /// The start of the load, once it is known.
    async fn started(&self) -> RunTime {
        loop {
            let begun = self.start.notified();
            if let Some(started) = self.started.get() {
                return *started;
            }
            // Asked again now and then: a notice may come between the look and the wait.
            let _ = tokio::time::timeout(Duration::from_millis(1), begun).await;
        }
    }

    /// Number of users that goose has started.
    pub(crate) fn joined(&self) -> usize {
        lock(&self.slots).len()
    }

    fn join(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot { limit: AtomicU64::new(NEVER), ..Slot::default() });
        lock(&self.slots).push(Arc::clone(&slot));
        slot
    }

    /// No hit begins from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether a hit is under way.
    pub(crate) fn busy(&self) -> bool {
        lock(&self.slots).iter().any(|slot| slot.busy.load(Ordering::SeqCst))
    }

    /// Cuts off what is beyond its time limit; `everything`: whatever is under way.
    pub(crate) fn sweep(&self, now: RunTime, everything: bool) {
        for slot in lock(&self.slots).iter() {
            if everything && slot.busy.load(Ordering::SeqCst) {
                slot.cut(RUN_ENDED);
            } else if slot.limit.load(Ordering::Relaxed) <= now.as_nanos() {
                slot.cut(TIME_LIMIT);
            }
        }
    }

    /// Hands over the periods that are past at `now`.
    pub(crate) fn roll(&self, now: RunTime) {
        for index in 0..self.shards.len() {
            self.shard(index, now, |_| ());
        }
    }

    /// Hands over the last period of every recorder; gives hits begun and requests sent in the whole run.
    pub(crate) fn finish(&self, now: RunTime) -> (u64, u64) {
        self.roll(now);
        let mut sum = (0, 0);
        for (index, shard) in self.shards.iter().enumerate() {
            let gauges = self.gauges(index);
            if let Some(mut recorder) = lock(&shard.0).take() {
                let totals = recorder.totals();
                sum = (sum.0 + totals.offered, sum.1 + totals.sent);
                recorder.finish(gauges, now);
            }
        }
        sum
    }

    /// A request begins or has ended.
    fn flies(&self, change: impl FnOnce(u64) -> u64) {
        if let Some(flying) = &self.flying {
            let mut count = lock(&flying.count);
            *count = change(*count);
            flying.shown.set(*count, self.plan.clock.now());
        }
    }

    /// Records through the current worker's own recorder.
    fn record(&self, now: RunTime, what: impl FnOnce(&mut Recorder)) {
        self.shard(SHARD.get(), now, what);
    }

    fn shard(&self, index: usize, now: RunTime, what: impl FnOnce(&mut Recorder)) {
        let mut shard = lock(&self.shards[index].0);
        let Some(recorder) = shard.as_mut() else { return };
        while now >= recorder.period_end() {
            recorder.roll(self.gauges(index));
        }
        what(recorder);
    }

    /// The users' state, told once: by the first recorder.
    fn gauges(&self, index: usize) -> Gauges {
        if index > 0 {
            return Gauges::default();
        }
        let slots = lock(&self.slots);
        let count = |of: fn(&Slot) -> &AtomicBool| {
            slots.iter().filter(|slot| of(slot).load(Ordering::Relaxed)).count() as u64
        };
        Gauges {
            backlog: 0,
            in_flight: count(|s| &s.busy),
            connections: count(|s| &s.connected),
            vus: count(|s| &s.working),
        }
    }
}

impl Slot {
    fn cut(&self, why: u8) {
        self.cut.store(why, Ordering::Release);
        self.waker.wake();
    }

    /// Runs `work` until it is done, or until the slot is cut off and `work` is dropped.
    async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        unless_cut(work, |cx| {
            self.waker.register(cx.waker());
            match usize::from(self.cut.swap(0, Ordering::AcqRel)) {
                0 => None,
                why => Some(CUT[why]),
            }
        })
        .await
    }
}

/// What user `vu` does for the `n`th time, as one number.
const fn numbered(vu: u64, n: u64) -> u64 {
    (vu << HIT_BITS) | n
}

/// One user: its place in the plan, its connection, its count of hits.
pub(crate) struct User {
    index: usize,
    hits: u64,
    journeys: u64,
    session: Session<Own>,
    slot: Arc<Slot>,
}

impl User {
    /// User `index` of the plan, counting from 0.
    pub(crate) fn new(users: &Users, index: usize) -> Self {
        Self { index, hits: 0, journeys: 0, session: Session::new(Own::default()), slot: users.join() }
    }

    /// Waits until the plan lets this user work, then goes through one journey and thinks. Never ends once the run is
    /// over for this user: the runtime is dropped under it.
    pub(crate) async fn turn(&mut self, users: &Users) {
        let started = users.started().await;
        loop {
            let now = users.plan.clock.now().since(started);
            match users.shape.next_turn(self.index, now) {
                Some(turn) if turn <= now => break,
                Some(turn) => {
                    self.rest();
                    let until = users.plan.clock.instant(started.plus(turn));
                    tokio::time::sleep_until(until.into()).await;
                }
                None => {
                    self.rest();
                    pending::<()>().await;
                }
            }
        }
        self.slot.working.store(true, Ordering::Relaxed);
        self.slot.busy.store(true, Ordering::SeqCst);
        if users.closed.load(Ordering::SeqCst) {
            self.slot.busy.store(false, Ordering::SeqCst);
            self.rest();
            pending::<()>().await;
        }
        self.journey(users).await;
        self.slot.busy.store(false, Ordering::SeqCst);
        if !users.think_time.is_zero() {
            tokio::time::sleep(users.think_time).await;
        }
    }

    /// A user without work has no connection.
    fn rest(&mut self) {
        self.slot.working.store(false, Ordering::Relaxed);
        self.slot.connected.store(false, Ordering::Relaxed);
        self.session = Session::new(Own::default());
    }

    /// All steps, as long as none fails.
    async fn journey(&mut self, users: &Users) {
        let plan = &*users.plan;
        let (seq, vu) = (self.journeys, self.index as u64);
        let journey = plan.choice.journey(numbered(vu, seq));
        self.journeys += 1;
        let steps = plan.script.journeys[journey].steps.clone();
        match self.session.begin_journey(plan, journey, seq, Taker::User(vu)) {
            Begin::Ready => {}
            Begin::Stop => return self.out_of_data(plan).await,
            Begin::Fail(missing) => return self.refused(users, steps.start, missing).await,
        }
        for step in steps.clone() {
            self.hit(users, step).await;
            if self.session.hit().sent.is_none() {
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            if step + 1 == steps.end || users.closed.load(Ordering::SeqCst) {
                break;
            }
            // A user thinks after a failure too: without its pause it would only come back the faster.
            let context = Context { seq, vu, seed: plan.seed, ..Context::default() };
            let pause = plan.script.pause(step, &context);
            let cut = !pause.is_zero() && self.slot.unless_cut(tokio::time::sleep(pause)).await.is_err();
            if cut || self.session.hit().failure.is_some() {
                break;
            }
        }
    }

    /// There is no record for a journey, and the scenario says that the run ends then: this user does nothing more.
    async fn out_of_data(&mut self, plan: &Plan) {
        plan.end_of_data(0);
        self.slot.busy.store(false, Ordering::SeqCst);
        self.rest();
        pending::<()>().await;
    }

    /// A journey for which there is no data: one failed hit.
    async fn refused(&mut self, users: &Users, request: usize, missing: Missing) {
        let n = self.next_number();
        let now = users.plan.clock.now();
        users.record(now, Recorder::begun);
        self.session.refuse(Due { n, request, intended: now }, Problem::Script(Fault::Data(missing)), now);
        let (hit, problem) = (self.session.hit(), self.session.problem());
        users.record(now, |recorder| recorder.record(hit, problem));
        tokio::time::sleep(REFUSED_PAUSE).await;
    }

    fn next_number(&mut self) -> u64 {
        let n = numbered(self.index as u64, self.hits);
        self.hits += 1;
        n
    }

    async fn hit(&mut self, users: &Users, request: usize) {
        let n = self.next_number();
        let (plan, session, slot) = (&*users.plan, &mut self.session, &*self.slot);
        poll_fn(|cx| Poll::Ready(session.poll_stale(cx))).await.is_ready();
        let now = plan.clock.now();
        users.record(now, Recorder::begun);
        let template = &plan.templates[request];
        let Some(limit) = session.begin(plan, template, Due { n, request, intended: now }, now) else {
            let (hit, problem) = (session.hit(), session.problem());
            return users.record(now, |recorder| recorder.record(hit, problem));
        };
        slot.limit.store(now.plus(limit).as_nanos(), Ordering::Relaxed);
        slot.cut.store(0, Ordering::Relaxed);
        users.flies(|n| n + 1);
        let work = async {
            let Some(sent) = session.open(plan).await else { return };
            users.record(sent, Recorder::sent);
            session.exchange(plan, template, sent).await;
        };
        if let Err(why) = slot.unless_cut(work).await {
            session.cut(why, plan.clock.now());
        }
        users.flies(|n| n.saturating_sub(1));
        slot.limit.store(NEVER, Ordering::Relaxed);
        // A cut that came too late is none of the pause that follows; that of the run's end comes again.
        slot.cut.store(0, Ordering::Relaxed);
        slot.connected.store(session.connected(), Ordering::Relaxed);
        let hit: &Hit = session.hit();
        users.record(hit.done, |recorder| recorder.record(hit, session.problem()));
    }
}
