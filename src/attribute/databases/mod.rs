//! What database servers say of the statements that requests executed, per request, judged part against reference.
//!
//! Counters of the server give executions and their time; samples of its sessions give what they wait for, by Little's
//! law, and who keeps whom waiting.

mod postgres;
mod redis;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use super::{Inquiry, Reference};
use crate::analysis::{DatabaseFacts, DatabaseSystem, StatementFacts, StatementWait};
use crate::run::databases;
use crate::run::period::LoadPeriod;
use crate::time::Window;

/// Statements that are told of a server.
const MOST: usize = 12;
/// Waits that are told of a statement.
const MOST_WAITS: usize = 3;

/// What the servers of a run say; those without a reading in the judged part are left out.
pub(super) fn facts(inquiry: &Inquiry) -> Vec<DatabaseFacts> {
    let dir = &inquiry.recording.dir;
    let of_postgres = databases::postgres_services(dir).into_iter().map(|s| postgres::facts(inquiry, &s));
    let of_redis = databases::redis_services(dir).into_iter().map(|s| redis::facts(inquiry, &s));
    of_postgres.chain(of_redis).flatten().collect()
}

/// What was recorded of one server, and what its statements did in the judged part and in the reference.
#[derive(Debug)]
struct Sides<L> {
    lines: L,
    /// Of the run that the reference is in, if it is another.
    other: Option<L>,
    judged: Uses,
    reference: Option<Uses>,
}

impl<L> Sides<L> {
    /// None without a reading in the judged part.
    fn of(
        inquiry: &Inquiry,
        read: impl Fn(&Path) -> L,
        uses: impl Fn(&L, &[LoadPeriod], &[Window]) -> Uses,
    ) -> Option<Self> {
        let lines = read(&inquiry.recording.dir);
        let judged = uses(&lines, inquiry.periods, &[inquiry.judged]);
        if !judged.is_read() {
            return None;
        }
        let of_another = |r: &Reference<'_>| !std::ptr::eq(r.recording, inquiry.recording);
        let other = inquiry.reference.filter(of_another).map(|r| read(&r.recording.dir));
        let reference =
            inquiry.reference.map(|r| uses(other.as_ref().unwrap_or(&lines), r.periods, r.windows));
        Some(Self { lines, other, judged, reference })
    }

    /// Lines and windows of the reference.
    fn before<'a>(&'a self, inquiry: &Inquiry<'a>) -> Option<(&'a L, &'a [Window])> {
        inquiry.reference.map(|r| (self.other.as_ref().unwrap_or(&self.lines), r.windows))
    }
}

/// Hits that ended in a window; of periods that lie in it in part, as large a part.
fn requests(periods: &[LoadPeriod], window: Window) -> f64 {
    let share = |p: &LoadPeriod| p.window.overlap(window) as f64 / p.window.nanos().max(1) as f64;
    periods.iter().map(|p| share(p) * p.requests.iter().map(|r| r.done()).sum::<u64>() as f64).sum()
}

/// What one statement did in the windows of one part: sums, not yet per request.
#[derive(Clone, Debug, Default)]
struct Use {
    text: String,
    calls: f64,
    /// Nanoseconds of executions that ended; none for a statement known from samples alone.
    executed: Option<f64>,
    /// Nanoseconds by samples of sessions: their mean number times the length of the windows.
    sampled: f64,
    /// How often a session was seen executing it.
    seen: u64,
    /// Whether the samples may show a part of a text that the counters know whole.
    cut: bool,
    waits: BTreeMap<String, f64>,
}

/// What all statements did in one part, by fingerprint of the text (by the server's id where it may not be seen), and the
/// hits that counters and samples cover.
#[derive(Clone, Debug, Default)]
struct Uses {
    by_hash: BTreeMap<u64, Use>,
    /// Hits that ended between the readings of the counters.
    requests: f64,
    /// Hits that ended while sessions were sampled.
    sampled_requests: f64,
    /// Whether each reading of the counters looked at every entry.
    complete: bool,
    resets: u64,
    evicted: u64,
}

/// Sightings from which on samples are believed against the counters.
const MANY_SEEN: u64 = 10;
/// How many times the counters' time samples must show to be believed.
const FAR_MORE: f64 = 2.0;

/// One statement per request.
#[derive(Clone, Copy, Debug, Default)]
struct PerRequest {
    calls: f64,
    nanos: f64,
}

impl Uses {
    fn per_request(&self, hash: u64) -> PerRequest {
        let Some(of) = self.by_hash.get(&hash) else { return PerRequest::default() };
        let sampled = ratio(of.sampled, self.sampled_requests);
        let nanos = match of.executed.map(|nanos| ratio(nanos, self.requests)) {
            // Counters know executions that ended well; those that were cancelled or still wait are in samples only.
            Some(counted) if of.seen >= MANY_SEEN && sampled > FAR_MORE * counted => sampled,
            Some(counted) => counted,
            None if of.cut && self.is_counted() => 0.0,
            None => sampled,
        };
        PerRequest { calls: ratio(of.calls, self.requests), nanos }
    }

    /// Whether there are readings of the server's counters.
    fn is_counted(&self) -> bool {
        self.requests > 0.0
    }

    fn nanos(&self) -> f64 {
        self.by_hash.keys().map(|hash| self.per_request(*hash).nanos).sum()
    }

    /// Whether anything was read.
    fn is_read(&self) -> bool {
        self.requests > 0.0 || self.sampled_requests > 0.0
    }
}

/// A server's facts without what only one kind of server tells.
fn compare(service: &str, system: DatabaseSystem, judged: &Uses, reference: Option<&Uses>) -> DatabaseFacts {
    let reference = reference.filter(|r| r.is_read());
    let mut statements: Vec<StatementFacts> =
        judged.by_hash.iter().map(|(hash, of)| statement(*hash, of, judged, reference)).collect();
    statements.sort_by(|a, b| b.added().cmp(&a.added()).then_with(|| a.text.cmp(&b.text)));
    let more = statements.len().saturating_sub(MOST) as u64;
    statements.truncate(MOST);
    let hits = |uses: &Uses| uses.requests.max(uses.sampled_requests).round() as u64;
    DatabaseFacts {
        service: service.to_owned(),
        system,
        counted: judged.is_counted() && reference.is_none_or(Uses::is_counted),
        complete: judged.complete && reference.is_none_or(|r| r.complete),
        requests: hits(judged),
        reference_requests: reference.map(hits),
        nanos: whole(judged.nanos()),
        reference: reference.map(|r| whole(r.nanos())),
        statements,
        more,
        blocking: Vec::new(),
        plans: Vec::new(),
        slow: Vec::new(),
        clients: None,
        resets: judged.resets + reference.map_or(0, |r| r.resets),
        evicted: judged.evicted + reference.map_or(0, |r| r.evicted),
    }
}

fn statement(hash: u64, of: &Use, judged: &Uses, reference: Option<&Uses>) -> StatementFacts {
    let now = judged.per_request(hash);
    let before = reference.map(|r| r.per_request(hash));
    let mut waits: Vec<StatementWait> = of
        .waits
        .iter()
        .map(|(event, nanos)| StatementWait {
            event: event.clone(),
            nanos: whole(ratio(*nanos, judged.sampled_requests)),
            reference: reference.filter(|r| r.sampled_requests > 0.0).map(|r| {
                let waited = r.by_hash.get(&hash).and_then(|u| u.waits.get(event)).copied().unwrap_or(0.0);
                whole(ratio(waited, r.sampled_requests))
            }),
        })
        .collect();
    waits.sort_by_key(|w| std::cmp::Reverse(w.nanos));
    waits.truncate(MOST_WAITS);
    StatementFacts {
        text: of.text.clone(),
        calls: now.calls,
        reference_calls: before.filter(|_| reference.is_some_and(Uses::is_counted)).map(|b| b.calls),
        nanos: whole(now.nanos),
        reference: before.map(|b| whole(b.nanos)),
        waits,
    }
}

fn ratio(sum: f64, requests: f64) -> f64 {
    if requests > 0.0 { sum / requests } else { 0.0 }
}

fn whole(nanos: f64) -> i64 {
    nanos.round() as i64
}
