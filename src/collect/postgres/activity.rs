//! Samples of `pg_stat_activity`: what the backends do and what they wait for, some times a second.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::link::{Limits, Link, Source};
use super::queries::{MOST_BACKENDS, PROBE, Server};
use super::{DbError, Settings, path};
use crate::collect::journal::Journal;
use crate::collect::pace::Pace;
use crate::collect::session::Session;
use crate::collect::{Collector, Context};
use crate::formats::postgres::lines::{Activity, Backend};
use crate::formats::postgres::statement::{fingerprint, normalise, trace_id};
use crate::time::{RunTime, nanos};

/// Bounds of a sample.
const SAMPLE: Limits = Limits { rows: MOST_BACKENDS + 1, bytes: 4 << 20, time: Duration::from_secs(2) };
/// Slowest pace to fall back to.
const SLOWEST: Duration = Duration::from_secs(2);
/// Time between two questions for blockers, while there are any.
const BLOCKERS_APART: Duration = Duration::from_millis(200);
/// Largest file.
const FILE: usize = 256 << 20;
/// Texts that are remembered as written; beyond, a text is written again.
const TEXTS: usize = 20_000;

/// Samples the backends of one server.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) source: Source,
    pub(super) settings: Settings,
}

/// A row as the server gives it; the text still has its literals.
#[derive(Deserialize)]
struct Row {
    pid: i32,
    state: String,
    wait_type: Option<String>,
    wait: Option<String>,
    query_id: Option<i64>,
    query: Option<String>,
    xact_nanos: Option<i64>,
    query_nanos: Option<i64>,
    kind: String,
    app: String,
    blocked_by: Option<Vec<i32>>,
}

impl Collector for Samples {
    fn name(&self) -> String {
        "postgres/activity".into()
    }

    fn service(&self) -> &str {
        &self.source.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Samples {
    async fn record(self: Box<Self>, context: Context) {
        let service = self.source.service.clone();
        let mut session = Session::new(context.out, context.stop, service, self.name());
        let mut journal = Journal::new(path(&self.source.service, "activity"), FILE);
        let asked = Duration::from_secs_f64(1.0 / self.settings.snapshots_per_second);
        let mut pace = Pace::new(asked, SLOWEST, self.settings.seed);
        let mut texts = HashSet::new();
        while !session.over() {
            match self.sample_on(&mut session, &mut journal, &mut pace, &mut texts).await {
                Ok(()) => break,
                Err(error) => session.failed(&error.to_string()),
            }
            session.sleep(Duration::ZERO).await;
        }
        journal.finish(&mut session);
        session.finish();
    }

    /// Samples over one connection until the load ends, or until it breaks.
    async fn sample_on(
        &self,
        session: &mut Session,
        journal: &mut Journal,
        pace: &mut Pace,
        texts: &mut HashSet<u64>,
    ) -> Result<(), DbError> {
        let link = self.source.open().await?;
        let server: Vec<Server> = link.rows(PROBE, SAMPLE).await?;
        let server = server.into_iter().next().unwrap_or_default();
        let mut blockers_seen: Option<Instant> = None;
        while !session.over() {
            let began = Instant::now();
            let blockers = blockers_seen.is_none_or(|seen| seen.elapsed() >= BLOCKERS_APART);
            let rows = tokio::select! {
                rows = sample(&link, &server, blockers) => rows,
                () = session.stopped() => break,
            };
            let took = began.elapsed();
            match rows {
                Ok(rows) => {
                    session.succeeded();
                    let line = line(session.at(began), took, blockers, rows, texts);
                    if blockers {
                        let blocked = line.backends.iter().any(|b| b.blocked_by.is_some());
                        blockers_seen = blocked.then_some(began);
                    }
                    journal.write(session, &line).await;
                }
                Err(error) if error.keeps_the_link() => session.failed(&error.to_string()),
                Err(error) => return Err(error),
            }
            if let Some(change) = pace.observe(took) {
                session.tell_pace(change);
            }
            let gap = pace.gap().max(session.pause());
            session.sleep_until(began + gap).await;
        }
        link.close().await;
        Ok(())
    }
}

async fn sample(link: &Link, server: &Server, blockers: bool) -> Result<Vec<Row>, DbError> {
    link.rows(&server.activity(blockers), SAMPLE).await
}

/// A line without literals; a text is written with its first backend only.
fn line(t: RunTime, took: Duration, blockers: bool, rows: Vec<Row>, texts: &mut HashSet<u64>) -> Activity {
    let more = rows.len().saturating_sub(MOST_BACKENDS) as u64;
    let backends = rows.into_iter().take(MOST_BACKENDS).map(|row| backend(row, texts)).collect();
    Activity { t, took_nanos: nanos(took), more, blockers, backends }
}

fn backend(raw: Row, texts: &mut HashSet<u64>) -> Backend {
    let sql = raw.query.as_deref().unwrap_or_default();
    let text = normalise(sql);
    let hash = fingerprint(&text);
    if texts.len() >= TEXTS {
        texts.clear();
    }
    Backend {
        pid: raw.pid,
        state: raw.state,
        wait_type: raw.wait_type,
        wait: raw.wait,
        query_id: raw.query_id,
        hash,
        trace_id: trace_id(sql),
        query: texts.insert(hash).then_some(text),
        xact_nanos: raw.xact_nanos,
        query_nanos: raw.query_nanos,
        kind: raw.kind,
        app: raw.app,
        blocked_by: raw.blocked_by,
    }
}
