//! What the machines of the services say, in the judged part against the reference.

use super::Question;
use super::load::Loaded;
use crate::analysis::{Reading, ReadingKind, Unit};
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::reader::Recording;
use crate::time::{RunTime, Window};

/// What is read, its unit, and how.
const READINGS: [(ReadingKind, Unit, Read); 13] = [
    (ReadingKind::CoresUsed, Unit::Count, Read::Rate("process_mode_cpu_seconds_total")),
    (ReadingKind::TasksWaiting, Unit::Count, Read::Rate("process_run_queue_delay_seconds_total")),
    (ReadingKind::CpuQuota, Unit::Count, Read::Mean("cgroup_cpu_quota_cores")),
    (
        ReadingKind::ThrottledPeriods,
        Unit::Ratio,
        Read::Share("cgroup_cpu_throttled_periods_total", "cgroup_cpu_periods_total"),
    ),
    (ReadingKind::CpuPressure, Unit::Ratio, Read::Rate("cgroup_cpu_stalled_seconds_total")),
    (ReadingKind::MemoryPressure, Unit::Ratio, Read::Rate("cgroup_memory_stalled_seconds_total")),
    (ReadingKind::IoPressure, Unit::Ratio, Read::Rate("cgroup_io_stalled_seconds_total")),
    (ReadingKind::ResidentMemory, Unit::Bytes, Read::Mean("process_resident_memory_bytes")),
    (ReadingKind::Threads, Unit::Count, Read::Mean("process_threads")),
    (ReadingKind::OpenFds, Unit::Count, Read::Mean("process_open_fds")),
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
    /// Growth of a counter over that of another.
    Share(&'static str, &'static str),
    /// Mean of a gauge.
    Mean(&'static str),
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
            Self::Rate(name) => history.named(name).filter_map(|s| rate(s, windows)).reduce(|a, b| a + b),
            Self::Share(part, whole) => {
                let share = |s: &MetricSeries| {
                    let group = s.label("cgroup")?;
                    let whole = growth(history.get(whole, &[("cgroup", group)])?, windows)?.0;
                    (whole > 0.0).then_some(growth(s, windows)?.0 / whole)
                };
                history.named(part).filter_map(share).reduce(f64::max)
            }
            Self::Mean(name) => history.named(name).filter_map(|s| mean(s, windows)).reduce(f64::max),
        }
    }
}

pub(super) fn rate(series: &MetricSeries, windows: &[Window]) -> Option<f64> {
    let (grown, seconds) = growth(series, windows)?;
    (seconds > 0.0).then(|| grown / seconds)
}

/// Growth of a counter between the readings inside the windows, and the seconds between them. A counter that falls
/// began anew: what it had lost by then is not known and not counted.
fn growth(series: &MetricSeries, windows: &[Window]) -> Option<(f64, f64)> {
    let (mut grown, mut seconds, mut pairs) = (0.0, 0.0, 0);
    for pair in series.points.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        let inside = windows.iter().any(|w| w.from <= from && to <= w.to);
        if inside && after >= before {
            grown += after - before;
            seconds += to.as_secs_f64() - from.as_secs_f64();
            pairs += 1;
        }
    }
    (pairs > 0).then_some((grown, seconds))
}

/// Mean of the readings inside the windows; those that are no numbers (nothing happened, 0 / 0) are left out.
pub(super) fn mean(series: &MetricSeries, windows: &[Window]) -> Option<f64> {
    let inside = |(t, v): &&(RunTime, f64)| v.is_finite() && windows.iter().any(|w| w.contains(*t));
    let (sum, n) =
        series.points.iter().filter(inside).fold((0.0, 0_u32), |(sum, n), (_, v)| (sum + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::openmetrics::Kind;
    use crate::time::SECOND;

    fn at(seconds: u64) -> RunTime {
        RunTime::from_nanos(seconds * SECOND)
    }

    fn series(values: &[f64]) -> MetricSeries {
        let points = values.iter().enumerate().map(|(s, v)| (at(s as u64), *v)).collect();
        MetricSeries { name: "x".into(), labels: Vec::new(), kind: Kind::Counter, points }
    }

    #[test]
    fn growth_is_taken_inside_the_windows_and_not_over_a_restart() {
        let counter = series(&[0.0, 1.0, 3.0, 6.0, 1.0, 2.0, 9.0]);
        let growth = |from, to| growth(&counter, &[Window::new(at(from), at(to))]);
        assert_eq!(growth(0, 3), Some((6.0, 3.0)));
        assert_eq!(growth(2, 5), Some((4.0, 2.0)), "3 to 6, and 1 to 2 after it began anew");
        assert_eq!(growth(0, 0), None);
        let two = [Window::new(at(0), at(1)), Window::new(at(5), at(6))];
        assert_eq!(super::growth(&counter, &two), Some((8.0, 2.0)));
        assert_eq!(mean(&counter, &[Window::new(at(1), at(3))]), Some(2.0));
    }
}
