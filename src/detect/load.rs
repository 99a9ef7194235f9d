//! The series that every run has: what the load engine measured, per request and in all.

use super::live::Reading;
use super::series::{Percentile, Point, Series};
use crate::run::period::{LoadPeriod, RequestPeriod, new_latency};
use crate::stats::median;
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
    let each = if slugs.len() > 1 { slugs.len() } else { 0 };
    let scopes = std::iter::once(None).chain((0..each).map(Some));
    for (scope, figures) in scopes.zip(series.chunks_mut(Percentile::ALL.len() + 1)) {
        for (percentile, series) in Percentile::ALL.into_iter().zip(figures) {
            take_together(series, periods, scope, percentile);
        }
    }
    series
}

/// Most periods that are taken together: beyond that the moment at which something changed is lost.
const TOGETHER: usize = 5;
/// How many times the fewest hits must be there on average, for most periods to have those.
const ENOUGH: f64 = 1.25;

/// A quantile of so few hits that most periods could not be judged is that of several periods in a row.
fn take_together(series: &mut Series, periods: &[LoadPeriod], scope: Option<usize>, percentile: Percentile) {
    let counts: Vec<f64> = series.points.iter().map(|p| p.count as f64).collect();
    let usual = median(&counts).unwrap_or(0.0);
    let needed = (ENOUGH * series.min_count as f64 / usual.max(f64::MIN_POSITIVE)).ceil();
    if needed <= 1.0 || needed > TOGETHER as f64 {
        return;
    }
    let point = |some: &[LoadPeriod]| {
        let reading = quantile(&total(some, scope), percentile);
        let window = Window::new(some[0].window.from, some[some.len() - 1].window.to);
        Point { window, value: reading.value, count: reading.count }
    };
    series.points = periods.chunks(needed as usize).map(point).collect();
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
    let total = total(std::slice::from_ref(period), None);
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

/// One request of some periods, or all of them as one, as far as detection looks.
fn total(periods: &[LoadPeriod], scope: Option<usize>) -> RequestPeriod {
    let mut all = RequestPeriod { response: new_latency(), ..RequestPeriod::new() };
    let inside = |(i, _): &(usize, &RequestPeriod)| scope.is_none_or(|of| of == *i);
    for (_, request) in periods.iter().flat_map(|p| p.requests.iter().enumerate().filter(inside)) {
        // Both sides have 3 digits and grow as needed, so adding cannot fail.
        let _ = all.response.add(&request.response);
        all.passed += request.passed;
        for (sum, n) in all.failed.iter_mut().zip(request.failed) {
            *sum += n;
        }
    }
    all
}

fn quantile(request: &RequestPeriod, percentile: Percentile) -> Reading {
    let count = request.response.len();
    let value = (count > 0).then(|| request.response.value_at_quantile(percentile.share()) as f64);
    Reading { value, count }
}

fn figures(request: &RequestPeriod) -> [Reading; 4] {
    let done = request.done();
    let errors = (done > 0).then(|| request.failed_total() as f64 / done as f64);
    let [p50, p95, p99] = Percentile::ALL.map(|p| quantile(request, p));
    [p50, p95, p99, Reading { value: errors, count: done }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{RunTime, SECOND};

    fn period(i: u64, hits: &[(u32, u64)]) -> LoadPeriod {
        let one = |&(n, nanos): &(u32, u64)| {
            let mut r = RequestPeriod { passed: u64::from(n), ..RequestPeriod::new() };
            r.response.record_n(nanos, n).expect("in range");
            r.failed[0] = u64::from(n) / 10;
            r.passed -= r.failed[0];
            r
        };
        LoadPeriod {
            window: Window::new(RunTime::from_nanos(i * SECOND), RunTime::from_nanos((i + 2) * SECOND)),
            requests: hits.iter().map(one).collect(),
            lateness: new_latency(),
            offered: 400,
            sent: 300,
            backlog: 0,
            in_flight: 20,
            connections: 8,
            streams: 0,
            vus: 7,
            slowest: Vec::new(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn quantiles_of_few_hits_are_those_of_several_periods() {
        // One hit in ten of the first request is slow, ten hits a period of either request.
        let hits = |i: u64| if i.is_multiple_of(2) { (9, 1) } else { (10, 0) };
        let periods: Vec<LoadPeriod> = (0..8)
            .map(|i| {
                let mut period = period(2 * i, &[(hits(i).0, 1_000_000), (10, 2_000_000)]);
                period.requests[0].response.record_n(9_000_000, hits(i).1).expect("in range");
                period
            })
            .collect();
        let series = load_series(&periods, &slugs(&["list", "buy"]), true);
        let shape = |i: usize| {
            let last = series[i].points.last().expect("points");
            (series[i].name.as_str(), series[i].points.len(), last.count, last.window.secs())
        };
        assert_eq!(shape(0), ("p50", 8, 20, 2.0));
        assert_eq!(shape(1), ("p95", 3, 40, 4.0), "three periods of 20 are enough, and two are left");
        assert_eq!(shape(2), ("p99", 8, 20, 2.0), "seven would be too many");
        assert_eq!(shape(3), ("error-rate", 8, 20, 2.0));
        assert_eq!((shape(4).1, series[4].points[0].count), (4, 20), "p50 of ten hits");
        assert_eq!((shape(5).1, shape(6).1, shape(12).1), (2, 8, 8), "p95 of five periods, p99 of none");
        assert_eq!(series[1].points[0].count, 60);
        assert!(series[4].points.iter().all(|p| p.value.is_some_and(|v| (v / 1e6 - 1.0).abs() < 1e-2)));
    }

    fn slugs(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn series_cover_the_run_and_each_request() {
        let periods = [period(0, &[(1000, 2_000_000), (1000, 9_000_000)]), period(2, &[(0, 1), (0, 1)])];
        let series = load_series(&periods, &slugs(&["list", "buy"]), true);
        let names: Vec<_> = series.iter().map(|s| (s.name.as_str(), s.of.as_deref())).collect();
        assert_eq!(names.len(), 13);
        assert_eq!(
            (names[0], names[7], names[8]),
            (("p50", None), ("error-rate", Some("list")), ("p50", Some("buy")))
        );
        assert_eq!(names[12], ("achieved", None));
        let first = |i: usize| series[i].points[0];
        assert_eq!((first(0).count, first(4).count), (2000, 1000));
        assert!(first(8).value.is_some_and(|v| (v / 9e6 - 1.0).abs() < 1e-3));
        assert_eq!((first(3).value, first(12).value), (Some(0.1), Some(2000.0 / 400.0)));
        assert!(series[..12].iter().all(|s| s.points[1].value.is_none()), "no hit, no value");
        assert_eq!(load_series(&periods, &slugs(&["list"]), false).len(), 4, "one request is the run");
    }

    #[test]
    fn the_load_level_is_the_rate_or_the_users() {
        let periods = [period(0, &[(1, 1)])];
        assert_eq!((load_levels(&periods, true)[0].1, load_levels(&periods, false)[0].1), (200.0, 7.0));
        assert_eq!(load_concurrency(&periods)[0].1, 20.0);
    }
}
