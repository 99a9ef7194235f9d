//! Range queries to a Prometheus server, in pieces while the load goes on: a run that is killed keeps what was known.
//!
//! A server looks back up to five minutes for the newest sample of a moment, and a scrape is in it only once it is
//! over. A moment that is asked about at once would get the sample before; so moments are asked about after the
//! scenario's `settle`, and those up to the last one that long after the load.

mod server;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::pace::next_multiple;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::formats::promql::Answer;
use crate::run::layout;
use crate::run::promql::Asked;
use crate::scenario::PromqlQuery;
use crate::time::{RunTime, SECOND, Window, nanos};

use server::Range;

pub(super) use server::{Refusal, instant, scrape_interval, step};

/// Time between two pieces, unless a step takes longer.
const PIECE: Duration = Duration::from_secs(10);
/// Time limit of a question.
const TIME: Duration = Duration::from_secs(10);
/// The same once the load has ended.
const LAST: Duration = Duration::from_secs(1);
/// Most moments in one piece: servers refuse more than 11,000.
const MOMENTS: u64 = 5_000;

/// Asks one server.
#[derive(Debug)]
pub(super) struct RangeQueries {
    /// The server.
    pub(super) endpoint: Endpoint,
    /// What it is asked.
    pub(super) queries: Vec<PromqlQuery>,
    /// Length of a period.
    pub(super) period: Duration,
    /// Time after which a sample is surely in the server.
    pub(super) settle: Duration,
}

impl Collector for RangeQueries {
    fn name(&self) -> String {
        "promql".into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

/// How far one query got.
struct Progress {
    query: PromqlQuery,
    /// The first moment not asked about.
    next: RunTime,
    /// Not asked again: the server does not understand it.
    given_up: bool,
    /// A warning of it was told.
    warned: bool,
}

/// What all questions of one round have in common.
#[derive(Clone, Copy)]
struct Round {
    /// The last moment that is asked about.
    until: RunTime,
    step: Duration,
    /// Time limit of each question.
    limit: Duration,
    /// When the round itself must be over.
    over_by: Instant,
}

impl RangeQueries {
    async fn record(self: Box<Self>, context: Context) {
        let clock = context.out.clock();
        let mut stop = context.stop.clone();
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        let step = step(self.period, scrape_interval(&self.endpoint, LAST).await);
        let begin = |query: &PromqlQuery| Progress {
            query: query.clone(),
            next: RunTime::ZERO,
            given_up: false,
            warned: false,
        };
        let mut all: Vec<Progress> = self.queries.iter().map(begin).collect();
        let pieces = PIECE.max(step);
        while !recorder.over() {
            let due = next_multiple(recorder.now().plus(nanos(recorder.pause())), pieces);
            recorder.sleep_until(clock.instant(due)).await;
            let now = recorder.now();
            let settled = now.minus(nanos(self.settle));
            if recorder.over() || settled == RunTime::ZERO {
                continue;
            }
            let round = Round { until: settled, step, limit: TIME, over_by: clock.instant(now) + pieces };
            // A server that hangs must not hold up the end; what is not kept by then is asked for once more.
            tokio::select! {
                () = self.round(&mut recorder, &mut all, round) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        self.last(&mut recorder, &mut all, step).await;
        recorder.finish();
    }

    /// What the load did last is in the server only now.
    async fn last(&self, recorder: &mut Recorder, all: &mut [Progress], step: Duration) {
        if recorder.out().stopped().is_some() {
            return;
        }
        tokio::time::sleep(self.settle).await;
        let over_by = Instant::now() + LAST;
        self.round(recorder, all, Round { until: recorder.now(), step, limit: LAST, over_by }).await;
    }

    async fn round(&self, recorder: &mut Recorder, all: &mut [Progress], round: Round) {
        if all.iter().all(|p| p.given_up) {
            return;
        }
        let ahead = match server::clock_ahead(&self.endpoint, round.limit).await {
            Ok(ahead) => ahead,
            // Without an answer to this, there is none to the others.
            Err(refusal) => return recorder.failed(&refusal.error.to_string()),
        };
        recorder.succeeded();
        for progress in all.iter_mut().filter(|p| !p.given_up) {
            if Instant::now() >= round.over_by {
                return recorder.fault("the server is too slow to answer all queries in time: ask it fewer");
            }
            self.piece(recorder, progress, round, ahead).await;
        }
    }

    /// One query, from where it got to. What fails is asked for again with the next piece.
    async fn piece(&self, recorder: &mut Recorder, progress: &mut Progress, round: Round, ahead: f64) {
        let step = nanos(round.step).max(1);
        if round.until < progress.next {
            return;
        }
        let mut moments = round.until.since(progress.next) / step + 1;
        if moments > MOMENTS {
            let lost = moments - MOMENTS;
            let name = &progress.query.name;
            recorder.fault(&format!("{lost} moments of `{name}` are passed over: too many at once"));
            progress.next = progress.next.plus(lost * step);
            moments = MOMENTS;
        }
        let window = Window::new(progress.next, progress.next.plus((moments - 1) * step));
        let started = recorder.out().clock().wall_unix_nanos() as f64 / SECOND as f64;
        let theirs = |t: RunTime| started + t.as_secs_f64() + ahead;
        let range = Range { start: theirs(window.from), end: theirs(window.to), step: round.step };
        match server::range(&self.endpoint, &progress.query.query, range, round.limit).await {
            Ok(told) => {
                self.warn(recorder, progress, &told.answer);
                let asked = asked(recorder.now(), &progress.query, window, round.step, ahead);
                self.keep(recorder, asked, told.fetched.body).await;
                progress.next = window.to.plus(step);
            }
            Err(Refusal { error, lasting }) => {
                progress.given_up = lasting;
                let end = if lasting { "; it is not asked again" } else { "" };
                recorder.fault(&format!("query `{}`: {error}{end}", progress.query.name));
            }
        }
    }

    /// Warnings come with every answer: once is enough.
    fn warn(&self, recorder: &mut Recorder, progress: &mut Progress, answer: &Answer) {
        if progress.warned || (answer.notes.is_empty() && answer.left_out == 0) {
            return;
        }
        progress.warned = true;
        let mut doubts = answer.notes.clone();
        if answer.left_out > 0 {
            doubts.push(format!("{} series or values of it are beyond what is read", answer.left_out));
        }
        let words = self.endpoint.fetcher.excerpt(&doubts.join("; "));
        recorder.fault(&format!("query `{}` was answered with a doubt: {words}", progress.query.name));
    }

    /// The line that says what an answer is to comes first: without its file it is passed over.
    async fn keep(&self, recorder: &mut Recorder, asked: Asked, body: Bytes) {
        let path = layout::promql(self.service(), &asked.name, asked.window);
        // Plain fields always serialise.
        let mut line = serde_json::to_vec(&asked).unwrap_or_default();
        line.push(b'\n');
        if recorder.append(layout::asked(self.service()), line.into()).await {
            recorder.keep(path, body).await;
        }
    }
}

fn asked(t: RunTime, query: &PromqlQuery, window: Window, step: Duration, ahead: f64) -> Asked {
    Asked {
        t,
        name: query.name.clone(),
        query: query.query.clone(),
        window,
        step_nanos: nanos(step),
        clock_ahead_nanos: (ahead * SECOND as f64).round() as i64,
    }
}
