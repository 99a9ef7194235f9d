//! Go's `net/http/pprof`: goroutine snapshots, CPU windows, cumulative profiles, captures on a trigger.

mod captures;
mod goroutine;

use std::time::Duration;

use super::Collector;
use super::cpu_windows::CpuWindows;
use super::http::below;
use super::recorder::Endpoint;
use super::snapshots::Snapshots;
use captures::Captures;
use goroutine::Goroutines;

/// Settings of the collectors of one Go service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Mean number of goroutine snapshots per second.
    pub(super) snapshots_per_second: f64,
    /// Length of a CPU window, and time between snapshots of cumulative profiles.
    pub(super) cpu_window: Duration,
    /// Whether triggers are obeyed.
    pub(super) captures: bool,
    /// Planned end of the load on the run clock.
    pub(super) planned: Duration,
    /// Seed of the jitter.
    pub(super) seed: u64,
}

/// Cumulative profiles of the runtime.
const CUMULATIVE: [(&str, &str); 3] =
    [("mutex", "go-pprof/mutex"), ("block", "go-pprof/block"), ("heap", "go-pprof/heap")];

/// Collectors of one Go service; cumulative profiles only if `on` says so of their kind.
pub(super) fn collectors(
    endpoint: &Endpoint,
    settings: Settings,
    on: impl Fn(&str) -> bool,
) -> Vec<Box<dyn Collector>> {
    let mut all: Vec<Box<dyn Collector>> = Vec::new();
    if settings.snapshots_per_second > 0.0 {
        all.push(Box::new(Goroutines::new(endpoint, settings.snapshots_per_second, settings.seed)));
    }
    all.push(Box::new(CpuWindows {
        name: "go-pprof/cpu",
        endpoint: endpoint.clone(),
        window: settings.cpu_window,
        planned: Some(settings.planned),
    }));
    for (kind, name) in CUMULATIVE.into_iter().filter(|(kind, _)| on(kind)) {
        all.push(Box::new(Snapshots {
            name: name.into(),
            endpoint: endpoint.clone(),
            kind,
            url: below(&endpoint.url, kind, &[("debug", "0")]),
            every: settings.cpu_window,
        }));
    }
    if settings.captures {
        all.push(Box::new(Captures::new(endpoint)));
    }
    all
}
