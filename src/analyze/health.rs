//! The generator's own readings, period by period, from the metrics it recorded of itself.

use super::load::Loaded;
use crate::gate::{self, GeneratorPeriod, GeneratorReadings};
use crate::run::event::EventKind;
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::layout;
use crate::run::period::LoadPeriod;
use crate::time::{RunTime, SECOND};

const THREAD_CPU: &str = "loadprof_thread_cpu_seconds_total";
const THREAD_DELAY: &str = "loadprof_thread_run_queue_delay_seconds_total";
const HOST_CPU: &str = "loadprof_host_cpu_seconds_total";
const FDS: &str = "loadprof_process_open_fds";
const MAX_FDS: &str = "loadprof_process_max_fds";

/// Readings of the judged periods. (Examples of failures are few: one of the warm-up counts too.)
pub(super) fn readings(run: &Loaded) -> GeneratorReadings {
    let wanted = [THREAD_CPU, THREAD_DELAY, HOST_CPU, FDS, MAX_FDS];
    let shortage = shortage(run);
    let Ok(history) = run.recording.series(layout::GENERATOR, |_, s| wanted.contains(&&*s.name)) else {
        return GeneratorReadings { shortage, ..GeneratorReadings::default() };
    };
    GeneratorReadings {
        periods: run.measured().iter().map(|p| reading(&history, p)).collect(),
        fds_limit: history.named(MAX_FDS).next().and_then(|s| s.points.last()).map(|(_, v)| *v as u64),
        shortage,
    }
}

/// Example of a connection that this machine itself could not open.
fn shortage(run: &Loaded) -> Option<String> {
    run.recording.events.iter().find_map(|event| match &event.kind {
        EventKind::Failure { kind, detail, .. } if kind == "connect" && gate::is_own_shortage(detail) => {
            Some(detail.clone())
        }
        _ => None,
    })
}

fn reading(history: &MetricHistory, period: &LoadPeriod) -> GeneratorPeriod {
    let end = period.window.to;
    let busiest = |name: &str| {
        let growths = history.named(name).filter_map(|s| growth(s, end));
        growths.reduce(f64::max).map(|secs| (secs * SECOND as f64) as u64)
    };
    GeneratorPeriod {
        wall_nanos: period.window.nanos(),
        busiest_cpu_nanos: busiest(THREAD_CPU),
        run_delay_nanos: busiest(THREAD_DELAY),
        steal: steal(history, end),
        fds: history.named(FDS).next().and_then(|s| at(s, end)).map(|(_, v)| v as u64),
    }
}

/// Reading taken at the end of a period: its file carries that moment.
fn at(series: &MetricSeries, end: RunTime) -> Option<(usize, f64)> {
    let i = series.points.binary_search_by_key(&end, |(t, _)| *t).ok()?;
    Some((i, series.points[i].1))
}

/// Growth of a counter since the period before.
fn growth(series: &MetricSeries, end: RunTime) -> Option<f64> {
    let (i, now) = at(series, end)?;
    let before = series.points.get(i.checked_sub(1)?)?.1;
    Some((now - before).max(0.0))
}

/// Share of the machine's CPU time that the hypervisor gave to others.
fn steal(history: &MetricHistory, end: RunTime) -> Option<f64> {
    let all: Vec<(&str, f64)> =
        history.named(HOST_CPU).filter_map(|s| Some((s.label("mode")?, growth(s, end)?))).collect();
    let total: f64 = all.iter().map(|(_, secs)| secs).sum();
    let stolen = all.iter().find(|(mode, _)| *mode == "steal")?.1;
    (total > 0.0).then(|| stolen / total)
}
