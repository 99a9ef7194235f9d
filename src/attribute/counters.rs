//! Waits and work that a service's runtime adds up itself, from its pages of metrics: seconds per second, over the
//! requests per second. All of them are of the whole process, of requests or not.

use crate::analysis::State;
use crate::formats::openmetrics::Kind;
use crate::run::history::MetricSeries;
use crate::run::reader::Recording;
use crate::time::{SECOND, Window};

/// Counters of client_golang (runtime metrics and `database/sql`), what they count, and their name for people.
const COUNTERS: [(&str, State, &str); 4] = [
    ("go_sync_mutex_wait_total_seconds_total", State::Lock, "waiting for locks"),
    ("go_sql_wait_duration_seconds_total", State::ConnectionPool, "waiting for a connection to the database"),
    ("go_cpu_classes_gc_total_cpu_seconds_total", State::GarbageCollection, "collecting garbage"),
    (PROCESS_CPU, State::Cpu, "CPU time"),
];
/// What a service says of its process's CPU time.
pub(super) const PROCESS_CPU: &str = "process_cpu_seconds_total";

/// Gauges of pools in client libraries and servers: in use, the most that may be, and what they are for people.
const POOLS: [(&str, &str, &str); 4] = [
    ("go_sql_in_use_connections", "go_sql_max_open_connections", "connections of database/sql"),
    ("hikaricp_connections_active", "hikaricp_connections_max", "connections of HikariCP"),
    ("jdbc_connections_active", "jdbc_connections_max", "connections of the JDBC pool"),
    ("tomcat_threads_busy_threads", "tomcat_threads_config_max_threads", "request threads of Tomcat"),
];

/// How many threads of Go's runtime may run at the same time: what it says, and what the kernel lets it run on.
const PROCESSORS: [&str; 2] = ["go_sched_gomaxprocs_threads", "process_cores"];
/// More than any machine has.
const MOST_PROCESSORS: f64 = 4096.0;
/// Time that a control group is stopped for its quota.
const STOPPED: &str = "cgroup_cpu_throttled_seconds_total";
/// Part of the time from which on it counts.
const OFTEN: f64 = 0.01;

/// Goroutines of a service that may run at the same time; none if nobody says, or if a quota stops them.
pub(super) fn processors(recording: &Recording, service: &str, windows: &[Window]) -> Option<f64> {
    let [of_runtime, of_host] = PROCESSORS;
    let host = recording.host_series(service).ok();
    let stopped = host.iter().flat_map(|h| h.named(STOPPED)).filter_map(|s| s.rate(windows));
    if stopped.sum::<f64>() > OFTEN {
        return None;
    }
    let possible = |n: &f64| (1.0..MOST_PROCESSORS).contains(n);
    let own = || {
        let history = recording.scraped_series(service, |_, s| s.name == of_runtime).ok()?;
        // Of several instances it would be that of any.
        let alone = history.named(of_runtime).count() == 1;
        history.named(of_runtime).next().filter(|_| alone)?.mean(windows)
    };
    let allowed = || host.as_ref()?.named(of_host).next()?.mean(windows);
    own().filter(possible).or_else(|| allowed().filter(possible))
}

/// A pool as a service counts it.
#[derive(Clone, Debug)]
pub(super) struct PoolUse {
    pub service: String,
    /// What it has, in words, and its labels if it has any.
    pub what: String,
    /// Mean number in use.
    pub used: f64,
    /// The most that may be.
    pub most: f64,
}

/// What the pools of all services held inside the windows; those without a limit are left out.
pub(super) fn pool_uses(recording: &Recording, services: &[String], windows: &[Window]) -> Vec<PoolUse> {
    services.iter().flat_map(|service| pools_of(recording, service, windows)).collect()
}

fn pools_of(recording: &Recording, service: &str, windows: &[Window]) -> Vec<PoolUse> {
    let wanted = |name: &str| POOLS.iter().any(|(used, most, _)| *used == name || *most == name);
    let Ok(history) = recording.series(service, |_, s| wanted(&s.name)) else { return Vec::new() };
    let mut all = Vec::new();
    for (used, most, what) in POOLS {
        for series in history.named(used) {
            let limit = history.named(most).find(|m| m.labels == series.labels).and_then(|m| m.mean(windows));
            let Some((used, most)) = series.mean(windows).zip(limit.filter(|m| *m >= 1.0)) else { continue };
            let labels: Vec<&str> = series.labels.iter().map(|(_, value)| value.as_str()).collect();
            let of = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
            all.push(PoolUse { service: service.to_owned(), what: format!("{what}{of}"), used, most });
        }
    }
    all
}

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

/// What the runtimes of all services say of their workers.
pub(super) fn busy_workers(recording: &Recording, services: &[String], windows: &[Window]) -> Vec<Busy> {
    services.iter().filter_map(|service| busy(recording, service, windows)).collect()
}

fn busy(recording: &Recording, service: &str, windows: &[Window]) -> Option<Busy> {
    let workers =
        |name: &str| name.contains("tokio") && (name.ends_with("workers") || name.ends_with("workers_count"));
    let history = recording.series(service, |_, s| busy_unit(&s.name).is_some() || workers(&s.name)).ok()?;
    let counted = |s: &&MetricSeries| s.kind == Kind::Counter;
    // By worker, or all together: one of the two, not their sum.
    let name = history.series.iter().filter(counted).find(|s| busy_unit(&s.name).is_some())?.name.clone();
    let unit = busy_unit(&name)?;
    let rates: Vec<f64> =
        history.series.iter().filter(|s| s.name == name).filter_map(|s| s.rate(windows)).collect();
    let known = history.series.iter().filter(|s| workers(&s.name)).find_map(|s| s.mean(windows));
    let workers = known.unwrap_or(rates.len() as f64).max(1.0);
    let rate = rates.iter().sum::<f64>() * unit;
    (!rates.is_empty()).then(|| Busy { service: service.to_owned(), rate, workers })
}

/// Nanoseconds in a unit of a counter of the busy time of tokio's workers; none if the name is of something else. Exporters
/// call it `tokio_total_busy_duration` (tokio-metrics: microseconds), `tokio_rt_busy_seconds_total` and the like.
fn busy_unit(name: &str) -> Option<f64> {
    let plain = name.strip_suffix("_total").unwrap_or(name);
    match () {
        () if !plain.contains("tokio") || !plain.contains("busy") => None,
        () if plain.ends_with("_total_busy_duration") => Some(1e3),
        () if plain.ends_with("_seconds") => Some(1e9),
        () => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_the_busy_time() {
        assert_eq!(busy_unit("tokio_total_busy_duration"), Some(1e3));
        assert_eq!(busy_unit("shop_tokio_worker_busy_seconds_total"), Some(1e9));
        for other in [
            "tokio_busy_milliseconds_total",
            "tokio_max_busy_duration",
            "worker_busy_seconds_total",
            "tokio_busy_ratio",
        ] {
            assert_eq!(busy_unit(other), None, "{other}");
        }
    }
}
