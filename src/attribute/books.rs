//! Closing the books: rows of both sides beside each other, and what they leave unexplained.

use std::collections::BTreeSet;

use super::measure::Measured;
use super::rows::{Rows, cpu_rows};
use super::side::{ServiceSide, Side, is_request_work};
use crate::analysis::{Breakdown, BreakdownRow, State, WindowFacts};
use crate::time::Window;

/// Rows below both this share of the response time ...
const SMALL_SHARE: f64 = 0.01;
/// ... and this many nanoseconds are shown together.
const SMALL_NANOS: f64 = 50_000.0;

/// Time that no row explains, and that of which only the place is known: what a service counts in its handlers.
pub(super) fn unexplained(rest: &Line, lines: &[Line]) -> Line {
    let handlers = lines.iter().filter(|l| l.state == State::Handler);
    handlers.fold(rest.clone(), |sum, line| Line {
        judged: sum.judged.plus(line.judged),
        reference: sum.reference.map(|r| r.plus(line.reference.unwrap_or_default())),
        ..sum
    })
}

/// One row of both sides.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub state: State,
    pub at: String,
    pub reference: Option<Measured>,
    pub judged: Measured,
}

impl Line {
    /// Change against the reference; the level if there is none.
    pub(super) fn change(&self) -> Measured {
        self.reference.map_or(self.judged, |r| self.judged.minus(r))
    }
}

/// Rows of both sides beside each other.
pub(super) fn lines(reference: Option<&Rows>, judged: &Rows) -> Vec<Line> {
    let keys: BTreeSet<_> = judged.keys().chain(reference.into_iter().flat_map(|r| r.keys())).collect();
    keys.into_iter()
        .map(|key| Line {
            state: key.0,
            at: key.1.clone(),
            reference: reference.map(|r| r.get(key).copied().unwrap_or_default()),
            judged: judged.get(key).copied().unwrap_or_default(),
        })
        .collect()
}

/// Measured response time less all rows.
pub(super) fn unattributed(lines: &[Line], reference: Option<&Side>, judged: &Side) -> Line {
    let rest = |side: &Side, of: &dyn Fn(&Line) -> Measured| {
        lines.iter().fold(side.client.response, |left, line| left.minus(of(line)))
    };
    Line {
        state: State::Unattributed,
        at: String::new(),
        reference: reference.map(|side| rest(side, &|l| l.reference.unwrap_or_default())),
        judged: rest(judged, &|l| l.judged),
    }
}

/// The breakdown as it is shown.
pub(super) fn breakdown(lines: &[Line], rest: &Line, reference: Option<&Side>, judged: &Side) -> Breakdown {
    let service = judged.serving().map_or("", |s| s.name.as_str());
    let limit = (judged.client.response.value * SMALL_SHARE).max(SMALL_NANOS);
    let (large, small): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|l| is_large(l, limit));
    let mut shown: Vec<Line> = large.into_iter().cloned().collect();
    shown.extend(gather(&small));
    shown.sort_by(|a, b| b.change().value.total_cmp(&a.change().value));
    Breakdown {
        reference: reference.map(facts),
        judged: facts(judged),
        rows: shown.iter().map(|l| row(l, service)).collect(),
        unattributed: row(rest, ""),
        background: background(reference, judged),
    }
}

fn is_large(line: &Line, limit: f64) -> bool {
    line.judged.value.max(line.reference.unwrap_or_default().value) >= limit
}

/// Small rows of one state as one row, so that the sum stays.
fn gather(small: &[&Line]) -> Vec<Line> {
    let states: BTreeSet<State> = small.iter().map(|l| l.state).collect();
    states
        .into_iter()
        .map(|state| {
            let of_state: Vec<_> = small.iter().filter(|l| l.state == state).collect();
            let sum = |of: &dyn Fn(&Line) -> Measured| {
                of_state.iter().fold(Measured::default(), |sum, l| sum.plus(of(l)))
            };
            let at = match of_state.as_slice() {
                [only] => only.at.clone(),
                several => format!("({} functions below the limit of a row)", several.len()),
            };
            Line {
                state,
                at,
                reference: small[0].reference.map(|_| sum(&|l| l.reference.unwrap_or_default())),
                judged: sum(&|l| l.judged),
            }
        })
        .filter(|l| l.judged.value > 0.0 || l.reference.is_some_and(|r| r.value > 0.0))
        .collect()
}

fn row(line: &Line, service: &str) -> BreakdownRow {
    let client = matches!(
        line.state,
        State::ClientQueue | State::ClientConnect | State::ClientTransfer | State::Unread
    );
    BreakdownRow {
        state: line.state,
        at: line.at.clone(),
        service: if client { String::new() } else { service.to_owned() },
        reference: line.reference.map(Measured::estimate),
        judged: line.judged.estimate(),
        change: line.change().estimate(),
    }
}

fn facts(side: &Side) -> WindowFacts {
    let entry = side.entry();
    let span = Window::new(
        side.windows.first().map(|w| w.from).unwrap_or_default(),
        side.windows.last().map(|w| w.to).unwrap_or_default(),
    );
    WindowFacts {
        window: span,
        throughput: side.client.throughput(),
        mean: side.client.response.value.round() as i64,
        snapshots: entry.map_or(0, |s| s.snapshots.len() as u64),
        cpu_samples: entry.and_then(|s| s.cpu.as_ref()).map_or(0, |c| c.samples),
        cpu_seen: entry.and_then(|s| s.cpu.as_ref()).and_then(|c| c.seen),
        in_flight: entry.and_then(|s| s.snapshots.in_flight()),
    }
}

/// CPU outside requests per request: resource time, not part of the latency's sum.
fn background(reference: Option<&Side>, judged: &Side) -> Vec<BreakdownRow> {
    let of =
        |side: &Side| side.entry().map(|s| background_cpu(s, side.client.throughput())).unwrap_or_default();
    let (before, now) = (reference.map(of), of(judged));
    let mut lines = lines(before.as_ref(), &now);
    lines.retain(|l| is_large(l, SMALL_NANOS));
    lines.sort_by(|a, b| b.judged.value.total_cmp(&a.judged.value));
    let service = judged.entry().map_or("", |s| s.name.as_str());
    lines.iter().take(8).map(|l| row(l, service)).collect()
}

/// CPU of the service outside requests, by function, nanoseconds per request.
pub(super) fn background_cpu(service: &ServiceSide, throughput: f64) -> Rows {
    if throughput <= 0.0 {
        return Rows::new();
    }
    cpu_rows(service, throughput, |stack| !is_request_work(stack) && !is_observer(stack))
}

fn is_observer(stack: &[&str]) -> bool {
    stack.iter().any(|f| f.starts_with("net/http/pprof.") || f.starts_with("runtime/pprof."))
}
