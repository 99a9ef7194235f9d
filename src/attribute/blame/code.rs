//! The lines of source code at which a cause is seen: where its function works, allocates, gives a lock back, and where
//! requests wait.

use std::collections::BTreeMap;

use super::{CPU_PROFILE, Candidate, Case, MUTEX_PROFILE, callee, lock};
use crate::analysis::{CauseKind, CodeLine, LineFinding, State};
use crate::attribute::books::Line;
use crate::attribute::lines::Place;
use crate::attribute::names;
use crate::attribute::side::{Sampled, ServiceSide};
use crate::attribute::snapshots::{Key, RoleKey};
use crate::attribute::stacks::Stack;

/// Part of what is seen in a function that a line must have to be shown.
const LEAST_PART: f64 = 0.2;
/// Lines shown of one finding in one function.
const MOST: usize = 2;
/// Lines shown at which requests wait.
const MOST_WAITS: usize = 4;

/// All of them, what the cause is about first.
pub(in crate::attribute) fn lines(case: &Case, c: &Candidate) -> Vec<CodeLine> {
    let Some(service) = case.judged.named(&c.service) else { return Vec::new() };
    let has = |tier: &str| c.evidence.iter().any(|e| e.tier == tier);
    let of = |finding, of: Of| grown(case, service, (finding, &c.at), of);
    let works = if has(CPU_PROFILE) { of(LineFinding::Works, |s| s.cpu.as_ref()) } else { Vec::new() };
    let waits = waits(case, service, c);
    match c.kind {
        CauseKind::Allocation => [of(LineFinding::Allocates, |s| s.heap.as_ref()), waits].concat(),
        CauseKind::MemoryLeak => [of(LineFinding::Keeps, |s| s.kept.as_ref()), waits].concat(),
        CauseKind::Lock => {
            let held = holds(service, c);
            let unlocks = of(LineFinding::Unlocks, |s| s.mutex.as_ref());
            let unlocks = if has(MUTEX_PROFILE) { unlocks } else { Vec::new() };
            [if held.is_empty() { works } else { held }, unlocks, waits].concat()
        }
        CauseKind::Cpu => [works, waits].concat(),
        CauseKind::Downstream if has(callee::CALLED) => [waits, called(case, c)].concat(),
        _ => [waits, works].concat(),
    }
}

/// A kind of profile of a service.
type Of = fn(&ServiceSide) -> Option<&Sampled>;

/// The lines of a function that have more than before.
fn grown(case: &Case, service: &ServiceSide, (finding, at): (LineFinding, &str), of: Of) -> Vec<CodeLine> {
    let of_side = |s: &ServiceSide, throughput: f64| per_request(of(s)?, at, throughput);
    let before = case.reference.filter(|_| case.one_run).and_then(|r| r.named(&service.name));
    let before = before.and_then(|s| of_side(s, case.throughput_before()));
    let Some(mut lines) = of_side(service, case.throughput()) else { return Vec::new() };
    for (place, value) in before.iter().flatten() {
        lines.entry(place.clone()).and_modify(|now| *now -= value);
    }
    top(&CodeLine { added: before.is_some(), ..line(finding, at) }, lines)
}

/// What each line of a function has for a request. What shrank, as counters do that began anew, is none.
fn per_request(sampled: &Sampled, at: &str, throughput: f64) -> Option<BTreeMap<Place, f64>> {
    let requests = sampled.stands_for() * throughput;
    let lines = sampled.lines.of(at).filter(|(_, value)| *value > 0);
    (requests > 0.0).then(|| lines.map(|(place, value)| (place.clone(), value as f64 / requests)).collect())
}

/// The lines that have most, each like `first`.
fn top(first: &CodeLine, values: BTreeMap<Place, f64>) -> Vec<CodeLine> {
    let mut all: Vec<(Place, f64)> = values.into_iter().filter(|(_, v)| *v > 0.0).collect();
    let whole: f64 = all.iter().map(|(_, v)| v).sum();
    all.retain(|(_, v)| *v >= LEAST_PART * whole);
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let shown = all.into_iter().take(MOST);
    shown
        .map(|((file, line), v)| CodeLine { file: file.to_string(), line, part: v / whole, ..first.clone() })
        .collect()
}

/// Where goroutines stand that wait in the function to blame, or for it.
fn waits(case: &Case, service: &ServiceSide, c: &Candidate) -> Vec<CodeLine> {
    if c.kind == CauseKind::GoroutineLeak {
        let stuck = |k: &Key| k.role == RoleKey::Background && *k.owner == *c.at;
        return stand(service, &line(LineFinding::Waits, &c.at), |_, k| stuck(k));
    }
    // Rows are those of the service that requests are sent to.
    if service.name != case.service_name() {
        return Vec::new();
    }
    let mut rows = case.grown(&WAITS);
    rows.retain(|row| concerns(c, row));
    if c.kind == CauseKind::Lock {
        rows.extend(lock::waiters(case, service, &c.at));
    }
    let mut all: Vec<CodeLine> = rows.into_iter().flat_map(|row| of_row(service, row)).collect();
    if c.kind == CauseKind::Retry {
        // Where it is called again, whoever sleeps in between.
        let again = |_: &Stack, k: &Key| k.role == RoleKey::Request && k.state == State::Downstream;
        let calls = CodeLine { state: Some(State::Downstream), ..line(LineFinding::Waits, &c.at) };
        all.splice(0..0, stand(service, &calls, again));
    }
    all.truncate(MOST_WAITS);
    all
}

/// States in which a request stands at a line, but for locks: who waits for which is asked of `lock`.
const WAITS: [State; 13] = [
    State::ChannelSend,
    State::ChannelReceive,
    State::Select,
    State::Sync,
    State::ConnectionPool,
    State::Dial,
    State::Downstream,
    State::Database,
    State::Cache,
    State::Network,
    State::Syscall,
    State::Sleep,
    State::OtherWait,
];

/// Whether a wait is of the cause: in its function, or in what that calls while it holds a lock or calls again.
fn concerns(c: &Candidate, row: &Line) -> bool {
    let near = names::package(&row.at) == names::package(&c.at);
    let of_kind = match c.kind {
        CauseKind::Lock => row.state == State::Syscall && c.doing.starts_with("os.(*File)."),
        CauseKind::Retry => matches!(row.state, State::Sleep | State::Select | State::Downstream),
        _ => false,
    };
    *row.at == c.at || (near && of_kind)
}

/// Where the holder of a lock stands while it does what it is held for.
fn holds(service: &ServiceSide, c: &Candidate) -> Vec<CodeLine> {
    let does = |stack: &Stack, key: &Key| {
        key.state != State::Lock
            && !c.doing.is_empty()
            && stack.iter().any(|f| names::enclosing(f) == c.doing)
    };
    stand(service, &line(LineFinding::Holds, &c.at), does)
}

/// Where requests of a row stand.
fn of_row(service: &ServiceSide, row: &Line) -> Vec<CodeLine> {
    let of_it = |k: &Key| k.role == RoleKey::Request && k.state == row.state && *k.owner == *row.at;
    let first = CodeLine { state: Some(row.state), ..line(LineFinding::Waits, &row.at) };
    stand(service, &first, |_, k| of_it(k))
}

/// Lines at which the function of `first` stands, on the stacks that are accepted.
fn stand(service: &ServiceSide, first: &CodeLine, keep: impl Fn(&Stack, &Key) -> bool) -> Vec<CodeLine> {
    top(first, service.snapshots.lines(&first.function, keep))
}

fn line(finding: LineFinding, function: &str) -> CodeLine {
    CodeLine {
        finding,
        function: function.to_owned(),
        file: String::new(),
        line: 0,
        state: None,
        part: 0.0,
        added: false,
    }
}

/// Where the called service spends what it takes longer.
fn called(case: &Case, c: &Candidate) -> Vec<CodeLine> {
    let Some((service, row)) = callee::grown_most(case, c.explains.value) else { return Vec::new() };
    match row.state {
        State::Cpu => grown(case, service, (LineFinding::Works, &row.at), |s| s.cpu.as_ref()),
        _ => of_row(service, &row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_have_little_of_it_are_left_out() {
        let first = line(LineFinding::Works, "shop.walk");
        let place = |line| ("/src/store.go".into(), line);
        let values = [(place(3), 70.0), (place(9), 25.0), (place(11), 5.0), (place(20), -40.0)];
        let shown = top(&first, values.into_iter().collect());
        let parts: Vec<_> = shown.iter().map(|l| (l.line, l.part)).collect();
        assert_eq!(parts, [(3, 0.7), (9, 0.25)]);
        assert_eq!((shown[0].file.as_str(), shown[0].function.as_str()), ("/src/store.go", "shop.walk"));
        assert!(top(&first, BTreeMap::new()).is_empty());
    }
}
