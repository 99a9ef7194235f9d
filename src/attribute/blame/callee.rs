//! A wait for another service opens into what was seen in that service: where its time went, or that it spent none, and
//! the way between the two did.

use super::{Candidate, Case, evidence, profiles};
use crate::analysis::CauseKind;
use crate::analysis::quantity::duration;
use crate::attribute::books::{Line, lines};
use crate::attribute::measure::Measured;
use crate::attribute::rows::service_rows;
use crate::attribute::side::ServiceSide;

/// Part of a wait that the called service may have added for the rest to be the way between the two.
const CALLEES_PART: f64 = 0.25;
const CALLED: &str = "snapshots of the called service";

/// Adds what other services with evidence say of a wait for one of them.
pub(super) fn open(case: &Case, candidate: &mut Candidate) {
    let entry = case.service_name();
    let others: Vec<&ServiceSide> =
        case.judged.services.iter().filter(|s| s.name != entry && s.has_evidence()).collect();
    let changes: Vec<(&ServiceSide, Vec<Line>)> =
        others.iter().filter_map(|s| Some((*s, changes(case, s)?))).collect();
    let most =
        |lines: &[Line]| lines.iter().max_by(|a, b| a.change().value.total_cmp(&b.change().value)).cloned();
    let grown = changes
        .iter()
        .filter_map(|(service, lines)| Some((*service, most(lines)?)))
        .max_by(|a, b| a.1.change().value.total_cmp(&b.1.change().value))
        .filter(|(_, top)| {
            let change = top.change();
            change.low() > case.floor && change.value >= CALLEES_PART * candidate.explains.value
        });
    match grown {
        Some((service, top)) => inside(candidate, service, &top),
        None => between(case, candidate, &changes),
    }
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
fn between(case: &Case, candidate: &mut Candidate, changes: &[(&ServiceSide, Vec<Line>)]) {
    let [(service, lines)] = changes else { return };
    let added = lines.iter().fold(Measured::default(), |sum, l| sum.plus(l.change()));
    let looked = case.reference.is_some() && service.snapshots.len() > 0;
    let wait = candidate.explains.value;
    if !looked || added.value > CALLEES_PART * wait || added.high() > 2.0 * CALLEES_PART * wait {
        return;
    }
    let says = format!(
        "{} itself spends {} more on it: the rest is lost on the way there and back",
        service.name,
        duration(added.value.max(0.0))
    );
    candidate.kind = CauseKind::Network;
    candidate.doing = format!("the way to {}", service.name);
    candidate.mechanism.push_str(&format!("; {says}"));
    candidate.remedy = format!(
        "measure the round trip to {}: network, proxy or sidecar, and its accept queue",
        service.name
    );
    candidate.evidence.push(evidence(CALLED, says, profiles(&service.name, "goroutine")));
    candidate.unsure = true;
}
