//! Waits and work that a service's runtime adds up itself, from its pages of metrics: seconds per second, over the
//! requests per second. All of them are of the whole process, of requests or not.

use crate::analysis::State;
use crate::run::history::MetricSeries;
use crate::run::reader::Recording;
use crate::time::{SECOND, Window};

/// Counters of client_golang (runtime metrics and `database/sql`), what they count, and their name for people.
const COUNTERS: [(&str, State, &str); 4] = [
    ("go_sync_mutex_wait_total_seconds_total", State::Lock, "waiting for locks"),
    ("go_sql_wait_duration_seconds_total", State::ConnectionPool, "waiting for a connection to the database"),
    ("go_cpu_classes_gc_total_cpu_seconds_total", State::GarbageCollection, "collecting garbage"),
    ("process_cpu_seconds_total", State::Cpu, "CPU time"),
];

/// One counter of a service.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    pub service: String,
    /// Metric.
    pub name: &'static str,
    pub state: State,
    /// What it counts, in words.
    pub what: &'static str,
    /// Nanoseconds per second.
    pub rate: f64,
}

/// What the counters of all services grew by inside the windows.
pub(super) fn counters(recording: &Recording, services: &[String], windows: &[Window]) -> Vec<Counter> {
    services.iter().flat_map(|service| of_service(recording, service, windows)).collect()
}

fn of_service(recording: &Recording, service: &str, windows: &[Window]) -> Vec<Counter> {
    let wanted = |name: &str| COUNTERS.iter().any(|(n, ..)| *n == name);
    let Ok(history) = recording.series(service, |_, s| wanted(&s.name)) else { return Vec::new() };
    COUNTERS
        .iter()
        .filter_map(|&(name, state, what)| {
            let rates: Vec<f64> = history.named(name).filter_map(|s| rate(s, windows)).collect();
            let rate = rates.iter().sum::<f64>() * SECOND as f64;
            (!rates.is_empty()).then(|| Counter { service: service.to_owned(), name, state, what, rate })
        })
        .collect()
}

/// Growth per second between readings inside the windows. A counter that falls began anew.
fn rate(series: &MetricSeries, windows: &[Window]) -> Option<f64> {
    let (mut grown, mut secs) = (0.0, 0.0);
    for pair in series.points.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        if windows.iter().any(|w| w.covers(Window::new(from, to)))
            && after >= before
            && (after - before).is_finite()
        {
            grown += after - before;
            secs += to.as_secs_f64() - from.as_secs_f64();
        }
    }
    (secs > 0.0).then(|| grown / secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::openmetrics::Kind;
    use crate::time::RunTime;

    #[test]
    fn a_restart_is_no_growth_and_readings_outside_do_not_count() {
        let points = [0.0, 1.0, 3.0, 0.5, 1.5, 9.0];
        let at = |s: usize| RunTime::from_nanos(s as u64 * SECOND);
        let series = MetricSeries {
            name: "x_seconds_total".into(),
            labels: Vec::new(),
            kind: Kind::Counter,
            points: points.iter().enumerate().map(|(s, v)| (at(s), *v)).collect(),
        };
        assert_eq!(rate(&series, &[Window::new(at(0), at(2))]), Some(1.5));
        assert_eq!(rate(&series, &[Window::new(at(1), at(4))]), Some(1.5), "2 in one second, 1 in another");
        assert_eq!(rate(&series, &[Window::new(at(2), at(3))]), None);
    }
}
