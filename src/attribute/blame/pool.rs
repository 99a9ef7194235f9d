//! Waits for a free worker or connection.
//!
//! A pool is too small for its work: either the pool shrank or its work grew. Workers are the background
//! goroutines of the type (else package) that requests hand their work to.

use super::{Candidate, Case, SNAPSHOTS, evidence, profiles, site};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, Evidence, State, Utilization};
use crate::attribute::books::Line;
use crate::attribute::measure::Measured;
use crate::attribute::names;
use crate::attribute::side::ServiceSide;
use crate::attribute::snapshots::{Key, RoleKey};

/// Growth of the work per job beyond which the work is to blame, not the size.
const WORK_GREW: f64 = 1.5;

/// The workers that requests wait for.
struct Workers {
    /// Function that they run.
    entry: String,
    /// Mean number of them.
    size: f64,
    /// Mean number that does something.
    busy: f64,
    /// What the busy ones do most.
    doing: String,
    /// How much of it is busy time per request, nanoseconds.
    work: f64,
}

/// Waits for a worker.
pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    of_states(case, &[State::ChannelSend, State::ChannelReceive, State::Select])
}

/// How busy the workers are that requests are seen to wait for.
pub(in super::super) fn pools(case: &Case) -> Vec<Utilization> {
    const HANDED: [State; 3] = [State::ChannelSend, State::ChannelReceive, State::Select];
    let Some(service) = case.entry() else { return Vec::new() };
    let part = |w: &Workers| w.busy / w.size;
    let waits = case.lines.iter().filter(|l| HANDED.contains(&l.state) && l.judged.value > case.floor);
    let mut found: Vec<(String, Utilization)> = Vec::new();
    for line in waits {
        let Some(now) = workers(service, case.throughput(), &line.at).filter(|w| w.size > 0.0) else {
            continue;
        };
        if found.iter().any(|(entry, _)| *entry == now.entry) {
            continue;
        }
        let reference = case.entry_before();
        if !is_fixed(service, &now.entry)
            || !(rests(service, &now.entry) || reference.is_some_and(|s| rests(s, &now.entry)))
        {
            continue;
        }
        let before = reference.and_then(|s| workers_before(case, s, &line.at));
        let told = Utilization {
            service: service.name.clone(),
            resource: format!("{:.0} goroutines of {}", now.size, now.entry),
            reference: before.filter(|w| w.size > 0.0).as_ref().map(part),
            judged: part(&now),
            queues: true,
        };
        found.push((now.entry, told));
    }
    found.into_iter().map(|(_, told)| told).collect()
}

/// Part of the snapshots in which a pool has its usual number of workers.
const FIXED: f64 = 0.9;

/// Whether there are always as many goroutines of an entry: others come and go with the requests and are no limit.
fn is_fixed(service: &ServiceSide, entry: &str) -> bool {
    let counts = service.snapshots.per_snapshot(|k| k.role == RoleKey::Background && *k.root == *entry);
    let serves = service.snapshots.keys().any(|k| k.role == RoleKey::Request && *k.root == *entry);
    let usual = crate::stats::median(&counts).unwrap_or(0.0);
    let alike = counts.iter().filter(|c| (**c - usual).abs() < 0.5).count();
    usual >= 1.0 && !serves && alike as f64 >= FIXED * counts.len() as f64
}

/// Whether some of them were seen waiting for a job.
fn rests(service: &ServiceSide, entry: &str) -> bool {
    service.snapshots.keys().any(|k| k.role == RoleKey::Background && *k.root == *entry && is_idle(k))
}

/// Waits for a connection.
pub(super) fn connections(case: &Case) -> Vec<Candidate> {
    of_states(case, &[State::ConnectionPool])
}

fn of_states(case: &Case, states: &[State]) -> Vec<Candidate> {
    let Some(service) = case.entry() else { return Vec::new() };
    let mut lines: Vec<&Line> =
        case.lines.iter().filter(|l| states.contains(&l.state) && l.change().value > 0.0).collect();
    lines.sort_by(|a, b| b.change().value.total_cmp(&a.change().value));
    let mut groups: Vec<Vec<&Line>> = Vec::new();
    for line in lines {
        match groups.iter_mut().find(|g| names::receiver(&g[0].at) == names::receiver(&line.at)) {
            Some(group) => group.push(line),
            None => groups.push(vec![line]),
        }
    }
    // One pool may have several users, each of whom waits little.
    groups.retain(|group| is_grown(case, total(group)));
    groups.iter().map(|group| candidate(case, service, group)).collect()
}

fn total(waits: &[&Line]) -> Measured {
    waits.iter().fold(Measured::default(), |sum, l| sum.plus(l.change()))
}

fn is_grown(case: &Case, change: Measured) -> bool {
    change.low() > 0.0 && change.value > case.floor
}

fn candidate(case: &Case, service: &ServiceSide, waits: &[&Line]) -> Candidate {
    let main = waits[0];
    let waited = total(waits);
    // A pool of connections has no workers.
    let has_workers = main.state != State::ConnectionPool;
    let workers = has_workers.then(|| workers(service, case.throughput(), &main.at)).flatten();
    let before = case.entry_before().filter(|_| has_workers).and_then(|s| workers_before(case, s, &main.at));
    let mut proof = vec![waiting(service, main)];
    proof.extend(workers.as_ref().map(|w| occupancy(service, w, before.as_ref())));
    proof.extend(in_flight(case, waited.value));
    let slower_work = match (&workers, &before) {
        (Some(now), Some(was)) if was.work > 0.0 => now.work > WORK_GREW * was.work,
        _ => false,
    };
    let full = workers.as_ref().is_some_and(|w| w.busy > 0.7 * w.size) || main.state == State::ConnectionPool;
    let (kind, at, mechanism, remedy) = match &workers {
        Some(w) if slower_work => {
            (CauseKind::Pool, w.doing.clone(), work_words(w, waited.value), slow_remedy(w))
        }
        Some(w) if full => {
            (CauseKind::Pool, main.at.clone(), size_words(w, waited.value, &main.at), size_remedy(w))
        }
        None if main.state == State::ConnectionPool || main.state == State::ChannelSend => {
            let (words, remedy) = match site::connections(case, &main.at) {
                Some((full, remedy)) => (full_words(waited.value, &main.at, full), remedy),
                None => (
                    bare_words(waited.value, &main.at),
                    "make the pool larger, or hold its members for less time",
                ),
            };
            (CauseKind::Pool, main.at.clone(), words, remedy.to_owned())
        }
        _ => (
            CauseKind::Wait,
            main.at.clone(),
            bare_words(waited.value, &main.at),
            "see what the goroutines on the other end of the channel do".to_owned(),
        ),
    };
    let mut candidate = Candidate {
        kind,
        at,
        doing: workers.as_ref().map(|w| w.doing.clone()).unwrap_or_default(),
        service: service.name.clone(),
        explains: waited,
        mechanism,
        remedy,
        evidence: proof,
        owned: kind == CauseKind::Pool,
        unsure: false,
        more_calls: false,
    };
    if kind == CauseKind::Wait {
        site::refine(case, main.state, &mut candidate);
    }
    candidate
}

fn workers_before(case: &Case, service: &ServiceSide, waiter: &str) -> Option<Workers> {
    workers(service, case.throughput_before(), waiter)
}

fn workers(service: &ServiceSide, throughput: f64, waiter: &str) -> Option<Workers> {
    let near = |f: &dyn Fn(&str) -> bool| {
        service
            .snapshots
            .keys()
            .find(|k| k.role == RoleKey::Background && (f(&k.owner) || f(&k.root)))
            .map(|k| k.root.to_string())
    };
    let entry = near(&|n| names::receiver(n) == names::receiver(waiter))
        .or_else(|| near(&|n| names::package(n) == names::package(waiter)))?;
    let mine = |k: &Key| k.role == RoleKey::Background && *k.root == *entry;
    let busy = |k: &Key| mine(k) && !is_idle(k);
    let size = service.snapshots.mean(mine).value;
    let active = service.snapshots.mean(busy).value;
    let doing = service
        .snapshots
        .keys()
        .filter(|k| busy(k))
        .max_by(|a, b| {
            let mean = |key: &Key| service.snapshots.mean(|k| k == key).value;
            mean(a).total_cmp(&mean(b))
        })
        .map(|k| k.owner.to_string())
        .unwrap_or_default();
    Some(Workers { entry, size, busy: active, doing, work: active * 1e9 / throughput.max(1e-9) })
}

/// A worker that waits for a job in its own loop.
fn is_idle(key: &Key) -> bool {
    matches!(key.state, State::ChannelReceive | State::Select | State::Sync | State::Sleep)
        && key.owner == key.root
}

fn waiting(service: &ServiceSide, line: &Line) -> Evidence {
    let before = line.reference.map(|r| format!(", {} in the reference", quantity::duration(r.value)));
    let says = format!(
        "requests wait {} in {}{}",
        quantity::duration(line.judged.value),
        line.at,
        before.unwrap_or_default()
    );
    evidence(SNAPSHOTS, says, profiles(&service.name, "goroutine"))
}

fn occupancy(service: &ServiceSide, now: &Workers, before: Option<&Workers>) -> Evidence {
    let was = before.map(|w| format!(" (before: {:.1} of {:.1})", w.busy, w.size)).unwrap_or_default();
    let says =
        format!("{:.1} of {:.1} goroutines of {} are busy at a time{was}", now.busy, now.size, now.entry);
    evidence(SNAPSHOTS, says, profiles(&service.name, "goroutine"))
}

/// Requests in flight, counted by the generator: a second witness of a queue.
fn in_flight(case: &Case, waited: f64) -> Option<Evidence> {
    (case.response_growth().value > 0.5 * waited).then(|| case.clock())
}

fn size_words(w: &Workers, waited: f64, at: &str) -> String {
    format!(
        "requests wait {} in {at} for a free worker: {:.1} of {:.1} goroutines of {} are busy{}",
        quantity::duration(waited),
        w.busy,
        w.size,
        w.entry,
        if w.doing.is_empty() { String::new() } else { format!(" in {}", w.doing) }
    )
}

fn work_words(w: &Workers, waited: f64) -> String {
    format!(
        "requests wait {} for a worker of {}, whose work in {} has become longer",
        quantity::duration(waited),
        w.entry,
        w.doing
    )
}

fn full_words(waited: f64, at: &str, full: &str) -> String {
    format!("requests wait {} in {at}, with {full}", quantity::duration(waited))
}

fn bare_words(waited: f64, at: &str) -> String {
    format!(
        "requests wait {} in {at} for the other end of a channel or a free member of a pool",
        quantity::duration(waited)
    )
}

fn size_remedy(w: &Workers) -> String {
    format!(
        "the pool of {:.0} workers ({}) is the limit: raise it, or make their work shorter",
        w.size.round(),
        w.entry
    )
}

fn slow_remedy(w: &Workers) -> String {
    format!("make {} shorter, or raise the number of workers", w.doing)
}
