//! Snapshots of `pg_stat_statements` and of the database's counters, and plans of what took the most time.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::link::{Limits, Link, Source};
use super::plans::{Candidate, Plans};
use super::queries::{MOST_STATEMENTS, PROBE, Server, is_own};
use super::{DbError, Settings, path};
use crate::collect::journal::Journal;
use crate::collect::pace::next_multiple;
use crate::collect::session::Session;
use crate::collect::{Collector, Context, Trigger};
use crate::formats::postgres::lines::{Database, StatementRow, Statements};
use crate::formats::postgres::statement::normalise;
use crate::formats::postgres::statements::Key;
use crate::time::nanos;

/// Bounds of an answer.
const ANSWER: Limits = Limits { rows: MOST_STATEMENTS + 1, bytes: 16 << 20, time: Duration::from_secs(2) };
/// Least time between two snapshots of all statements.
const STATEMENTS_APART: Duration = Duration::from_secs(5);
/// Texts asked for at once.
const TEXTS_AT_ONCE: usize = 500;
/// Bytes of texts that are kept, for plans.
const TEXTS: usize = 16 << 20;
/// Largest file.
const FILE: usize = 128 << 20;

/// Records one server's statements and counters.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) source: Source,
    pub(super) settings: Settings,
}

impl Collector for Snapshots {
    fn name(&self) -> String {
        "postgres/statements".into()
    }

    fn service(&self) -> &str {
        &self.source.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Snapshots {
    async fn record(self: Box<Self>, context: Context) {
        let service = &self.source.service;
        let mut session = Session::new(context.out, context.stop, service.clone(), self.name());
        let mut book = Book::new(service, self.settings.plans);
        let mut triggers = context.triggers;
        let mut ended = false;
        while !ended {
            // The last attempt may come after the end, but only one.
            ended = session.over();
            match self.record_on(&mut session, &mut book, &mut triggers).await {
                Ok(()) => ended = true,
                Err(error) => session.failed(&error.to_string()),
            }
            session.sleep(Duration::ZERO).await;
        }
        book.finish(&mut session);
        session.finish();
    }

    /// Records over one connection until the load has ended and the last values are written, or until it breaks.
    async fn record_on(
        &self,
        session: &mut Session,
        book: &mut Book,
        triggers: &mut tokio::sync::broadcast::Receiver<Trigger>,
    ) -> Result<(), DbError> {
        let link = self.source.open().await?;
        let server: Vec<Server> = link.rows(PROBE, ANSWER).await?;
        let server = server.into_iter().next().unwrap_or_default();
        let every = nanos(STATEMENTS_APART).div_ceil(nanos(self.settings.period).max(1)).max(1);
        let mut turn = 0;
        loop {
            let last = session.over();
            let whole = last || turn % every == 0;
            turn += 1;
            book.turn(session, &link, &server, whole).await?;
            if last {
                book.plan(session, &link, &server, "end").await?;
                link.close().await;
                return Ok(());
            }
            let next = next_multiple(session.now().plus(nanos(session.pause())), self.settings.period);
            let next = session.out().clock().instant(next);
            if let Some(why) = told_before(session, triggers, next).await {
                book.turn(session, &link, &server, true).await?;
                book.plan(session, &link, &server, why).await?;
            }
        }
    }
}

/// What is told before a moment or the end of the load, whichever comes first: that all is well, which gives plans to
/// compare with, or an anomaly.
async fn told_before(
    session: &Session,
    triggers: &mut tokio::sync::broadcast::Receiver<Trigger>,
    moment: Instant,
) -> Option<&'static str> {
    let told = async {
        loop {
            match triggers.recv().await {
                Ok(Trigger::Anomaly) => return "anomaly",
                Ok(Trigger::Healthy) => return "healthy",
                Err(RecvError::Lagged(_)) => {}
                // Nobody will tell any more.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        why = told => Some(why),
        () = session.sleep_until(moment) => None,
    }
}

/// What was read so far, and where it is written.
struct Book {
    statements: Journal,
    database: Journal,
    plans: Option<Plans>,
    entries: HashMap<Key, Entry>,
    /// Texts by the server's id of the statement, with the literals that the server left in them.
    texts: HashMap<i64, String>,
    room_for_texts: usize,
}

/// A statement's entry as it was last written.
#[derive(Default)]
struct Entry {
    latest: StatementRow,
    /// Time of execution before the run.
    before_ms: f64,
    /// Whether its text was written.
    told: bool,
}

#[derive(Default, Deserialize)]
struct Info {
    dealloc: u64,
    stats_reset: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    queryid: i64,
    query: Option<String>,
}

#[derive(Deserialize)]
struct Counters {
    backends: u64,
    database: serde_json::Value,
    bgwriter: serde_json::Value,
    checkpointer: serde_json::Value,
    tables: Vec<serde_json::Value>,
}

impl Book {
    fn new(service: &str, plans: bool) -> Self {
        Self {
            statements: Journal::new(path(service, "statements"), FILE),
            database: Journal::new(path(service, "database"), FILE),
            plans: plans.then(|| Plans::new(service)),
            entries: HashMap::new(),
            texts: HashMap::new(),
            room_for_texts: TEXTS,
        }
    }

    /// Counters of the database, and of all statements if it is their turn.
    async fn turn(
        &mut self,
        session: &mut Session,
        link: &Link,
        server: &Server,
        whole: bool,
    ) -> Result<(), DbError> {
        let counters = self.counters(session, link, server, whole).await;
        let statements = match whole && server.has_statements() {
            true => self.snapshot(session, link, server).await,
            false => Ok(()),
        };
        match counters.and(statements) {
            Ok(()) => session.succeeded(),
            Err(error) if error.keeps_the_link() => session.failed(&error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn counters(
        &mut self,
        session: &mut Session,
        link: &Link,
        server: &Server,
        tables: bool,
    ) -> Result<(), DbError> {
        let t = session.now();
        let rows: Vec<Counters> = link.rows(&server.counters(tables), ANSWER).await?;
        for row in rows {
            let line = Database {
                t,
                started: server.started.clone(),
                max_connections: server.max_connections,
                reserved: server.reserved,
                backends: row.backends,
                database: row.database,
                bgwriter: row.bgwriter,
                checkpointer: row.checkpointer,
                tables: row.tables,
            };
            self.database.write(session, &line).await;
        }
        Ok(())
    }

    async fn snapshot(&mut self, session: &mut Session, link: &Link, server: &Server) -> Result<(), DbError> {
        let t = session.now();
        let info: Info = match server.statements_info() {
            Some(sql) => link.rows(&sql, ANSWER).await?.pop().unwrap_or_default(),
            None => Info::default(),
        };
        let rows: Vec<StatementRow> = link.rows(&server.statements(), ANSWER).await?;
        let complete = rows.len() < MOST_STATEMENTS;
        let first = self.entries.is_empty();
        let mut changed: Vec<StatementRow> = rows.into_iter().filter(|row| self.changes(row)).collect();
        if !first {
            self.learn_texts(link, server, &changed).await?;
        }
        changed.retain(|row| !self.text(row.queryid).is_some_and(|text| is_own(text)));
        for row in &mut changed {
            self.enter(row, first || !complete);
        }
        let line = Statements {
            t,
            extension: server.extension.clone().unwrap_or_default(),
            // The counters outlive a restart of the server.
            incarnation: info.stats_reset.unwrap_or_default(),
            dealloc: info.dealloc,
            complete,
            database: server.database,
            rows: changed,
        };
        self.statements.write(session, &line).await;
        Ok(())
    }

    /// Whether an entry is new or has other values than when it was last written.
    fn changes(&self, row: &StatementRow) -> bool {
        self.entries.get(&Key::of(row)).is_none_or(|entry| entry.latest != *row)
    }

    fn text(&self, queryid: Option<i64>) -> Option<&String> {
        self.texts.get(&queryid?)
    }

    /// Notes an entry's values; its text is written with them once.
    fn enter(&mut self, row: &mut StatementRow, there_before: bool) {
        let text = self.text(row.queryid).map(|text| normalise(text));
        let before_ms = if there_before { row.total_ms } else { 0.0 };
        let fresh = || Entry { before_ms, ..Entry::default() };
        let entry = self.entries.entry(Key::of(row)).or_insert_with(fresh);
        entry.latest = row.clone();
        if text.is_some() && !std::mem::replace(&mut entry.told, text.is_some()) {
            row.query = text;
        }
    }

    /// Asks for the texts of entries that have none yet: only those that were executed during the run.
    async fn learn_texts(
        &mut self,
        link: &Link,
        server: &Server,
        changed: &[StatementRow],
    ) -> Result<(), DbError> {
        let mut ids: Vec<i64> = changed.iter().filter_map(|row| row.queryid).collect();
        ids.retain(|id| !self.texts.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(TEXTS_AT_ONCE);
        if ids.is_empty() {
            return Ok(());
        }
        let texts: Vec<Text> = link.rows(&server.texts(&ids), ANSWER).await?;
        for (queryid, text) in texts.into_iter().filter_map(|t| Some((t.queryid, t.query?))) {
            if text.len() <= self.room_for_texts {
                self.room_for_texts -= text.len();
                self.texts.insert(queryid, text);
            }
        }
        Ok(())
    }

    /// Plans of what took the most time in this run so far.
    async fn plan(
        &mut self,
        session: &mut Session,
        link: &Link,
        server: &Server,
        why: &str,
    ) -> Result<(), DbError> {
        let Some(plans) = &mut self.plans else { return Ok(()) };
        let mut candidates: Vec<Candidate> = self
            .entries
            .iter()
            .filter(|(key, _)| key.dbid == server.database && key.toplevel)
            .filter_map(|(key, entry)| {
                let spent_ms = entry.latest.total_ms - entry.before_ms;
                let text = self.texts.get(&key.queryid?)?.clone();
                (spent_ms > 0.0).then_some(Candidate { queryid: key.queryid?, text, spent_ms })
            })
            .collect();
        candidates.sort_by(|a, b| b.spent_ms.total_cmp(&a.spent_ms));
        plans.take(session, link, server, candidates, why).await
    }

    fn finish(self, session: &mut Session) {
        self.statements.finish(session);
        self.database.finish(session);
        if let Some(plans) = self.plans {
            plans.finish(session);
        }
    }
}
