//! From symptoms to causes: waiting belongs to whoever makes others wait.
//!
//! Each file here knows one kind of symptom and hands its time to an owner: lock waits to the holder, pool
//! waits to the pool's size or its work, waiting for a CPU to who burns it, collection to who allocates.

mod alloc;
mod callee;
mod code;
mod cpu;
mod database;
mod handlers;
mod leak;
mod limit;
mod lock;
mod outside;
mod pool;
mod remote;
mod shape;
mod site;
mod worker;

use std::collections::BTreeSet;

use super::books::Line;
use super::measure::Measured;
use super::side::{ServiceSide, Side};
use crate::analysis::quantity;
use crate::analysis::{
    CauseKind, DatabaseFacts, Evidence, LEADING_SHARE, Reading, ReadingKind, SpanFacts, SpanRow, State,
};

pub(super) use code::lines;
pub(super) use cpu::{Function, functions};
pub(super) use pool::pools;

/// Growth of the offered rate from which on it is to blame, unless who is waited for is known.
pub(super) const LOADED: f64 = 0.1;

/// Whether a kind of evidence is there.
type Has = fn(&ServiceSide) -> bool;

/// What is to be explained.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub reference: Option<&'a Side>,
    pub judged: &'a Side,
    pub lines: &'a [Line],
    /// What database servers say.
    pub databases: &'a [DatabaseFacts],
    /// What the machines of services say.
    pub readings: &'a [Reading],
    /// Critical paths of the traces that services sent.
    pub spans: Option<&'a SpanFacts>,
    /// Names of the requests of the scenario, in its order.
    pub requests: &'a [String],
    /// Change of the offered rate as a share.
    pub load_change: f64,
    /// Whether both sides are of one run, and so of one build of the service.
    pub one_run: bool,
    /// Whether the queue still grew.
    pub saturated: bool,
    /// Changes below this many nanoseconds per request are noise.
    pub floor: f64,
}

/// A possible cause with what speaks for it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub kind: CauseKind,
    pub at: String,
    pub doing: String,
    pub service: String,
    pub explains: Measured,
    pub mechanism: String,
    pub remedy: String,
    pub evidence: Vec<Evidence>,
    /// Whether the owner of the wait is known, not only the wait.
    pub owned: bool,
    /// Whether something that the evidence cannot show must be so for it to be the cause.
    pub unsure: bool,
    /// Whether a growing number of calls is what changed: what they cost at the same place follows from it.
    pub more_calls: bool,
}

impl Candidate {
    /// Kinds of evidence that agree.
    pub(super) fn tiers(&self) -> usize {
        self.evidence.iter().map(|e| e.tier.as_str()).collect::<BTreeSet<_>>().len()
    }
}

impl Case<'_> {
    pub(super) fn entry(&self) -> Option<&ServiceSide> {
        self.judged.entry()
    }

    pub(super) fn entry_before(&self) -> Option<&ServiceSide> {
        let name = &self.entry()?.name;
        self.reference.and_then(|r| r.named(name)).filter(|s| s.has_evidence())
    }

    pub(super) fn throughput(&self) -> f64 {
        self.judged.client.throughput()
    }

    pub(super) fn throughput_before(&self) -> f64 {
        self.reference.map_or(0.0, |r| r.client.throughput())
    }

    /// Growth of the mean response time as the generator measured it; the level without a reference.
    fn response_growth(&self) -> Measured {
        let of = |side: &Side| side.client.response;
        of(self.judged).minus(self.reference.map(of).unwrap_or_default())
    }

    /// The same as a witness from outside.
    fn clock(&self) -> Evidence {
        let grown = quantity::duration(self.response_growth().value);
        let says = format!("the mean response time grew by {grown}");
        evidence("generator's clock", says, Some("load/latency.hlog".into()))
    }

    /// Kinds of evidence that the judged part has and the reference has not: what they show may have been there before.
    fn uncompared(&self) -> Vec<&'static str> {
        let (Some(now), Some(reference)) = (self.entry(), self.reference) else { return Vec::new() };
        let before = reference.services.iter().find(|s| s.name == now.name);
        let has = |of: Has| (of(now), before.is_some_and(of));
        let kinds: [(&str, Has); 4] = [
            (SNAPSHOTS, |s| s.snapshots.len() > 0),
            (CPU_PROFILE, |s| s.cpu.is_some()),
            (MUTEX_PROFILE, |s| s.mutex.is_some()),
            (HEAP_PROFILE, |s| s.heap.is_some()),
        ];
        kinds.into_iter().filter(|(_, of)| has(*of) == (true, false)).map(|(tier, _)| tier).collect()
    }

    /// Lines of the given states whose change is more than noise.
    fn grown(&self, states: &[State]) -> Vec<&Line> {
        self.lines
            .iter()
            .filter(|l| states.contains(&l.state) && l.change().low() > 0.0 && l.change().value > self.floor)
            .collect()
    }

    /// What the machine of a service says.
    pub(in crate::attribute) fn reading(&self, service: &str, what: ReadingKind) -> Option<&Reading> {
        self.readings.iter().find(|r| r.service == service && r.what == what)
    }

    /// Change of all lines of a state together.
    fn change_of(&self, state: State) -> Measured {
        self.lines
            .iter()
            .filter(|l| l.state == state)
            .fold(Measured::default(), |sum, l| sum.plus(l.change()))
    }

    /// Growth of the wait for a free connection, before the service is asked.
    pub(super) fn queued(&self) -> f64 {
        self.change_of(State::ClientQueue).value
    }

    /// Growth of the waits for a CPU, before a request was read and after.
    fn waits_for_cpu(&self) -> Measured {
        self.change_of(State::RunQueue).plus(self.change_of(State::Unread))
    }

    /// The same where it is known that the work grew: however rough the estimate, nobody waits for less than no time.
    fn waits_for_cpu_at_least(&self) -> Measured {
        let lines = self.lines.iter().filter(|l| matches!(l.state, State::RunQueue | State::Unread));
        let before: f64 = lines.filter_map(|l| l.reference).map(|r| r.value).sum();
        self.waits_for_cpu().at_least(-before)
    }

    /// Critical paths, if those of the reference are there as well or there is none.
    fn spans(&self) -> Option<&SpanFacts> {
        self.spans.filter(|facts| facts.reference_traces.is_some() == self.reference.is_some())
    }

    fn service_name(&self) -> String {
        self.entry().map(|s| s.name.clone()).unwrap_or_default()
    }
}

/// All candidates, the one that explains most first.
pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    let mut all = lock::candidates(case);
    all.extend(pool::candidates(case));
    let mut remote = remote::candidates(case);
    all.extend(database::take_over(case, &mut remote, pool::connections(case)));
    all.extend(remote);
    let limit = limit::candidate(case);
    // Waits for a CPU are the fault of the service's own work unless a limit or a neighbour is.
    let queue = match limit {
        Some(_) => Measured::default(),
        None if limit::dearer(case) => case.waits_for_cpu_at_least(),
        None => case.waits_for_cpu(),
    };
    all.extend(limit);
    let opening = cpu::opening(case, queue);
    let opened = all.iter_mut().filter(|c| c.kind == CauseKind::Connect);
    if let Some(first) = opened.max_by(|a, b| a.explains.value.total_cmp(&b.explains.value)) {
        first.explains = first.explains.plus(opening);
    }
    all.extend(work(case, queue));
    all.extend(leak::candidate(case));
    all.extend(outside(
        case,
        all.iter().any(|c| matches!(c.kind, CauseKind::CpuLimit | CauseKind::Neighbour)),
    ));
    let answered =
        |c: &Candidate| matches!(c.kind, CauseKind::CpuLimit | CauseKind::Neighbour) || is_enough(case, c);
    if case.load_change <= LOADED && !all.iter().any(answered) {
        all.extend(outside::last_resort(case));
    }
    let blind = case.uncompared();
    for candidate in &mut all {
        candidate.unsure |= candidate.evidence.iter().any(|e| blind.contains(&e.tier.as_str()));
    }
    merge_same_owner(&mut all);
    all.sort_by(|a, b| b.explains.value.total_cmp(&a.explains.value).then_with(|| a.at.cmp(&b.at)));
    all
}

/// Whether it may be named, as [`super::verdict`] has it: a good part of the change without the generator's queue.
fn is_enough(case: &Case, c: &Candidate) -> bool {
    let queued = if case.saturated { case.queued().max(0.0) } else { 0.0 };
    let whole = (case.response_growth().value - queued).max(case.floor);
    c.explains.low() > case.floor && c.explains.value >= LEADING_SHARE * whole
}

/// Growth of the waits for a CPU that no work of the service is to blame for.
pub(super) fn unowned(case: &Case, candidates: &[Candidate]) -> f64 {
    use CauseKind::{Allocation, BlockedWorker, Cpu, MemoryLeak};
    let takes = |c: &Candidate| matches!(c.kind, Allocation | BlockedWorker | Cpu | MemoryLeak);
    let grown = case.waits_for_cpu();
    if grown.low() <= 0.0 || candidates.iter().any(takes) { 0.0 } else { grown.value }
}

/// What is known without looking inside the service, and that its workers are blocked: unless they are `starved` of CPUs, or
/// what they are blocked by is known.
fn outside(case: &Case, starved: bool) -> Vec<Candidate> {
    let mut all = outside::candidates(case);
    let Some(blocked) = worker::candidate(case).filter(|_| !starved) else { return all };
    all.extend(outside::called(case));
    match all.iter_mut().find(|c| c.owned) {
        Some(known) => known.evidence.extend(blocked.evidence),
        None => all = vec![blocked],
    }
    all
}

/// Work on a CPU: charged to a function, or to the site that allocates if collecting is most of it. Where a
/// library allocates on a function's behalf, calling it is the cause, and its garbage is part of the cost. `queue` is
/// the growth of the waits for a CPU that work is to blame for.
fn work(case: &Case, queue: Measured) -> Vec<Candidate> {
    let alloc = alloc::candidate(case, queue);
    let mut all = cpu::candidates(case, queue, alloc.as_ref().map(|a| &a.garbage));
    all.retain(|c| !shape::is_alike(case, &c.at));
    let Some(mut alloc) = alloc.filter(|a| a.direct && a.share >= alloc::DECISIVE) else { return all };
    // What the function itself does longer, with memory that is new each time, is the same cause.
    if let Some(same) = all.iter().find(|c| c.at == alloc.candidate.at)
        && same.explains.value > alloc.candidate.explains.value
    {
        alloc.candidate.explains = same.explains;
    }
    let separate = |cpu: &Candidate| {
        let rest = cpu.explains.minus(alloc.candidate.explains);
        cpu.at != alloc.candidate.at && rest.value > alloc.candidate.explains.value
    };
    all.retain(separate);
    all.push(alloc.candidate);
    all
}

/// The same function may hold a lock and burn the CPU while it holds it: that is one cause. It is called a
/// lock if waiting for it is a good part of the whole, as the work would cost less outside the lock.
fn merge_same_owner(all: &mut Vec<Candidate>) {
    all.sort_by(|a, b| b.explains.value.total_cmp(&a.explains.value));
    let mut merged: Vec<Candidate> = Vec::new();
    for candidate in all.drain(..) {
        match merged.iter_mut().find(|m| same_owner(m, &candidate)) {
            Some(m) => join(m, candidate),
            None => merged.push(candidate),
        }
    }
    *all = merged;
}

/// Share of a cause that lock waits must be for it to be called a lock.
const LOCKED: f64 = 0.3;

fn join(larger: &mut Candidate, mut smaller: Candidate) {
    let whole = larger.explains.value + smaller.explains.value;
    let names = |c: &Candidate, kind| c.kind == kind && c.explains.value >= LOCKED * whole;
    if names(&smaller, CauseKind::Lock) {
        std::mem::swap(larger, &mut smaller);
    }
    let calls_cost = smaller.more_calls && larger.kind == CauseKind::Cpu;
    if names(&smaller, CauseKind::Retry) || calls_cost || calls_of(&smaller, larger) {
        std::mem::swap(larger, &mut smaller);
    }
    // A good part that is not sure makes the whole unsure; a small one only lends no witness.
    larger.unsure |= smaller.unsure && 2.0 * smaller.explains.value > larger.explains.value;
    larger.explains = larger.explains.plus(smaller.explains);
    if larger.unsure || !smaller.unsure {
        let new = |e: &Evidence| !larger.evidence.contains(e);
        let more: Vec<Evidence> = smaller.evidence.into_iter().filter(new).collect();
        larger.evidence.extend(more);
    }
    if larger.doing.is_empty() {
        larger.doing = smaller.doing;
    }
}

fn same_owner(a: &Candidate, b: &Candidate) -> bool {
    let leak = [a, b].iter().any(|c| c.kind == CauseKind::GoroutineLeak);
    a.service == b.service
        && !leak
        && (a.at == b.at || held_for(a, b) || held_for(b, a) || calls_of(a, b) || calls_of(b, a))
}

/// Whether a lock is held while a file is written that is a cause by itself.
fn held_for(lock: &Candidate, file: &Candidate) -> bool {
    let kinds = (lock.kind, file.kind) == (CauseKind::Lock, CauseKind::Disk);
    kinds && !lock.doing.is_empty() && lock.doing == file.doing
}

/// Whether calls are those that are made again, and nothing was seen where they go.
fn calls_of(retried: &Candidate, calls: &Candidate) -> bool {
    let kinds = (retried.kind, calls.kind) == (CauseKind::Retry, CauseKind::Downstream);
    let seen = calls.evidence.iter().any(|e| [callee::CALLED, SPANS].contains(&e.tier.as_str()));
    kinds && retried.doing == calls.at && !seen
}

/// Growth of what a span has of the critical path for itself. Times of requests spread about as much as they last.
fn grown_span(facts: &SpanFacts, row: &SpanRow) -> Measured {
    let traces = facts.traces.min(facts.reference_traces.unwrap_or(u64::MAX)).max(1) as f64;
    Measured::new(row.growth() as f64, row.nanos as f64 / traces.sqrt())
}

/// Evidence of one kind of source.
fn evidence(tier: &str, says: String, path: Option<String>) -> Evidence {
    Evidence { tier: tier.to_owned(), says, path }
}

/// Folder of a service's profiles of one kind.
fn profiles(service: &str, kind: &str) -> Option<String> {
    Some(format!("profiles/{service}/{kind}"))
}

const SNAPSHOTS: &str = "goroutine snapshots";
const SPANS: &str = "spans";
const DURATIONS: &str = "durations that the service counts";
const CPU_PROFILE: &str = "CPU profile";
const MUTEX_PROFILE: &str = "mutex profile";
const HEAP_PROFILE: &str = "heap profile";

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: CauseKind, ms: f64) -> Candidate {
        Candidate {
            kind,
            at: "shop.titles".into(),
            doing: String::new(),
            service: "shop".into(),
            explains: Measured::new(ms * 1e6, 1e4),
            mechanism: String::new(),
            remedy: String::new(),
            evidence: vec![evidence(CPU_PROFILE, String::new(), None)],
            owned: true,
            unsure: false,
            more_calls: false,
        }
    }

    fn merged(mut all: Vec<Candidate>) -> Candidate {
        merge_same_owner(&mut all);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn what_more_calls_cost_is_part_of_the_loop() {
        let looped = Candidate { more_calls: true, ..candidate(CauseKind::Database, 1.0) };
        let both = merged(vec![candidate(CauseKind::Cpu, 3.0), looped]);
        assert_eq!((both.kind, both.explains.value), (CauseKind::Database, 4e6));
        let slow = merged(vec![candidate(CauseKind::Cpu, 3.0), candidate(CauseKind::Database, 1.0)]);
        assert_eq!(slow.kind, CauseKind::Cpu);
        // On full cores, where the calls wait as all else does.
        let again = |doing: &str| Candidate { doing: doing.into(), ..candidate(CauseKind::Retry, 1.0) };
        let of = |doing| merged(vec![candidate(CauseKind::Downstream, 5.0), again(doing)]).kind;
        assert_eq!((of("shop.titles"), of("")), (CauseKind::Retry, CauseKind::Downstream));
        let inner = Candidate { at: "shop.ask".into(), ..candidate(CauseKind::Downstream, 5.0) };
        let one = merged(vec![inner.clone(), again("shop.ask")]);
        assert_eq!((one.kind, one.at.as_str(), one.explains.value), (CauseKind::Retry, "shop.titles", 6e6));
        let seen = evidence(callee::CALLED, String::new(), None);
        let other = Candidate { at: "shop.other".into(), ..inner.clone() };
        let opened = Candidate { evidence: vec![seen], ..inner.clone() };
        for mut two in
            [vec![inner, again("")], vec![other, again("shop.ask")], vec![opened, again("shop.ask")]]
        {
            merge_same_owner(&mut two);
            assert_eq!(two.len(), 2);
        }
        let both = merged(vec![candidate(CauseKind::Cpu, 3.0), again("shop.ask")]);
        assert_eq!(both.kind, CauseKind::Cpu, "a sleep that a full core makes longer");
    }

    #[test]
    fn a_lock_that_is_held_while_a_file_is_written_is_one_cause() {
        let doing = |kind, at: &str, doing: &str| Candidate {
            at: at.into(),
            doing: doing.into(),
            ..candidate(kind, 2.0)
        };
        let file = || doing(CauseKind::Disk, "shop.write", "os.(*File).Sync");
        let one = merged(vec![file(), doing(CauseKind::Lock, "shop.note", "os.(*File).Sync")]);
        assert_eq!((one.kind, one.explains.value), (CauseKind::Lock, 4e6));
        let mut two = vec![file(), doing(CauseKind::Lock, "shop.note", "json.Marshal")];
        merge_same_owner(&mut two);
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_cannot_be_compared_lends_no_certainty_and_takes_none() {
        let blind = Candidate { unsure: true, ..candidate(CauseKind::Allocation, 1.0) };
        let one = merged(vec![candidate(CauseKind::Database, 3.0), blind]);
        assert!(!one.unsure && one.tiers() == 1 && one.evidence.len() == 1, "{one:?}");
        let blind = Candidate { unsure: true, ..candidate(CauseKind::Cpu, 7.0) };
        let locked = merged(vec![candidate(CauseKind::Lock, 3.5), blind]);
        assert!(
            locked.unsure && locked.kind == CauseKind::Lock,
            "most of it may have been there before: {locked:?}"
        );
    }
}
