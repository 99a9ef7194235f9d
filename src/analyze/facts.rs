//! The parts of an analysis that are read off: which run, its timeline, its health.

use std::path::Path;

use super::load::Loaded;
use super::metrics::Histories;
use crate::analysis::{Caveat, CheckOutcome, RunFacts, TimelinePoint, Validity};
use crate::detect::Detection;
use crate::gate;
use crate::run::event::{EventKind, TEARDOWN};
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
        Executor::ConstantConnections { connections, .. } => {
            format!("{connections} connections for {length:?}")
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
    let whole = |x: Option<f64>| x.map(|x| x.max(0.0).round() as u64);
    let mut points = gate::timeline(&run.periods, run.warm_up_end());
    for (point, period) in points.iter_mut().zip(&run.periods) {
        let lines = band.and_then(|b| b.points.iter().find(|p| p.window.contains(period.window.from)));
        point.ewma = whole(lines.and_then(|l| l.ewma));
        point.threshold = whole(lines.and_then(|l| l.threshold));
        point.anomalous = lasting.iter().any(|w| w.overlap(period.window) > 0);
    }
    points
}

/// Comparison with a baseline.
pub(super) fn compare(run: &Loaded, before: &Loaded, path: &Path) -> gate::Compared {
    // From the end of the warm-up to the end of the schedule: what comes in after it depends on how the last
    // requests happened to end.
    let judged = |r: &Loaded| {
        let warm_up = r.periods.len() - r.measured().len();
        warm_up..r.scheduled().len().max(warm_up)
    };
    gate::compare(
        &path.display().to_string(),
        &before.recording.manifest.run_id,
        gate::Side { periods: &run.periods[judged(run)], scenario: &run.scenario },
        gate::Side { periods: &before.periods[judged(before)], scenario: &before.scenario },
        run.scenario.load.seed,
    )
}

/// Doubts that do not depend on the attribution.
pub(super) fn caveats(run: &Loaded, detection: &Detection, validity: &Validity) -> Vec<Caveat> {
    let mut all: Vec<Caveat> =
        run.recording.partial.iter().map(|why| Caveat::Partial { why: why.clone() }).collect();
    all.extend(detection.notes.iter().cloned());
    all.extend(insensitive(detection));
    all.extend(run.scenario.in_step().map(|rate| Caveat::InStep { rate: rate.0 }));
    all.extend(lost(run));
    all.extend(unreadable(run));
    all.extend(not_torn_down(run));
    // Of what was sent, a strained check says that the target is the limit.
    let strained =
        validity.checks.iter().filter(|c| c.outcome == CheckOutcome::Strained && c.name != gate::SENT);
    all.extend(strained.map(|c| Caveat::GeneratorStrained { what: c.name.clone() }));
    all
}

/// How many times its level a series may be at the end without being called an anomaly.
const SENSITIVE: f64 = 3.0;

/// That nothing was found says little where nothing could have been.
fn insensitive(detection: &Detection) -> Option<Caveat> {
    if !detection.moments.is_empty() {
        return None;
    }
    let factor = |name: &str| {
        let points = &detection.band(name, None)?.points;
        let last = points.iter().rev().find_map(|p| p.threshold)?;
        let mut levels: Vec<f64> = points.iter().filter_map(|p| p.ewma).collect();
        levels.sort_by(f64::total_cmp);
        let level = levels.get(levels.len() / 2).filter(|l| **l > 0.0)?;
        Some((name.to_owned(), last / level))
    };
    let smallest = ["p50", "p95"].into_iter().filter_map(factor).min_by(|a, b| a.1.total_cmp(&b.1))?;
    (smallest.1 > SENSITIVE).then_some(Caveat::Insensitive { series: smallest.0, factor: smallest.1 })
}

/// Teardown requests that failed.
fn not_torn_down(run: &Loaded) -> impl Iterator<Item = Caveat> {
    run.recording.events.iter().filter_map(|event| match &event.kind {
        EventKind::Failure { request, kind, detail, .. } if kind == TEARDOWN => {
            Some(Caveat::TeardownFailed { request: request.clone(), problem: detail.clone() })
        }
        _ => None,
    })
}

/// Pages of metrics with lines that are none: they were kept as they came.
fn unreadable(run: &Loaded) -> Vec<Caveat> {
    let told = |(service, read): (&String, &Histories)| {
        let times = (read.scraped.skipped_lines + read.told.skipped_lines) as u64;
        let pages = read.scraped.scrapes.len() + read.told.scrapes.len();
        let problem = format!("{times} lines of its {pages} pages are no metrics and were left out");
        let (service, collector) = (service.clone(), "prometheus".to_owned());
        (times > 0).then_some(Caveat::CollectorLost { service, collector, problem, times })
    };
    run.services.iter().zip(&run.metrics).filter_map(told).collect()
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
