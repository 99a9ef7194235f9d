//! What interventions say of the causes that this analysis names.

use std::cmp::Reverse;

use super::AnalyzeError;
use crate::analysis::{Cause, Confirmation, ConfirmationOutcome, LEADING_SHARE, Verdict};
use crate::gate;
use crate::run::reader::Recording;
use crate::run::trials;

/// Interventions that were tried after the run, in order, each held against the causes.
pub(super) fn confirmations(
    recording: &Recording,
    causes: &[Cause],
) -> Result<Vec<Confirmation>, AnalyzeError> {
    let trials = trials::read(&recording.dir)?;
    let mut all: Vec<_> = trials.iter().filter_map(gate::confirmation).collect();
    for confirmation in &mut all {
        confirmation.named = causes.iter().any(|c| is_of(confirmation, c));
    }
    Ok(all)
}

/// Puts a confirmed cause first and refuted ones last, and gives the verdict that is left: one that names causes
/// is raised to CONFIRMED by one of them, and falls to REFUTED with the last of them.
pub(super) fn weigh(verdict: Verdict, causes: &mut [Cause], confirmations: &[Confirmation]) -> Verdict {
    if !verdict.names_by_evidence() || causes.is_empty() {
        return verdict;
    }
    let told = |cause: &Cause| decided(cause, confirmations);
    let first_fell = told(&causes[0]) == Some(ConfirmationOutcome::Refuted);
    let first = causes[0].clone();
    // A smaller cause beside the first is not what the run is about, confirmed or not.
    let leads = |c: &Cause| c.share >= LEADING_SHARE || (c.at == first.at && c.kind == first.kind);
    causes.sort_by_key(|c| match told(c) {
        Some(ConfirmationOutcome::Confirmed) if leads(c) => Reverse(2),
        Some(ConfirmationOutcome::Refuted) => Reverse(0),
        _ => Reverse(1),
    });
    match told(&causes[0]) {
        Some(ConfirmationOutcome::Confirmed) if leads(&causes[0]) => Verdict::Confirmed,
        Some(ConfirmationOutcome::Refuted) => Verdict::Refuted,
        _ if !first_fell => verdict,
        // What stood out is refuted: what is left may be another cause, or only a small one.
        _ if leads(&causes[0]) => Verdict::Likely,
        _ => Verdict::Refuted,
    }
}

/// What the last intervention that said anything said of a cause.
fn decided(cause: &Cause, confirmations: &[Confirmation]) -> Option<ConfirmationOutcome> {
    let of_it = confirmations.iter().filter(|c| is_of(c, cause));
    of_it.map(|c| c.outcome).rfind(|o| o.decides())
}

fn is_of(confirmation: &Confirmation, cause: &Cause) -> bool {
    confirmation.kind == cause.kind && confirmation.at == cause.at && confirmation.service == cause.service
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{CauseKind, Estimate};
    use ConfirmationOutcome::{Confirmed, Inconclusive, Partly, Refuted};

    fn cause(at: &str) -> Cause {
        Cause {
            kind: CauseKind::Lock,
            at: at.into(),
            doing: String::new(),
            service: "shop".into(),
            explains: Estimate { value: 5, low: 4, high: 6 },
            share: if at.starts_with("small") { 0.12 } else { 0.9 },
            mechanism: String::new(),
            remedy: String::new(),
            evidence: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn tried(at: &str, outcome: ConfirmationOutcome) -> Confirmation {
        Confirmation {
            outcome,
            kind: CauseKind::Lock,
            at: at.into(),
            service: "shop".into(),
            named: false,
            predicted: Estimate::default(),
            effect: None,
            share: None,
            effect_p95: None,
            error_change: None,
            pairs: 0,
            pairs_needed: None,
            problems: Vec::new(),
            apply: String::new(),
            revert: String::new(),
            run_id: String::new(),
            path: String::new(),
            started_unix_nanos: 0,
            rate: 0.0,
            windows: Vec::new(),
        }
    }

    fn weighed(
        verdict: Verdict,
        named: &[&str],
        tried_: &[(&str, ConfirmationOutcome)],
    ) -> (Verdict, Vec<String>) {
        let mut causes: Vec<_> = named.iter().map(|at| cause(at)).collect();
        let trials: Vec<_> = tried_.iter().map(|(at, outcome)| tried(at, *outcome)).collect();
        let verdict = weigh(verdict, &mut causes, &trials);
        (verdict, causes.into_iter().map(|c| c.at).collect())
    }

    #[test]
    fn one_intervention_raises_or_ends_a_verdict() {
        let (v, _) = weighed(Verdict::Strong, &["a"], &[("a", Confirmed)]);
        assert_eq!(v, Verdict::Confirmed);
        assert_eq!(weighed(Verdict::Strong, &["a"], &[("a", Refuted)]).0, Verdict::Refuted);
        assert_eq!(weighed(Verdict::Strong, &["a"], &[("a", Partly)]).0, Verdict::Strong);
        assert_eq!(weighed(Verdict::Strong, &["a"], &[("b", Confirmed)]).0, Verdict::Strong);
        assert_eq!(weighed(Verdict::Healthy, &[], &[("a", Confirmed)]).0, Verdict::Healthy);
        assert_eq!(weighed(Verdict::Mechanism, &["a"], &[("a", Confirmed)]).0, Verdict::Mechanism);
    }

    #[test]
    fn of_several_the_confirmed_one_comes_first_and_the_refuted_one_last() {
        let named = ["a", "b", "c"];
        let (v, order) = weighed(Verdict::Likely, &named, &[("a", Refuted), ("b", Inconclusive)]);
        assert_eq!((v, order), (Verdict::Likely, vec!["b".into(), "c".into(), "a".into()]));
        let (v, order) = weighed(Verdict::Likely, &named, &[("a", Refuted), ("c", Confirmed)]);
        assert_eq!((v, order), (Verdict::Confirmed, vec!["c".into(), "b".into(), "a".into()]));
    }

    #[test]
    fn a_smaller_cause_neither_raises_nor_ends_what_is_said_of_the_first() {
        let both = ["a", "small"];
        let order = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        for outcome in [Confirmed, Refuted] {
            assert_eq!(
                weighed(Verdict::Strong, &both, &[("small", outcome)]),
                (Verdict::Strong, order(&both))
            );
        }
        let fell = weighed(Verdict::Strong, &both, &[("a", Refuted)]);
        assert_eq!(fell, (Verdict::Refuted, order(&["small", "a"])), "a tenth is not what the run is about");
        assert_eq!(weighed(Verdict::Strong, &["a", "b"], &[("a", Refuted)]).0, Verdict::Likely);
    }

    #[test]
    fn the_last_intervention_that_decides_counts() {
        let all = [("a", Refuted), ("a", Confirmed), ("a", Inconclusive)];
        assert_eq!(weighed(Verdict::Strong, &["a"], &all).0, Verdict::Confirmed);
    }
}
