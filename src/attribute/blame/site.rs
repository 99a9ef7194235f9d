//! What the stacks around a wait say of it beyond its state: a sleep between two attempts of a call, a write to a file, a
//! connection that a pool does not give.

use super::{Candidate, Case, SNAPSHOTS, callee, evidence, profiles};
use crate::analysis::quantity::duration;
use crate::analysis::{CauseKind, State};
use crate::attribute::books::Line;
use crate::attribute::names;
use crate::attribute::side::ServiceSide;
use crate::attribute::snapshots::{Key, RoleKey};
use crate::attribute::stack;
use crate::attribute::stacks::Stack;

/// Part of the waits at a place that must be of a kind for the place to be called by it.
const MOST: f64 = 0.5;
/// Goroutines that open connections, for each one that waits for one, below which nobody opens any.
const DIALLING: f64 = 0.1;
/// Part of the growth of calls that the pauses between them must be.
const PAUSES: f64 = 0.1;
/// Part of a pause that may have been there before for it to be new.
const NEW: f64 = 0.1;

/// Tells a candidate by the stacks at its place.
pub(super) fn refine(case: &Case, state: State, candidate: &mut Candidate) {
    let Some(service) = case.entry() else { return };
    let at = candidate.at.clone();
    let place = Place { service, state, at: &at };
    match state {
        State::Sleep | State::Select if retried(&place, candidate) => {
            candidate.doing = calls_wait_for_cores(case, &place, candidate).unwrap_or_default();
        }
        State::Syscall if place.share(is_file) >= MOST => file(&place, candidate),
        State::Dial if place.share(waits_for_transport) >= MOST && !place.somebody_dials() => {
            candidate.kind = CauseKind::Pool;
            candidate.remedy =
                "the limit of connections to one host is reached: raise it, or answer faster there".into();
        }
        _ => {}
    }
}

/// What a pool of connections is, by the client library that waits: what is used up, and which limit to look at.
pub(super) fn connections(case: &Case, at: &str) -> Option<(&'static str, &'static str)> {
    const KNOWN: [(&str, &str, &str); 4] = [
        (
            "google.golang.org/grpc/internal/transport.",
            "as many open streams as the server allows on one connection",
            "raise the server's limit of concurrent streams, or spread the calls over several connections",
        ),
        (
            "database/sql.",
            "all connections of database/sql in use",
            "raise SetMaxOpenConns, or hold connections for less time: close rows early, no calls inside transactions",
        ),
        (
            "github.com/jackc/",
            "all connections of the pool in use",
            "raise MaxConns, or hold connections for less time",
        ),
        (
            "github.com/redis/",
            "all connections of the pool in use",
            "raise PoolSize, or hold connections for less time",
        ),
    ];
    let place = Place { service: case.entry()?, state: State::ConnectionPool, at };
    let (stack, _) = place.stacks().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let known = stack.iter().find_map(|f| KNOWN.iter().find(|(prefix, ..)| f.starts_with(prefix)))?;
    Some((known.1, known.2))
}

/// Requests that wait in one state in one function.
struct Place<'a> {
    service: &'a ServiceSide,
    state: State,
    at: &'a str,
}

impl Place<'_> {
    fn stacks(&self) -> impl Iterator<Item = (&Stack, f64)> {
        let mine = |k: &Key| k.role == RoleKey::Request && k.state == self.state && *k.owner == *self.at;
        self.service.snapshots.stacks().filter(move |(_, k, _)| mine(k)).map(|(s, _, mean)| (s, mean))
    }

    /// Part of the waits with a frame that is accepted.
    fn share(&self, frame: fn(&str) -> bool) -> f64 {
        let (mut with, mut all) = (0.0, 0.0);
        for (stack, mean) in self.stacks() {
            all += mean;
            with += if stack.iter().any(|f| frame(f)) { mean } else { 0.0 };
        }
        if all > 0.0 { with / all } else { 0.0 }
    }

    /// Work on a handshake is no wait: all background stacks below a dialler count.
    fn somebody_dials(&self) -> bool {
        let sum = |role: RoleKey, of: &dyn Fn(&Stack, &Key) -> bool| -> f64 {
            self.service
                .snapshots
                .stacks()
                .filter(|(s, k, _)| k.role == role && of(s, k))
                .map(|(.., m)| m)
                .sum()
        };
        let dialling = sum(RoleKey::Background, &|s, _| s.iter().any(|f| stack::is_dial(f)));
        dialling >= DIALLING * sum(RoleKey::Request, &|_, k| k.state == State::Dial)
    }

    /// Where requests wait for another service, from wherever they call it.
    fn calling(&self) -> impl Iterator<Item = (&Stack, &Key, f64)> {
        let calls = |k: &Key| k.role == RoleKey::Request && k.state == State::Downstream;
        self.service.snapshots.stacks().filter(move |(_, k, _)| calls(k))
    }

    /// Whether requests wait in `callee` for another service below `caller`.
    fn calls(&self, caller: &str, callee: &str) -> bool {
        let below = |s: &Stack| s.iter().any(|f| names::enclosing(f) == caller);
        self.calling().any(|(s, k, _)| *k.owner == *callee && below(s))
    }

    /// The function that makes requests sleep here and call another service there, both in one package; with the mean
    /// number of requests that call.
    fn caller(&self) -> Option<(String, f64)> {
        let near = |k: &Key| names::package(&k.owner) == names::package(self.at);
        let calling: Vec<(&Stack, f64)> =
            self.calling().filter(|(_, k, _)| near(k)).map(|(s, _, mean)| (s, mean)).collect();
        let (sleeping, _) = self.stacks().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let mine = sleeping.iter().map(|f| names::enclosing(f)).filter(|f| names::is_application(f));
        let both = |f: &str| calling.iter().any(|(s, _)| s.iter().any(|c| names::enclosing(c) == f));
        let common = mine.into_iter().find(|f| both(f))?;
        let near = names::package(common) == names::package(self.at);
        let at = if near { common } else { self.at };
        Some((at.to_owned(), calling.iter().map(|(_, mean)| mean).sum()))
    }
}

fn is_file(frame: &str) -> bool {
    frame.starts_with("os.(*File).")
}

fn waits_for_transport(frame: &str) -> bool {
    frame.starts_with("net/http.(*Transport).getConn")
}

/// A function that calls another service and sleeps in between tries again what failed. Whether this is one.
fn retried(place: &Place<'_>, candidate: &mut Candidate) -> bool {
    let Some((at, calls)) = place.caller() else { return false };
    let says = format!("{at} also waits for another service: {calls:.2} requests at a time");
    candidate.kind = CauseKind::Retry;
    candidate.mechanism = format!(
        "requests sleep {} between two attempts of a call in {at}: what it calls fails, and is called again",
        duration(candidate.explains.value)
    );
    candidate.remedy =
        "see why the called service refuses; fewer attempts or shorter pauses bound what that costs".into();
    let path = profiles(&place.service.name, "goroutine");
    candidate.evidence.push(evidence(SNAPSHOTS, says, path));
    // That a call failed is inferred: no snapshot shows an answer.
    (candidate.at, candidate.owned, candidate.unsure) = (at, true, true);
    true
}

/// The calls that are made again, if they take longer for want of a core, so that their growth says nothing of who is called; what is
/// new is that they are made again. A full core makes a pause longer that was there before, too.
fn calls_wait_for_cores(case: &Case, place: &Place<'_>, retried: &Candidate) -> Option<String> {
    let is_pause = |l: &&Line| l.state == place.state && l.at == place.at;
    let pause = case.lines.iter().find(is_pause)?;
    let new = pause.reference.is_none_or(|r| r.value <= NEW * pause.judged.value);
    let waiting =
        case.lines.iter().filter(|l| l.state == State::Downstream && place.calls(&retried.at, &l.at));
    let calls = waiting.max_by(|a, b| a.change().value.total_cmp(&b.change().value))?;
    let grown = calls.change().value;
    let enough = new && grown > 0.0 && retried.explains.value >= PAUSES * grown;
    (enough && callee::is_starved(case, grown)).then(|| calls.at.clone())
}

fn file(place: &Place<'_>, candidate: &mut Candidate) {
    candidate.kind = CauseKind::Disk;
    candidate.doing = most_common_file_call(place).unwrap_or_default();
    candidate.mechanism = format!(
        "requests wait {} for {} in {}",
        duration(candidate.explains.value),
        if candidate.doing.is_empty() { "a file" } else { &candidate.doing },
        place.at
    );
    candidate.remedy = format!(
        "write in the background, or flush less often in {}; see how long the disk takes",
        candidate.at
    );
}

fn most_common_file_call(place: &Place<'_>) -> Option<String> {
    let file = |s: &Stack| s.iter().rev().find(|f| is_file(f)).map(|f| f.to_string());
    place.stacks().max_by(|a, b| a.1.total_cmp(&b.1)).and_then(|(s, _)| file(s))
}
