//! Go's `net/http/pprof`: goroutine snapshots, CPU windows, the other profiles, captures on a trigger.

mod captures;
mod goroutine;

use std::time::Duration;

use super::Collector;
use super::cpu_windows::CpuWindows;
use super::http::below;
use super::recorder::Endpoint;
use super::snapshots::Snapshots;
use crate::scenario::ProfileName;
use captures::Captures;
use goroutine::Goroutines;

/// Time between the snapshots of two profiles.
const APART: Duration = Duration::from_millis(250);

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

/// Collectors of one Go service; of `profiles` those only of which `on` says so.
pub(super) fn collectors(
    endpoint: &Endpoint,
    settings: Settings,
    profiles: &[ProfileName],
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
        grow: true,
        planned: Some(settings.planned),
    }));
    for (profile, later) in profiles.iter().filter(|p| on(p.as_str())).zip(1..) {
        all.push(Box::new(Snapshots {
            name: format!("go-pprof/{}", profile.as_str()),
            endpoint: endpoint.clone(),
            kind: profile.folder(),
            url: below(&endpoint.url, profile.as_str(), &[("debug", "0")]),
            every: settings.cpu_window,
            grow: true,
            later: APART * later,
        }));
    }
    if settings.captures {
        all.push(Box::new(Captures::new(endpoint)));
    }
    all
}
