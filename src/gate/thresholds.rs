//! Thresholds of the scenario against the judged part of the run.

use super::figures::{added, per_second, share};
use crate::analysis::{ThresholdResult, Unit};
use crate::run::period::{LoadPeriod, RequestPeriod};
use crate::scenario::{Metric, Scenario, Threshold};

/// Every threshold of the run, then those of each request. `periods` is the judged part (see
/// [`super::judged_part`]). Percentiles come from merged histograms, never from averaged percentiles.
///
/// One without samples fails: a limit that nothing was measured against has not been held (k6 passes it, which
/// lets a mistyped name turn a gate off).
#[must_use]
pub fn evaluate(periods: &[LoadPeriod], scenario: &Scenario) -> Vec<ThresholdResult> {
    let mut results = judge(&scenario.thresholds, None, periods, None);
    for (i, request) in scenario.requests.iter().enumerate() {
        results.extend(judge(&request.thresholds, Some(&request.name), periods, Some(i)));
    }
    results
}

fn judge(
    thresholds: &[Threshold],
    name: Option<&str>,
    periods: &[LoadPeriod],
    request: Option<usize>,
) -> Vec<ThresholdResult> {
    if thresholds.is_empty() {
        return Vec::new();
    }
    let sum = added(periods, request);
    let result = |t: &Threshold| {
        let value = measured(t.metric, &sum, periods);
        ThresholdResult {
            metric: t.metric.key(),
            request: name.map(str::to_owned),
            limit: t.limit,
            value,
            unit: unit(t.metric),
            passed: value.is_some_and(|v| if t.metric == Metric::Rate { v >= t.limit } else { v <= t.limit }),
        }
    };
    thresholds.iter().map(result).collect()
}

fn measured(metric: Metric, sum: &RequestPeriod, periods: &[LoadPeriod]) -> Option<f64> {
    let some = !sum.response.is_empty();
    match metric {
        Metric::Percentile(tenths) => {
            some.then(|| sum.response.value_at_quantile(f64::from(tenths) / 1000.0) as f64)
        }
        Metric::Mean => some.then(|| sum.response.mean()),
        Metric::Max => some.then(|| sum.response.max() as f64),
        Metric::ErrorRate => share(sum.failed_total(), sum.done()),
        Metric::Rate => (sum.done() > 0).then(|| per_second(sum.passed, periods)),
    }
}

const fn unit(metric: Metric) -> Unit {
    match metric {
        Metric::Percentile(_) | Metric::Mean | Metric::Max => Unit::Nanoseconds,
        Metric::ErrorRate => Unit::Ratio,
        Metric::Rate => Unit::PerSecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{period, scenario};

    fn limits() -> Scenario {
        let at = |metric, limit| Threshold { metric, limit };
        let mut s = scenario(&["list", "buy", "never"]);
        s.thresholds = vec![
            at(Metric::Percentile(500), 5e6),
            at(Metric::Percentile(999), 5e6),
            at(Metric::ErrorRate, 0.25),
            at(Metric::Rate, 60.0),
        ];
        s.requests[1].thresholds = vec![at(Metric::Max, 20e6), at(Metric::Mean, 8e6)];
        s.requests[2].thresholds =
            vec![at(Metric::Percentile(950), 1e12), at(Metric::ErrorRate, 1.0), at(Metric::Rate, 0.0)];
        s
    }

    #[test]
    fn each_metric_is_held_against_its_limit() {
        // 50 x 2 ms passed; 50 x 10 ms of which 20 failed; two seconds of it.
        let one = |i| period(i, &[(50, 2_000_000, 0), (50, 10_000_000, 20), (0, 0, 0)]);
        let got = evaluate(&[one(0), one(1)], &limits());
        let seen: Vec<_> = got.iter().map(|r| (r.metric.as_str(), r.request.as_deref(), r.passed)).collect();
        assert_eq!(
            seen,
            [
                ("p50", None, true),
                ("p99.9", None, false),
                ("error-rate", None, true),
                ("rate", None, true),
                ("max", Some("buy"), true),
                ("mean", Some("buy"), false),
                ("p95", Some("never"), false),
                ("error-rate", Some("never"), false),
                ("rate", Some("never"), false),
            ]
        );
        assert_eq!((got[2].value, got[3].value), (Some(0.2), Some(80.0)));
        assert!(got[5].value.is_some_and(|v| (v / 10e6 - 1.0).abs() < 1e-3));
        assert!(got[6..].iter().all(|r| r.value.is_none()), "nothing measured is not held");
    }

    #[test]
    fn without_periods_everything_fails() {
        assert!(evaluate(&[], &limits()).iter().all(|r| !r.passed));
    }
}
