//! Whether what went wrong is that requests fail, and not how long they take.

use crate::analysis::{
    Anomaly, BaselineComparison, BaselineOutcome, FAILING_SHARE, RequestSummary, ThresholdResult,
};
use crate::detect::{Class, Detection, Percentile};
use crate::time::{MILLISECOND, Window};

const ERROR_RATE: &str = "error-rate";
/// Passed requests per second: errors lower it, as slowness does.
const RATE: &str = "rate";

/// Whether a request fails too often all through the run. (If the whole run does, one of its requests does.) A
/// threshold that holds makes its limit the share that is accepted.
pub(super) fn steadily(requests: &[RequestSummary], thresholds: &[ThresholdResult]) -> bool {
    requests.iter().any(|r| r.error_rate >= FAILING_SHARE && !accepted(r, thresholds))
}

fn accepted(request: &RequestSummary, thresholds: &[ThresholdResult]) -> bool {
    thresholds.iter().any(|t| {
        let speaks_of_it = t.request.as_ref().is_none_or(|name| *name == request.name);
        t.metric == ERROR_RATE && t.passed && speaks_of_it && request.error_rate <= t.limit
    })
}

/// Where most hits fail, a latency that rose by less is that of failures: a connection that is refused takes another time
/// than an answer.
const OF_FAILURES: f64 = MILLISECOND as f64;

/// Whether the moment in `window` is one of errors: their share rose, and no latency did.
pub(super) fn moment(detection: &Detection, window: Window) -> bool {
    let symptoms = detection.bands.iter().filter(|b| b.class == Class::Symptom);
    let seen: Vec<&Anomaly> =
        symptoms.flat_map(|b| &b.anomalies).filter(|a| a.window.overlap(window) > 0).collect();
    let errors = || seen.iter().filter(|a| a.series == ERROR_RATE);
    let mostly = errors().any(|a| a.observed >= 0.5);
    let latency = |a: &&Anomaly| {
        let rose = a.observed - a.reference;
        Percentile::ALL.iter().any(|p| p.name() == a.series) && !(mostly && rose < OF_FAILURES)
    };
    errors().next().is_some() && !seen.iter().any(latency)
}

/// Whether nothing but errors is worse than in the baseline. (Where fewer passed, fewer arrive per second, too.)
pub(super) fn regression(comparison: &BaselineComparison) -> bool {
    let worse = comparison.rows.iter().filter(|r| r.outcome == BaselineOutcome::Regressed);
    only_errors(worse.map(|r| r.metric.as_str()))
}

/// Whether the thresholds that do not hold are about errors: a rate that is missed is one only if requests fail.
pub(super) fn thresholds(requests: &[RequestSummary], thresholds: &[ThresholdResult]) -> bool {
    let broken = || thresholds.iter().filter(|t| !t.passed);
    let metrics = || broken().filter(|t| t.value.is_some()).map(|t| t.metric.as_str());
    let about_errors = broken().all(|t| [ERROR_RATE, RATE].contains(&t.metric.as_str()));
    about_errors && (only_errors(metrics()) || (metrics().count() > 0 && steadily(requests, thresholds)))
}

fn only_errors<'a>(metrics: impl Iterator<Item = &'a str>) -> bool {
    let metrics: Vec<&str> = metrics.collect();
    metrics.contains(&ERROR_RATE) && metrics.iter().all(|m| [ERROR_RATE, RATE, "achieved"].contains(m))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{BaselineRow, Estimate, Unit};
    use crate::detect::SeriesBand;
    use crate::time::RunTime;

    fn requests(rates: &[(&str, f64)]) -> Vec<RequestSummary> {
        let request = |(name, error_rate): &(&str, f64)| RequestSummary {
            name: (*name).into(),
            error_rate: *error_rate,
            ..RequestSummary::default()
        };
        rates.iter().map(request).collect()
    }

    fn threshold(metric: &str, of: Option<&str>, limit: f64, passed: bool) -> ThresholdResult {
        let (metric, request) = (metric.into(), of.map(str::to_owned));
        ThresholdResult { metric, request, limit, value: Some(0.0), unit: Unit::Ratio, passed }
    }

    #[test]
    fn broken_thresholds_of_errors_are_about_errors() {
        let about = |rate: f64, broken: &[&str]| {
            let all: Vec<_> = broken.iter().map(|m| threshold(m, None, 0.001, false)).collect();
            thresholds(&requests(&[("list", rate)]), &all)
        };
        assert!(about(0.005, &["error-rate"]) && about(0.005, &["error-rate", "rate"]));
        assert!(about(0.3, &["rate"]), "requests that fail do not pass");
        assert!(!about(0.0, &["rate"]), "without errors the target is slow");
        assert!(!about(0.3, &["error-rate", "p95"]) && !about(0.3, &["mean"]));
        let silent = ThresholdResult { value: None, ..threshold(ERROR_RATE, None, 0.1, false) };
        assert!(!thresholds(&requests(&[("list", 0.0)]), &[silent]), "nothing was measured");
    }

    #[test]
    fn a_moment_is_one_of_errors_if_no_latency_rose() {
        let window = |from, to| Window::new(RunTime::from_nanos(from), RunTime::from_nanos(to));
        let band = |series: &str, class, from, to| SeriesBand {
            series: series.into(),
            of: None,
            class,
            points: Vec::new(),
            anomalies: vec![Anomaly {
                series: series.into(),
                of: None,
                window: window(from, to),
                ongoing: false,
                reference: 0.0,
                observed: if series == "error-rate" { 0.6 } else { 5e6 },
                unit: Unit::Ratio,
                score: 9.0,
                hindsight: false,
            }],
        };
        let of = |bands| moment(&Detection { bands, ..Detection::default() }, window(30, 60));
        let errors = || band("error-rate", Class::Symptom, 30, 60);
        assert!(of(vec![errors(), band("p95", Class::Symptom, 5, 9)]), "at another time");
        assert!(of(vec![errors(), band("achieved", Class::Symptom, 30, 60)]));
        assert!(!of(vec![errors(), band("p99", Class::Symptom, 50, 60)]));
        // Failures that take a little longer than answers did, if most hits are such.
        let mut refused = band("p50", Class::Symptom, 30, 60);
        refused.anomalies[0].observed = 0.08e6;
        assert!(of(vec![errors(), refused.clone()]));
        let mut some = errors();
        some.anomalies[0].observed = 0.3;
        assert!(!of(vec![some, refused]));
        assert!(!of(vec![band("achieved", Class::Symptom, 30, 60)]));
    }

    #[test]
    fn a_regression_of_errors_is_not_one_of_latency() {
        let row = |metric: &str, outcome| BaselineRow {
            request: None,
            metric: metric.into(),
            unit: Unit::Ratio,
            baseline: 0.0,
            current: 0.3,
            change: Estimate::default(),
            minimum_effect: 0.005,
            outcome,
        };
        let of = |rows: &[(&str, BaselineOutcome)]| {
            let rows = rows.iter().map(|(metric, outcome)| row(metric, *outcome)).collect();
            regression(&BaselineComparison { rows, regressed: true, ..BaselineComparison::default() })
        };
        use BaselineOutcome::{Improved, Regressed, Same};
        assert!(of(&[("p50", Same), ("p95", Improved), ("error-rate", Regressed), ("achieved", Regressed)]));
        assert!(!of(&[("p50", Regressed), ("error-rate", Regressed)]) && !of(&[("rate", Regressed)]));
    }

    #[test]
    fn one_request_in_a_hundred_is_too_many_unless_it_is_accepted() {
        let fails =
            |rates: &[(&str, f64)], thresholds: &[ThresholdResult]| steadily(&requests(rates), thresholds);
        assert!(fails(&[("list", 0.01)], &[]) && !fails(&[("list", 0.009)], &[]));
        assert!(fails(&[("list", 0.0), ("buy", 0.3)], &[]), "few of all, many of its own");
        let [run, buy] =
            [None, Some("buy")].map(|of| move |limit, passed| [threshold(ERROR_RATE, of, limit, passed)]);
        assert!(!fails(&[("buy", 0.3)], &run(0.4, true)) && !fails(&[("buy", 0.3)], &buy(0.4, true)));
        assert!(fails(&[("buy", 0.3)], &run(0.2, true)), "a limit of all is none for the worst of them");
        assert!(fails(&[("buy", 0.3)], &run(0.4, false)) && fails(&[("list", 0.3)], &buy(0.4, true)));
        assert!(fails(&[("buy", 0.3)], &[threshold("p95", None, 0.4, true)]));
    }
}
