//! Words for what an intervention showed.

use crate::analysis::{Analysis, Cause, Confirmation, ConfirmationOutcome, Verdict};

use super::{escape, names, quantity, words};

/// What the last intervention on a cause said, if it said anything.
pub(super) fn of<'a>(a: &'a Analysis, cause: &Cause) -> Option<&'a Confirmation> {
    let of_it = |c: &&Confirmation| c.kind == cause.kind && c.at == cause.at && c.service == cause.service;
    a.confirmations.iter().filter(of_it).rfind(|c| c.outcome.decides())
}

/// Whether an intervention refuted a cause.
pub(super) fn refuted(a: &Analysis, cause: &Cause) -> bool {
    of(a, cause).is_some_and(|c| c.outcome == ConfirmationOutcome::Refuted)
}

/// What the first line says after the verdict; empty if no intervention was tried.
pub(super) fn in_the_first_line(a: &Analysis) -> String {
    if let (Verdict::Confirmed | Verdict::Refuted, Some(c)) =
        (a.verdict, a.causes.first().and_then(|cause| of(a, cause)))
    {
        return format!(": {}", figures(c));
    }
    let Some(last) = a.confirmations.iter().rfind(|c| c.named) else { return String::new() };
    format!(". **Intervention:** {} - {}", words::confirmation(last.outcome), escape::text(&says(last)))
}

/// The outcome and its figures as one line of plain text.
#[must_use]
pub fn line(c: &Confirmation) -> String {
    let at = escape::line(&names::short(&c.at));
    format!("{}: {at} - {}", words::confirmation(c.outcome), escape::line(&says(c)))
}

/// What the outcome means, with its figures. Plain text.
pub(super) fn says(c: &Confirmation) -> String {
    let means = words::confirmation_means(c.outcome);
    match c.outcome {
        ConfirmationOutcome::Invalid | ConfirmationOutcome::NotReproduced => {
            format!("{means}: {}", c.problems.join("; "))
        }
        ConfirmationOutcome::Failing => {
            let by = c.error_change.map_or_else(String::new, |e| {
                format!(" ({})", quantity::change_in(e, crate::analysis::Unit::Ratio))
            });
            format!("{means}{by}")
        }
        ConfirmationOutcome::Inconclusive if c.effect.is_none() => figures(c),
        ConfirmationOutcome::Inconclusive => {
            let more = match c.pairs_needed {
                Some(n) => format!("; --windows {n} should decide"),
                None => "; more windows will hardly decide it, longer or calmer ones might".into(),
            };
            format!("{means}: {}{more}", figures(c))
        }
        _ => format!("{means}: {}", figures(c)),
    }
}

/// What went away, of what was predicted.
fn figures(c: &Confirmation) -> String {
    let predicted = quantity::estimate(c.predicted);
    let pairs = match c.pairs {
        1 => "1 pair of windows".to_owned(),
        n => format!("{} pairs of windows", quantity::count(n)),
    };
    let Some(effect) = c.effect else {
        return format!("no more than {pairs} may be counted, too few to say ({predicted} were predicted)");
    };
    let share = c.share.map_or_else(String::new, |s| format!(", {}", quantity::share(s)));
    format!("{} of {predicted}{share}, over {pairs}", quantity::estimate(effect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::golden::load;
    use crate::report::headline::headline;

    fn confirmed() -> Analysis {
        load("confirmed").0
    }

    /// The sample with another outcome of its last intervention.
    fn with(outcome: ConfirmationOutcome, verdict: Verdict) -> Analysis {
        let mut a = confirmed();
        a.verdict = verdict;
        let last = a.confirmations.last_mut().expect("an intervention");
        last.outcome = outcome;
        a
    }

    #[test]
    fn only_a_confirmed_cause_is_called_the_root_cause() {
        let h = headline(&confirmed());
        assert!(h.verdict.starts_with("**Verdict: CONFIRMED** - root cause"), "{}", h.verdict);
        assert!(h.verdict.contains("168 ms (167 to 169) of 171 ms (163 to 179), 98 %"), "{}", h.verdict);
        for (outcome, verdict) in [
            (ConfirmationOutcome::Refuted, Verdict::Refuted),
            (ConfirmationOutcome::Partly, Verdict::Strong),
            (ConfirmationOutcome::Inconclusive, Verdict::Strong),
        ] {
            let h = headline(&with(outcome, verdict));
            let all = [&h.verdict, &h.cause, &h.size, &h.since, &h.action];
            assert!(!all.iter().any(|line| line.contains("root cause")), "{all:?}");
        }
    }

    #[test]
    fn a_refuted_cause_is_said_as_plainly() {
        let h = headline(&with(ConfirmationOutcome::Refuted, Verdict::Refuted));
        assert!(h.verdict.starts_with("**Verdict: REFUTED** - "), "{}", h.verdict);
        assert!(h.cause.starts_with("not `catalog.(*Store).Reload` of `shop`"), "{}", h.cause);
        assert!(!h.action.contains("parse outside"), "its remedy is none: {}", h.action);
    }

    #[test]
    fn of_tied_causes_the_refuted_one_is_no_longer_a_rival() {
        let mut a = with(ConfirmationOutcome::Refuted, Verdict::Likely);
        let mut rival = a.causes[0].clone();
        rival.at = "main.(*api).list".into();
        a.causes.insert(0, rival);
        let h = headline(&a);
        assert!(h.cause.starts_with("`main.(*api).list` of `shop`"), "{}", h.cause);
        assert!(h.verdict.contains("**Intervention:** REFUTED - "), "{}", h.verdict);
    }

    #[test]
    fn every_outcome_has_its_words() {
        use ConfirmationOutcome::{Failing, Inconclusive, Invalid, NotReproduced};
        for (outcome, part) in [
            (Inconclusive, "--windows 31 should decide"),
            (Failing, "+3.00 percentage points"),
            (Invalid, "late periods"),
            (NotReproduced, "late periods"),
        ] {
            let mut c = with(outcome, Verdict::Strong).confirmations.pop().expect("an intervention");
            c.pairs_needed = Some(31);
            c.problems = vec!["late periods = 20 %".into()];
            c.error_change = Some(crate::analysis::Estimate { value: 30_000, low: 20_000, high: 40_000 });
            assert!(line(&c).contains(part), "{}", line(&c));
        }
        let mut c = confirmed().confirmations.pop().expect("an intervention");
        (c.effect, c.share, c.pairs, c.outcome) = (None, None, 1, Inconclusive);
        assert!(line(&c).contains("no more than 1 pair of windows may be counted"), "{}", line(&c));
    }
}
