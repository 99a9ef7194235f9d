//! The lines of source code at which a cause is seen: where its function works, allocates, gives a lock back, and where
//! requests wait.

use std::collections::BTreeMap;

use super::{CPU_PROFILE, Candidate, Case};
use crate::analysis::{CauseKind, CodeLine, LineFinding, State};
use crate::attribute::lines::Place;
use crate::attribute::names;
use crate::attribute::side::{Sampled, ServiceSide};
use crate::attribute::snapshots::RoleKey;

/// Part of what is seen in a function that a line must have to be shown.
const LEAST_PART: f64 = 0.2;
/// Lines shown of one finding in one function.
const MOST: usize = 2;
/// Places shown at which requests wait.
const MOST_WAITS: usize = 4;

/// All of them, the function to blame first.
pub(in crate::attribute) fn lines(case: &Case, c: &Candidate) -> Vec<CodeLine> {
    let Some(service) = case.judged.named(&c.service) else { return Vec::new() };
    let before = case.reference.filter(|_| case.one_run).and_then(|r| r.named(&c.service));
    let grown = |finding, of: Of| {
        let now = of(service).map(|s| (s, case.throughput()));
        let then = before.and_then(of).map(|s| (s, case.throughput_before()));
        top(finding, &c.at, growth(&c.at, now, then))
    };
    let mut all = match c.kind {
        CauseKind::Allocation => grown(LineFinding::Allocates, |s| s.heap.as_ref()),
        CauseKind::MemoryLeak => grown(LineFinding::Allocates, |s| s.kept.as_ref()),
        _ if c.evidence.iter().any(|e| e.tier == CPU_PROFILE) => {
            grown(LineFinding::Works, |s| s.cpu.as_ref())
        }
        _ => Vec::new(),
    };
    if c.kind == CauseKind::Lock {
        all.extend(grown(LineFinding::Unlocks, |s| s.mutex.as_ref()));
    }
    all.extend(waits(case, service, c));
    all
}

/// A kind of profile of a service.
type Of = fn(&ServiceSide) -> Option<&Sampled>;

/// What each line of a function has more of per request than before; all of it if there is nothing to compare with, as where
/// another build may have other lines.
fn growth(at: &str, now: Option<(&Sampled, f64)>, before: Option<(&Sampled, f64)>) -> BTreeMap<Place, f64> {
    let mut all: BTreeMap<Place, f64> = BTreeMap::new();
    for (side, sign) in [(now, 1.0), (before, -1.0)] {
        let Some((sampled, throughput)) = side else { continue };
        let scale = sign / (sampled.stands_for() * throughput).max(1e-9);
        for (place, value) in sampled.lines.of(at) {
            *all.entry(place.clone()).or_default() += value as f64 * scale;
        }
    }
    all
}

/// The lines of a function that have most.
fn top(finding: LineFinding, function: &str, values: BTreeMap<Place, f64>) -> Vec<CodeLine> {
    let mut grown: Vec<(Place, f64)> = values.into_iter().filter(|(_, v)| *v > 0.0).collect();
    let whole: f64 = grown.iter().map(|(_, v)| v).sum();
    grown.retain(|(_, v)| *v >= LEAST_PART * whole);
    grown.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    grown
        .into_iter()
        .take(MOST)
        .map(|((file, line), value)| CodeLine {
            finding,
            function: function.to_owned(),
            file: file.to_string(),
            line,
            part: value / whole,
        })
        .collect()
}

/// Where goroutines stand that wait in the function to blame, or for it.
fn waits(case: &Case, service: &ServiceSide, c: &Candidate) -> Vec<CodeLine> {
    if c.kind == CauseKind::GoroutineLeak {
        let stuck = service.snapshots.lines(|k| k.role == RoleKey::Background && *k.owner == *c.at);
        return top(LineFinding::Waits, &c.at, stuck);
    }
    // Rows are those of the service that requests are sent to.
    if service.name != case.service_name() {
        return Vec::new();
    }
    let is_wait = |state| !matches!(state, State::Cpu | State::RunQueue | State::GarbageCollection);
    let mut rows: Vec<_> = case
        .lines
        .iter()
        .filter(|l| is_wait(l.state) && l.change().low() > 0.0 && concerns(c, l.state, &l.at))
        .collect();
    rows.sort_by(|a, b| b.change().value.total_cmp(&a.change().value));
    let stand = |state: State, at: &str| {
        service.snapshots.lines(|k| k.role == RoleKey::Request && k.state == state && *k.owner == *at)
    };
    rows.into_iter()
        .flat_map(|row| top(LineFinding::Waits, &row.at, stand(row.state, &row.at)))
        .take(MOST_WAITS)
        .collect()
}

/// Whether a wait is of the cause: in its function, or for the lock that its function holds or the pool that is empty.
fn concerns(c: &Candidate, state: State, at: &str) -> bool {
    let near = names::package(at) == names::package(&c.at);
    match c.kind {
        CauseKind::Lock => at == c.at || (state == State::Lock && near),
        CauseKind::Retry => near && matches!(state, State::Sleep | State::Select | State::Downstream),
        _ => at == c.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_have_little_of_it_are_left_out() {
        let place = |line| ("/src/store.go".into(), line);
        let values = [(place(3), 70.0), (place(9), 25.0), (place(11), 5.0), (place(20), -40.0)];
        let shown = top(LineFinding::Works, "shop.walk", values.into_iter().collect());
        let parts: Vec<_> = shown.iter().map(|l| (l.line, l.part)).collect();
        assert_eq!(parts, [(3, 0.7), (9, 0.25)]);
        assert_eq!((shown[0].file.as_str(), shown[0].function.as_str()), ("/src/store.go", "shop.walk"));
        assert!(top(LineFinding::Works, "shop.walk", BTreeMap::new()).is_empty());
    }
}
