//! Which requests PostgreSQL was seen at work for, by the trace ids that comments of statements name.

use std::collections::BTreeMap;

use super::Question;
use super::load::Loaded;
use crate::analysis::{BlockedTraces, DatabaseTraces, SlowInDatabase, StatementTraces};
use crate::formats::postgres::activity::{self, Sighting};
use crate::formats::postgres::lines::Activity;
use crate::run::databases;
use crate::run::event::EventKind;

/// Statements, and blocked statements, that are told of a server: as many as the attribution tells.
const MOST: usize = 12;
/// Slow requests that are told of a server.
const MOST_SLOW: usize = 10;

/// The servers whose statements name traces, by name.
pub(super) fn traces(run: &Loaded, question: &Question<'_>) -> Vec<DatabaseTraces> {
    let dir = &run.recording.dir;
    let of = |service: String| {
        let lines = databases::postgres(dir, &service).activity;
        let told = DatabaseTraces {
            statements: statements(&lines, question),
            blocked: blocked(&lines, question),
            slow: slow(run, &lines, question),
            service,
        };
        let any = !(told.statements.is_empty() && told.blocked.is_empty() && told.slow.is_empty());
        any.then_some(told)
    };
    databases::postgres_services(dir).into_iter().filter_map(of).collect()
}

fn statements(lines: &[Activity], question: &Question<'_>) -> Vec<StatementTraces> {
    let seen = activity::shares(lines, question.judged).statements.into_iter().take(MOST);
    let told = seen.map(|s| StatementTraces { text: s.query, traces: s.traces });
    told.filter(|s| !s.traces.is_empty()).collect()
}

fn blocked(lines: &[Activity], question: &Question<'_>) -> Vec<BlockedTraces> {
    let seen = activity::blocking(lines, question.judged).into_iter().take(MOST);
    let told = seen.map(|b| BlockedTraces {
        waiter: b.waiter,
        blocker: b.blocker,
        state: b.state,
        app: b.app,
        waiting: b.waiting,
        holding: b.holding,
    });
    told.filter(|b| !(b.waiting.is_empty() && b.holding.is_empty())).collect()
}

/// Of the slowest requests of each period those that were met, the slowest first.
fn slow(run: &Loaded, lines: &[Activity], question: &Question<'_>) -> Vec<SlowInDatabase> {
    let events = run.recording.events.iter().filter(|e| question.judged.contains(e.at));
    let mut slowest: Vec<(u64, &String, &String)> = events
        .filter_map(|event| match &event.kind {
            EventKind::Slow { request, trace_id, response_nanos, .. } => {
                Some((*response_nanos, request, trace_id))
            }
            _ => None,
        })
        .collect();
    slowest.sort_by(|a, b| b.0.cmp(&a.0).then(a.2.cmp(b.2)));
    let met = slowest.into_iter().filter_map(|(response, request, trace_id)| {
        let seen = activity::sightings(lines, trace_id);
        let (sighting, times) = most_often(&seen)?;
        Some(SlowInDatabase {
            request: request.clone(),
            trace_id: trace_id.clone(),
            response,
            text: sighting.query.clone(),
            waits: sighting.wait.clone(),
            seen: times,
            sightings: seen.len() as u64,
        })
    });
    met.take(MOST_SLOW).collect()
}

/// The statement and wait that a request was met in most often.
fn most_often(seen: &[Sighting]) -> Option<(&Sighting, u64)> {
    let mut times: BTreeMap<(&str, &str), (u64, &Sighting)> = BTreeMap::new();
    for sighting in seen {
        times.entry((&sighting.query, &sighting.wait)).or_insert((0, sighting)).0 += 1;
    }
    times.into_values().max_by_key(|(times, _)| *times).map(|(times, sighting)| (sighting, times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    #[test]
    fn a_request_is_told_by_what_it_was_met_in_most_often() {
        let met = |at, query: &str, wait: &str| Sighting {
            at: RunTime::from_nanos(at),
            pid: 1,
            state: "active".into(),
            query: query.into(),
            wait: wait.into(),
        };
        let seen =
            [met(1, "a", "CPU"), met(2, "b", "Lock/tuple"), met(3, "b", "Lock/tuple"), met(4, "b", "CPU")];
        let (sighting, times) = most_often(&seen).expect("some");
        assert_eq!((sighting.query.as_str(), sighting.wait.as_str(), times), ("b", "Lock/tuple", 2));
        assert!(most_often(&[]).is_none());
    }
}
