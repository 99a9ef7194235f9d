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
            let held = if c.owned { holds(service, c) } else { Vec::new() };
            let unlocks = || of(LineFinding::Unlocks, |s| s.mutex.as_ref());
            let unlocks = if has(MUTEX_PROFILE) { unlocks() } else { Vec::new() };
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
    more(&line(finding, at), of_side(service, case.throughput()), before(case, service, of_side))
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
    let all = Sides { case, service };
    if c.kind == CauseKind::GoroutineLeak {
        let stuck = |_: &Stack, k: &Key| k.role == RoleKey::Background && *k.owner == *c.at;
        return all.stand(&line(LineFinding::Waits, &c.at), stuck);
    }
    // Rows are those of the service that requests are sent to.
    if service.name != case.service_name() {
        return Vec::new();
    }
    let by_change = |rows: &mut Vec<&Line>| {
        rows.sort_by(|a, b| b.change().value.total_cmp(&a.change().value));
    };
    let mut rows = case.grown(&WAITS);
    rows.retain(|row| concerns(c, row));
    if rows.is_empty() {
        // A wait that the server counted is named, though too few snapshots met it to tell it from none.
        let counted = |row: &&Line| {
            let kinds = matches!(
                (c.kind, row.state),
                (CauseKind::Database, State::Database) | (CauseKind::Cache, State::Cache)
            );
            kinds && row.at == c.at && row.change().value > 0.0
        };
        rows = case.lines.iter().filter(counted).collect();
    }
    by_change(&mut rows);
    if c.kind == CauseKind::Lock {
        let mut waiters = lock::waiters(case, service, &c.at);
        by_change(&mut waiters);
        rows.splice(0..0, waiters);
    }
    let calls = if c.kind == CauseKind::Retry { all.calls(&c.at) } else { Vec::new() };
    calls.into_iter().chain(rows.into_iter().flat_map(|row| all.of_row(row))).take(MOST_WAITS).collect()
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
        // Its own calls are told already.
        CauseKind::Retry if row.at == c.at => return row.state != State::Downstream,
        CauseKind::Retry => matches!(row.state, State::Sleep | State::Select | State::Downstream),
        _ => false,
    };
    row.at == c.at || (near && of_kind)
}

/// Where the holder of a lock stands while it does what it is held for; nothing where more do than can hold one lock.
fn holds(service: &ServiceSide, c: &Candidate) -> Vec<CodeLine> {
    let does = |stack: &Stack, key: &Key| {
        key.state != State::Lock && lock::called(stack, &c.at).is_some_and(|called| called == c.doing)
    };
    let mean: f64 = service.snapshots.stacks().filter(|(s, k, _)| does(s, k)).map(|(.., mean)| mean).sum();
    let lines = service.snapshots.lines(&c.at, does);
    if mean <= lock::ONE { top(&line(LineFinding::Holds, &c.at), lines) } else { Vec::new() }
}

/// Where goroutines of a service stand now, against the reference.
struct Sides<'a> {
    case: &'a Case<'a>,
    service: &'a ServiceSide,
}

impl Sides<'_> {
    /// Where requests of a row stand.
    fn of_row(&self, row: &Line) -> Vec<CodeLine> {
        let first = CodeLine { state: Some(row.state), ..line(LineFinding::Waits, &row.at) };
        self.stand(&first, |_, k| k.role == RoleKey::Request && k.state == row.state && *k.owner == *row.at)
    }

    /// Where a function makes its calls again, whoever waits for the answers: calls that fail at once may take no longer than before.
    fn calls(&self, at: &str) -> Vec<CodeLine> {
        let again = |_: &Stack, k: &Key| k.role == RoleKey::Request && k.state == State::Downstream;
        let first = CodeLine { state: Some(State::Downstream), ..line(LineFinding::Waits, at) };
        let longer = self.stand(&first, again);
        if longer.is_empty() { top(&first, self.service.snapshots.lines(at, again)) } else { longer }
    }

    /// Lines at which the function of `first` stands more than before, on the stacks that are accepted.
    fn stand(&self, first: &CodeLine, keep: impl Fn(&Stack, &Key) -> bool) -> Vec<CodeLine> {
        let of = |s: &ServiceSide, throughput: f64| {
            let requests = s.snapshots.len() as f64 * throughput;
            let lines = s.snapshots.lines(&first.function, &keep).into_iter();
            (requests > 0.0)
                .then(|| lines.map(|(place, n)| (place, n / requests)).collect::<BTreeMap<_, _>>())
        };
        more(first, of(self.service, self.case.throughput()), before(self.case, self.service, of))
    }
}

/// What the reference says of a service, if it is of the same run.
fn before<T>(case: &Case, service: &ServiceSide, of: impl Fn(&ServiceSide, f64) -> Option<T>) -> Option<T> {
    let before = case.reference.filter(|_| case.one_run).and_then(|r| r.named(&service.name));
    before.and_then(|s| of(s, case.throughput_before()))
}

/// The lines that have more than before; all that they have if there is nothing to compare with.
fn more(
    first: &CodeLine,
    now: Option<BTreeMap<Place, f64>>,
    before: Option<BTreeMap<Place, f64>>,
) -> Vec<CodeLine> {
    let mut lines = now.unwrap_or_default();
    for (place, value) in before.iter().flatten() {
        lines.entry(place.clone()).and_modify(|now| *now -= value);
    }
    top(&CodeLine { added: before.is_some(), ..first.clone() }, lines)
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
    let others = callee::others(case);
    let Some((service, row)) = callee::grown_most(case, &others, c.explains.value) else { return Vec::new() };
    match row.state {
        State::Cpu => grown(case, service, (LineFinding::Works, &row.at), |s| s.cpu.as_ref()),
        _ => Sides { case, service }.of_row(row),
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
