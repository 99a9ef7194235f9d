//! Lock waits, handed to the holder.
//!
//! Go's mutex profile blames the holder: its stack is the end of the critical section, its value what others
//! waited. Where it is off, goroutines that are inside the same method without waiting for the lock are the
//! next best witness.

use std::collections::BTreeMap;

use super::{Candidate, Case, MUTEX_PROFILE, SNAPSHOTS, cpu, evidence, profiles};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, Evidence, State};
use crate::attribute::books::Line;
use crate::attribute::measure::Measured;
use crate::attribute::names;
use crate::attribute::side::ServiceSide;
use crate::attribute::snapshots::{Key, RoleKey};
use crate::attribute::stacks::{Stack, plain};

/// A holder and what speaks for it.
struct Holder {
    at: String,
    evidence: Option<Evidence>,
    known: bool,
    /// Whether it was only seen beside the wait.
    guessed: bool,
}

pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    let Some(service) = case.entry() else { return Vec::new() };
    let mut by_holder: BTreeMap<String, (Holder, Vec<&Line>)> = BTreeMap::new();
    for line in case.grown(&[State::Lock]) {
        let holder = holder(case, service, line);
        by_holder.entry(holder.at.clone()).or_insert_with(|| (holder, Vec::new())).1.push(line);
    }
    by_holder.into_values().map(|(holder, lines)| candidate(case, service, holder, &lines)).collect()
}

/// Rows of who waits for the lock that `at` holds.
pub(super) fn waiters<'a>(case: &'a Case, service: &ServiceSide, at: &str) -> Vec<&'a Line> {
    case.grown(&[State::Lock]).into_iter().filter(|line| holder(case, service, line).at == at).collect()
}

fn candidate(case: &Case, service: &ServiceSide, holder: Holder, waits: &[&Line]) -> Candidate {
    let waited = waits.iter().fold(Measured::default(), |sum, l| sum.plus(l.change()));
    let held = Held::by(service, &holder.at);
    let doing = held
        .waits_most()
        .or_else(|| cpu::callee(case, &holder.at))
        .or_else(|| held.most())
        .unwrap_or_default();
    let held = if doing.is_empty() { String::new() } else { format!(", which spends the time in {doing}") };
    let mut proof: Vec<Evidence> = waits.iter().map(|l| seen_waiting(service, l)).collect();
    let mechanism = if holder.known {
        format!("requests wait {} for a lock held by {}{held}", quantity::duration(waited.value), holder.at)
    } else {
        format!(
            "requests wait {} for a lock in {}; who holds it is not known",
            quantity::duration(waited.value),
            holder.at
        )
    };
    let remedy = if doing.is_empty() {
        format!("hold the lock for less time in {}", holder.at)
    } else {
        format!("do {doing} outside the lock in {}, or not on every request", holder.at)
    };
    proof.extend(holder.evidence);
    Candidate {
        kind: CauseKind::Lock,
        at: holder.at,
        doing,
        service: service.name.clone(),
        explains: waited,
        mechanism,
        remedy,
        evidence: proof,
        owned: holder.known,
        unsure: holder.guessed,
        more_calls: false,
    }
}

fn seen_waiting(service: &ServiceSide, line: &Line) -> Evidence {
    let before = line.reference.map(|r| format!(", {} in the reference", quantity::duration(r.value)));
    let (tier, kind) =
        if service.snapshots.len() > 0 { (SNAPSHOTS, "goroutine") } else { (MUTEX_PROFILE, "mutex") };
    let says = format!(
        "requests wait {} for the lock in {}{}",
        quantity::duration(line.judged.value),
        line.at,
        before.unwrap_or_default()
    );
    evidence(tier, says, profiles(&service.name, kind))
}

fn holder(case: &Case, service: &ServiceSide, line: &Line) -> Holder {
    if service.snapshots.len() == 0 {
        // The rows come from the contention profile itself, which names the holder.
        return Holder { at: line.at.clone(), evidence: None, known: true, guessed: false };
    }
    by_profile(case, service, line).or_else(|| by_snapshots(service, &line.at)).unwrap_or_else(|| Holder {
        at: line.at.clone(),
        evidence: None,
        known: false,
        guessed: true,
    })
}

/// Part of a wait that the profile must have seen for its holder to be the one who is waited for.
const DELAYS_PART: f64 = 0.3;

/// The end of the critical section that others waited for most, of the same type or package as the waiter.
fn by_profile(case: &Case, service: &ServiceSide, line: &Line) -> Option<Holder> {
    let waiter = line.at.as_str();
    let mutex = service.mutex.as_ref()?;
    let mut delays: BTreeMap<&str, i64> = BTreeMap::new();
    for (stack, delay) in mutex.totals.iter().filter(|(_, d)| *d > 0) {
        // The runtime's own locks have no frame of the application.
        if let Some(owner) = stack.iter().find(|f| names::is_application(f)) {
            *delays.entry(names::enclosing(owner)).or_default() += delay;
        }
    }
    let near = |name: &str| match name {
        _ if names::receiver(name) == names::receiver(waiter) => 2,
        _ if names::package(name) == names::package(waiter) => 1,
        _ => 0,
    };
    let (at, delay) = delays.into_iter().filter(|(n, _)| near(n) > 0).max_by_key(|(n, d)| (near(n), *d))?;
    let per_request = delay as f64 / (mutex.secs * case.throughput().max(1e-9));
    if per_request < DELAYS_PART * line.judged.value {
        return None;
    }
    let says =
        format!("others waited {} per request for locks released by {at}", quantity::duration(per_request));
    Some(Holder {
        at: at.to_owned(),
        evidence: Some(evidence(MUTEX_PROFILE, says, profiles(&service.name, "mutex"))),
        known: true,
        guessed: false,
    })
}

/// Requests inside the waiter's own type that do not wait for the lock: one of them holds it, and never more than one.
fn by_snapshots(service: &ServiceSide, waiter: &str) -> Option<Holder> {
    let mut inside: BTreeMap<&str, f64> = BTreeMap::new();
    let inside_a_request = |k: &Key| k.state != State::Lock && k.role == RoleKey::Request;
    for (stack, _, mean) in service.snapshots.stacks().filter(|(_, k, _)| inside_a_request(k)) {
        let same = plain(stack).into_iter().find(|f| names::receiver(f) == names::receiver(waiter));
        if let Some(function) = same {
            *inside.entry(names::enclosing(function)).or_default() += mean;
        }
    }
    let (at, mean) = inside
        .into_iter()
        .filter(|(_, m)| *m <= ONE)
        .map(|(n, m)| (n.to_owned(), m))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let says = format!("{mean:.2} goroutines at a time are in {at} without waiting for the lock");
    Some(Holder {
        evidence: Some(evidence(SNAPSHOTS, says, profiles(&service.name, "goroutine"))),
        at,
        known: true,
        guessed: true,
    })
}

/// The one that holds a lock, and some doubt of the count.
pub(super) const ONE: f64 = 1.2;

/// What a goroutine does below the holder that does not wait for the lock: the function called there, or the file behind it, of
/// which a library between says less. None for who spins for a lock, or hands it over: it does not hold it.
pub(super) fn called<'a>(stack: &'a Stack, holder: &str) -> Option<&'a str> {
    let place = stack.iter().position(|f| names::enclosing(f) == holder).filter(|p| *p > 0)?;
    let below = &stack[..place];
    if below.iter().any(|f| f.contains("Mutex).")) {
        return None;
    }
    let file = below.iter().rfind(|f| f.starts_with("os.(*File)."));
    Some(names::enclosing(file.unwrap_or(&below[place - 1])))
}

/// What goroutines below the holder do while they hold the lock, with their mean number: work, and waits for a file,
/// another service, a database.
struct Held {
    working: BTreeMap<String, f64>,
    waiting: BTreeMap<String, f64>,
}

impl Held {
    fn by(service: &ServiceSide, holder: &str) -> Self {
        let mut held = Self { working: BTreeMap::new(), waiting: BTreeMap::new() };
        for (stack, key, mean) in service.snapshots.stacks().filter(|(_, k, _)| k.state != State::Lock) {
            let Some(called) = called(stack, holder) else { continue };
            let called = called.to_owned();
            let of = if key.state == State::Cpu { &mut held.working } else { &mut held.waiting };
            *of.entry(called).or_default() += mean;
        }
        held
    }

    /// What is waited for, if the lock is held for waiting most of the time.
    fn waits_most(&self) -> Option<String> {
        let sum = |of: &BTreeMap<String, f64>| of.values().sum::<f64>();
        (sum(&self.waiting) > sum(&self.working)).then(|| top(&self.waiting)).flatten()
    }

    fn most(&self) -> Option<String> {
        top(&self.waiting).or_else(|| top(&self.working))
    }
}

fn top(of: &BTreeMap<String, f64>) -> Option<String> {
    of.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(name, _)| name.clone())
}
