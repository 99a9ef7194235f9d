//! One user of at most one connection: performs hits one after the other. Both models of load use it.

use std::task::{Context, Poll};

use super::expect;
use super::hit::{Hit, Problem};
use super::http1::body::Body;
use super::http1::conn::{Connection, Outgoing};
use super::plan::{Plan, Template};
use super::stream::Stream;
use crate::time::RunTime;

/// A connection, if one is open, and the buffers that every hit uses again.
#[derive(Debug, Default)]
pub(crate) struct Session {
    connection: Option<Connection<Stream>>,
    /// The request as it goes on the wire: a copy of the template in `head_of`.
    head: Vec<u8>,
    head_of: Option<usize>,
    body: Body,
    hit: Hit,
    problem: Option<Problem>,
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

    /// Begins arrival `n`: draws its request and writes its trace context. Gives its time limit in ns.
    pub(crate) fn begin(
        &mut self,
        plan: &Plan,
        n: u64,
        request: usize,
        intended: RunTime,
        now: RunTime,
    ) -> u64 {
        let template = &plan.templates[request];
        if self.head_of != Some(request) {
            self.head.clear();
            self.head.extend_from_slice(&template.prepared.head);
            self.head_of = Some(request);
        }
        template.prepared.patch(&mut self.head, n, plan.choice.span(n), plan.choice.sampled(n));
        self.problem = None;
        self.hit = Hit { n, request, intended, start: Some(now), ..Hit::default() };
        template.timeout
    }

    /// Opens a connection; false if that failed and the hit is over.
    pub(crate) async fn open(&mut self, plan: &Plan) -> bool {
        match plan.connector.open(&mut self.hit.open).await {
            Ok(stream) => {
                self.connection = Some(Connection::new(stream));
                true
            }
            Err(e) => {
                self.end(Problem::Open(e), plan.clock.now());
                false
            }
        }
    }

    /// Sends the request at `sent` and reads the answer. The hit is over then, passed or failed.
    pub(crate) async fn exchange(&mut self, plan: &Plan, sent: RunTime) {
        let Some(connection) = &mut self.connection else { return };
        let template = &plan.templates[self.hit.request];
        self.body.reset(template.needs_body);
        self.hit.sent = Some(sent);
        let Template { prepared, .. } = template;
        let request = Outgoing { head: &self.head, body: &prepared.body, no_body: prepared.no_body };
        let result = connection.exchange(request, &plan.clock, &mut self.hit.progress, &mut self.body).await;
        self.hit.done = self.hit.progress.done.unwrap_or_else(|| plan.clock.now());
        match result {
            Err(e) => self.end(Problem::Exchange(e), self.hit.done),
            Ok(()) => {
                if let Err(e) = expect::check(&template.expect, self.hit.progress.status, &self.body) {
                    let problem = Problem::Unexpected(e);
                    self.hit.failure = Some(problem.failure());
                    self.problem = Some(problem);
                }
                if !plan.keep_alive || self.connection.as_ref().is_some_and(|c| !c.reusable()) {
                    self.connection = None;
                }
            }
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

    fn end(&mut self, problem: Problem, now: RunTime) {
        self.connection = None;
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
