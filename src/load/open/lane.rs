//! A lane: one task, one arrival at a time, over a connection of its own or over one that lanes share.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::links::Lent;
use super::worker::{Arrival, NEVER, Stage, Worker};
use crate::load::connections::{Connections, Own};
use crate::load::hit::{Hit, Problem};
use crate::load::plan::Plan;
use crate::load::script::{Begin, Context as Made, Fault, Taker};
use crate::load::session::{Due, REFUSED_PAUSE, Session, hit_number, unless_cut};
use crate::time::{RunTime, nanos};

/// Why a hit was cut off.
pub(crate) const TIME_LIMIT: &str = "not done within the time limit";
/// Why a hit was cut off.
pub(crate) const RUN_ENDED: &str = "not done when the run ended";

/// Why a hit was cut off that had not been sent: only shared connections are waited for.
pub(crate) const NO_STREAM: &str = "no connection with a free stream within the time limit";

/// How late a pause may end without the next request's fault: tokio's timers count whole milliseconds, and round up.
const TIMER_GRAIN: u64 = 2_000_000;

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
        let ended = unless_cut(work, |_| self.cut.take()).await;
        // A cut that came too late is none of what follows.
        self.cut.set(None);
        ended
    }
}

/// The task of a lane.
pub(crate) async fn run(worker: Rc<Worker>, lane: Rc<Lane>) {
    lane.register().await;
    if worker.plan.streams > 0 {
        let lent = Lent::new(Rc::clone(&worker), lane.index);
        return work(&worker, &lane, Session::new(lent)).await;
    }
    let own = Own::attended(worker.attention.clone());
    work(&worker, &lane, Session::new(own)).await;
    worker.connection(&lane, false);
}

/// One arrival after the other until the run closes.
async fn work<C: Connections>(worker: &Rc<Worker>, lane: &Rc<Lane>, mut session: Session<C>) {
    loop {
        let mut resting = false;
        let next = poll_fn(|cx| poll_next(cx, worker, lane, &mut session, &mut resting)).await;
        let Some(arrival) = next else { break };
        journey(worker, lane, &mut session, arrival).await;
        if worker.closed_model() && session.hit().sent.is_none() {
            refused(worker, lane).await;
        }
    }
}

/// Lets the thread do something else before the next arrival of the closed model. The worker's look for time
/// limits ends the pause, so that the thread needs no timers for it.
async fn refused(worker: &Worker, lane: &Lane) {
    if worker.stage() != Stage::Running {
        return;
    }
    worker.limit_lane(lane, worker.plan.clock.now().plus(nanos(REFUSED_PAUSE)));
    lane.cut.set(None);
    let _ = lane.unless_cut(pending::<()>()).await;
    lane.set_limit(NEVER);
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
    let end = due.intended.plus(nanos(pause));
    let slept = lane.unless_cut(tokio::time::sleep_until(plan.clock.instant(end).into())).await;
    due.intended = after_pause(end, plan.clock.now());
    slept.is_ok()
}

/// When the step after a pause that was to end at `end` is due, at `now`: what the generator is late beyond its
/// timer's grain counts.
fn after_pause(end: RunTime, now: RunTime) -> RunTime {
    now.clamp(end, end.plus(TIMER_GRAIN))
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
            worker.sending();
            session.exchange(plan, template, sent).await;
        })
        .await;
    lane.set_limit(NEVER);
    if let Err(why) = outcome {
        let now = plan.clock.now();
        match (session.waits(), why) {
            // As the arrivals of the backlog, which wait for the same.
            (true, RUN_ENDED) => {
                return worker.record(&Hit::unsent(due.n, due.request, due.intended, now), None);
            }
            (true, _) => session.cut(NO_STREAM, now),
            (false, _) => session.cut(why, now),
        }
    }
    if plan.streams == 0 {
        worker.connection(lane, session.connected());
    }
    worker.record(session.hit(), session.problem());
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::io::Write as _;
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::time::MILLISECOND;

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_done_when_the_thread_looks_is_not_cut_off() {
        let lane = Lane::new(0, Arrival { n: 0, intended: RunTime::ZERO });
        lane.cut(TIME_LIMIT);
        assert_eq!(lane.unless_cut(ready(7)).await, Ok(7));
        lane.cut(TIME_LIMIT);
        assert_eq!(lane.unless_cut(pending::<()>()).await, Err(TIME_LIMIT));
        lane.cut(TIME_LIMIT);
        assert_eq!(lane.unless_cut(ready(7)).await, Ok(7));
        assert!(lane.unless_cut(tokio::task::yield_now()).await.is_ok());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_that_came_while_the_thread_was_held_up_came_in_time() {
        let lane = Lane::new(0, Arrival { n: 0, intended: RunTime::ZERO });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let mut client = tokio::net::TcpStream::connect(address).await.expect("connects");
        let (mut server, _) = listener.accept().expect("connected");
        let held_up = async {
            lane.register().await;
            tokio::task::yield_now().await;
            server.write_all(b"x").expect("room");
            std::thread::sleep(Duration::from_millis(5));
            lane.cut(TIME_LIMIT);
        };
        let (answer, ()) = tokio::join!(lane.unless_cut(client.read_u8()), held_up);
        assert_eq!(answer.expect("not cut off").expect("a byte"), b'x');
    }

    #[test]
    fn lateness_after_a_pause_counts_but_for_the_grain_of_the_timer() {
        let at = |millis: u64| RunTime::from_nanos(millis * MILLISECOND);
        assert_eq!(after_pause(at(100), at(101)), at(101), "the timer's own");
        assert_eq!(after_pause(at(100), at(150)), at(102), "48 ms are the generator's");
        assert_eq!(after_pause(at(100), at(99)), at(100), "cut off");
    }
}
