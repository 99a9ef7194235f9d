//! A wait for another service opens into what was seen in that service, by its profiles or by its spans: where its time
//! went, or that it spent none, and the way between the two did.

use super::{Candidate, Case, SPANS, evidence, grown_span, profiles};
use crate::analysis::quantity::duration;
use crate::analysis::{CauseKind, Evidence, SpanRow};
use crate::attribute::books::{Line, lines};
use crate::attribute::measure::Measured;
use crate::attribute::rows::service_rows;
use crate::attribute::side::ServiceSide;

/// Part of a wait that the called service may have added for the rest to be the way between the two.
const CALLEES_PART: f64 = 0.25;
/// Part of a wait by which the waits for a CPU may have grown for it to be no matter of these.
const STARVED: f64 = 0.5;
pub(super) const CALLED: &str = "snapshots of the called service";

/// Adds what other services with evidence say of a wait for one of them.
pub(super) fn open(case: &Case, candidate: &mut Candidate) {
    let others = others(case);
    match grown_most(case, &others, candidate.explains.value) {
        Some((service, top)) => inside(candidate, service, top),
        None if traced(case, candidate) => {}
        None => between(case, candidate, &others),
    }
}

/// Another service with evidence on both sides, and its rows.
pub(super) type Other<'a> = (&'a ServiceSide, Vec<Line>);

/// The row of another service that grew most, if it is a good part of a wait.
pub(super) fn grown_most<'a>(
    case: &Case,
    others: &'a [Other<'a>],
    wait: f64,
) -> Option<(&'a ServiceSide, &'a Line)> {
    let rows = others.iter().flat_map(|(service, lines)| lines.iter().map(|line| (*service, line)));
    rows.max_by(|a, b| a.1.change().value.total_cmp(&b.1.change().value))
        .filter(|(_, top)| top.change().low() > case.floor && top.change().value >= CALLEES_PART * wait)
}

/// All of them.
pub(super) fn others<'a>(case: &'a Case) -> Vec<Other<'a>> {
    let entry = case.service_name();
    let others = case.judged.services.iter().filter(|s| s.name != entry && s.has_evidence());
    others.filter_map(|s| Some((s, changes(case, s)?))).collect()
}

/// Rows of a service beside those of the reference; none if it was not seen there.
fn changes(case: &Case, service: &ServiceSide) -> Option<Vec<Line>> {
    let now = service_rows(service, case.throughput());
    let Some(reference) = case.reference else { return Some(lines(None, &now)) };
    let before = reference.services.iter().find(|s| s.name == service.name && s.has_evidence())?;
    Some(lines(Some(&service_rows(before, case.throughput_before())), &now))
}

fn inside(candidate: &mut Candidate, service: &ServiceSide, top: &Line) {
    let says =
        format!("in {} the time is spent in {} ({})", service.name, top.at, duration(top.change().value));
    candidate.mechanism.push_str(&format!("; {says}"));
    candidate.evidence.push(evidence(CALLED, says, profiles(&service.name, "goroutine")));
    candidate.unsure = false;
}

/// The only other service that is observed added little to a wait that grew. That it is the one that is called cannot be
/// seen in snapshots.
fn between(case: &Case, candidate: &mut Candidate, changes: &[Other]) {
    let [(service, lines)] = changes else { return };
    let added = lines.iter().fold(Measured::default(), |sum, l| sum.plus(l.change()));
    let looked = case.reference.is_some() && service.snapshots.len() > 0;
    let wait = candidate.explains.value;
    if !looked || added.value > CALLEES_PART * wait || added.high() > 2.0 * CALLEES_PART * wait {
        return;
    }
    if is_starved(case, wait) {
        return;
    }
    let proof = |says| evidence(CALLED, says, profiles(&service.name, "goroutine"));
    lost_on_the_way(candidate, &service.name, added.value, proof);
}

/// Whether the waits for a CPU grew so much that a wait may be of the same: who reads the answers waits for the same cores as
/// who reads the requests.
pub(super) fn is_starved(case: &Case, wait: f64) -> bool {
    let grown = case.waits_for_cpu();
    grown.low() > 0.0 && grown.value >= STARVED * wait
}

/// What the spans of other services say of the wait; whether they explain it.
fn traced(case: &Case, candidate: &mut Candidate) -> bool {
    let Some(spans) = case.spans() else { return false };
    let is_caller = |r: &&SpanRow| r.service == spans.root || r.service == case.service_name();
    let (own, called): (Vec<&SpanRow>, Vec<&SpanRow>) = spans.rows.iter().partition(is_caller);
    let wait = candidate.explains.value;
    let is_the_wait = |grown: Measured| {
        (SPANS_PART * wait..=MOST_PART * wait).contains(&grown.value)
            && grown.low() > (CALLEES_PART * wait).max(case.floor)
    };
    let top = called.into_iter().max_by_key(|r| r.growth());
    if let Some(top) = top.filter(|r| is_the_wait(grown_span(spans, r))) {
        spent(candidate, top);
        // Where no span has the name of the service with the profiles, this may be that service itself.
        let known = |r: &SpanRow| r.service == case.service_name();
        candidate.unsure |= !spans.rows.iter().any(known) && spans.root != case.service_name();
        return true;
    }
    let mut ways = own.into_iter().filter(|r| r.is_call() && is_the_wait(grown_span(spans, r)));
    // Of several services it cannot be told which one the way leads to.
    let way = ways.next().filter(|_| case.reference.is_some()).map(|r| r.calls.as_slice());
    let Some([service]) = way else { return false };
    let there =
        spans.rows.iter().filter(|r| r.service == *service).map(|r| r.growth().max(0)).sum::<i64>() as f64;
    let lost = there < CALLEES_PART * wait && !is_starved(case, wait);
    if lost {
        lost_on_the_way(candidate, service, there, |says| evidence(SPANS, says, Some("otlp".into())));
    }
    lost
}

/// Parts of a wait between which the growth of a span is that wait.
const SPANS_PART: f64 = 0.5;
const MOST_PART: f64 = 1.25;

fn spent(candidate: &mut Candidate, top: &SpanRow) {
    let more = duration(top.growth() as f64);
    let mut says =
        format!("spans {} of {} have {more} more of the critical path for themselves", top.name, top.service);
    if top.is_call() {
        says.push_str(": what they call takes them, or the way there, and no span tells which");
    }
    candidate.mechanism.push_str(&format!("; {says}"));
    candidate.doing = format!("{} of {}", top.name, top.service);
    candidate.remedy = format!(
        "look at {} of {} in the same window; evidence of that service, e.g. [[evidence.go-pprof]], names the place",
        top.name, top.service
    );
    candidate.evidence.push(evidence(SPANS, says, Some("otlp".into())));
    candidate.unsure = top.is_call();
}

fn lost_on_the_way(candidate: &mut Candidate, service: &str, added: f64, proof: impl Fn(String) -> Evidence) {
    let says = format!(
        "{service} itself spends {} more on it: the rest is lost on the way there and back",
        duration(added.max(0.0))
    );
    candidate.kind = CauseKind::Network;
    candidate.doing = format!("the way to {service}");
    candidate.mechanism.push_str(&format!("; {says}"));
    candidate.remedy =
        format!("measure the round trip to {service}: network, proxy or sidecar, and its accept queue");
    candidate.evidence.push(proof(says));
    candidate.unsure = true;
}
