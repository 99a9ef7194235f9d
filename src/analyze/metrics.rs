//! Metrics of a service as series to judge.

use std::collections::BTreeMap;

use crate::analysis::Unit;
use crate::detect::{Point, Series};
use crate::run::history::MetricHistory;
use crate::run::period::LoadPeriod;
use crate::run::reader::Recording;
use crate::time::RunTime;

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

/// What is judged of a service's pages; empty if the system refuses. Reading them all takes time: once a run.
pub(super) fn history(recording: &Recording, service: &str) -> MetricHistory {
    let wanted = |name: &str| GROWING.iter().any(|(known, ..)| *known == name);
    recording.series(service, |_, sample| wanted(&sample.name)).unwrap_or_default()
}

/// What is judged of the metrics that services sent over OTLP, by service; empty if the system refuses.
pub(super) fn sent(recording: &Recording) -> BTreeMap<String, MetricHistory> {
    let wanted = |name: &str| GROWING.iter().any(|(.., names)| names.contains(&name));
    recording.otlp_series(|_, sample| wanted(&sample.name)).unwrap_or_default()
}

/// Readings of a service that must not grow without end, period by period: those of its pages, else those it sent.
pub(super) fn growth_series(
    pages: Option<&MetricHistory>,
    sent: Option<&MetricHistory>,
    service: &str,
    periods: &[LoadPeriod],
) -> Vec<Series> {
    GROWING
        .iter()
        .filter_map(|(name, unit, names)| {
            let scraped = || pages?.named(name).next().map(|series| series.points.clone());
            let readings = scraped().or_else(|| names.iter().find_map(|name| first_instance(sent?, name)))?;
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
