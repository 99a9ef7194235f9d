//! Waits for something outside the process, or of a kind that names itself: another service, a database, a
//! cache, the network, a sleep, a file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Candidate, Case, SNAPSHOTS, callee, database, evidence, profiles, site};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, Evidence, State};
use crate::attribute::books::Line;
use crate::attribute::measure::Measured;
use crate::attribute::names;
use crate::attribute::snapshots::RoleKey;

const STATES: [State; 10] = [
    State::Dial,
    State::Downstream,
    State::Database,
    State::Cache,
    State::Network,
    State::Sleep,
    State::Syscall,
    State::Sync,
    State::OtherWait,
    State::ClientConnect,
];

pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    let grown = case.grown(&STATES).into_iter().map(|line| candidate(case, line));
    grown.chain([State::Database, State::Cache].into_iter().filter_map(|s| counted(case, s))).collect()
}

/// A wait that too few snapshots met to tell it from none, while the server itself counted all of it: as long as that is not
/// more than the snapshots allow.
fn counted(case: &Case, state: State) -> Option<Candidate> {
    if !case.grown(&[state]).is_empty() {
        return None;
    }
    let waits = || case.lines.iter().filter(|l| l.state == state && l.change().value > 0.0);
    let line = waits().max_by(|a, b| a.change().value.total_cmp(&b.change().value))?;
    let change = line.change();
    let alone = 2.0 * change.value >= waits().map(|l| l.change().value).sum();
    let served = database::open(case, state, change.value)?.served?;
    if !alone || served <= case.floor || served > change.high() {
        return None;
    }
    let explains = Measured::new(served, VAGUE * served);
    Some(Candidate { explains, unsure: true, ..candidate(case, line) })
}

fn candidate(case: &Case, line: &Line) -> Candidate {
    let (kind, waits_for, remedy) = words(line.state);
    let replaced = replaced(case, line);
    let change = replaced.iter().fold(line.change(), |sum, gone| sum.plus(gone.change()));
    let instead: String = replaced
        .iter()
        .map(|gone| format!(", in place of {} in {}", quantity::duration(-gone.change().value), gone.at))
        .collect();
    let place = if line.at.is_empty() { String::new() } else { format!(" in {}", line.at) };
    let mut proof = vec![evidence(
        if line.state == State::ClientConnect { "generator's clock" } else { SNAPSHOTS },
        format!(
            "requests {waits_for}{place} for {}{}",
            quantity::duration(line.judged.value),
            line.reference
                .map(|r| format!(", {} in the reference", quantity::duration(r.value)))
                .unwrap_or_default()
        ),
        match line.state {
            State::ClientConnect => Some("load/latency.hlog".into()),
            _ => profiles(&case.service_name(), "goroutine"),
        },
    )];
    proof.extend(clock(case, change.value));
    let mut candidate = Candidate {
        kind,
        at: if line.at.is_empty() { "opening connections".into() } else { line.at.clone() },
        doing: String::new(),
        service: case.service_name(),
        explains: change,
        mechanism: format!(
            "requests {waits_for} {} longer{place}{instead}",
            quantity::duration(line.change().value)
        ),
        remedy: remedy.to_owned(),
        evidence: proof,
        owned: !matches!(line.state, State::Sync | State::OtherWait | State::Network),
        // That another answers late is seen from this side only.
        unsure: matches!(kind, CauseKind::Downstream | CauseKind::Database | CauseKind::Cache),
        more_calls: false,
    };
    if kind == CauseKind::Downstream {
        callee::open(case, &mut candidate);
    }
    site::refine(case, line.state, &mut candidate);
    if let Some(opened) = database::open(case, line.state, change.value) {
        let (owned, mechanism) = (opened.owned, format!("; {}", opened.says));
        candidate.mechanism.push_str(&mechanism);
        candidate.evidence.extend(opened.evidence);
        candidate.remedy = opened.remedy.unwrap_or(candidate.remedy);
        (candidate.doing, candidate.owned, candidate.unsure) = (opened.doing, owned, opened.unsure);
        candidate.more_calls = opened.repeated;
        candidate.kind = opened.kind.unwrap_or(candidate.kind);
        // Of two places that wait, which one waits for it is not counted.
        let served = opened.served.filter(|_| case.grown(&[line.state]).len() == 1);
        candidate.explains = by_server(candidate.explains, served);
    }
    candidate
}

/// Part of what a wait was that may be left of one that went away.
const LEFT: f64 = 0.1;

/// Waits of the same kind that are gone, in functions that the same function calls, among whose calls this one grew most: it took
/// their place, so that they come back with its end. Not more than it grew by.
fn replaced<'a>(case: &'a Case, line: &Line) -> Vec<&'a Line> {
    let is_gone = |l: &&Line| {
        let was = l.reference.map_or(0.0, |r| r.value);
        l.state == line.state && l.change().high() < 0.0 && was > case.floor && l.judged.value <= LEFT * was
    };
    let mut gone: Vec<&Line> = case.lines.iter().filter(is_gone).collect();
    if gone.is_empty() {
        return gone;
    }
    let callers = callers(case, line.state);
    let share = |a: &Line, b: &Line| match (callers.get(&*a.at), callers.get(&*b.at)) {
        (Some(a), Some(b)) => !a.is_disjoint(b),
        _ => false,
    };
    let grew_more = |l: &Line| l.state == line.state && l.change().value > line.change().value;
    gone.retain(|g| share(g, line) && !case.lines.iter().any(|l| grew_more(l) && share(g, l)));
    let saved: f64 = gone.iter().map(|g| -g.change().value).sum();
    if saved < line.change().value { gone } else { Vec::new() }
}

/// Of each function in which requests wait so, the functions of the application that call it, on either side.
fn callers<'a>(case: &'a Case, state: State) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let sides = case.entry().into_iter().chain(case.entry_before());
    for (stack, key, _) in sides.flat_map(|s| s.snapshots.stacks()) {
        if key.role == RoleKey::Request && key.state == state {
            let application = stack.iter().filter(|f| names::is_application(f)).map(|f| names::enclosing(f));
            let mut outer = application.skip_while(|f| *f != &*key.owner).skip_while(|f| *f == &*key.owner);
            all.entry(&*key.owner).or_default().extend(outer.next());
        }
    }
    all
}

/// Part of an estimate that its error may be before a server's figure for the same time is better, and the error of that:
/// it may be from a dozen looks at its sessions.
const VAGUE: f64 = 0.3;

/// What the server counted of a wait that snapshots tell but roughly: if both agree, its figure. It holds neither the way
/// nor the driver, so it is rather too small.
fn by_server(seen: Measured, served: Option<f64>) -> Measured {
    let agrees = |s: &f64| (seen.low()..=seen.value).contains(s) && seen.error > VAGUE * seen.value;
    served.filter(agrees).map_or(seen, |s| Measured::new(s, VAGUE * s))
}

fn words(state: State) -> (CauseKind, &'static str, &'static str) {
    match state {
        State::Downstream => (
            CauseKind::Downstream,
            "wait for another service",
            "look at the called service in the same window; a time limit or a cache bounds what it can cost",
        ),
        State::Database => {
            (CauseKind::Database, "wait for the database", "look at the statement and its plan")
        }
        State::Cache => (CauseKind::Cache, "wait for the cache", "look at the command and its size"),
        State::Dial => (
            CauseKind::Connect,
            "open a connection",
            "keep connections and use them again: see keep-alive, the size of the idle pool, and who closes them",
        ),
        State::ClientConnect => (
            CauseKind::Connect,
            "open connections",
            "check keep-alive on both sides, the accept queue and the TLS handshake",
        ),
        State::Network => (CauseKind::Wait, "wait for the network", "see which connection the stacks read"),
        State::Sleep => (CauseKind::Wait, "sleep", "see why the function sleeps on the path of a request"),
        State::Syscall => {
            (CauseKind::Wait, "wait in a system call", "see which file or device the stacks name")
        }
        State::Sync => {
            (CauseKind::Wait, "wait for other goroutines", "see what the goroutines waited for do")
        }
        _ => (CauseKind::Wait, "wait", "see the stacks of the captured goroutine dump"),
    }
}

/// The generator measured from outside that the response grew by as much: a second witness.
fn clock(case: &Case, change: f64) -> Option<Evidence> {
    let grown = case.response_growth().value;
    let agrees = grown > 0.0 && (change / grown - 1.0).abs() < 0.35;
    agrees.then(|| case.clock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_agrees_is_better_than_a_vague_estimate() {
        let vague = Measured::new(0.5e6, 0.25e6);
        assert_eq!(by_server(vague, Some(0.3e6)), Measured::new(0.3e6, VAGUE * 0.3e6));
        assert_eq!(by_server(vague, Some(0.05e6)), vague, "what is lost on the way is the most of it");
        assert_eq!(by_server(vague, Some(0.6e6)), vague, "not all of it is waited for here");
        assert_eq!(by_server(vague, None), vague);
        let sharp = Measured::new(0.5e6, 0.05e6);
        assert_eq!(by_server(sharp, Some(0.45e6)), sharp);
    }
}
