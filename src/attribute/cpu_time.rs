//! How much of the CPU time that the kernel counted a CPU profile saw.
//!
//! CPU timers are looked at when the kernel's clock ticks (250 times a second is usual). A thread that runs in short turns is
//! often not there when it does, and of the periods that pass meanwhile one sample is left. The kernel's own count of the process
//! is exact, so what a profile says is divided by the part that it saw (a ratio estimator).
//!
//! Of a Go service that uses less than a core that part is 70 to 85 %, but its functions are seen at 95 % on average, whether they
//! compute or call the kernel, at any load (docs/measurements.md): what is missing beyond the lost periods is the kernel's own
//! work of putting threads to sleep and waking them, in which no sample can fall. So the part is not less than the periods tell.
//! Profilers of other languages also leave samples out, and lose more with shorter periods: theirs are taken as they are.

use super::counters::PROCESS_CPU;
use super::stacks::{StackTotals, plain};
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::reader::Recording;
use crate::time::{RunTime, Window};

/// Parts beyond which the two are not of the same process: a profile sees no more than there is but for chance.
const PLAUSIBLE: std::ops::Range<f64> = 0.4..1.25;
/// Time between two ticks of the kernel's clock, in nanoseconds.
const TICK: f64 = 4e6;
/// Samples below which the part is chance.
const LEAST: u64 = 20;
/// What this machine's kernel counts of a process.
const OF_HOST: &str = "process_mode_cpu_seconds_total";

/// The part of its process's CPU time in these windows that a profile with `nanos` in `samples` saw; none if nobody counted.
pub(super) fn seen(
    recording: &Recording,
    service: &str,
    windows: &[Window],
    nanos: i64,
    samples: u64,
) -> Option<f64> {
    if samples < LEAST {
        return None;
    }
    let counted = of_host(recording, service, windows).or_else(|| of_service(recording, service, windows))?;
    Some(nanos as f64 / (1e9 * counted)).filter(|part| PLAUSIBLE.contains(part))
}

/// The least part that a profile of Go sees of functions: that of threads whose turns are far shorter than the time between two
/// ticks. Each tick meets them by chance then, so that a period leaves no sample if no tick does while it is passing (a Poisson
/// process). 0 for others.
pub(super) fn least(stacks: &StackTotals, nanos: i64, samples: u64) -> f64 {
    let of_go = stacks.iter().any(|(stack, _)| plain(stack).iter().any(|f| f.starts_with("runtime.")));
    let period = nanos as f64 / samples.max(1) as f64;
    if of_go { (1.0 - (-period / TICK).exp()).max(0.0) } else { 0.0 }
}

fn of_host(recording: &Recording, service: &str, windows: &[Window]) -> Option<f64> {
    let history = recording.host_series(service).ok()?;
    let alone = history.named("process_count").filter_map(|s| s.mean(windows)).all(|n| n <= 1.0);
    alone.then(|| seconds(&history, OF_HOST, windows)).flatten()
}

fn of_service(recording: &Recording, service: &str, windows: &[Window]) -> Option<f64> {
    // Only its own page: what a server of metrics says is of any number of instances, and late.
    let history = recording.scraped_series(service, |_, s| s.name == PROCESS_CPU).ok()?;
    let alone = history.named(PROCESS_CPU).count() == 1;
    alone.then(|| seconds(&history, PROCESS_CPU, windows)).flatten()
}

/// Growth of all series of that name.
fn seconds(history: &MetricHistory, name: &str, windows: &[Window]) -> Option<f64> {
    let grown = |s: &MetricSeries| windows.iter().map(|w| growth(&s.points, *w)).sum::<Option<f64>>();
    let sum: Option<f64> = history.named(name).map(grown).sum();
    sum.filter(|seconds| *seconds > 0.0)
}

/// Growth of a counter from one end of a window to the other, between its readings in proportion; none if it began anew.
fn growth(points: &[(RunTime, f64)], window: Window) -> Option<f64> {
    let inside = points.windows(2).filter(|p| Window::new(p[0].0, p[1].0).overlap(window) > 0);
    let (mut grown, mut covered) = (0.0, 0);
    for pair in inside {
        let step = pair[1].1 - pair[0].1;
        let between = Window::new(pair[0].0, pair[1].0);
        // Of readings that lie far apart most is of what was before or after.
        if !(step >= 0.0 && step.is_finite()) || 2 * between.nanos() > window.nanos() {
            return None;
        }
        let overlap = between.overlap(window);
        grown += step * overlap as f64 / between.nanos().max(1) as f64;
        covered += overlap;
    }
    // What lies before the first reading or after the last was like the rest.
    (2 * covered > window.nanos()).then(|| grown * window.nanos() as f64 / covered as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    fn at(tenths: u64) -> RunTime {
        RunTime::from_nanos(tenths * SECOND / 10)
    }

    #[test]
    fn a_counter_grows_in_proportion_between_its_readings() {
        let points = [(at(0), 0.0), (at(10), 1.0), (at(20), 3.0), (at(30), 3.0)];
        let grown = |from, to| growth(&points, Window::new(at(from), at(to)));
        assert_eq!(grown(0, 30), Some(3.0));
        assert_eq!(grown(5, 25), Some(2.5));
        assert_eq!(grown(10, 30), Some(2.0));
        assert_eq!(grown(5, 15), None, "readings that lie as far apart");
        assert_eq!(grown(10, 40), Some(3.0), "a third was not read");
        assert_eq!(grown(20, 60), None, "most was not");
        assert_eq!(growth(&[(at(0), 5.0), (at(10), 1.0)], Window::new(at(0), at(20))), None, "begun anew");
        assert_eq!(growth(&[(at(0), 5.0), (at(10), f64::NAN)], Window::new(at(0), at(20))), None);
        assert_eq!(growth(&[], Window::new(at(0), at(10))), None);
    }
}
