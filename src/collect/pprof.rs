//! Any service that answers `<url>/profile?seconds=N` with a pprof CPU profile, whatever its language.

use std::time::Duration;

use super::Collector;
use super::cpu_windows::CpuWindows;
use super::http::below;
use super::recorder::Endpoint;
use super::snapshots::Snapshots;

/// Collectors of one such service; contention snapshots only if `mutex` says that it has them.
pub(super) fn collectors(
    endpoint: &Endpoint,
    cpu_window: Duration,
    mutex: bool,
    planned: Duration,
) -> Vec<Box<dyn Collector>> {
    let cpu = CpuWindows {
        name: "pprof/cpu",
        endpoint: endpoint.clone(),
        window: cpu_window,
        grow: false,
        planned: Some(planned),
    };
    let mut all: Vec<Box<dyn Collector>> = vec![Box::new(cpu)];
    if mutex {
        all.push(Box::new(Snapshots {
            name: "pprof/mutex".into(),
            endpoint: endpoint.clone(),
            kind: "mutex".into(),
            url: below(&endpoint.url, "mutex", &[]),
            every: cpu_window,
            grow: false,
            later: Duration::ZERO,
        }));
    }
    all
}
