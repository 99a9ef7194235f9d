//! The series that every run has: what the load engine measured, per request and in all.

use super::live::Reading;
use super::series::{Percentile, Point, Series};
use crate::run::period::{LoadPeriod, RequestPeriod, new_latency};
use crate::time::Window;

/// Latency quantiles and error rate of the whole run and of each request (`slugs`, in the scenario's order),
/// and for an open model the achieved share of the load. With one request its series are those of the run,
/// so it has none of its own.
#[must_use]
pub fn load_series(periods: &[LoadPeriod], slugs: &[String], open: bool) -> Vec<Series> {
    let mut series = load_templates(slugs, open);
    for period in periods {
        let readings = load_readings(period, slugs.len(), open);
        for (series, reading) in series.iter_mut().zip(readings) {
            series.points.push(Point { window: period.window, value: reading.value, count: reading.count });
        }
    }
    series
}

/// The series of [`load_series`] without points, for a [`super::LiveDetector`].
#[must_use]
pub fn load_templates(slugs: &[String], open: bool) -> Vec<Series> {
    let each = if slugs.len() > 1 { slugs } else { &[] };
    let mut series = Vec::new();
    for of in std::iter::once(None).chain(each.iter().cloned().map(Some)) {
        for percentile in Percentile::ALL {
            series.push(Series::latency(percentile, of.clone(), Vec::new()));
        }
        series.push(Series::error_rate(of, Vec::new()));
    }
    if open {
        series.push(Series::achieved(Vec::new()));
    }
    series
}

/// One period's values in the order of [`load_templates`].
#[must_use]
pub fn load_readings(period: &LoadPeriod, requests: usize, open: bool) -> Vec<Reading> {
    let total = total(period);
    let each = if requests > 1 { &period.requests[..requests.min(period.requests.len())] } else { &[] };
    let mut readings: Vec<Reading> = std::iter::once(&total).chain(each).flat_map(figures).collect();
    if open {
        let asked = period.offered as f64;
        let value = (period.offered > 0).then(|| total.done() as f64 / asked);
        readings.push(Reading { value, count: period.offered });
    }
    readings
}

/// The load level of each period: arrivals asked for per second (open model) or virtual users.
#[must_use]
pub fn load_levels(periods: &[LoadPeriod], open: bool) -> Vec<(Window, f64)> {
    periods.iter().map(|p| (p.window, load_level(p, open))).collect()
}

/// The load level of one period.
#[must_use]
pub fn load_level(period: &LoadPeriod, open: bool) -> f64 {
    if open { period.offered as f64 / period.window.secs().max(1e-9) } else { period.vus as f64 }
}

/// Requests under way or connections open at each period's end, whichever is more: what goroutines of a
/// server follow without leaking.
#[must_use]
pub fn load_concurrency(periods: &[LoadPeriod]) -> Vec<(Window, f64)> {
    periods.iter().map(|p| (p.window, p.in_flight.max(p.connections) as f64)).collect()
}

/// All requests of a period as one, as far as detection looks.
fn total(period: &LoadPeriod) -> RequestPeriod {
    let mut all = RequestPeriod { response: new_latency(), ..RequestPeriod::new() };
    for request in &period.requests {
        // Both sides have 3 digits and grow as needed, so adding cannot fail.
        let _ = all.response.add(&request.response);
        all.passed += request.passed;
        for (sum, n) in all.failed.iter_mut().zip(request.failed) {
            *sum += n;
        }
    }
    all
}

fn figures(request: &RequestPeriod) -> [Reading; 4] {
    let count = request.response.len();
    let at = |p: Percentile| Reading {
        value: (count > 0).then(|| request.response.value_at_quantile(p.share()) as f64),
        count,
    };
    let done = request.done();
    let errors = (done > 0).then(|| request.failed_total() as f64 / done as f64);
    let [p50, p95, p99] = Percentile::ALL.map(at);
    [p50, p95, p99, Reading { value: errors, count: done }]
}
