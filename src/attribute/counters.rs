//! Waits and work that a service's runtime adds up itself, from its pages of metrics: seconds per second, over the
//! requests per second. All of them are of the whole process, of requests or not.

use crate::analysis::State;
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
            let rates: Vec<f64> = history.named(name).filter_map(|s| s.rate(windows)).collect();
            let rate = rates.iter().sum::<f64>() * SECOND as f64;
            (!rates.is_empty()).then(|| Counter { service: service.to_owned(), name, state, what, rate })
        })
        .collect()
}
