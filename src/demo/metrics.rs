//! Counters of the shop and of its process, as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procfs::WithCurrentSystemInfo;

/// Routes that are counted, as they are named in metrics.
pub(super) const ROUTES: [&str; 6] =
    ["/products", "/products/{id}", "/cart", "/healthz", "/metrics", "other"];

/// Upper bounds of the duration histogram, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// All counters.
#[derive(Debug, Default)]
pub(super) struct Metrics([Route; ROUTES.len()]);

#[derive(Debug, Default)]
struct Route {
    /// By the first digit of the status: 2xx, 4xx, 5xx.
    answers: [AtomicU64; 3],
    /// Requests per bound, not added up; the last is above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    total_micros: AtomicU64,
}

const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// The metric name of a path, an index into [`ROUTES`].
pub(super) fn route_of(path: &str) -> usize {
    match path {
        "/products" => 0,
        "/cart" => 2,
        "/healthz" => 3,
        "/metrics" => 4,
        path if path.starts_with("/products/") => 1,
        _ => 5,
    }
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn observe(&self, route: usize, status: u16, took: Duration) {
        let route = &self.0[route];
        let class = match status {
            ..400 => 0,
            400..500 => 1,
            _ => 2,
        };
        route.answers[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|&bound| micros <= bound).unwrap_or(BOUNDS.len());
        route.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        route.total_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The page of metrics (text format 0.0.4).
    pub(super) fn text(&self, live_tasks: usize) -> String {
        let mut page = String::with_capacity(8192);
        // Writing to a string cannot fail.
        let _ = self.write_routes(&mut page);
        let _ = write_process(&mut page, live_tasks);
        page
    }

    fn write_routes(&self, page: &mut String) -> std::fmt::Result {
        let counted = || ROUTES.iter().zip(&self.0);
        writeln!(page, "# HELP http_requests_total Answers by route and class of status.")?;
        writeln!(page, "# TYPE http_requests_total counter")?;
        for (name, route) in counted() {
            for (class, count) in CLASSES.iter().zip(&route.answers) {
                let count = count.load(Ordering::Relaxed);
                writeln!(page, "http_requests_total{{route=\"{name}\",code=\"{class}\"}} {count}")?;
            }
        }
        writeln!(page, "# HELP http_request_duration_seconds Time from the request's head to the answer.")?;
        writeln!(page, "# TYPE http_request_duration_seconds histogram")?;
        for (name, route) in counted() {
            route.write_histogram(name, page)?;
        }
        Ok(())
    }
}

impl Route {
    fn write_histogram(&self, name: &str, page: &mut String) -> std::fmt::Result {
        const METRIC: &str = "http_request_duration_seconds";
        let mut sum = 0;
        for (i, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS.get(i).map_or_else(|| "+Inf".to_owned(), |b| seconds(*b).to_string());
            writeln!(page, "{METRIC}_bucket{{route=\"{name}\",le=\"{bound}\"}} {sum}")?;
        }
        let total = seconds(self.total_micros.load(Ordering::Relaxed));
        writeln!(page, "{METRIC}_sum{{route=\"{name}\"}} {total}")?;
        writeln!(page, "{METRIC}_count{{route=\"{name}\"}} {sum}")
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn write_process(page: &mut String, live_tasks: usize) -> std::fmt::Result {
    let mut gauge = |name: &str, kind: &str, help: &str, value: f64| {
        writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
    };
    gauge("tokio_live_tasks", "gauge", "Tasks that have not ended.", live_tasks as f64)?;
    let Ok(stat) = own_stat() else { return Ok(()) };
    let resident = stat.rss_bytes().get();
    gauge(
        "process_cpu_seconds_total",
        "counter",
        "CPU time used, user and system.",
        cpu_time().as_secs_f64(),
    )?;
    gauge("process_resident_memory_bytes", "gauge", "Memory in use.", resident as f64)?;
    gauge("process_threads", "gauge", "Threads of the process.", stat.num_threads as f64)
}

fn own_stat() -> Result<procfs::process::Stat, procfs::ProcError> {
    procfs::process::Process::myself()?.stat()
}

/// CPU time of this process, all threads, user and system. From the process clock, which is exact to the
/// nanosecond; `/proc` counts in ticks of 10 ms.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
