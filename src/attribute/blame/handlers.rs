//! Time in a service's handlers by its own count: where requests wait, and not for what.

use super::{Candidate, Case, DURATIONS, evidence};
use crate::analysis::quantity::duration;
use crate::analysis::{CauseKind, Evidence, State};
use crate::attribute::measure::Measured;
use crate::attribute::served::{Grown, Served};

/// Part of the change that handlers must have, and of theirs a route, to be named: the rest is elsewhere.
const MOST_OF_IT: f64 = 0.5;

/// What requests take longer in the service's handlers by its own count.
pub(super) struct InHandlers<'a> {
    service: &'a str,
    now: &'a Served,
    before: &'a Served,
    added: Measured,
}

impl<'a> InHandlers<'a> {
    pub(super) fn of(case: &'a Case) -> Option<Self> {
        let now = case.judged.serving()?;
        let before = case.reference?.named(&now.name)?;
        let (service, now, before) = (now.name.as_str(), now.served.as_ref()?, before.served.as_ref()?);
        Some(Self { service, now, before, added: now.each.minus(before.each) })
    }

    /// What they say, with the route if one has most of it.
    fn says(&self) -> String {
        let of_it = self.route().map_or_else(String::new, |route| {
            let part = route.nanos.min(self.added.value);
            format!(", {} in those of {}", duration(part), route.route)
        });
        format!(
            "{} of it in handlers of {}{of_it} ({})",
            duration(self.added.value),
            self.service,
            self.now.name
        )
    }

    /// The route that has most of what was added, if its own requests took longer.
    fn route(&self) -> Option<Grown<'a>> {
        let grown = self.now.grown(self.before);
        let most = grown.into_iter().max_by(|a, b| a.nanos.total_cmp(&b.nanos))?;
        (most.own > 0.0 && most.nanos > (MOST_OF_IT * self.added.value).max(0.0)).then_some(most)
    }

    /// What that says of a change that is not known to be in there: where it is, and the evidence.
    pub(super) fn beside(&self, change: Measured, floor: f64) -> Option<(String, Evidence)> {
        let says = if self.added.low() > floor {
            format!("{}, the rest is before them or on the way", self.says())
        } else if self.added.high() < MOST_OF_IT * change.value {
            format!(
                "handlers of {} took no longer by its own count ({}): it is before them or on the way",
                self.service, self.now.name
            )
        } else {
            return None;
        };
        Some((says.clone(), self.evidence(says)))
    }

    fn evidence(&self, says: String) -> Evidence {
        evidence(DURATIONS, says, Some(format!("metrics/{}", self.service)))
    }
}

/// The handlers, if they have most of what requests take longer, and nothing tells what they do.
pub(super) fn candidate(case: &Case) -> Option<Candidate> {
    let inside = InHandlers::of(case)?;
    let change = case.response_growth();
    // Of what other rows have, they are not to blame.
    let row = case.change_of(State::Handler);
    let explains = if row.value < inside.added.value { row } else { inside.added };
    if !(explains.low() > case.floor && explains.value >= MOST_OF_IT * change.value) {
        return None;
    }
    let says = format!("requests take {} longer, {}", duration(change.value), inside.says());
    let place = inside.route().map_or(inside.service, |grown| grown.route);
    Some(Candidate {
        kind: CauseKind::Wait,
        at: format!("handlers of {place}"),
        doing: String::new(),
        service: inside.service.to_owned(),
        explains,
        mechanism: format!("{says}: in there, or in what they wait for"),
        remedy: "add evidence of what the handlers do meanwhile: profiles, spans, or what they call".into(),
        evidence: vec![inside.evidence(says), case.clock()],
        owned: false,
        unsure: true,
        more_calls: false,
    })
}
