//! A lane: one task, at most one connection, one arrival at a time.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::worker::{Arrival, NEVER, Stage, Worker};
use crate::load::hit::{Hit, Problem};
use crate::load::plan::Plan;
use crate::load::script::{Begin, Context as Made, Fault};
use crate::load::session::{Alone, Due, Session, hit_number};
use crate::load::template::Template;
use crate::time::{RunTime, nanos};

/// How often a request is sent that the server says it did not look at.
const ATTEMPTS: usize = 4;
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
    let mut session = Session::default();
    loop {
        let mut resting = false;
        let next = poll_fn(|cx| poll_next(cx, &worker, &lane, &mut session, &mut resting)).await;
        let Some(arrival) = next else { break };
        journey(&worker, &lane, &mut session, arrival).await;
    }
    if worker.plan.streams == 0 {
        worker.connection(&lane, false);
    }
}

/// The next arrival: one that was given, one of the backlog, or none when the run closes. Watches the idle
/// connection meanwhile.
fn poll_next(
    cx: &mut Context<'_>,
    worker: &Worker,
    lane: &Rc<Lane>,
    session: &mut Session,
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
async fn journey(worker: &Rc<Worker>, lane: &Lane, session: &mut Session, arrival: Arrival) {
    let plan = &*worker.plan;
    let journey = plan.choice.journey(arrival.n);
    let steps = plan.script.journeys[journey].steps.clone();
    let mut due = Due { n: arrival.n, request: steps.start, intended: arrival.intended };
    match session.begin_journey(plan, journey, arrival.n, None) {
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
async fn hit(worker: &Rc<Worker>, lane: &Lane, session: &mut Session, due: Due) {
    let plan = &*worker.plan;
    let mut now = plan.clock.now();
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
            if plan.streams > 0 {
                return shared_hit(worker, lane, session, template, limit).await;
            }
            if !session.connected() {
                if !session.open(plan).await {
                    return;
                }
                worker.connection(lane, true);
                now = plan.clock.now();
            }
            worker.sending(lane, now.plus(limit));
            session.exchange(plan, template, now, Alone).await;
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

/// One hit over a connection of HTTP/2 that lanes share; sent again where the server says that it did not look
/// at it, as it does when it closes a connection in order.
async fn shared_hit(
    worker: &Rc<Worker>,
    lane: &Lane,
    session: &mut Session,
    template: &Template,
    limit: u64,
) {
    let plan = &*worker.plan;
    for attempt in 0..ATTEMPTS {
        let link = match worker.links.of(worker, lane.index, session.open_times()).await {
            Ok(link) => link,
            Err(e) => return session.not_opened(e, plan.clock.now()),
        };
        lane.set_connected(true);
        let now = plan.clock.now();
        if attempt == 0 {
            worker.sending(lane, now.plus(limit));
        }
        session.exchange(plan, template, now, &link).await;
        if !session.unprocessed() {
            return;
        }
    }
}
