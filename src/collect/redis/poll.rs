//! Readings of one Redis server: counters each period, slow commands as they come, what is left at the end.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use redis::Value;

use super::link::{Link, Source};
use super::{RedisError, path, reply};
use crate::collect::journal::Journal;
use crate::collect::pace::next_multiple;
use crate::collect::session::Session;
use crate::collect::{Collector, Context};
use crate::formats::redis::lines::{Histograms, Info, sections};
use crate::time::nanos;

/// Sections of `INFO` that are kept.
const SECTIONS: [&str; 8] =
    ["clients", "memory", "stats", "cpu", "persistence", "commandstats", "latencystats", "errorstats"];
/// Keys of its section `server` that are kept.
const SERVER: [&str; 3] = ["run_id", "redis_version", "uptime_in_seconds"];
/// Time between two looks at the slow log; it holds 128 entries by default, and forgets the oldest.
const SLOW_APART: Duration = Duration::from_secs(5);
/// Entries of the slow log that are asked for.
const SLOW: &str = "1000";
/// Largest file.
const FILE: usize = 128 << 20;

/// Reads one server.
#[derive(Debug)]
pub(super) struct Polls {
    pub(super) source: Source,
    pub(super) period: Duration,
}

impl Collector for Polls {
    fn name(&self) -> String {
        "redis".into()
    }

    fn service(&self) -> &str {
        &self.source.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Polls {
    async fn record(self: Box<Self>, context: Context) {
        let service = &self.source.service;
        let mut session = Session::new(context.out, context.stop, service.clone(), self.name());
        let mut book = Book::new(service);
        let mut ended = false;
        while !ended {
            // The last attempt may come after the end, but only one.
            ended = session.over();
            match self.record_on(&mut session, &mut book).await {
                Ok(()) => ended = true,
                Err(error) => session.failed(&error.to_string()),
            }
            session.sleep(Duration::ZERO).await;
        }
        book.finish(&mut session);
        session.finish();
    }

    /// Reads over one connection until the load has ended and the last values are written, or until it breaks.
    async fn record_on(&self, session: &mut Session, book: &mut Book) -> Result<(), RedisError> {
        let mut link = self.source.open().await?;
        loop {
            let last = session.over();
            match book.turn(session, &mut link, last).await {
                Ok(()) => session.succeeded(),
                Err(error) if error.keeps_the_link() => session.failed(&error.to_string()),
                Err(error) => return Err(error),
            }
            if last {
                return Ok(());
            }
            let next = next_multiple(session.now().plus(nanos(session.pause())), self.period);
            session.sleep_until(session.out().clock().instant(next)).await;
        }
    }
}

/// What was read so far, and where it is written.
struct Book {
    info: Journal,
    histograms: Journal,
    slow: Journal,
    latency: Journal,
    /// Life of the server that the slow log's numbers belong to, and the newest number seen.
    life: String,
    newest: Option<i64>,
    looked: Option<Instant>,
    /// Whether the server has `LATENCY HISTOGRAM`; found out by asking.
    has_histograms: bool,
}

impl Book {
    fn new(service: &str) -> Self {
        let journal = |what| Journal::new(path(service, what), FILE);
        Self {
            info: journal("info"),
            histograms: journal("histograms"),
            slow: journal("slowlog"),
            latency: journal("latency"),
            life: String::new(),
            newest: None,
            looked: None,
            has_histograms: true,
        }
    }

    async fn turn(&mut self, session: &mut Session, link: &mut Link, last: bool) -> Result<(), RedisError> {
        self.info(session, link).await?;
        self.histograms(session, link).await?;
        if last || self.looked.is_none_or(|looked| looked.elapsed() >= SLOW_APART) {
            self.looked = Some(Instant::now());
            self.slow(session, link).await?;
        }
        if last {
            let t = session.now();
            let rows = reply::latest(&link.ask(&["LATENCY", "LATEST"]).await?, t);
            for row in rows {
                self.latency.write(session, &row).await;
            }
        }
        Ok(())
    }

    async fn info(&mut self, session: &mut Session, link: &mut Link) -> Result<(), RedisError> {
        let began = Instant::now();
        let answer = link.ask(&["INFO", "all"]).await?;
        let took_nanos = nanos(began.elapsed());
        let text = reply::text(&answer).ok_or(RedisError::Shape("INFO"))?;
        let mut sections = sections(&text);
        if let Some(server) = sections.get_mut("server") {
            server.retain(|key, _| SERVER.contains(&key.as_str()));
        }
        sections.retain(|name, _| name == "server" || SECTIONS.contains(&name.as_str()));
        let line = Info { t: session.at(began), took_nanos, sections };
        if line.incarnation() != self.life {
            // Numbers of the slow log begin anew with the server.
            self.newest = (!self.life.is_empty()).then_some(-1);
            line.incarnation().clone_into(&mut self.life);
        }
        self.info.write(session, &line).await;
        Ok(())
    }

    async fn histograms(&mut self, session: &mut Session, link: &mut Link) -> Result<(), RedisError> {
        if !self.has_histograms {
            return Ok(());
        }
        let t = session.now();
        match link.ask(&["LATENCY", "HISTOGRAM"]).await {
            Ok(answer) => {
                let line = Histograms { t, commands: reply::histograms(&answer) };
                self.histograms.write(session, &line).await;
                Ok(())
            }
            // Older than 7.0, or not allowed: the rest is worth having.
            Err(RedisError::Refused { .. }) => {
                self.has_histograms = false;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Entries of the slow log that are new; at the first look, only the newest number is noted.
    async fn slow(&mut self, session: &mut Session, link: &mut Link) -> Result<(), RedisError> {
        let Some(newest) = self.newest else {
            let entries = reply::slow(&link.ask(&["SLOWLOG", "GET", "1"]).await?, session.now());
            self.newest = Some(entries.first().map_or(-1, |e| e.id));
            return Ok(());
        };
        let answer: Value = link.ask(&["SLOWLOG", "GET", SLOW]).await?;
        let mut entries = reply::slow(&answer, session.now());
        entries.retain(|entry| entry.id > newest);
        entries.sort_by_key(|entry| entry.id);
        if let Some(first) = entries.first().filter(|e| e.id > newest + 1) {
            let lost = first.id - newest - 1;
            session.fault(&format!(
                "{lost} slow commands were forgotten before they were read: CONFIG SET slowlog-max-len 1024"
            ));
        }
        for entry in &entries {
            self.slow.write(session, entry).await;
            self.newest = Some(entry.id);
        }
        Ok(())
    }

    fn finish(self, session: &mut Session) {
        for journal in [self.info, self.histograms, self.slow, self.latency] {
            journal.finish(session);
        }
    }
}
