//! A call that blocks on a worker of an asynchronous runtime: the worker is busy and burns no CPU, and every other task
//! that it would poll waits. The victims become slow with the culprit, and no CPU profile shows either.

use super::{Candidate, Case, evidence};
use crate::analysis::quantity::{self, duration};
use crate::analysis::{CauseKind, Evidence, ReadingKind, State};
use crate::attribute::counters::Busy;
use crate::attribute::measure::Measured;
use crate::attribute::side::Side;

/// Part of the change that blocked workers must add by themselves; what waits for them comes on top.
const LEAST: f64 = 0.25;
/// How much more than that of the next a request's mean must have grown for its handler to be suspected.
const STANDS_OUT: f64 = 1.2;

/// Workers that do not poll and do not compute.
pub(super) fn candidate(case: &Case) -> Option<Candidate> {
    let (busy, blocked) = most_blocked(case)?;
    let response = |side: &Side| side.client.response;
    let change = response(case.judged).minus(case.reference.map(response).unwrap_or_default());
    if blocked <= case.floor || blocked < LEAST * change.value {
        return None;
    }
    // Requests that nobody has read yet wait for a worker, too.
    let others = case.lines.iter().filter(|l| !matches!(l.state, State::Unread | State::ClientQueue));
    let seen: f64 = others.map(|l| l.change().value.max(0.0)).sum();
    let whole = (change.value - seen).max(blocked).min(change.value.max(blocked));
    let says = format!(
        "workers of {} are busy without using a CPU for {} per request, {} in the reference: something in a task blocks",
        busy.service,
        duration(busy.idle(case.judged, case)),
        case.reference.map_or("not known".into(), |r| duration(idle_before(case, r, &busy.service)))
    );
    let mut proof = vec![evidence(
        "metrics of the asynchronous runtime",
        says.clone(),
        Some(format!("metrics/{}", busy.service)),
    )];
    let slowed = slowed(case);
    proof.extend(slowed.iter().map(|(_, evidence)| evidence.clone()));
    Some(Candidate {
        kind: CauseKind::BlockedWorker,
        at: format!("{} workers of the asynchronous runtime", quantity::number(busy.workers)),
        doing: slowed.map(|(request, _)| request).unwrap_or_default(),
        explains: Measured::new(whole, change.error),
        mechanism: format!("{says}, and all other tasks wait"),
        remedy: "find the blocking call (a file, a lock of the standard library, a sleep, a long computation) in the \
                 handlers of the requests that grew most, and move it to spawn_blocking"
            .into(),
        evidence: proof,
        // The place of the call is in no evidence.
        owned: false,
        unsure: true,
        more_calls: false,
        service: busy.service.clone(),
    })
}

/// The service whose workers are blocked for most of the added time, and that time per request.
fn most_blocked<'a>(case: &Case<'a>) -> Option<(&'a Busy, f64)> {
    let added = |busy: &Busy| {
        let before = case.reference.map_or(0.0, |r| idle_before(case, r, &busy.service));
        busy.idle(case.judged, case) - before
    };
    let compared =
        |busy: &&Busy| case.reference.is_none_or(|r| r.workers.iter().any(|b| b.service == busy.service));
    case.judged.workers.iter().filter(compared).map(|b| (b, added(b))).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn idle_before(case: &Case, reference: &Side, service: &str) -> f64 {
    let busy = reference.workers.iter().find(|b| b.service == service);
    busy.map_or(0.0, |b| b.idle(reference, case))
}

impl Busy {
    /// Nanoseconds per request that workers were busy without a CPU.
    fn idle(&self, side: &Side, case: &Case) -> f64 {
        let throughput = side.client.throughput();
        if throughput <= 0.0 {
            return 0.0;
        }
        let judged = std::ptr::eq(side, case.judged);
        let reading =
            case.readings.iter().find(|r| r.service == self.service && r.what == ReadingKind::CoresUsed);
        let cores = reading.and_then(|r| if judged { Some(r.judged) } else { r.reference });
        let counted = side.counters.iter().find(|c| c.service == self.service && c.state == State::Cpu);
        let Some(cpu) = cores.map(|c| c * 1e9).or(counted.map(|c| c.rate)) else { return 0.0 };
        (self.rate - cpu).max(0.0) / throughput
    }
}

/// The request whose mean grew clearly more than that of every other: the handler that blocks waits for itself, the others
/// for a worker only.
fn slowed(case: &Case) -> Option<(String, Evidence)> {
    let reference = case.reference?;
    let of = |side: &Side, i: usize| side.client.response_by_request.get(i).copied().unwrap_or(0.0);
    let mut grown: Vec<(f64, &String)> =
        case.requests.iter().enumerate().map(|(i, n)| (of(case.judged, i) - of(reference, i), n)).collect();
    grown.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (most, name) = *grown.first()?;
    let next = grown.get(1)?.0;
    if most < STANDS_OUT * next.max(0.0) || most - next <= case.floor {
        return None;
    }
    let says = format!(
        "requests of {name} took {} longer, those of the next {} longer",
        duration(most),
        duration(next.max(0.0))
    );
    Some((
        format!("requests of {name}"),
        evidence("generator's clock", says, Some("load/latency.hlog".into())),
    ))
}
