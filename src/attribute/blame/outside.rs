//! Without evidence of what requests do inside the service: what its spans, its databases, its own counters and the
//! generator's clock say. Each of them knows where the time went, and less of why.

use super::handlers::{self, InHandlers};
use super::{Candidate, Case, SPANS, cpu, database, evidence, grown_span};
use crate::analysis::quantity::duration;
use crate::analysis::{CauseKind, State};
use crate::attribute::measure::Measured;
use crate::attribute::side::Side;
use crate::run::period::Phase;

/// Part of the change that a span must hold to be named.
const SPANS_PART: f64 = 0.25;

/// Candidates if nothing was seen inside the service; the one that knows most comes first.
pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    if case.entry().is_some() {
        return Vec::new();
    }
    let change = first_byte(case);
    if change.low() <= 0.0 || change.value <= case.floor {
        return Vec::new();
    }
    if let Some(known) = server_or_span(case, change) {
        return vec![known];
    }
    let inside = || handlers::candidate(case).unwrap_or_else(|| unseen(case, change));
    vec![counted(case, change).unwrap_or_else(inside)]
}

/// Where a profile shows no cause, and nothing shows what requests wait for: what is known without looking inside. Where the
/// cores are nearly full, all of it may be waiting for one.
pub(super) fn last_resort(case: &Case) -> Option<Candidate> {
    let change = behind_profile(case)?;
    let known = server_or_span(case, change);
    let mut found = known.or_else(|| handlers::candidate(case))?;
    found.owned &= !cpu::is_nearly_full(case);
    Some(found)
}

/// The database that added a good part, where there is a profile and nothing that shows waits.
pub(super) fn called(case: &Case) -> Option<Candidate> {
    server(case, behind_profile(case)?)
}

/// Growth of the time to the first byte of a service whose waits nothing shows.
fn behind_profile(case: &Case) -> Option<Measured> {
    case.entry().filter(|service| service.snapshots.len() == 0)?;
    Some(first_byte(case)).filter(|change| change.low() > 0.0 && change.value > case.floor)
}

/// The database that added a good part, at the span that did.
fn server_or_span(case: &Case, change: Measured) -> Option<Candidate> {
    let span = span(case, change);
    match (server(case, change), span) {
        (Some(mut server), Some(span)) => {
            server.at = span.at;
            server.service = span.service;
            server.evidence.extend(span.evidence);
            Some(server)
        }
        (one, other) => one.or(other),
    }
}

/// Growth of the time between the sent request and the first byte of its answer.
fn first_byte(case: &Case) -> Measured {
    let of = |side: &Side| side.client.phase(Phase::Wait);
    of(case.judged).minus(case.reference.map(of).unwrap_or_default())
}

/// The span whose own part of the critical paths grew most.
fn span(case: &Case, change: Measured) -> Option<Candidate> {
    let facts = case.spans()?;
    let top = facts.rows.iter().max_by_key(|r| r.growth())?;
    let added = top.growth() as f64;
    if added < SPANS_PART * change.value || added <= case.floor {
        return None;
    }
    let explains = grown_span(facts, top);
    let was = top.reference.map(|r| format!(", {} in the reference", duration(r as f64))).unwrap_or_default();
    let says = format!(
        "spans {} of {} have {} of the critical path for themselves{was}",
        top.name,
        top.service,
        duration(top.nanos as f64)
    );
    let calls = top.is_call();
    let mut all = vec![evidence(SPANS, says.clone(), Some("otlp".into()))];
    if top.failed > 0 {
        let failed = format!("{} of these spans are in error", top.failed);
        all.push(evidence("spans in error", failed, Some("otlp".into())));
    }
    Some(Candidate {
        kind: if calls { CauseKind::Downstream } else { CauseKind::Span },
        at: top.name.clone(),
        doing: String::new(),
        service: top.service.clone(),
        explains,
        mechanism: match calls {
            true => format!("{says}: what is called takes them, or the way there, and no span tells which"),
            false => format!("{says}: what is done in there no span tells"),
        },
        remedy:
            "add evidence of what the service does meanwhile, e.g. [[evidence.go-pprof]], or spans inside"
                .into(),
        evidence: all,
        owned: true,
        unsure: true,
        more_calls: false,
    })
}

/// A database that added a good part of it.
fn server(case: &Case, change: Measured) -> Option<Candidate> {
    let states = [(State::Database, CauseKind::Database), (State::Cache, CauseKind::Cache)];
    let opened = states
        .into_iter()
        .filter_map(|(state, kind)| Some((kind, database::open(case, state, change.value)?)));
    let (kind, opened) = opened.into_iter().find(|(_, o)| o.owned)?;
    Some(Candidate {
        kind: opened.kind.unwrap_or(kind),
        at: opened.doing.clone(),
        doing: opened.doing,
        service: opened.service,
        explains: Measured::new(opened.added.min(change.value), change.error),
        mechanism: format!("requests take {} longer; {}", duration(change.value), opened.says),
        remedy: opened.remedy.unwrap_or_else(|| "look at the statement and its plan".into()),
        evidence: opened.evidence,
        owned: true,
        unsure: true,
        more_calls: false,
    })
}

/// The counter of a service that grew most: it knows the kind of wait and nothing of its place.
fn counted(case: &Case, change: Measured) -> Option<Candidate> {
    let per_request = |rate: f64, throughput: f64| rate / throughput.max(1e-9);
    let before = |of: &crate::attribute::counters::Counter| {
        let counters = case.reference.map(|r| r.counters.as_slice()).unwrap_or_default();
        let same = counters.iter().find(|c| c.service == of.service && c.name == of.name);
        same.map_or(0.0, |c| per_request(c.rate, case.throughput_before()))
    };
    let grown = |c: &crate::attribute::counters::Counter| per_request(c.rate, case.throughput()) - before(c);
    let top = case.judged.counters.iter().max_by(|a, b| grown(a).total_cmp(&grown(b)))?;
    let added = grown(top);
    if added < SPANS_PART * change.value || added <= case.floor {
        return None;
    }
    let kind = match top.state {
        State::Lock => CauseKind::Lock,
        State::ConnectionPool => CauseKind::Pool,
        State::GarbageCollection => CauseKind::Allocation,
        _ => CauseKind::Cpu,
    };
    let says = format!(
        "{} counts {} more per request for {} ({})",
        top.service,
        duration(added),
        top.what,
        top.name
    );
    Some(Candidate {
        kind,
        at: top.what.to_owned(),
        doing: String::new(),
        service: top.service.clone(),
        // Not all of what a process counts is on the way of a request.
        explains: Measured::new(added.min(change.value), change.error),
        mechanism: format!("requests take {} longer; {says}", duration(change.value)),
        remedy: "add [[evidence.go-pprof]]: it names the place".into(),
        evidence: vec![evidence("counters of the runtime", says, Some(format!("metrics/{}", top.service)))],
        owned: false,
        unsure: true,
        more_calls: false,
    })
}

/// Only the generator's clock is left, and what the service counted if that is less than half.
fn unseen(case: &Case, change: Measured) -> Candidate {
    let says = format!(
        "the first byte of an answer comes {} later after the request was sent",
        duration(change.value)
    );
    let mut proof = vec![evidence("generator's clock", says.clone(), Some("load/latency.hlog".into()))];
    let inside = InHandlers::of(case).and_then(|inside| inside.beside(change, case.floor));
    let place = inside.map_or("in the service, behind it, or on the way".to_owned(), |(place, evidence)| {
        proof.push(evidence);
        place
    });
    Candidate {
        kind: CauseKind::Wait,
        at: "between request and first byte".into(),
        doing: String::new(),
        service: String::new(),
        explains: change,
        mechanism: format!("{says}: {place}; connecting and the body did not change as much"),
        remedy:
            "name an evidence source of the service in the scenario; `loadprof check` says what is reachable"
                .into(),
        evidence: proof,
        owned: false,
        unsure: true,
        more_calls: false,
    }
}
