//! Execution traces: exact states of the goroutines that serve requests, and who let whom go on.
//!
//! Snapshots see neither the moment between ready and running nor who ended a wait; a trace of two seconds sees both,
//! and its times need no estimate: they are sums over all goroutines, divided by the requests that ended meanwhile.

use std::collections::BTreeMap;

use super::client::Client;
use super::stack::{self, Role};
use crate::analysis::{Handoff, State, StateTime, TraceFacts};
use crate::formats::gotrace::{Ending, GoState, Stack, Summary};
use crate::run::period::LoadPeriod;
use crate::run::reader::{CaptureFile, Recording};
use crate::time::{SECOND, Window};

/// Hand-offs that are told of a trace.
const MOST: usize = 6;
/// Function that serves a connection.
const SERVER: &str = "net/http.(*conn).serve";

/// What the traces of a run say, in the order they were taken. A trace that cannot be read says why.
#[must_use]
pub fn traces(recording: &Recording, periods: &[LoadPeriod]) -> Vec<TraceFacts> {
    let captures = recording.captures().into_iter().filter(|c| c.what == "trace");
    captures.filter_map(|capture| facts(recording, periods, &capture)).collect()
}

fn facts(recording: &Recording, periods: &[LoadPeriod], capture: &CaptureFile) -> Option<TraceFacts> {
    let path = capture.file.as_ref().ok()?;
    let rel = path.strip_prefix(&recording.dir).unwrap_or(path).display().to_string();
    let mut facts = TraceFacts {
        service: capture.service.clone(),
        why: capture.why.clone(),
        at: capture.window.from,
        nanos: 0,
        path: rel,
        requests: 0,
        states: Vec::new(),
        handoffs: Vec::new(),
        marking: 0.0,
        stopped: 0.0,
        problem: None,
    };
    match recording.read_capture(path).map_err(|e| e.to_string()).and_then(|bytes| summary(&bytes)) {
        Ok(summary) => fill(&mut facts, &summary, periods, capture.window),
        Err(problem) => facts.problem = Some(problem),
    }
    Some(facts)
}

fn summary(bytes: &[u8]) -> Result<Summary, String> {
    Summary::read(bytes).map_err(|e| e.to_string())
}

fn fill(facts: &mut TraceFacts, trace: &Summary, periods: &[LoadPeriod], window: Window) {
    let reading = trace.reading();
    facts.nanos = reading.end_nanos.saturating_sub(reading.begin_nanos);
    facts.problem = match &reading.ending {
        Ending::Whole => None,
        Ending::Cut(_) => Some("it is cut: what follows its last whole part is missing".to_owned()),
        Ending::Broken(problem) => Some(problem.to_string()),
    };
    let secs = facts.nanos as f64 / SECOND as f64;
    facts.requests = (throughput(periods, window) * secs).round() as u64;
    if facts.requests == 0 || facts.nanos == 0 {
        return;
    }
    facts.states = states(trace, facts.requests);
    facts.handoffs = handoffs(trace, facts.requests);
    let share = |nanos: u64| nanos as f64 / facts.nanos as f64;
    facts.marking = share(trace.gc_total().nanos);
    facts.stopped = share(trace.stopped_world_totals().iter().map(|(_, total)| total.nanos).sum());
}

/// Hits that ended per second while the trace was taken; of the nearest periods, as it may begin within one.
fn throughput(periods: &[LoadPeriod], window: Window) -> f64 {
    let touched: Vec<Window> = periods.iter().map(|p| p.window).filter(|w| w.overlap(window) > 0).collect();
    Client::of(periods, &touched).throughput()
}

/// Time per request by state. Waiting at a place of no request (between two of them) is left out; what a goroutine
/// does while it runs cannot be told by the stack at which it began to, and all of it counts.
fn states(trace: &Summary, requests: u64) -> Vec<StateTime> {
    let mut sums: BTreeMap<State, u64> = BTreeMap::new();
    for row in trace.sum_states(trace.started_with(SERVER).filter(|g| !g.observer)) {
        let state = match row.state {
            GoState::Running => Some(State::Cpu),
            GoState::Runnable => Some(State::RunQueue),
            GoState::Syscall => Some(State::Syscall),
            GoState::Waiting => waits(trace, row.stack, trace.text(row.reason)).map(|(state, _)| state),
        };
        if let Some(state) = state {
            let sum = sums.entry(state).or_default();
            *sum = sum.saturating_add(row.total.nanos);
        }
    }
    let mut all: Vec<StateTime> = sums
        .into_iter()
        .map(|(state, nanos)| StateTime { state, nanos: per_request(nanos, requests) })
        .collect();
    all.sort_by_key(|s| std::cmp::Reverse(s.nanos));
    all
}

fn handoffs(trace: &Summary, requests: u64) -> Vec<Handoff> {
    let mut sums: BTreeMap<(State, String, String), (u64, u64)> = BTreeMap::new();
    for edge in trace.edges() {
        let Some((state, waiter)) = waits(trace, edge.waiter_stack, trace.text(edge.reason)) else {
            continue;
        };
        let waker = match edge.waker {
            Some(_) => owner(trace, edge.waker_stack),
            None => String::new(),
        };
        let (nanos, count) = sums.entry((state, waiter, waker)).or_default();
        *nanos = nanos.saturating_add(edge.total.nanos);
        *count += edge.total.count;
    }
    let mut all: Vec<Handoff> = sums
        .into_iter()
        .map(|((state, waiter, waker), (nanos, count))| Handoff {
            state,
            waiter,
            waker,
            nanos: per_request(nanos, requests),
            count,
        })
        .collect();
    all.sort_by(|a, b| b.nanos.cmp(&a.nanos).then_with(|| a.waiter.cmp(&b.waiter)));
    all.truncate(MOST);
    all
}

/// What a request waits for at a stack, and in which function of the application; none if it is no request's.
fn waits(trace: &Summary, stack: Stack, reason: &str) -> Option<(State, String)> {
    let functions: Vec<&str> = trace.functions(stack).collect();
    let read = stack::waiting(&functions, reason);
    (read.role == Role::Request).then(|| (read.state, read.owner.to_owned()))
}

fn owner(trace: &Summary, stack: Stack) -> String {
    let functions: Vec<&str> = trace.functions(stack).collect();
    stack::read(&functions).owner.to_owned()
}

fn per_request(nanos: u64, requests: u64) -> i64 {
    i64::try_from(nanos / requests.max(1)).unwrap_or(i64::MAX)
}
