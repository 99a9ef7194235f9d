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

/// How long the workers of an asynchronous runtime were not parked.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    pub service: String,
    /// Nanoseconds per second, all workers together.
    pub rate: f64,
    /// How many workers there are.
    pub workers: f64,
}

/// What the runtimes of all services say of their workers. tokio has no exporter of its own, and those there are call the
/// same counter differently (`tokio_rt_busy_seconds_total`, `tokio_worker_busy_seconds_total`): by worker or not.
pub(super) fn busy_workers(recording: &Recording, services: &[String], windows: &[Window]) -> Vec<Busy> {
    let busy = |name: &str| name.starts_with("tokio") && name.contains("busy") && name.contains("seconds");
    let workers = |name: &str| {
        name.starts_with("tokio") && (name.ends_with("workers") || name.ends_with("workers_count"))
    };
    let of = |service: &String| {
        let history = recording.series(service, |_, s| busy(&s.name) || workers(&s.name)).ok()?;
        let all = |keep: fn(&str) -> bool| history.series.iter().filter(move |s| keep(&s.name));
        let rates: Vec<f64> = all(busy).filter_map(|s| s.rate(windows)).collect();
        let workers = all(workers).find_map(|s| s.mean(windows)).unwrap_or(rates.len() as f64);
        let rate = rates.iter().sum::<f64>() * SECOND as f64;
        (!rates.is_empty()).then(|| Busy { service: service.clone(), rate, workers })
    };
    services.iter().filter_map(of).collect()
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
