//! One user: performs hits one after the other. Both models of load use it.

mod chain;
mod follow;

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::yield_now;

use super::connections::Connections;
use super::hit::{Hit, Problem};
use super::http1::body::Body;
use super::http1::conn::{Outgoing, Progress, Stale};
use super::http2::mux::Answer;
use super::person::{self, Person};
use super::plan::Plan;
use super::redirect;
use super::script::{Begin, Fault, Taker, Values};
use super::template::Template;
use super::wire::Prepared;
use crate::time::RunTime;

/// Pause in the closed model after a hit that was never sent: nothing is waited for in such a hit (no data, no
/// value, a connect that fails at once), and it must not take the thread for itself.
pub(crate) const REFUSED_PAUSE: Duration = Duration::from_millis(10);
/// How often a request is sent that the server says it did not look at.
const ATTEMPTS: usize = 4;
/// Bits of a hit's number below those that tell the steps of a journey apart.
const STEP_SHIFT: u32 = 52;

/// Connections, and the buffers that every hit uses again.
#[derive(Debug)]
pub(crate) struct Session<C> {
    connections: C,
    /// The request as it goes on the wire: a copy of the template in `head_of`.
    head: Vec<u8>,
    head_of: Option<usize>,
    /// Where the trace of `head` begins.
    trace_at: usize,
    body: Body,
    hit: Hit,
    /// What the exchanges of the hit before the present one came to, if there were any.
    earlier: Option<Progress>,
    /// When the last exchange of the hit was over, while the next one waits for a connection.
    since: Option<RunTime>,
    problem: Option<Problem>,
    /// Connections given up since the last hit because the server sent something nobody asked for.
    unasked: u16,
    maker: Maker,
}

/// Who the journey under way is made by, where that matters: it has values, or cookies. Kept for later journeys of
/// the same session, and out of reach of those that nobody in particular makes.
#[derive(Debug, Default)]
struct Maker {
    kept: Option<Box<Person>>,
    at_work: bool,
}

impl Maker {
    fn get(&self) -> Option<&Person> {
        self.kept.as_deref().filter(|_| self.at_work)
    }

    fn get_mut(&mut self) -> Option<&mut Person> {
        self.kept.as_deref_mut().filter(|_| self.at_work)
    }
}

/// The number of step `step` of journey `n`: unique in the run.
pub(crate) const fn hit_number(n: u64, step: usize) -> u64 {
    n ^ ((step as u64) << STEP_SHIFT)
}

/// Which hit of the run: its number, its request, and when it was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) n: u64,
    pub(crate) request: usize,
    pub(crate) intended: RunTime,
}

/// Runs `work` until it is done, or until `cut` says why it is cut off and it is dropped. What the sockets hold at that
/// moment came in time, however long the thread was held up: they are looked at once more.
pub(crate) async fn unless_cut<T>(
    work: impl Future<Output = T>,
    mut cut: impl FnMut(&Context<'_>) -> Option<&'static str>,
) -> Result<T, &'static str> {
    let mut work = pin!(work);
    let ended = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => cut(cx).map_or(Poll::Pending, |why| Poll::Ready(Err(why))),
    })
    .await;
    let Err(why) = ended else { return ended };
    yield_now().await;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => Poll::Ready(Err(why)),
    })
    .await
}

impl<C: Connections> Session<C> {
    pub(crate) fn new(connections: C) -> Self {
        Self {
            connections,
            head: Vec::new(),
            head_of: None,
            trace_at: 0,
            body: Body::default(),
            hit: Hit::default(),
            earlier: None,
            since: None,
            problem: None,
            unasked: 0,
            maker: Maker::default(),
        }
    }

    /// Whether a connection is open that nobody else uses.
    pub(crate) fn connected(&self) -> bool {
        self.connections.connected()
    }

    /// The hit under way, or the last one.
    pub(crate) const fn hit(&self) -> &Hit {
        &self.hit
    }

    /// Why the last hit failed.
    pub(crate) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// What this user has extracted, if it ever began a journey that extracts.
    pub(crate) fn values(&self) -> Option<&Values> {
        self.maker.get().map(Person::values)
    }

    /// Begins journey `seq` of a user, or an arrival's. A journey without data needs nothing.
    pub(crate) fn begin_journey(&mut self, plan: &Plan, journey: usize, seq: u64, of: Taker<'_>) -> Begin {
        if !plan.personal[journey] {
            self.maker.at_work = false;
            return Begin::Ready;
        }
        self.person(plan).begin(&plan.script.journeys[journey].feeders, seq, of)
    }

    /// Who makes the requests from now on; made when first needed.
    pub(crate) fn person(&mut self, plan: &Plan) -> &mut Person {
        self.maker.at_work = true;
        self.maker.kept.get_or_insert_with(|| Box::new(Person::new(plan)))
    }

    /// Begins a hit: writes its request and its trace context. Gives its time limit in ns, or none if the
    /// request lacks a value: the hit is over then.
    pub(crate) fn begin(&mut self, plan: &Plan, template: &Template, due: Due, now: RunTime) -> Option<u64> {
        let Due { n, request, intended } = due;
        self.problem = None;
        let unasked = mem::take(&mut self.unasked);
        self.hit = Hit { n, request, intended, start: Some(now), unasked, ..Hit::default() };
        let mut person = self.maker.get_mut();
        if let Some(person) = &mut person {
            person.begin_request();
        }
        let written = match (&template.fixed, person) {
            (None, None) => None,
            (None, Some(person)) => Some(person.write(plan, template, &mut self.head)),
            (Some(_), Some(person)) if plan.cookies => Some(person.write(plan, template, &mut self.head)),
            (Some(fixed), _) => {
                self.copy(fixed, request);
                self.trace_at = fixed.trace_at;
                self.patch(plan);
                return Some(template.timeout);
            }
        };
        self.head_of = None;
        match written {
            Some(Ok(at)) => {
                self.trace_at = at;
                self.patch(plan);
                Some(template.timeout)
            }
            Some(Err(missing)) => {
                self.fail(Problem::Script(Fault::Data(missing)), now);
                None
            }
            // A request with values belongs to a journey that somebody makes.
            None => None,
        }
    }

    /// Writes the hit's trace context into its head.
    fn patch(&mut self, plan: &Plan) {
        let (n, choice) = (self.hit.n, &plan.choice);
        plan.wire.patch(&mut self.head, self.trace_at, n, choice.span(n), choice.sampled(n));
    }

    fn copy(&mut self, fixed: &Prepared, request: usize) {
        if self.head_of != Some(request) {
            self.head.clear();
            self.head.extend_from_slice(&fixed.head);
            self.head_of = Some(request);
        }
    }

    /// A hit that cannot be sent: it fails where it stands, and an open connection stays open.
    pub(crate) fn refuse(&mut self, due: Due, problem: Problem, now: RunTime) {
        let Due { n, request, intended } = due;
        self.hit = Hit { n, request, intended, start: Some(now), ..Hit::default() };
        self.fail(problem, now);
    }

    /// Makes sure of a connection; gives the moment from which on the request may be written, or none if there is
    /// no connection and the hit is over.
    pub(crate) async fn open(&mut self, plan: &Plan) -> Option<RunTime> {
        match self.connections.ready(plan, &mut self.hit.open).await {
            Ok(false) => self.hit.start,
            Ok(true) => Some(plan.clock.now()),
            Err(problem) => {
                self.end(problem, plan.clock.now());
                None
            }
        }
    }

    /// Sends the request at `sent` and reads the answer. The hit is over then, passed or failed.
    pub(crate) async fn exchange(&mut self, plan: &Plan, template: &Template, sent: RunTime) {
        self.hit.sent = Some(sent);
        self.hit.progress.begun = sent;
        self.hit.open_before = self.hit.open.total();
        let mut result = self.send(plan, template, template.step.recipe.method()).await;
        if result.is_ok() && plan.redirects > 0 && redirect::redirects(self.hit.progress.status) {
            result = self.follow(plan, template).await;
        }
        self.join();
        self.hit.done = self.hit.progress.done.unwrap_or_else(|| plan.clock.now());
        match result {
            Err(problem) => self.end(problem, self.hit.done),
            Ok(()) => self.judge(plan, template),
        }
    }

    /// One request and its answer; sent again where the server says that it did not look at it, as it does when it
    /// closes a connection in order.
    async fn send(&mut self, plan: &Plan, template: &Template, method: &str) -> Result<(), Problem> {
        let mut left = ATTEMPTS;
        loop {
            let rendered = self.maker.get().map(Person::rendered);
            let body = plan.wire.apart(template.body(method, rendered));
            let request = Outgoing { head: &self.head, body, no_body: method == "HEAD" };
            self.body.reset(template.keep);
            let answer = Answer { progress: &mut self.hit.progress, body: &mut self.body };
            left -= 1;
            match self.connections.exchange(plan, request, answer).await {
                Err(Problem::Http2(e)) if left > 0 && e.unprocessed() => {}
                over => return over,
            }
            self.again(plan).await?;
            self.hit.resent = self.hit.resent.saturating_add(1);
        }
    }

    fn judge(&mut self, plan: &Plan, template: &Template) {
        if self.hit.redirects == 0 {
            self.take_cookies(plan, None);
        }
        let status = self.hit.progress.status;
        let (failed, problem) = person::judge(template, self.maker.get_mut(), status, &self.body);
        self.hit.failed_checks = failed;
        self.hit.failure = problem.as_ref().map(Problem::failure);
        self.problem = problem;
    }

    /// `path`: what the answer answers, if not the hit's own request.
    fn take_cookies(&mut self, plan: &Plan, path: Option<&[u8]>) {
        if let (true, Some(person)) = (plan.cookies, self.maker.get_mut()) {
            person.take_cookies(plan, path, self.hit.progress.status, &self.body);
        }
    }

    /// Whether the hit under way has sent nothing and opens nothing: it waits for others.
    pub(crate) const fn waits(&self) -> bool {
        self.hit.sent.is_none() && !self.hit.open.under_way()
    }

    /// Ends a hit whose [`Session::open`] or [`Session::exchange`] was dropped half-way.
    pub(crate) fn cut(&mut self, why: &'static str, now: RunTime) {
        self.hit.open.end();
        self.resume(now);
        self.join();
        self.end(Problem::Cut(why), now);
    }

    /// The hit and its own connection are over.
    fn end(&mut self, problem: Problem, now: RunTime) {
        self.connections.close();
        self.fail(problem, now);
    }

    fn fail(&mut self, problem: Problem, now: RunTime) {
        self.hit.failure = Some(problem.failure());
        self.hit.done = now;
        self.problem = Some(problem);
    }

    /// As [`Connections::poll_stale`].
    pub(crate) fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connections.poll_stale(cx).map(|why| self.unasked += u16::from(why == Stale::Unasked))
    }
}
