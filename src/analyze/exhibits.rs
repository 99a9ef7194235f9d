//! Things in the run folder worth a look: captures, slow requests, failures.

use std::collections::BTreeMap;

use super::load::Loaded;
use crate::analysis::Exhibit;
use crate::analysis::quantity;
use crate::run::event::{Event, EventKind};

/// Slow requests listed.
const SLOWEST: usize = 5;
/// Examples of each kind of failure listed, each of another request or with other words.
const FAILURES: usize = 4;

/// Captures in order of time, then the slowest requests, then failures.
pub(super) fn exhibits(run: &Loaded) -> Vec<Exhibit> {
    let events = &run.recording.events;
    let mut all: Vec<Exhibit> = events.iter().filter_map(capture).collect();
    all.extend(slowest(events));
    all.extend(failures(events));
    all
}

fn capture(event: &Event) -> Option<Exhibit> {
    let EventKind::Capture { service, what, why, path, problem, .. } = &event.kind else { return None };
    let (name, command) = match what.as_str() {
        "trace" => ("execution trace", path.as_ref().map(|p| format!("go tool trace {p}"))),
        _ => ("full goroutine dump", path.as_ref().map(|p| format!("less {p}"))),
    };
    let what = match problem {
        Some(problem) => format!("{name} of {service} ({why}) could not be taken: {problem}"),
        None => format!("{name} of {service} ({why})"),
    };
    Some(Exhibit { at: event.at, what, path: path.clone(), open_with: command })
}

fn slowest(events: &[Event]) -> Vec<Exhibit> {
    let mut slow: Vec<(u64, Exhibit)> = events
        .iter()
        .filter_map(|event| {
            let EventKind::Slow { request, trace_id, response_nanos, service_nanos, status } = &event.kind else {
                return None;
            };
            let what = format!(
                "slow request {request}: response time {}, service time {}, status {status}, trace id {trace_id}",
                quantity::duration(*response_nanos as f64),
                quantity::duration(*service_nanos as f64)
            );
            Some((*response_nanos, Exhibit { at: event.at, what, path: None, open_with: None }))
        })
        .collect();
    slow.sort_by_key(|(nanos, exhibit)| (std::cmp::Reverse(*nanos), exhibit.at));
    slow.into_iter().take(SLOWEST).map(|(_, exhibit)| exhibit).collect()
}

fn failures(events: &[Event]) -> Vec<Exhibit> {
    let mut seen: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut all = Vec::new();
    for event in events {
        let EventKind::Failure { request, kind, detail, .. } = &event.kind else { continue };
        let listed = seen.entry(kind).or_default();
        if listed.len() < FAILURES && !listed.contains(&(request, detail)) {
            listed.push((request, detail));
            let what = format!("failed request {request} ({kind}): {detail}");
            all.push(Exhibit { at: event.at, what, path: None, open_with: None });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    #[test]
    fn failures_that_look_alike_are_listed_once() {
        let failure = |at, request: &str, detail: &str| Event {
            at: RunTime::from_nanos(at),
            kind: EventKind::Failure {
                request: request.into(),
                kind: "status".into(),
                detail: detail.into(),
                checks: Vec::new(),
            },
        };
        let events = [
            failure(1, "list", "status 503"),
            failure(2, "list", "status 503"),
            failure(3, "buy", "status 503"),
            failure(4, "list", "status 404"),
            failure(5, "pay", "status 404"),
            failure(6, "pay", "status 500"),
        ];
        let at: Vec<u64> = failures(&events).iter().map(|e| e.at.as_nanos()).collect();
        assert_eq!(at, [1, 3, 4, 5]);
    }
}
