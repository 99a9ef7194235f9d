//! Adds periods up.

use crate::analysis::Quantiles;
use crate::run::period::{Latency, LoadPeriod, RequestPeriod, new_latency};
use crate::time::RunTime;

/// The periods after the warm-up: what is judged.
#[must_use]
pub fn judged_part(periods: &[LoadPeriod], warm_up: RunTime) -> &[LoadPeriod] {
    &periods[periods.partition_point(|p| p.window.from < warm_up)..]
}

/// One request of the scenario over all periods, or all requests (`None`), added up.
pub(super) fn added(periods: &[LoadPeriod], request: Option<usize>) -> RequestPeriod {
    let mut sum = RequestPeriod::new();
    for period in periods {
        let parts = match request {
            Some(i) => period.requests.get(i..=i).unwrap_or_default(),
            None => &period.requests[..],
        };
        for part in parts {
            add(&mut sum, part);
        }
    }
    sum
}

fn add(sum: &mut RequestPeriod, part: &RequestPeriod) {
    add_latency(&mut sum.response, &part.response);
    add_latency(&mut sum.service, &part.service);
    for (into, from) in sum.phases.iter_mut().zip(&part.phases) {
        add_latency(into, from);
    }
    sum.add_counts(part);
}

/// Adds one histogram to another.
pub(super) fn add_latency(into: &mut Latency, from: &Latency) {
    // Cannot fail: both have 3 digits and resize themselves. A histogram read from a file of other bounds is
    // added value by value.
    if into.add(from).is_err() {
        for step in from.iter_recorded() {
            let _ = into.record_n(step.value_iterated_to(), step.count_at_value());
        }
    }
}

/// Lateness of the generator over all periods.
pub(super) fn lateness(periods: &[LoadPeriod]) -> Latency {
    let mut sum = new_latency();
    for period in periods {
        add_latency(&mut sum, &period.lateness);
    }
    sum
}

/// Seconds of load: up to the last period in which an arrival was due or a hit began. What came after only
/// waited for answers, and would make every rate look lower.
pub(super) fn load_seconds(periods: &[LoadPeriod]) -> f64 {
    let loaded = periods.iter().rposition(|p| p.offered > 0 || p.sent > 0).map_or(0, |last| last + 1);
    periods[..loaded].iter().map(|p| p.window.secs()).sum()
}

/// `count` per second of load; 0 without load.
pub(super) fn per_second(count: u64, periods: &[LoadPeriod]) -> f64 {
    let seconds = load_seconds(periods);
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// A share; none of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The quantiles of a histogram; all 0 if it is empty.
#[must_use]
pub fn quantiles(latency: &Latency) -> Quantiles {
    if latency.is_empty() {
        return Quantiles::default();
    }
    Quantiles {
        count: latency.len(),
        mean: latency.mean().round() as u64,
        min: latency.min(),
        p50: latency.value_at_quantile(0.5),
        p90: latency.value_at_quantile(0.9),
        p95: latency.value_at_quantile(0.95),
        p99: latency.value_at_quantile(0.99),
        p999: latency.value_at_quantile(0.999),
        max: latency.max(),
    }
}
