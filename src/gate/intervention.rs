//! Did an intervention take away what a cause predicts? Decided on pairs of windows, one without the
//! intervention and one with it, next to each other in time: what both have in common cancels.
//!
//! The interval is Student's, of the differences within the pairs. With the handful of pairs that a run has time
//! for, a bootstrap of them would be too narrow: it draws from so few values that it holds the true mean in
//! about eight of ten cases, not nine.

use super::figures::{added, share};
use crate::analysis::{
    CauseKind, Confirmation, ConfirmationOutcome, ConfirmationWindow, Estimate, FAILING_SHARE,
};
use crate::run::period::LoadPeriod;
use crate::run::trials::{Trial, TrialWindow};
use crate::stats::{mean, mean_interval, normal_quantile, std_dev, student_factor};
use crate::time::Window;

/// Fewest pairs with an interval that means something.
pub const MIN_PAIRS: usize = 3;
/// Part of the predicted time that has to go away, and how much more than all of it may.
const ENOUGH: f64 = 0.5;
const TOO_MUCH: f64 = 1.5;
const CONFIDENCE: f64 = 0.9;
/// More pairs than these nobody waits for.
const MOST_PAIRS: f64 = 1_000.0;

/// What was measured in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Hits that ended in it.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Their mean response time, nanoseconds.
    pub mean: u64,
    /// Their 95 % response time.
    pub p95: u64,
}

/// Figures of the periods that lie wholly inside a window.
#[must_use]
pub fn stretch(periods: &[LoadPeriod], window: Window) -> Stretch {
    let from = periods.partition_point(|p| p.window.from < window.from);
    let to = periods.partition_point(|p| p.window.to <= window.to);
    let sum = added(periods.get(from..to).unwrap_or_default(), None);
    if sum.response.is_empty() {
        return Stretch::default();
    }
    Stretch {
        requests: sum.done(),
        failed: sum.failed_total(),
        mean: sum.response.mean().round() as u64,
        p95: sum.response.value_at_quantile(0.95),
    }
}

/// What a trial says of its cause; none if the cause is of a kind that this version does not know.
#[must_use]
pub fn confirmation(trial: &Trial) -> Option<Confirmation> {
    let word = serde_json::Value::String(trial.cause.kind.clone());
    let kind: CauseKind = serde_json::from_value(word).ok()?;
    let pairs = pairs(&trial.windows);
    let cause = &trial.cause;
    let decision = decide(&pairs, cause.explains as f64);
    let mut problems = trial.failed_checks.clone();
    let outcome = if problems.is_empty() {
        use ConfirmationOutcome::{Confirmed, Failing};
        let gone = gone(&pairs, trial).filter(|_| !matches!(decision.outcome, Confirmed | Failing));
        problems.extend(gone);
        match problems.is_empty() {
            true => decision.outcome,
            false => ConfirmationOutcome::NotReproduced,
        }
    } else {
        ConfirmationOutcome::Invalid
    };
    Some(Confirmation {
        outcome,
        kind,
        at: cause.at.clone(),
        service: cause.service.clone(),
        named: false,
        predicted: Estimate { value: cause.explains, low: cause.explains_low, high: cause.explains_high },
        effect: decision.effect.map(Paired::estimate),
        share: decision.effect.filter(|_| cause.explains > 0).map(|e| e.mean / cause.explains as f64),
        effect_p95: decision.p95.map(Paired::estimate),
        error_change: decision.errors.map(|e| e.times(1e6).estimate()),
        pairs: pairs.len() as u64,
        pairs_needed: decision.needed.filter(|_| outcome == ConfirmationOutcome::Inconclusive),
        problems,
        apply: trial.apply.clone(),
        revert: trial.revert.clone(),
        run_id: trial.run_id.clone(),
        path: trial.path.clone(),
        started_unix_nanos: trial.started_unix_nanos,
        rate: rate(&trial.windows),
        windows: trial.windows.iter().map(shown).collect(),
    })
}

/// Why there was nothing to take away: without the intervention requests were nearer to the healthy mean (to no
/// time at all if there is none) than to that of the run that was explained.
fn gone(pairs: &[Pair], trial: &Trial) -> Option<String> {
    let judged = trial.cause.judged_mean? as f64;
    let reference = trial.cause.reference_mean.map_or(0.0, |r| r as f64);
    let without: Vec<f64> = pairs.iter().map(|p| p.without.mean).collect();
    let seen = mean(&without)?;
    let millis = |nanos: f64| format!("{:.3} ms", nanos / 1e6);
    (judged > reference && seen < f64::midpoint(judged, reference)).then(|| {
        format!(
            "without the intervention the mean response time was {}, and {} in the run that was explained",
            millis(seen),
            millis(judged)
        )
    })
}

fn rate(windows: &[TrialWindow]) -> f64 {
    let secs: f64 = windows.iter().map(|w| w.window.secs()).sum();
    let requests: f64 = windows.iter().map(|w| w.requests as f64).sum();
    if secs > 0.0 { requests / secs } else { 0.0 }
}

fn shown(w: &TrialWindow) -> ConfirmationWindow {
    ConfirmationWindow {
        pair: w.pair,
        applied: w.applied,
        window: w.window,
        requests: w.requests,
        error_rate: share(w.failed, w.requests).unwrap_or(0.0),
        mean: w.mean,
        p95: w.p95,
        left_out: w.left_out.clone(),
    }
}

/// One side of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Side {
    mean: f64,
    p95: f64,
    error_rate: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pair {
    without: Side,
    with: Side,
}

/// Pairs of which both windows count.
fn pairs(windows: &[TrialWindow]) -> Vec<Pair> {
    let counts = |w: &&TrialWindow| w.left_out.is_none() && w.requests > 0;
    let side = |w: &TrialWindow| Side {
        mean: w.mean as f64,
        p95: w.p95 as f64,
        error_rate: share(w.failed, w.requests).unwrap_or(0.0),
    };
    let without = windows.iter().filter(counts).filter(|w| !w.applied);
    without
        .filter_map(|w| {
            let partner = windows.iter().filter(counts).find(|x| x.applied && x.pair == w.pair)?;
            Some(Pair { without: side(w), with: side(partner) })
        })
        .collect()
}

/// A mean of differences with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Paired {
    mean: f64,
    low: f64,
    high: f64,
}

impl Paired {
    /// None from fewer than [`MIN_PAIRS`].
    fn of(differences: &[f64]) -> Option<Self> {
        let n = differences.len();
        let centre = mean(differences).filter(|_| n >= MIN_PAIRS)?;
        let normal = normal_quantile(f64::midpoint(1.0, CONFIDENCE));
        let wider = student_factor(normal, (n - 1) as f64);
        let interval = mean_interval(centre, std_dev(differences)? * wider, n as f64, CONFIDENCE);
        Some(Self { mean: centre, low: interval.low, high: interval.high })
    }

    fn times(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, low: self.low * factor, high: self.high * factor }
    }

    fn estimate(self) -> Estimate {
        let whole = |x: f64| x.round() as i64;
        Estimate { value: whole(self.mean), low: whole(self.low), high: whole(self.high) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Decision {
    outcome: ConfirmationOutcome,
    effect: Option<Paired>,
    p95: Option<Paired>,
    errors: Option<Paired>,
    needed: Option<u64>,
}

/// What the pairs say of a cause that predicts `predicted` nanoseconds per request.
fn decide(pairs: &[Pair], predicted: f64) -> Decision {
    let over = |of: fn(&Pair) -> f64| Paired::of(&pairs.iter().map(of).collect::<Vec<_>>());
    let effect = over(|p| p.without.mean - p.with.mean);
    let errors = over(|p| p.with.error_rate - p.without.error_rate);
    let outcome = match (effect, errors) {
        (None, _) => ConfirmationOutcome::Inconclusive,
        // What fails at once is fast: an intervention that breaks the service would look like a cure.
        (_, Some(e)) if e.low > 0.0 && e.mean >= FAILING_SHARE => ConfirmationOutcome::Failing,
        (Some(effect), _) => judge(effect, predicted),
    };
    let needed = effect.and_then(|effect| needed(effect, predicted, pairs.len()));
    Decision { outcome, effect, p95: over(|p| p.without.p95 - p.with.p95), errors, needed }
}

fn judge(effect: Paired, predicted: f64) -> ConfirmationOutcome {
    let (enough, too_much) = (ENOUGH * predicted, TOO_MUCH * predicted);
    if effect.high < enough {
        ConfirmationOutcome::Refuted
    } else if effect.low <= 0.0 {
        ConfirmationOutcome::Inconclusive
    } else if effect.mean > too_much {
        ConfirmationOutcome::Beyond
    } else if effect.mean < enough {
        ConfirmationOutcome::Partly
    } else {
        ConfirmationOutcome::Confirmed
    }
}

/// Pairs after which the interval would exclude either zero or half of the predicted time, if mean and spread
/// stay as they are.
fn needed(effect: Paired, predicted: f64, pairs: usize) -> Option<u64> {
    let half = (effect.high - effect.low) / 2.0;
    let room = effect.mean.max(ENOUGH * predicted - effect.mean);
    let wanted = (pairs as f64 * (half / room).powi(2)).ceil().max(pairs as f64 + 1.0);
    (room > 0.0 && wanted <= MOST_PAIRS).then_some(wanted as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::period;
    use crate::run::trials::TriedCause;
    use crate::time::{RunTime, SECOND};
    use ConfirmationOutcome::{
        Beyond, Confirmed, Failing, Inconclusive, Invalid, NotReproduced, Partly, Refuted,
    };

    const MS: f64 = 1e6;

    /// Pairs with a mean of 20 ms without the intervention, and these differences in ms.
    fn taking(differences: &[f64]) -> Vec<Pair> {
        let pair = |d: &f64| Pair {
            without: Side { mean: 20.0 * MS, p95: 50.0 * MS, error_rate: 0.0 },
            with: Side { mean: (20.0 - d) * MS, p95: (50.0 - 3.0 * d) * MS, error_rate: 0.0 },
        };
        differences.iter().map(pair).collect()
    }

    fn outcome(differences: &[f64], predicted_ms: f64) -> ConfirmationOutcome {
        decide(&taking(differences), predicted_ms * MS).outcome
    }

    #[test]
    fn an_effect_is_held_against_what_was_predicted() {
        for (differences, predicted, expected) in [
            (&[9.0, 10.0, 11.0, 10.0] as &[f64], 10.0, Confirmed),
            (&[5.2, 5.3, 5.1, 5.2], 10.0, Confirmed),
            (&[14.8, 14.9, 14.7, 14.8], 10.0, Confirmed),
            (&[17.0, 16.0, 17.0, 16.0], 10.0, Beyond),
            (&[4.0, 4.1, 3.9, 4.0], 10.0, Refuted),
            (&[3.0, 5.5, 4.0, 5.0], 10.0, Partly),
            (&[0.1, -0.2, 0.0, 0.1], 10.0, Refuted),
            (&[-4.0, -5.0, -4.5, -5.0], 10.0, Refuted),
            (&[12.0, -9.0, 8.0, 2.0], 10.0, Inconclusive),
            (&[10.0, 10.0], 10.0, Inconclusive),
            (&[], 10.0, Inconclusive),
        ] {
            assert_eq!(outcome(differences, predicted), expected, "{differences:?} of {predicted}");
        }
    }

    #[test]
    fn the_interval_is_students_of_the_differences() {
        // scipy 1.17.1: stats.t.interval(.9, 5, loc=mean, scale=stats.sem([4.1, 5.0, 4.6, 5.3, 4.4, 4.8]))
        let d = decide(&taking(&[4.1, 5.0, 4.6, 5.3, 4.4, 4.8]), 5.0 * MS);
        let effect = d.effect.expect("six pairs");
        assert!((effect.mean / MS - 4.7).abs() < 1e-9);
        let reach = 2.015048 * 0.428_952 / 6.0_f64.sqrt();
        assert!((effect.low / MS - (4.7 - reach)).abs() < 1e-3, "{effect:?}");
        assert!((effect.high / MS - (4.7 + reach)).abs() < 1e-3, "{effect:?}");
        let p95 = d.p95.expect("six pairs");
        assert!((p95.mean / MS - 14.1).abs() < 1e-9, "{p95:?}");
    }

    #[test]
    fn a_wide_interval_tells_how_many_pairs_would_decide() {
        // Mean 3.25, deviation 9.18: four pairs reach 10.8 to either side.
        let d = decide(&taking(&[12.0, -9.0, 8.0, 2.0]), 10.0 * MS);
        let needed = d.needed.expect("a number");
        assert!((40..=48).contains(&needed), "{needed}: 4 * (10.8 / 3.25)^2");
        assert_eq!(decide(&taking(&[1.0, 2.0]), 10.0 * MS).needed, None, "two have no spread to judge by");
        // 0.5 ms were predicted, windows differ by milliseconds: nobody waits for thousands of pairs.
        assert_eq!(decide(&taking(&[12.0, -11.0, 9.0, -9.8]), 0.5 * MS).needed, None);
    }

    #[test]
    fn an_intervention_that_makes_requests_fail_is_no_cure() {
        let mut pairs = taking(&[9.0, 10.0, 11.0, 10.0]);
        for (i, pair) in pairs.iter_mut().enumerate() {
            pair.with.error_rate = 0.05 + 0.01 * i as f64;
        }
        let d = decide(&pairs, 10.0 * MS);
        assert_eq!(d.outcome, Failing);
        assert!((d.errors.expect("errors").mean - 0.065).abs() < 1e-9);
        // Errors of before that it takes away, too, are no reason against it.
        pairs.iter_mut().for_each(|p| std::mem::swap(&mut p.with.error_rate, &mut p.without.error_rate));
        assert_eq!(decide(&pairs, 10.0 * MS).outcome, Confirmed);
        // Nor is one failure in a thousand.
        pairs.iter_mut().for_each(|p| p.with.error_rate = 0.001);
        assert_eq!(decide(&pairs, 10.0 * MS).outcome, Confirmed);
    }

    fn window(pair: u64, applied: bool, mean_ms: f64) -> TrialWindow {
        let from = RunTime::from_nanos(pair * 10 * SECOND + 5 * SECOND * u64::from(applied));
        TrialWindow {
            pair,
            applied,
            window: Window::new(from, from.plus(4 * SECOND)),
            requests: 400,
            failed: 0,
            mean: (mean_ms * MS) as u64,
            p95: (2.0 * mean_ms * MS) as u64,
            left_out: None,
        }
    }

    /// Four pairs: `without` ms against `with` ms; 10 ms were predicted of a mean that went from 8 to 18 ms.
    fn trial(without: f64, with: f64) -> Trial {
        let both = |i: u64| {
            let wobble = i as f64 / 10.0;
            [window(i, false, without + wobble), window(i, true, with - wobble)]
        };
        Trial {
            tool_version: "0.1.0".into(),
            run_id: "ab".into(),
            path: "runs/x".into(),
            started_unix_nanos: 7,
            cause: TriedCause {
                kind: "lock".into(),
                at: "f".into(),
                service: "shop".into(),
                explains: 10_000_000,
                explains_low: 9_000_000,
                explains_high: 11_000_000,
                judged_mean: Some(18_000_000),
                reference_mean: Some(8_000_000),
            },
            apply: "on".into(),
            revert: "off".into(),
            failed_checks: Vec::new(),
            windows: (1..=4).flat_map(both).collect(),
        }
    }

    fn told(trial: &Trial) -> Confirmation {
        confirmation(trial).expect("a known kind")
    }

    #[test]
    fn a_trial_becomes_a_confirmation_with_its_figures() {
        let c = told(&trial(18.0, 8.0));
        assert_eq!((c.outcome, c.pairs, c.problems.len(), c.pairs_needed), (Confirmed, 4, 0, None));
        let effect = c.effect.expect("four pairs");
        assert_eq!(effect.value, 10_500_000);
        assert!(c.share.is_some_and(|s| (s - 1.05).abs() < 1e-9));
        assert_eq!(c.rate, 100.0);
        assert_eq!((c.windows.len(), c.windows[1].applied), (8, true));
        let mut other = trial(18.0, 8.0);
        other.cause.kind = "of-a-later-version".into();
        assert!(confirmation(&other).is_none());
    }

    #[test]
    fn windows_that_do_not_count_take_their_pair_with_them() {
        let mut t = trial(18.0, 8.0);
        t.windows[0].left_out = Some("not drained".into());
        t.windows[3].requests = 0;
        assert_eq!((told(&t).pairs, told(&t).outcome), (2, Inconclusive));
        assert_eq!((told(&t).effect, told(&t).pairs_needed), (None, None));
    }

    #[test]
    fn trouble_that_is_gone_refutes_nothing() {
        let c = told(&trial(8.4, 8.3));
        assert_eq!(c.outcome, NotReproduced, "the mean is healthy with and without");
        assert!(c.problems[0].contains("18.000 ms"), "{:?}", c.problems);
        assert_eq!(told(&trial(18.2, 18.1)).outcome, Refuted, "the trouble was there and stayed");
    }

    #[test]
    fn a_generator_at_its_limit_decides_nothing() {
        let mut t = trial(18.0, 8.0);
        t.failed_checks.push("late periods".into());
        assert_eq!(told(&t).outcome, Invalid);
        assert!(!Invalid.decides() && Refuted.decides());
    }

    #[test]
    fn only_whole_periods_inside_a_window_count() {
        let periods: Vec<_> = (0..10).map(|i| period(i, &[(10, (i + 1) * 1_000_000, i / 5)])).collect();
        let at = |s: f64| RunTime::from_nanos((s * SECOND as f64) as u64);
        let s = stretch(&periods, Window::new(at(2.5), at(6.5)));
        assert_eq!((s.requests, s.failed), (30, 1), "seconds 3, 4 and 5");
        assert!(s.mean.abs_diff(5_000_000) < 10_000 && s.p95.abs_diff(6_000_000) < 10_000, "{s:?}");
        assert_eq!(stretch(&periods, Window::new(at(3.1), at(3.9))), Stretch::default());
    }
}
