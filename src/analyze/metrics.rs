//! Metrics of a service as series to judge, and what was asked of them by name.

use std::collections::BTreeMap;

use super::Question;
use super::load::Loaded;
use crate::analysis::{MetricReading, Unit};
use crate::detect::{Point, Series};
use crate::formats::expvar;
use crate::formats::openmetrics::Kind;
use crate::formats::otlp::Clocks;
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::period::LoadPeriod;
use crate::run::reader::Recording;
use crate::scenario::{EvidenceKind, PromqlQuery, QueryUnit};
use crate::time::{RunTime, Window};

/// Readings that must not grow without end, and what OpenTelemetry calls them. Memory is none of them: caches fill,
/// heaps wait for the collector, and nothing here could say yet who keeps it.
const GROWING: [(&str, Unit, [&str; 2]); 2] = [
    ("go_goroutines", Unit::Count, ["go_goroutine_count", "process_runtime_go_goroutines"]),
    (
        "process_open_fds",
        Unit::Count,
        ["process_unix_file_descriptor_count", "process_open_file_descriptor_count"],
    ),
];

/// Metrics that a service was asked for, read once a run: reading them takes time. Empty if the system refuses.
#[derive(Debug)]
pub(super) struct Histories {
    /// What is judged of its pages.
    pub scraped: MetricHistory,
    /// All of what its `expvar` and a Prometheus server said.
    pub told: MetricHistory,
}

impl Histories {
    pub(super) fn read(recording: &Recording, service: &str) -> Self {
        let wanted = |name: &str| GROWING.iter().any(|(known, ..)| *known == name);
        Self {
            scraped: recording.scraped_series(service, |_, sample| wanted(&sample.name)).unwrap_or_default(),
            told: recording.told_series(service).unwrap_or_default(),
        }
    }

    /// The first series of a metric, those of pages before others.
    fn first(&self, name: &str) -> Option<&MetricSeries> {
        self.scraped.named(name).next().or_else(|| self.told.named(name).next())
    }
}

/// What is judged of the metrics that services sent over OTLP, by service; empty if the system refuses.
pub(super) fn sent(recording: &Recording, clocks: &Clocks) -> BTreeMap<String, MetricHistory> {
    let wanted = |name: &str| GROWING.iter().any(|(.., names)| names.contains(&name));
    recording.otlp_series(clocks, |_, sample| wanted(&sample.name)).unwrap_or_default()
}

/// Readings of a service that must not grow without end, period by period: those it was asked for, else those it sent.
pub(super) fn growth_series(
    asked: Option<&Histories>,
    sent: Option<&MetricHistory>,
    service: &str,
    periods: &[LoadPeriod],
) -> Vec<Series> {
    GROWING
        .iter()
        .filter_map(|(name, unit, names)| {
            let told = || asked?.first(name).map(|series| series.points.clone());
            let readings = told().or_else(|| names.iter().find_map(|name| first_instance(sent?, name)))?;
            let points = periods.iter().map(|p| reading_in(p, &readings)).collect();
            Some(Series::growth(*name, service, *unit, points))
        })
        .collect()
}

/// Readings of the instance that was heard of first: its series of one moment, told apart by attributes, make one sum.
fn first_instance(history: &MetricHistory, name: &str) -> Option<Vec<(RunTime, f64)>> {
    let instance = history.named(name).next()?.label("instance");
    let mut sums: BTreeMap<RunTime, f64> = BTreeMap::new();
    for series in history.named(name).filter(|s| s.label("instance") == instance) {
        series.points.iter().for_each(|(at, value)| *sums.entry(*at).or_default() += value);
    }
    Some(sums.into_iter().collect())
}

/// The last reading of a period.
fn reading_in(period: &LoadPeriod, readings: &[(RunTime, f64)]) -> Point {
    let value = readings.iter().rev().find(|(t, _)| period.window.contains(*t)).map(|(_, v)| *v);
    Point { window: period.window, value, count: u64::from(value.is_some()) }
}

/// Series of queries that are told of one service; those beyond are in the run folder.
const MOST_ASKED: usize = 50;
/// Numbers of `expvar` that are told of one service.
const MOST_MOVED: usize = 20;
/// A number of `expvar` moved if it changed by this share of the larger value.
const MOVED: f64 = 0.2;

/// What queries gave, in their order; then the numbers of `expvar` that moved, the most first.
pub(super) fn told(run: &Loaded, question: &Question<'_>) -> Vec<MetricReading> {
    let services = run.services.iter().zip(&run.metrics);
    services.flat_map(|(service, asked)| of_service(run, service, &asked.told, question)).collect()
}

/// What was told of a service of a run.
fn told_of<'r>(run: &'r Loaded, service: &str) -> Option<&'r MetricHistory> {
    let place = run.services.iter().position(|s| s == service)?;
    Some(&run.metrics.get(place)?.told)
}

fn of_service(
    run: &Loaded,
    service: &str,
    now: &MetricHistory,
    question: &Question<'_>,
) -> Vec<MetricReading> {
    let reference = question.reference.as_ref();
    let queries = queries(run, service);
    let read = |series: &MetricSeries| {
        let counter = series.kind == Kind::Counter;
        let value =
            |s: &MetricSeries, windows: &[Window]| if counter { s.rate(windows) } else { s.mean(windows) };
        let reference = reference.and_then(|(before, windows)| match std::ptr::eq(*before, run) {
            true => value(series, windows),
            false => value(same(told_of(before, service)?, series)?, windows),
        });
        let (unit, factor) = unit(series, &queries, counter);
        Some(MetricReading {
            service: service.to_owned(),
            name: series.name.clone(),
            labels: series.labels.iter().cloned().collect(),
            unit,
            reference: reference.map(|v| v * factor),
            judged: value(series, &[question.judged])? * factor,
        })
    };
    let is_asked = |s: &&MetricSeries| queries.iter().any(|q| of_query(&s.name, q));
    let asked = now.series.iter().filter(is_asked).filter_map(read).filter(finite).take(MOST_ASKED);
    let mut moved: Vec<MetricReading> =
        now.series.iter().filter(|s| !is_asked(s)).filter_map(read).filter(finite).collect();
    moved.retain(|r| change(r) >= MOVED);
    moved.sort_by(|a, b| change(b).total_cmp(&change(a)).then_with(|| a.name.cmp(&b.name)));
    asked.chain(moved.into_iter().take(MOST_MOVED)).collect()
}

/// The series of another run.
fn same<'h>(history: &'h MetricHistory, series: &MetricSeries) -> Option<&'h MetricSeries> {
    history.named(&series.name).find(|s| s.labels == series.labels)
}

/// NaN and infinities are no numbers in JSON.
fn finite(reading: &MetricReading) -> bool {
    reading.judged.is_finite() && reading.reference.is_none_or(f64::is_finite)
}

/// Share of the larger value by which a reading changed; none without a reference.
fn change(reading: &MetricReading) -> f64 {
    let Some(before) = reading.reference else { return 0.0 };
    let larger = before.abs().max(reading.judged.abs());
    if larger > 0.0 { (reading.judged - before).abs() / larger } else { 0.0 }
}

fn queries<'r>(run: &'r Loaded, service: &str) -> Vec<&'r PromqlQuery> {
    let of = |kind: &'r EvidenceKind| match kind {
        EvidenceKind::Promql { queries, .. } => queries.as_slice(),
        _ => &[],
    };
    run.scenario.evidence.iter().filter(|s| s.service == service).flat_map(|s| of(&s.kind)).collect()
}

/// A native histogram gives two series, called by the query and what they are.
fn of_query(series: &str, query: &PromqlQuery) -> bool {
    series.strip_prefix(query.name.as_str()).is_some_and(|rest| ["", "_count", "_sum"].contains(&rest))
}

/// Unit of a reading, and what its values are multiplied by.
fn unit(series: &MetricSeries, queries: &[&PromqlQuery], counter: bool) -> (Option<Unit>, f64) {
    let query = queries.iter().find(|q| of_query(&series.name, q));
    // How often is no time, whatever the histogram's values are.
    let is_count = query.is_some_and(|q| series.name != q.name && series.name.ends_with("_count"));
    let written = query.and_then(|q| q.unit).filter(|_| !is_count);
    let own = match expvar::nature(&series.name).1 {
        "bytes" => Some(QueryUnit::Bytes),
        "ratio" => Some(QueryUnit::Ratio),
        "nanoseconds" if counter => return (Some(Unit::Ratio), 1e-9),
        "nanoseconds" => return (Some(Unit::Nanoseconds), 1.0),
        _ => None,
    };
    match (written.or(own), counter) {
        (Some(QueryUnit::Seconds), false) => (Some(Unit::Nanoseconds), 1e9),
        // Seconds per second.
        (Some(QueryUnit::Seconds), true) | (Some(QueryUnit::Ratio), _) => (Some(Unit::Ratio), 1.0),
        (Some(QueryUnit::Bytes), false) => (Some(Unit::Bytes), 1.0),
        (Some(QueryUnit::Bytes), true) | (Some(QueryUnit::BytesPerSecond), _) => {
            (Some(Unit::BytesPerSecond), 1.0)
        }
        (Some(QueryUnit::Count), false) => (Some(Unit::Count), 1.0),
        (_, true) | (Some(QueryUnit::PerSecond), _) => (Some(Unit::PerSecond), 1.0),
        (None, false) => (None, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> MetricSeries {
        MetricSeries { name: name.into(), labels: Vec::new(), kind: Kind::Unknown, points: Vec::new() }
    }

    #[test]
    fn units_follow_the_query_the_number_and_whether_it_counts() {
        let query = |name: &str, unit| PromqlQuery { name: name.into(), query: name.into(), unit };
        let took = query("took", Some(QueryUnit::Seconds));
        let cpu = query("cpu_total", Some(QueryUnit::Seconds));
        let plain = query("plain", None);
        let queries = [&took, &cpu, &plain];
        let of = |name: &str, counter| unit(&series(name), &queries, counter);
        assert_eq!(of("took", false), (Some(Unit::Nanoseconds), 1e9));
        assert_eq!(of("took_sum", true), (Some(Unit::Ratio), 1.0));
        assert_eq!(of("took_count", true), (Some(Unit::PerSecond), 1.0));
        assert_eq!(of("took_count", false), (None, 1.0), "a rate of a histogram");
        assert_eq!(of("cpu_total", true), (Some(Unit::Ratio), 1.0), "cores");
        assert_eq!(of("plain", false), (None, 1.0));
        assert_eq!(of("plain_count", true), (Some(Unit::PerSecond), 1.0));
        assert_eq!(of("memstats.HeapAlloc", false), (Some(Unit::Bytes), 1.0));
        assert_eq!(of("memstats.TotalAlloc", true), (Some(Unit::BytesPerSecond), 1.0));
        assert_eq!(of("memstats.PauseTotalNs", true), (Some(Unit::Ratio), 1e-9));
    }

    #[test]
    fn a_mean_leaves_out_what_is_no_number() {
        let at = RunTime::from_nanos;
        let points = vec![(at(0), f64::NAN), (at(1), 2.0), (at(2), 4.0), (at(9), 100.0)];
        let series = MetricSeries { points, ..series("took") };
        assert_eq!(series.mean(&[Window::new(at(0), at(5))]), Some(3.0));
        assert_eq!(series.mean(&[Window::new(at(0), at(1))]), None);
    }

    #[test]
    fn a_change_is_a_share_of_the_larger_value() {
        let reading = |reference, judged| MetricReading {
            service: String::new(),
            name: String::new(),
            labels: Default::default(),
            unit: None,
            reference,
            judged,
        };
        assert_eq!(change(&reading(Some(2.0), 1.0)), 0.5);
        assert_eq!(change(&reading(Some(0.0), 0.0)), 0.0);
        assert_eq!(change(&reading(None, 9.0)), 0.0);
    }
}
