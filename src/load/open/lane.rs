//! A lane: one task, one arrival at a time, over a connection of its own or over one that lanes share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::links::Lent;
use super::worker::{Arrival, NEVER, Stage, Worker};
use crate::load::connections::{Connections, Own};
use crate::load::hit::{Hit, Problem};
use crate::load::plan::Plan;
use crate::load::script::{Begin, Context as Made, Fault, Taker};
use crate::load::session::{Due, Session, hit_number};
use crate::time::{RunTime, nanos};

/// Why a hit was cut off.
pub(crate) const TIME_LIMIT: &str = "not done within the time limit";
/// Why a hit was cut off.
pub(crate) const RUN_ENDED: &str = "not done when the run ended";

/// What the worker and a lane's task tell each other.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Number among the lanes of its thread.
    index: usize,
    arrival: Cell<Option<Arrival>>,
    connected: Cell<bool>,
    limit: Cell<RunTime>,
    cut: Cell<Option<&'static str>>,
    waker: RefCell<Option<Waker>>,
}

impl Lane {
    /// A lane that begins with an arrival.
    pub(crate) fn new(index: usize, first: Arrival) -> Self {
        Self {
            index,
            arrival: Cell::new(Some(first)),
            connected: Cell::new(false),
            limit: Cell::new(RunTime::from_nanos(u64::MAX)),
            cut: Cell::new(None),
            waker: RefCell::default(),
        }
    }

    /// Gives a resting lane something to do.
    pub(crate) fn give(&self, arrival: Arrival) {
        self.arrival.set(Some(arrival));
        self.wake();
    }

    pub(crate) fn connected(&self) -> bool {
        self.connected.get()
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.set(connected);
    }

    /// By when what it does must be over.
    pub(crate) fn limit(&self) -> RunTime {
        self.limit.get()
    }

    pub(crate) fn set_limit(&self, limit: RunTime) {
        self.limit.set(limit);
    }

    /// Ends what it does.
    pub(crate) fn cut(&self, why: &'static str) {
        self.cut.set(Some(why));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// A task has one waker for its whole life: it is stored once.
    async fn register(&self) {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        *self.waker.borrow_mut() = Some(waker);
    }

    /// Runs `work` until it is done, or until the lane is cut off and `work` is dropped.
    async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        let mut work = pin!(work);
        poll_fn(|cx| match self.cut.take() {
            Some(why) => Poll::Ready(Err(why)),
            None => work.as_mut().poll(cx).map(Ok),
        })
        .await
    }
}

/// The task of a lane.
pub(crate) async fn run(worker: Rc<Worker>, lane: Rc<Lane>) {
    lane.register().await;
    if worker.plan.streams > 0 {
        let lent = Lent::new(Rc::clone(&worker), lane.index);
        return work(&worker, &lane, Session::new(lent)).await;
    }
    work(&worker, &lane, Session::new(Own::default())).await;
    worker.connection(&lane, false);
}

/// One arrival after the other until the run closes.
async fn work<C: Connections>(worker: &Rc<Worker>, lane: &Rc<Lane>, mut session: Session<C>) {
    loop {
        let mut resting = false;
        let next = poll_fn(|cx| poll_next(cx, worker, lane, &mut session, &mut resting)).await;
        let Some(arrival) = next else { break };
        journey(worker, lane, &mut session, arrival).await;
    }
}

/// The next arrival: one that was given, one of the backlog, or none when the run closes. Watches the idle
/// connection meanwhile.
fn poll_next<C: Connections>(
    cx: &mut Context<'_>,
    worker: &Worker,
    lane: &Rc<Lane>,
    session: &mut Session<C>,
    resting: &mut bool,
) -> Poll<Option<Arrival>> {
    if session.poll_stale(cx).is_ready() {
        worker.connection(lane, false);
    }
    if let Some(arrival) = lane.arrival.take() {
        return Poll::Ready(Some(arrival));
    }
    if worker.stage() == Stage::Closing {
        return Poll::Ready(None);
    }
    if !*resting {
        if let Some(arrival) = worker.take_backlog() {
            return Poll::Ready(Some(arrival));
        }
        *resting = true;
        worker.rest(lane);
    }
    Poll::Pending
}

/// One arrival from here to the end of its journey, every hit recorded.
async fn journey<C: Connections>(
    worker: &Rc<Worker>,
    lane: &Lane,
    session: &mut Session<C>,
    arrival: Arrival,
) {
    let plan = &*worker.plan;
    let journey = plan.choice.journey(arrival.n);
    let steps = plan.script.journeys[journey].steps.clone();
    let mut due = Due { n: arrival.n, request: steps.start, intended: arrival.intended };
    match begin(worker, session, journey, arrival.n) {
        Begin::Ready => {}
        Begin::Stop => return worker.withdraw(),
        Begin::Fail(missing) => {
            session.refuse(due, Problem::Script(Fault::Data(missing)), plan.clock.now());
            worker.record(session.hit(), session.problem());
            return worker.ended();
        }
    }
    for step in steps.clone() {
        due.request = step;
        if step > steps.start {
            worker.begun();
            due.n = hit_number(arrival.n, step - steps.start);
        }
        hit(worker, lane, session, due).await;
        let hit = session.hit();
        let over = step + 1 == steps.end || hit.failure.is_some() || worker.stage() != Stage::Running;
        due.intended = hit.done;
        if over || !pause(plan, lane, &mut due, arrival.n, step).await {
            break;
        }
    }
    worker.ended();
}

/// Begins the journey of arrival `n`, with the records of the feeders whose turn it is.
fn begin<C: Connections>(worker: &Worker, session: &mut Session<C>, journey: usize, n: u64) -> Begin {
    let plan = &*worker.plan;
    let mut turns = worker.turns.borrow_mut();
    let feeders_of = |n| plan.script.journeys[plan.choice.journey(n)].feeders.as_slice();
    session.begin_journey(plan, journey, n, Taker::Arrival(turns.before(n, feeders_of)))
}

/// The user's pause after a step; false if the run ended meanwhile.
async fn pause(plan: &Plan, lane: &Lane, due: &mut Due, journey: u64, step: usize) -> bool {
    let context = Made { seq: journey, seed: plan.seed, ..Made::default() };
    let pause = plan.script.pause(step, &context);
    if pause.is_zero() {
        return true;
    }
    let until = plan.clock.instant(due.intended.plus(nanos(pause)));
    let slept = lane.unless_cut(tokio::time::sleep_until(until.into())).await;
    // tokio's timers are a millisecond late, which is not the next request's fault.
    due.intended = plan.clock.now();
    slept.is_ok()
}

/// One hit from here to its end, recorded.
async fn hit<C: Connections>(worker: &Rc<Worker>, lane: &Lane, session: &mut Session<C>, due: Due) {
    let plan = &*worker.plan;
    let now = plan.clock.now();
    if worker.stage() == Stage::Closing {
        // Handed over, but the run ended before this task came to it.
        return worker.record(&Hit::unsent(due.n, due.request, due.intended, now), None);
    }
    let template = &plan.templates[due.request];
    let Some(limit) = session.begin(plan, template, due, now) else {
        return worker.record(session.hit(), session.problem());
    };
    worker.limit_lane(lane, now.plus(limit));
    lane.cut.set(None);
    let outcome = lane
        .unless_cut(async {
            let Some(sent) = session.open(plan).await else { return };
            if plan.streams == 0 {
                worker.connection(lane, true);
            } else {
                // Counted with the connections that lanes share.
                lane.set_connected(true);
            }
            worker.sending(lane, sent.plus(limit));
            session.exchange(plan, template, sent).await;
        })
        .await;
    if let Err(why) = outcome {
        session.cut(why, plan.clock.now());
    }
    lane.set_limit(NEVER);
    if plan.streams == 0 {
        worker.connection(lane, session.connected());
    }
    worker.record(session.hit(), session.problem());
}
