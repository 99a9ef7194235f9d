//! Metrics of a service as series to judge.

use crate::analysis::Unit;
use crate::detect::{Point, Series};
use crate::run::history::MetricHistory;
use crate::run::period::LoadPeriod;
use crate::run::reader::Recording;
use crate::time::RunTime;

/// Readings that must not grow without end. Memory is none of them: caches fill, heaps wait for the collector,
/// and nothing here could say yet who keeps it.
const GROWING: [(&str, Unit); 2] = [("go_goroutines", Unit::Count), ("process_open_fds", Unit::Count)];

/// What is judged of a service's pages; empty if the system refuses. Reading them all takes time: once a run.
pub(super) fn history(recording: &Recording, service: &str) -> MetricHistory {
    let wanted = |name: &str| GROWING.iter().any(|(known, _)| *known == name);
    recording.series(service, |_, sample| wanted(&sample.name)).unwrap_or_default()
}

/// Readings of a service that must not grow without end, period by period.
pub(super) fn growth_series(history: &MetricHistory, service: &str, periods: &[LoadPeriod]) -> Vec<Series> {
    GROWING
        .iter()
        .filter_map(|(name, unit)| {
            let readings = &history.named(name).next()?.points;
            let points = periods.iter().map(|p| reading_in(p, readings)).collect();
            Some(Series::growth(*name, service, *unit, points))
        })
        .collect()
}

/// The last reading of a period.
fn reading_in(period: &LoadPeriod, readings: &[(RunTime, f64)]) -> Point {
    let value = readings.iter().rev().find(|(t, _)| period.window.contains(*t)).map(|(_, v)| *v);
    Point { window: period.window, value, count: u64::from(value.is_some()) }
}
