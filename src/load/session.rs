//! One user of at most one connection: performs hits one after the other. Both models of load use it.

use std::task::{Context, Poll};

use super::connect::{OpenError, OpenTimes};
use super::hit::{Hit, Problem};
use super::http1::body::Body;
use super::http1::conn::{Connection, Outgoing, Progress};
use super::http1::request::{Own, content_length};
use super::http2;
use super::person::{self, Person};
use super::plan::Plan;
use super::redirect::{self, RedirectError};
use super::script::{Answer, Begin, Fault, Rendered, Values};
use super::stream::Stream;
use super::template::Template;
use super::wire::{Message, Prepared, Wire};
use crate::time::RunTime;

/// Bits of a hit's number below those that tell the steps of a journey apart.
const STEP_SHIFT: u32 = 52;

/// A connection, if one is open, and the buffers that every hit uses again.
#[derive(Debug, Default)]
pub(crate) struct Session {
    connection: Option<Channel>,
    /// The request as it goes on the wire: a copy of the template in `head_of`.
    head: Vec<u8>,
    head_of: Option<usize>,
    /// Where the trace of `head` begins.
    trace_at: usize,
    body: Body,
    hit: Hit,
    problem: Option<Problem>,
    /// Who the journey is made by, where that matters.
    person: Option<Box<Person>>,
}

/// A connection that this session has for itself.
#[derive(Debug)]
enum Channel {
    Http1(Connection<Stream>),
    Http2(Box<http2::conn::Connection<Stream>>),
}

impl Channel {
    fn new(plan: &Plan, stream: Stream) -> Self {
        match plan.wire {
            Wire::Http1 { .. } => Self::Http1(Connection::new(stream)),
            Wire::Http2 { .. } => Self::Http2(Box::new(http2::conn::Connection::new(stream, plan.clock))),
        }
    }

    fn reusable(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.reusable(),
            Self::Http2(connection) => connection.reusable(),
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(connection) => connection.poll_idle(cx),
            Self::Http2(connection) => connection.poll_idle(cx),
        }
    }
}

/// A connection of HTTP/2 that lanes of one thread share.
pub(crate) type SharedLink = http2::shared::Shared<Stream>;

/// Over which connection a session sends: a type of its own for each, since users of the closed model move
/// between threads and a shared connection does not.
pub(crate) trait Via: Copy {
    /// Whether others use the connection too.
    const SHARED: bool;

    /// Sends a request over a shared connection.
    fn exchange(
        self,
        request: http2::mux::Outgoing<'_>,
        answer: http2::mux::Answer<'_>,
    ) -> impl Future<Output = Result<(), http2::error::ExchangeError>>;
}

/// Over the session's own connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone;

impl Via for Alone {
    const SHARED: bool = false;

    fn exchange(
        self,
        _: http2::mux::Outgoing<'_>,
        _: http2::mux::Answer<'_>,
    ) -> impl Future<Output = Result<(), http2::error::ExchangeError>> {
        std::future::ready(Err(http2::error::ExchangeError::Spent))
    }
}

impl Via for &SharedLink {
    const SHARED: bool = true;

    fn exchange(
        self,
        request: http2::mux::Outgoing<'_>,
        answer: http2::mux::Answer<'_>,
    ) -> impl Future<Output = Result<(), http2::error::ExchangeError>> {
        SharedLink::exchange(self, request, answer)
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

impl Session {
    /// Whether a connection is open.
    pub(crate) const fn connected(&self) -> bool {
        self.connection.is_some()
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
        self.person.as_deref().map(Person::values)
    }

    /// Begins journey `seq` of a user `vu`, or of nobody in particular. A journey without data needs nothing.
    pub(crate) fn begin_journey(&mut self, plan: &Plan, journey: usize, seq: u64, vu: Option<u64>) -> Begin {
        if !plan.personal[journey] {
            return Begin::Ready;
        }
        self.person(plan).begin(&plan.script.journeys[journey].feeders, seq, vu)
    }

    /// Who makes the requests; made when first needed.
    pub(crate) fn person(&mut self, plan: &Plan) -> &mut Person {
        self.person.get_or_insert_with(|| Box::new(Person::new(plan)))
    }

    /// Begins a hit: writes its request and its trace context. Gives its time limit in ns, or none if the
    /// request lacks a value: the hit is over then.
    pub(crate) fn begin(&mut self, plan: &Plan, template: &Template, due: Due, now: RunTime) -> Option<u64> {
        let Due { n, request, intended } = due;
        self.problem = None;
        self.hit = Hit { n, request, intended, start: Some(now), ..Hit::default() };
        let written = match (&template.fixed, &mut self.person) {
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

    /// Opens a connection; false if that failed and the hit is over.
    pub(crate) async fn open(&mut self, plan: &Plan) -> bool {
        match plan.connector.open(&mut self.hit.open).await {
            Ok(stream) => {
                self.connection = Some(Channel::new(plan, stream));
                true
            }
            Err(e) => {
                self.end(Problem::Open(e), plan.clock.now());
                false
            }
        }
    }

    /// Opening a connection that others share failed: the hit is over.
    pub(crate) fn not_opened(&mut self, error: OpenError, now: RunTime) {
        self.fail(Problem::Open(error), now);
    }

    /// The times of opening the connection that this hit waits for.
    pub(crate) const fn open_times(&mut self) -> &mut OpenTimes {
        &mut self.hit.open
    }

    /// Whether the server said that it did not look at the request, so that it may be sent again.
    pub(crate) const fn unprocessed(&self) -> bool {
        matches!(&self.problem, Some(Problem::Http2(e)) if e.unprocessed())
    }

    /// Sends the request at `sent`, over the session's own connection or over one that lanes share, and reads
    /// the answer. The hit is over then, passed or failed.
    pub(crate) async fn exchange<V: Via>(&mut self, plan: &Plan, template: &Template, sent: RunTime, via: V) {
        self.hit.sent.get_or_insert(sent);
        (self.hit.failure, self.problem) = (None, None);
        let result = self.send(plan, template, template.step.recipe.method(), via).await;
        let result = match result {
            Ok(()) if plan.redirects > 0 && redirect::redirects(self.hit.progress.status) => {
                self.follow(plan, template, via).await
            }
            other => other,
        };
        self.hit.done = self.hit.progress.done.unwrap_or_else(|| plan.clock.now());
        match result {
            Err(problem) => self.end(problem, self.hit.done),
            Ok(()) => self.judge(plan, template),
        }
    }

    /// One request and its answer.
    async fn send<V: Via>(
        &mut self,
        plan: &Plan,
        template: &Template,
        method: &str,
        via: V,
    ) -> Result<(), Problem> {
        let no_body = method == "HEAD";
        self.body.reset(template.keep);
        let body = match (&template.fixed, &self.person) {
            // A redirect that changes the method leaves the body behind.
            _ if method != template.step.recipe.method() => &[][..],
            (Some(fixed), _) => &fixed.body,
            (None, Some(person)) => person.body(plan, template),
            (None, None) => &[],
        };
        let (kept, progress) = (&mut self.body, &mut self.hit.progress);
        let head = &self.head;
        if V::SHARED {
            let mut lines = kept.take_head();
            let answer = http2::mux::Answer { progress, body: kept, head: lines.as_mut() };
            let result = via.exchange(http2::mux::Outgoing { block: head, body, no_body }, answer).await;
            self.body.put_head(lines);
            return result.map_err(Problem::Http2);
        }
        match &mut self.connection {
            Some(Channel::Http2(connection)) => {
                let mut lines = kept.take_head();
                let answer = http2::mux::Answer { progress, body: kept, head: lines.as_mut() };
                let request = http2::mux::Outgoing { block: head, body, no_body };
                let result = connection.exchange(request, answer).await;
                self.body.put_head(lines);
                result.map_err(Problem::Http2)?;
            }
            Some(Channel::Http1(connection)) => {
                let request = Outgoing { head, body, no_body };
                let exchange = connection.exchange(request, &plan.clock, progress, kept);
                exchange.await.map_err(Problem::Exchange)?;
            }
            None => return Ok(()),
        }
        if !plan.keep_alive || self.connection.as_ref().is_some_and(|c| !c.reusable()) {
            self.connection = None;
        }
        Ok(())
    }

    /// Follows redirects until there is another answer. The time of all of them is the hit's.
    async fn follow<V: Via>(&mut self, plan: &Plan, template: &Template, via: V) -> Result<(), Problem> {
        let recipe = &template.step.recipe;
        let mut path = self.person.as_ref().map_or_else(Vec::new, |p| p.rendered().path.clone());
        if path.is_empty() {
            path = first_path(template).to_vec();
        }
        let mut method = recipe.method().to_owned();
        while redirect::redirects(self.hit.progress.status) {
            if usize::from(self.hit.redirects) >= plan.redirects {
                return Err(Problem::Redirect(RedirectError::TooMany(plan.redirects)));
            }
            self.take_cookies(plan, Some(&path));
            let answer = Answer { head: self.body.head(), ..Answer::default() };
            let Some(location) = answer.header("location") else { return Ok(()) };
            path = redirect::leads_to(&plan.base, &path, location).map_err(Problem::Redirect)?.into_bytes();
            method = redirect::method(self.hit.progress.status, &method).to_owned();
            self.hit.redirects += 1;
            self.write_redirected(plan, template, &method, &path);
            if !V::SHARED {
                self.reopen(plan).await?;
            }
            let before = std::mem::take(&mut self.hit.progress);
            let result = self.send(plan, template, &method, via).await;
            self.hit.progress = joined(before, self.hit.progress);
            result?;
        }
        self.take_cookies(plan, Some(&path));
        Ok(())
    }

    /// The head of the request that follows a redirect; it keeps its body only if it keeps its method.
    fn write_redirected(&mut self, plan: &Plan, template: &Template, method: &str, path: &[u8]) {
        let recipe = &template.step.recipe;
        let nobody = Rendered::default();
        let rendered = self.person.as_ref().map_or(&nobody, |p| p.rendered());
        let body = recipe.body(rendered).filter(|_| method == recipe.method());
        let content_length = content_length(method, body);
        let own = Own { run: Some(plan.run), keep_alive: plan.keep_alive, content_length };
        self.head.clear();
        self.head_of = None;
        let message = Message { method, path, body };
        self.trace_at = plan.wire.write(message, recipe.headers(rendered), own, &mut self.head);
        self.patch(plan);
    }

    /// Another connection in the middle of a hit, if the last answer closed the one it came over.
    async fn reopen(&mut self, plan: &Plan) -> Result<(), Problem> {
        if self.connection.is_none() {
            let mut times = OpenTimes::default();
            let stream = plan.connector.open(&mut times).await.map_err(Problem::Open)?;
            self.connection = Some(Channel::new(plan, stream));
        }
        Ok(())
    }

    fn judge(&mut self, plan: &Plan, template: &Template) {
        if self.hit.redirects == 0 {
            self.take_cookies(plan, None);
        }
        let status = self.hit.progress.status;
        let (failed, problem) = person::judge(template, self.person.as_deref_mut(), status, &self.body);
        self.hit.failed_checks = failed;
        self.hit.failure = problem.as_ref().map(Problem::failure);
        self.problem = problem;
    }

    /// `path`: what the answer answers, if not the hit's own request.
    fn take_cookies(&mut self, plan: &Plan, path: Option<&[u8]>) {
        if let (true, Some(person)) = (plan.cookies, &mut self.person) {
            person.take_cookies(plan, path, self.hit.progress.status, &self.body);
        }
    }

    /// Ends a hit whose [`Session::open`] or [`Session::exchange`] was dropped half-way.
    pub(crate) fn cut(&mut self, why: &'static str, now: RunTime) {
        if let (None, Some(start)) = (self.hit.sent, self.hit.start) {
            let (open, spent) = (&mut self.hit.open, now.since(start));
            match open.connect {
                None => open.connect = Some(spent),
                Some(connect) => open.tls = Some(spent.saturating_sub(connect)),
            }
        }
        self.end(Problem::Cut(why), now);
    }

    /// The hit and its connection are over.
    fn end(&mut self, problem: Problem, now: RunTime) {
        self.connection = None;
        self.fail(problem, now);
    }

    fn fail(&mut self, problem: Problem, now: RunTime) {
        self.hit.failure = Some(problem.failure());
        self.hit.done = now;
        self.problem = Some(problem);
    }

    /// Drops an idle connection that the server has closed or that holds bytes nobody asked for; ready if
    /// it did. Otherwise the task is woken when that happens.
    pub(crate) fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.connection else { return Poll::Pending };
        let stale = connection.poll_idle(cx);
        if stale.is_ready() {
            self.connection = None;
        }
        stale
    }
}

/// The path of a request without variables.
fn first_path(template: &Template) -> &[u8] {
    template.fixed.as_ref().map_or(&[][..], |fixed| &fixed.path)
}

/// A hit's progress over a redirect: sent with the first request, answered by the last.
fn joined(first: Progress, last: Progress) -> Progress {
    Progress {
        written: first.written,
        bytes_in: first.bytes_in + last.bytes_in,
        bytes_out: first.bytes_out + last.bytes_out,
        ..last
    }
}
