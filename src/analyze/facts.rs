//! The parts of an analysis that are read off: which run, its timeline, its health.

use std::path::Path;

use super::load::Loaded;
use crate::analysis::{BaselineComparison, Caveat, RunFacts, TimelinePoint, Validity};
use crate::detect::{self, Detection, SeriesBand};
use crate::gate;
use crate::run::event::EventKind;
use crate::run::period::{LoadPeriod, new_latency};
use crate::scenario::Executor;
use crate::time::Window;

/// Which run.
pub(super) fn run(run: &Loaded) -> RunFacts {
    let m = &run.recording.manifest;
    let gib = m.host.memory_bytes as f64 / f64::from(1 << 30);
    RunFacts {
        id: m.run_id.clone(),
        scenario: run.scenario.name.clone(),
        target: m.target.clone(),
        tool_version: m.tool_version.clone(),
        started_unix_nanos: m.started_unix_nanos,
        nanos: run.nanos(),
        plan: plan(&run.scenario.load.executor),
        partial: run.recording.partial.clone(),
        host: format!("{} cores of {}, {gib:.0} GiB, Linux {}", m.host.cores, m.host.cpu, m.host.kernel),
    }
}

fn plan(executor: &Executor) -> String {
    let length = executor.duration();
    let what = match executor {
        Executor::ConstantArrivalRate { rate, .. } => format!("{}/s for {length:?}", rate.0),
        Executor::RampingArrivalRate { stages, .. } => {
            let most = stages.iter().map(|s| s.to.0).fold(0.0, f64::max);
            format!("{} stages up to {most}/s in {length:?}", stages.len())
        }
        Executor::ConstantVus { vus, .. } => format!("{vus} users for {length:?}"),
        Executor::RampingVus { stages, .. } => {
            let most = stages.iter().map(|s| s.to).max().unwrap_or(0);
            format!("{} stages up to {most} users in {length:?}", stages.len())
        }
    };
    format!("{}, {what}", executor.name())
}

/// One point per period, with the lines of the detector on p95.
pub(super) fn timeline(run: &Loaded, detection: &Detection) -> Vec<TimelinePoint> {
    let band = detection.band("p95", None);
    let lasting: Vec<Window> = detection.anomalies().iter().map(|a| a.window).collect();
    run.periods.iter().map(|p| point(run, p, band, &lasting)).collect()
}

fn point(run: &Loaded, period: &LoadPeriod, band: Option<&SeriesBand>, lasting: &[Window]) -> TimelinePoint {
    let mut response = new_latency();
    for request in &period.requests {
        // Equal precision, growing as needed: cannot fail.
        let _ = response.add(&request.response);
    }
    let quantile = |q: f64| (!response.is_empty()).then(|| response.value_at_quantile(q));
    let secs = period.window.secs().max(1e-9);
    let done: u64 = period.requests.iter().map(|r| r.done()).sum();
    let passed: u64 = period.requests.iter().map(|r| r.passed).sum();
    let lines = band.and_then(|b| b.points.iter().find(|p| p.window == period.window));
    let whole = |x: Option<f64>| x.map(|x| x.max(0.0).round() as u64);
    TimelinePoint {
        at: period.window.from,
        offered: period.offered as f64 / secs,
        sent: period.sent as f64 / secs,
        passed: passed as f64 / secs,
        error_rate: if done > 0 { (done - passed) as f64 / done as f64 } else { 0.0 },
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        ewma: whole(lines.and_then(|l| l.ewma)),
        threshold: whole(lines.and_then(|l| l.threshold)),
        anomalous: lasting.iter().any(|w| w.overlap(period.window) > 0),
        warm_up: period.window.from < run.warm_up_end(),
    }
}

/// Comparison with a baseline.
pub(super) fn compare(run: &Loaded, before: &Loaded, path: &Path) -> BaselineComparison {
    let _ = (run, before, path);
    BaselineComparison {
        path: path.display().to_string(),
        run_id: before.recording.manifest.run_id.clone(),
        rows: vec![],
        regressed: false,
    }
}

/// Whether the generator was fit to measure.
pub(super) fn validity(run: &Loaded) -> Validity {
    let _ = run;
    Validity { valid: true, checks: vec![] }
}

/// Doubts that do not depend on the attribution.
pub(super) fn caveats(run: &Loaded, detection: &Detection, validity: &Validity) -> Vec<Caveat> {
    let mut all: Vec<Caveat> =
        run.recording.partial.iter().map(|why| Caveat::Partial { why: why.clone() }).collect();
    all.extend(detection.notes.iter().cloned());
    all.extend(lost(run));
    let _ = validity;
    all
}

/// Faults of collectors, each kind of problem once.
fn lost(run: &Loaded) -> Vec<Caveat> {
    let mut all: Vec<(String, String, String, u64)> = Vec::new();
    for event in &run.recording.events {
        let EventKind::CollectorFault { service, collector, problem } = &event.kind else { continue };
        match all.iter_mut().find(|(s, c, ..)| s == service && c == collector) {
            Some((.., times)) => *times += 1,
            None => all.push((service.clone(), collector.clone(), problem.clone(), 1)),
        }
    }
    all.into_iter()
        .map(|(service, collector, problem, times)| Caveat::CollectorLost {
            service,
            collector,
            problem,
            times,
        })
        .collect()
}

#[expect(unused_imports, reason = "used once the gate is in")]
use {detect as _, gate as _};
