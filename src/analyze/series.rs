//! The series that are judged, made from a recording.

use crate::analysis::Unit;
use crate::detect::{Percentile, Point, Series};
use crate::run::period::{Latency, LoadPeriod};
use crate::run::reader::Recording;
use crate::scenario::Scenario;
use crate::time::RunTime;

/// Readings of a service that must not grow without end.
const GROWING: [(&str, Unit); 3] = [
    ("go_goroutines", Unit::Count),
    ("process_resident_memory_bytes", Unit::Bytes),
    ("process_open_fds", Unit::Count),
];

/// All series of a recording.
pub(super) fn series(recording: &Recording, scenario: &Scenario, services: &[String]) -> Vec<Series> {
    let mut all = load_series(&recording.periods, scenario);
    for service in services {
        all.extend(growth_series(recording, service));
    }
    all
}

/// Latency, errors and achieved share, of all requests and of each.
pub fn load_series(periods: &[LoadPeriod], scenario: &Scenario) -> Vec<Series> {
    let mut all: Vec<Series> = Percentile::ALL
        .iter()
        .map(|&p| Series::latency(p, None, latency_points(periods, p, None)))
        .collect();
    all.push(Series::error_rate(None, error_points(periods, None)));
    if scenario.load.executor.is_open() {
        all.push(Series::achieved(periods.iter().map(achieved).collect()));
    }
    if scenario.requests.len() > 1 {
        for (index, request) in scenario.requests.iter().enumerate() {
            let of = Some(request.slug.clone());
            for percentile in [Percentile::P50, Percentile::P95] {
                let points = latency_points(periods, percentile, Some(index));
                all.push(Series::latency(percentile, of.clone(), points));
            }
            all.push(Series::error_rate(of, error_points(periods, Some(index))));
        }
    }
    all
}

/// Arrivals asked for per second and period: a reference must have been measured at the same rate.
pub fn offered(periods: &[LoadPeriod]) -> Vec<f64> {
    periods.iter().map(|p| p.offered as f64 / p.window.secs().max(1e-9)).collect()
}

/// Response times of one request, or of all, in one period.
pub(super) fn response(period: &LoadPeriod, request: Option<usize>) -> Latency {
    let mut sum = crate::run::period::new_latency();
    for (index, r) in period.requests.iter().enumerate() {
        if request.is_none_or(|wanted| wanted == index) {
            // Both have the same precision and grow as needed.
            let _ = sum.add(&r.response);
        }
    }
    sum
}

fn latency_points(periods: &[LoadPeriod], percentile: Percentile, request: Option<usize>) -> Vec<Point> {
    let point = |p: &LoadPeriod| {
        let latency = response(p, request);
        let value = (!latency.is_empty()).then(|| latency.value_at_quantile(percentile.share()) as f64);
        Point { window: p.window, value, count: latency.len() }
    };
    periods.iter().map(point).collect()
}

fn error_points(periods: &[LoadPeriod], request: Option<usize>) -> Vec<Point> {
    let point = |p: &LoadPeriod| {
        let of: Vec<_> = match request {
            Some(index) => p.requests.get(index).into_iter().collect(),
            None => p.requests.iter().collect(),
        };
        let done: u64 = of.iter().map(|r| r.done()).sum();
        let failed: u64 = of.iter().map(|r| r.failed_total()).sum();
        let value = (done > 0).then(|| failed as f64 / done as f64);
        Point { window: p.window, value, count: done }
    };
    periods.iter().map(point).collect()
}

fn achieved(period: &LoadPeriod) -> Point {
    let done: u64 = period.requests.iter().map(|r| r.done()).sum();
    let value = (period.offered > 0).then(|| done as f64 / period.offered as f64);
    Point { window: period.window, value, count: period.offered }
}

fn growth_series(recording: &Recording, service: &str) -> Vec<Series> {
    let history = recording.history(service);
    GROWING
        .iter()
        .filter_map(|(name, unit)| {
            let readings = history.gauge(name)?;
            let points = recording.periods.iter().map(|p| reading_in(p, &readings)).collect();
            Some(Series::growth(*name, service, *unit, points))
        })
        .collect()
}

/// The last reading of a period.
fn reading_in(period: &LoadPeriod, readings: &[(RunTime, f64)]) -> Point {
    let value = readings.iter().rev().find(|(t, _)| period.window.contains(*t)).map(|(_, v)| *v);
    Point { window: period.window, value, count: u64::from(value.is_some()) }
}
