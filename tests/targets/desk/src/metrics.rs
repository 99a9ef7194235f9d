//! Numbers of the runtime, the process and the requests, as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 11] =
    [500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];
/// Clock ticks in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// Requests of a route.
pub struct Route {
    pub path: &'static str,
    /// Requests by bound, not added up; the last is above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    total_micros: AtomicU64,
}

impl Route {
    pub fn new(path: &'static str) -> Self {
        Self { path, buckets: Default::default(), total_micros: AtomicU64::new(0) }
    }

    /// Counts a request from its first poll to its answer.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|&bound| micros <= bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.total_micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, page: &mut String) {
        let (path, mut count) = (self.path, 0);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            count += bucket.load(Ordering::Relaxed);
            let le = bound as f64 / 1e6;
            line(
                page,
                &format!("http_request_duration_seconds_bucket{{route=\"{path}\",le=\"{le}\"}}"),
                count as f64,
            );
        }
        count += self.buckets[BOUNDS.len()].load(Ordering::Relaxed);
        line(
            page,
            &format!("http_request_duration_seconds_bucket{{route=\"{path}\",le=\"+Inf\"}}"),
            count as f64,
        );
        let sum = self.total_micros.load(Ordering::Relaxed) as f64 / 1e6;
        line(page, &format!("http_request_duration_seconds_sum{{route=\"{path}\"}}"), sum);
        line(page, &format!("http_request_duration_seconds_count{{route=\"{path}\"}}"), count as f64);
    }
}

/// The whole page.
pub fn page(routes: &[Route]) -> String {
    let mut page = String::new();
    head(
        &mut page,
        "http_request_duration_seconds",
        "histogram",
        "Time from the start of the handler to its end.",
    );
    routes.iter().for_each(|route| route.write(&mut page));
    runtime(&mut page);
    head(&mut page, "process_cpu_seconds_total", "counter", "CPU time of the process, user and system.");
    line(&mut page, "process_cpu_seconds_total", cpu_seconds().unwrap_or(0.0));
    page
}

/// What tokio says of itself.
fn runtime(page: &mut String) {
    let handle = tokio::runtime::Handle::current();
    let metrics = handle.metrics();
    for (name, help, value) in [
        ("tokio_workers", "Threads that poll tasks.", metrics.num_workers()),
        ("tokio_alive_tasks", "Tasks that have not ended.", metrics.num_alive_tasks()),
        ("tokio_global_queue_depth", "Tasks that no worker has taken yet.", metrics.global_queue_depth()),
    ] {
        head(page, name, "gauge", help);
        line(page, name, value as f64);
    }
    head(page, "tokio_worker_busy_seconds_total", "counter", "Time a worker was not parked.");
    for worker in 0..metrics.num_workers() {
        let busy = metrics.worker_total_busy_duration(worker).as_secs_f64();
        line(page, &format!("tokio_worker_busy_seconds_total{{worker=\"{worker}\"}}"), busy);
    }
    head(page, "tokio_worker_parks_total", "counter", "How often a worker had nothing to do.");
    for worker in 0..metrics.num_workers() {
        let parks = metrics.worker_park_count(worker);
        line(page, &format!("tokio_worker_parks_total{{worker=\"{worker}\"}}"), parks as f64);
    }
}

/// User and system time, from `/proc/self/stat`.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(page: &mut String, name: &str, value: f64) {
    let _ = writeln!(page, "{name} {value}");
}
