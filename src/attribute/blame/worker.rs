//! A call that blocks on a worker of an asynchronous runtime: the worker is busy and burns no CPU, and every other task
//! that it would poll waits. The victims become slow with the culprit, and no CPU profile shows either.

use super::{Candidate, Case, DURATIONS, evidence};
use crate::analysis::quantity::{self, duration};
use crate::analysis::{CauseKind, Evidence, Reading, ReadingKind, State};
use crate::attribute::counters::Busy;
use crate::attribute::measure::Measured;
use crate::attribute::served::Grown;
use crate::attribute::side::Side;

/// Part of the change that blocked workers must add by themselves; what waits for them comes on top ...
const LEAST: f64 = 0.25;
/// ... or part of the workers' time: where they are all blocked, a queue grows that is any number of times as long.
const OF_WORKERS: f64 = 0.1;
/// Parts of the blocked time by which the handlers of a route may have grown to be where all of it is.
const COVERS: std::ops::Range<f64> = 0.75..1.5;
/// Part of the requests below which what a route takes longer is chance.
const ASKED: f64 = 0.02;
/// How much more than that of the next a request's mean must have grown for its handler to be suspected.
const STANDS_OUT: f64 = 1.2;

/// Workers of one service that are busy and have no CPU.
struct Blocked<'a> {
    busy: &'a Busy,
    /// Nanoseconds per request.
    now: f64,
    /// The same in the reference; none without one.
    before: Option<f64>,
    /// Growth of the part of the workers' time.
    part: f64,
}

impl Blocked<'_> {
    fn added(&self) -> f64 {
        self.now - self.before.unwrap_or(0.0)
    }
}

/// Workers that do not poll and do not compute.
pub(super) fn candidate(case: &Case) -> Option<Candidate> {
    let all = case.judged.workers.iter().filter_map(|busy| blocked(case, busy));
    let most = all.max_by(|a, b| a.added().total_cmp(&b.added()))?;
    let change = case.response_growth();
    let (added, service) = (most.added(), most.busy.service.clone());
    if added <= case.floor || (added < LEAST * change.value && most.part < OF_WORKERS) {
        return None;
    }
    let before = most.before.map(|b| format!(", {} in the reference", duration(b))).unwrap_or_default();
    let says = format!(
        "workers of {service} are busy without using a CPU for {} per request{before}: something in a task blocks",
        duration(most.now)
    );
    let path = Some(format!("metrics/{service}"));
    let mut proof = vec![evidence("metrics of the asynchronous runtime", says.clone(), path)];
    let handler = handler(case, &most);
    let owned = handler.is_some();
    let slowed = handler.or_else(|| slowed(case));
    proof.extend(slowed.iter().map(|(_, evidence)| evidence.clone()));
    Some(Candidate {
        kind: CauseKind::BlockedWorker,
        at: format!("{} workers of the asynchronous runtime", quantity::count(most.busy.workers.round() as u64)),
        doing: slowed.map(|(request, _)| request).unwrap_or_default(),
        explains: Measured::new(with_waits(case, change.value, added), change.error),
        mechanism: format!("{says}, and all other tasks wait"),
        remedy: "find the blocking call (a file, a lock of the standard library, a sleep, a long computation) in the \
                 handlers of the requests that grew most, and move it to spawn_blocking"
            .into(),
        evidence: proof,
        owned,
        // The place of the call is in no evidence.
        unsure: true,
        more_calls: false,
        service,
    })
}

/// What waits for a worker is in no row, or nobody has read it yet.
fn with_waits(case: &Case, change: f64, added: f64) -> f64 {
    let other = case.lines.iter().filter(|l| !matches!(l.state, State::Handler | State::Unread));
    let seen = other.map(|l| l.change().value.max(0.0));
    (change - seen.sum::<f64>()).max(added)
}

/// None if it is not known of both sides.
fn blocked<'a>(case: &Case, busy: &'a Busy) -> Option<Blocked<'a>> {
    let idle = |side: &Side, busy: &Busy, of: fn(&Reading) -> Option<f64>| {
        let reading = |what| case.reading(&busy.service, what);
        let counted = side.counters.iter().find(|c| c.service == busy.service && c.state == State::Cpu);
        let cores = reading(ReadingKind::CoresUsed).and_then(of).or(counted.map(|c| c.rate / 1e9))?;
        // A worker that is ready and gets no CPU is not blocked.
        let starved = reading(ReadingKind::TasksWaiting).and_then(of).unwrap_or(0.0);
        Some((busy.rate - 1e9 * (cores + starved)).max(0.0))
    };
    let now = idle(case.judged, busy, |r| Some(r.judged))?;
    let before = match case.reference {
        None => None,
        Some(side) => {
            let same = side.workers.iter().find(|b| b.service == busy.service)?;
            Some(idle(side, same, |r| r.reference)?)
        }
    };
    let each = |rate: f64, throughput: f64| rate / throughput.max(1e-9);
    Some(Blocked {
        busy,
        now: each(now, case.throughput()),
        before: before.map(|b| each(b, case.throughput_before())),
        part: (now - before.unwrap_or(0.0)) / (1e9 * busy.workers),
    })
}

/// The route that blocks, by the durations that the service counts: a task that blocks has the whole of it in its own time,
/// one that waits for a worker a part. So its own requests took clearly longer than those of every other, and all of them together as
/// much longer as workers were blocked.
fn handler(case: &Case, blocked: &Blocked) -> Option<(String, Evidence)> {
    let service = &blocked.busy.service;
    let now = case.judged.named(service)?.served.as_ref()?;
    let before = case.reference?.named(service)?.served.as_ref()?;
    let asked = |route: &str| now.routes.get(route).is_some_and(|r| r.part >= ASKED);
    let mut grown = now.grown(before);
    grown.retain(|g| asked(g.route));
    let [most, next, ..] = grown[..] else { return None };
    let fits = |g: &&Grown| COVERS.contains(&(g.nanos / blocked.added()));
    let only = grown.iter().filter(fits).count() == 1 && fits(&&most);
    if !only || most.own < STANDS_OUT * next.own.max(0.0) {
        return None;
    }
    let says = format!(
        "handlers of {} took {} longer, those of the next {} longer ({})",
        most.route,
        duration(most.own),
        duration(next.own.max(0.0)),
        now.name
    );
    let path = Some(format!("metrics/{service}"));
    Some((format!("handlers of {}", most.route), evidence(DURATIONS, says, path)))
}

/// The request whose mean grew clearly more than that of every other: the handler that blocks waits for itself, the others
/// for a worker only.
fn slowed(case: &Case) -> Option<(String, Evidence)> {
    let reference = case.reference?;
    let met = |i: &usize| [reference, case.judged].iter().all(|s| s.client.by_request.get(*i) > Some(&0));
    let of = |side: &Side, i: usize| side.client.response_by_request.get(i).copied().unwrap_or(0.0);
    let mut grown: Vec<(f64, &String)> = (0..case.requests.len())
        .filter(met)
        .map(|i| (of(case.judged, i) - of(reference, i), &case.requests[i]))
        .collect();
    grown.sort_by(|a, b| b.0.total_cmp(&a.0));
    let [(most, name), (next, _), ..] = grown[..] else { return None };
    if most < STANDS_OUT * next.max(0.0) || most - next <= case.floor {
        return None;
    }
    let says = format!(
        "requests of {name} took {} longer, those of the next {} longer",
        duration(most),
        duration(next.max(0.0))
    );
    let path = Some("load/latency.hlog".into());
    Some((format!("requests of {name}"), evidence("generator's clock", says, path)))
}
