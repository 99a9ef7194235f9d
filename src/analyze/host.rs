//! What the machines of the services say, in the judged part against the reference.

use super::Question;
use super::load::Loaded;
use crate::analysis::{Reading, ReadingKind, Unit};
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::reader::Recording;
use crate::time::Window;

/// What is read, its unit, and how.
const READINGS: [(ReadingKind, Unit, Read); 18] = [
    (ReadingKind::CoresUsed, Unit::Count, Read::Rate("process_mode_cpu_seconds_total")),
    (ReadingKind::Cores, Unit::Count, Read::Mean("process_cores")),
    (ReadingKind::CoresBusy, Unit::Count, Read::Rate("process_cores_busy_seconds_total")),
    (ReadingKind::TasksWaiting, Unit::Count, Read::Rate("process_run_queue_delay_seconds_total")),
    (ReadingKind::CpuQuota, Unit::Count, Read::Least("cgroup_cpu_quota_cores")),
    (
        ReadingKind::ThrottledPeriods,
        Unit::Ratio,
        Read::Share("cgroup_cpu_throttled_periods_total", "cgroup_cpu_periods_total"),
    ),
    (ReadingKind::Stopped, Unit::Ratio, Read::PerCore("cgroup_cpu_throttled_seconds_total")),
    (ReadingKind::CpuPressure, Unit::Ratio, Read::Rate("cgroup_cpu_stalled_seconds_total")),
    (ReadingKind::MemoryPressure, Unit::Ratio, Read::Rate("cgroup_memory_stalled_seconds_total")),
    (ReadingKind::IoPressure, Unit::Ratio, Read::Rate("cgroup_io_stalled_seconds_total")),
    (ReadingKind::ResidentMemory, Unit::Bytes, Read::Mean("process_resident_memory_bytes")),
    (
        ReadingKind::MemoryLimit,
        Unit::Ratio,
        Read::Of("process_resident_memory_bytes", "cgroup_memory_limit_bytes"),
    ),
    (ReadingKind::Threads, Unit::Count, Read::Mean("process_threads")),
    (ReadingKind::OpenFds, Unit::Count, Read::Mean("process_open_fds")),
    (ReadingKind::FdLimit, Unit::Ratio, Read::Of("process_open_fds", "process_max_fds")),
    (ReadingKind::AcceptQueue, Unit::Count, Read::Mean("tcp_accept_queue")),
    (ReadingKind::ListenOverflows, Unit::PerSecond, Read::Rate("tcp_listen_overflows_total")),
    (ReadingKind::Retransmits, Unit::PerSecond, Read::Rate("tcp_retransmitted_segments_total")),
];

/// How a reading is made of series; where there are several of one name (modes, control groups), rates are summed and
/// shares and means are those of the largest.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// Growth per second of a counter.
    Rate(&'static str),
    /// Growth of a counter over that of another, in the part of the time in which the other grew.
    Share(&'static str, &'static str),
    /// Growth per second of a counter that adds up all cores, of one of them.
    PerCore(&'static str),
    /// Mean of a gauge.
    Mean(&'static str),
    /// Mean of a gauge of which the lowest counts if there are several.
    Least(&'static str),
    /// Mean of a gauge as a part of a limit, the lowest if there are several.
    Of(&'static str, &'static str),
}

/// All readings that say something: those that are zero on both sides are left out, but for CPU and waiting.
pub(super) fn readings(run: &Loaded, question: &Question<'_>) -> Vec<Reading> {
    let mut all = Vec::new();
    for service in &run.services {
        let Some(now) = history(&run.recording, service) else { continue };
        let reference = question.reference.as_ref();
        let own = reference.is_some_and(|(before, _)| std::ptr::eq(*before, run));
        let before = reference.filter(|_| !own).and_then(|(r, _)| history(&r.recording, service));
        for (what, unit, read) in READINGS {
            let Some(judged) = read.of(&now, &[question.judged]) else { continue };
            let of_reference = |(_, windows): &(&Loaded, Vec<Window>)| match own {
                true => read.of(&now, windows),
                false => read.of(before.as_ref()?, windows),
            };
            let reference = reference.and_then(of_reference);
            let always = matches!(what, ReadingKind::CoresUsed | ReadingKind::TasksWaiting);
            if always || judged > 0.0 || reference.is_some_and(|v| v > 0.0) {
                all.push(Reading { service: service.clone(), what, unit, reference, judged });
            }
        }
    }
    all
}

fn history(recording: &Recording, service: &str) -> Option<MetricHistory> {
    recording.host_series(service).ok().filter(|h| !h.scrapes.is_empty())
}

impl Read {
    fn of(self, history: &MetricHistory, windows: &[Window]) -> Option<f64> {
        match self {
            Self::Rate(name) => history.named(name).filter_map(|s| s.rate(windows)).reduce(|a, b| a + b),
            Self::Share(part, whole) => {
                let share = |s: &MetricSeries| {
                    let whole = history.get(whole, &[("cgroup", s.label("cgroup")?)])?;
                    let (counted, _) = whole.growth(windows)?;
                    let there = whole.growing(windows);
                    (counted > 0.0).then_some(s.growth(windows)?.0 / counted * there)
                };
                history.named(part).filter_map(share).reduce(f64::max)
            }
            Self::PerCore(name) => {
                let cores = Self::Mean("process_cores").of(history, windows).filter(|c| *c >= 1.0)?;
                history.named(name).filter_map(|s| s.rate(windows)).reduce(f64::max).map(|r| r / cores)
            }
            Self::Mean(name) => history.named(name).filter_map(|s| s.mean(windows)).reduce(f64::max),
            Self::Least(name) => history.named(name).filter_map(|s| s.mean(windows)).reduce(f64::min),
            // Of several processes each has its own limit, and memory that they share counts once for each.
            Self::Of(..) if Self::Mean("process_count").of(history, windows).is_some_and(|n| n > 1.0) => None,
            Self::Of(part, limit) => {
                let limit = Self::Least(limit).of(history, windows)?;
                (limit > 0.0).then_some(Self::Mean(part).of(history, windows)? / limit)
            }
        }
    }
}
