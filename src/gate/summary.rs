//! Load figures and the timeline.

use std::collections::BTreeMap;

use super::figures::{added, judged_part, per_second, quantiles, share};
use crate::analysis::{LoadSummary, RequestSummary, TimelinePoint};
use crate::run::period::{Failure, LoadPeriod, Phase, RequestPeriod, new_latency};
use crate::scenario::Scenario;
use crate::time::{RunTime, Window};

/// Figures of the part of the run after `warm_up`. `periods` are those of the whole run.
#[must_use]
pub fn summarize(periods: &[LoadPeriod], scenario: &Scenario, warm_up: RunTime) -> LoadSummary {
    let judged = judged_part(periods, warm_up);
    let window = match (judged.first(), judged.last()) {
        (Some(first), Some(last)) => Window::new(first.window.from, last.window.to),
        _ => Window::new(warm_up, warm_up),
    };
    let total = request(judged, None, "all requests", "");
    let each = scenario.requests.iter().enumerate();
    LoadSummary {
        window,
        warm_up_nanos: warm_up.as_nanos(),
        total,
        requests: each.map(|(i, r)| request(judged, Some(i), &r.name, &r.slug)).collect(),
        offered_rate: per_second(judged.iter().map(|p| p.offered).sum(), judged),
        sent_rate: per_second(judged.iter().map(|p| p.sent).sum(), judged),
        open_model: scenario.load.executor.is_open(),
    }
}

fn request(judged: &[LoadPeriod], which: Option<usize>, name: &str, slug: &str) -> RequestSummary {
    let sum = added(judged, which);
    let failed = Failure::ALL.iter().zip(sum.failed).filter(|(_, n)| *n > 0);
    RequestSummary {
        name: name.into(),
        slug: slug.into(),
        done: sum.done(),
        passed: sum.passed,
        failed: failed.map(|(kind, n)| (kind.name().to_owned(), n)).collect(),
        rate: per_second(sum.passed, judged),
        error_rate: share(sum.failed_total(), sum.done()).unwrap_or(0.0),
        response: quantiles(&sum.response),
        service: quantiles(&sum.service),
        phases: phases(&sum),
        bytes_in: sum.bytes_in,
        bytes_out: sum.bytes_out,
        connects: sum.connects,
    }
}

/// Mean of each phase over all hits: one that few hits pass through (connect) counts as 0 for the others, so
/// the phases add up to the mean response time.
fn phases(sum: &RequestPeriod) -> BTreeMap<String, u64> {
    let hits = sum.done().max(1) as f64;
    let mean = |i: usize| {
        let phase = &sum.phases[i];
        if phase.is_empty() { 0 } else { (phase.mean() * phase.len() as f64 / hits).round() as u64 }
    };
    Phase::ALL.iter().enumerate().map(|(i, p)| (p.name().to_owned(), mean(i))).collect()
}

/// One point per period of the whole run; the detector's lines and marks are filled in later.
#[must_use]
pub fn timeline(periods: &[LoadPeriod], warm_up: RunTime) -> Vec<TimelinePoint> {
    periods.iter().map(|p| point(p, warm_up)).collect()
}

fn point(period: &LoadPeriod, warm_up: RunTime) -> TimelinePoint {
    let mut response = new_latency();
    let (mut passed, mut done) = (0, 0);
    for request in &period.requests {
        super::figures::add_latency(&mut response, &request.response);
        passed += request.passed;
        done += request.done();
    }
    let seconds = period.window.secs().max(1e-9);
    let quantile = |q: f64| (!response.is_empty()).then(|| response.value_at_quantile(q));
    TimelinePoint {
        at: period.window.from,
        offered: period.offered as f64 / seconds,
        sent: period.sent as f64 / seconds,
        passed: passed as f64 / seconds,
        error_rate: share(done - passed, done).unwrap_or(0.0),
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        ewma: None,
        threshold: None,
        anomalous: false,
        warm_up: period.window.from < warm_up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{period, scenario};

    #[test]
    fn warm_up_is_left_out_and_the_drain_does_not_dilute_rates() {
        let mut periods: Vec<LoadPeriod> =
            (0..6).map(|i| period(i, &[(90, 2_000_000, 0), (10, 50_000_000, 5)])).collect();
        let mut drain = period(6, &[(0, 0, 0), (0, 0, 0)]);
        (drain.offered, drain.sent) = (0, 0);
        periods.push(drain);
        let got = summarize(&periods, &scenario(&["list", "buy"]), RunTime::from_nanos(2_000_000_000));
        assert_eq!((got.total.done, got.total.passed), (400, 380));
        assert_eq!((got.total.rate, got.offered_rate, got.window.secs()), (95.0, 100.0, 5.0));
        assert_eq!(got.total.failed, BTreeMap::from([("status".to_owned(), 20)]));
        assert_eq!((got.requests[1].error_rate, got.requests[0].error_rate), (0.5, 0.0));
        let close = |a: u64, b: f64| (a as f64 / b - 1.0).abs() < 2e-3;
        assert!(close(got.total.response.p50, 2e6) && close(got.total.response.p95, 50e6));
        assert!(close(got.total.response.mean, 0.9 * 2e6 + 0.1 * 50e6));
        assert!(close(got.total.phases["wait"], 0.9 * 2e6 + 0.1 * 50e6) && got.total.phases["connect"] == 0);
        let line = timeline(&periods, RunTime::from_nanos(2_000_000_000));
        assert_eq!(line.iter().filter(|p| p.warm_up).count(), 2);
        assert_eq!((line[6].p50, line[3].passed, line[3].error_rate), (None, 95.0, 0.05));
    }

    #[test]
    fn a_run_without_periods_is_all_zero() {
        let got = summarize(&[], &scenario(&["list"]), RunTime::ZERO);
        assert_eq!((got.total.done, got.total.rate, got.window.nanos()), (0, 0.0, 0));
    }
}
