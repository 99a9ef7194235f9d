//! Cuts the windows that attribution compares.

use super::Detection;
use super::rates::{Levels, same_rate};
use crate::analysis::Anomaly;
use crate::stats::median;
use crate::time::{RunTime, Window};

/// Periods around an onset that belong to neither window: a period that is half healthy blurs both.
pub const GUARD: u64 = 3;

/// What attribution compares.
#[derive(Clone, Debug)]
pub struct Windows {
    /// The anomaly that is explained.
    pub anomaly: Anomaly,
    /// Healthy stretches before it at the same load level, without warm-up, guard band and other anomalies;
    /// empty if there is none.
    pub reference: Vec<Window>,
    /// The anomaly after its guard band.
    pub judged: Window,
}

impl Windows {
    /// Length of the reference in nanoseconds.
    #[must_use]
    pub fn reference_nanos(&self) -> u64 {
        self.reference.iter().map(|w| w.nanos()).sum()
    }
}

/// The windows of the anomaly that is explained: the symptom with the largest `score * sqrt(length)`, so that
/// a long plain one beats a short sharp one; a leak only if no symptom was found. `total` is the recorded
/// part of the run. None without an anomaly.
#[must_use]
pub fn windows(detection: &Detection, total: Window) -> Option<Windows> {
    let strength = |a: &&Anomaly| a.score * a.window.secs().sqrt();
    let strongest =
        |list: &[Anomaly]| list.iter().max_by(|a, b| strength(a).total_cmp(&strength(b))).cloned();
    let anomaly = strongest(&detection.moments).or_else(|| strongest(&detection.leaks))?;
    let judged = judged(anomaly.window, total, detection.guard(), detection.period);
    Some(Windows { reference: reference(detection, &anomaly, judged, total), judged, anomaly })
}

/// The anomaly less its guard band. One too short for it gives up the first period only, and one of a single
/// period nothing.
fn judged(anomaly: Window, total: Window, guard: u64, period: u64) -> Window {
    let to = anomaly.to.min(total.to);
    let length = to.since(anomaly.from);
    let guard = [guard, GUARD * period, period, 0].into_iter().find(|&g| length >= 2 * g.max(1)).unwrap_or(0);
    Window::new(anomaly.from.plus(guard), to)
}

fn reference(detection: &Detection, anomaly: &Anomaly, judged: Window, total: Window) -> Vec<Window> {
    let guard = detection.guard();
    let end = anomaly.window.from.minus(guard);
    let start = detection.warm_up.max(total.from);
    let disturbed: Vec<Window> = (detection.moments.iter())
        .filter(|other| other.window.from < anomaly.window.from)
        .map(|other| Window::new(other.window.from.minus(guard), other.window.to.plus(guard)))
        .collect();
    let rate = level(&detection.offered, judged);
    let whole = Window::new(start, end);
    let periods = match detection.offered.is_empty() {
        true => slices(whole, detection.period),
        false => detection.offered.iter().map(|(w, _)| *w).filter(|w| whole.covers(*w)).collect(),
    };
    let known = Levels(&detection.offered);
    let healthy = periods
        .into_iter()
        .filter(|p| disturbed.iter().all(|d| d.overlap(*p) == 0))
        .filter(|p| same_rate(known.at(*p), rate));
    joined(healthy)
}

/// Median load level of a window: one odd period does not decide what is compared.
fn level(offered: &[(Window, f64)], window: Window) -> Option<f64> {
    let inside: Vec<f64> = offered.iter().filter(|(w, _)| window.covers(*w)).map(|(_, v)| *v).collect();
    median(&inside).or_else(|| Levels(offered).at(window))
}

fn slices(whole: Window, period: u64) -> Vec<Window> {
    let count = whole.nanos() / period.max(1);
    let at = |i: u64| RunTime::from_nanos(whole.from.as_nanos() + i * period.max(1));
    (0..count).map(|i| Window::new(at(i), at(i + 1))).collect()
}

fn joined(windows: impl Iterator<Item = Window>) -> Vec<Window> {
    let mut out: Vec<Window> = Vec::new();
    for window in windows {
        match out.last_mut() {
            Some(last) if last.to == window.from => last.to = window.to,
            _ => out.push(window),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Unit;
    use crate::time::SECOND;

    fn window(from: u64, to: u64) -> Window {
        Window::new(RunTime::from_nanos(from * SECOND), RunTime::from_nanos(to * SECOND))
    }

    fn anomaly(series: &str, w: Window, score: f64) -> Anomaly {
        Anomaly {
            series: series.into(),
            of: None,
            window: w,
            ongoing: true,
            reference: 1.0,
            observed: 2.0,
            unit: Unit::Nanoseconds,
            score,
            hindsight: false,
        }
    }

    fn detection(moments: Vec<Anomaly>, rate: impl Fn(u64) -> f64) -> Detection {
        Detection {
            moments,
            offered: (0..60).map(|i| (window(i, i + 1), rate(i))).collect(),
            period: SECOND,
            warm_up: RunTime::from_nanos(5 * SECOND),
            ..Detection::default()
        }
    }

    #[test]
    fn guard_warm_up_other_anomalies_and_other_rates_are_left_out() {
        let found = vec![anomaly("p50", window(15, 18), 30.0), anomaly("p95", window(40, 60), 20.0)];
        let d = detection(found, |i| if (25..28).contains(&i) { 900.0 } else { 500.0 });
        let got = windows(&d, window(0, 60)).expect("two anomalies");
        assert_eq!(got.anomaly.series, "p95", "20 periods at 20 beat 3 at 30");
        assert_eq!(got.judged, window(43, 60));
        assert_eq!(got.reference, [window(5, 12), window(21, 25), window(28, 37)]);
        assert_eq!(got.reference_nanos(), 20 * SECOND);
    }

    #[test]
    fn without_a_symptom_the_leak_is_explained() {
        let mut d = detection(Vec::new(), |_| 500.0);
        assert!(windows(&d, window(0, 60)).is_none());
        d.leaks = vec![anomaly("go_goroutines", window(20, 60), 9.0)];
        let got = windows(&d, window(0, 60)).expect("a leak");
        assert_eq!((got.judged, got.reference), (window(23, 60), vec![window(5, 17)]));
    }

    #[test]
    fn short_anomalies_keep_something_to_judge() {
        let whole = window(0, 60);
        let judged = |w, guard| judged(w, whole, guard * SECOND, SECOND);
        assert_eq!(judged(window(20, 24), 3), window(21, 24));
        assert_eq!(judged(window(20, 21), 3), window(20, 21));
        assert_eq!(judged(window(20, 90), 3), window(23, 60));
        assert_eq!((judged(window(20, 90), 6), judged(window(20, 30), 6)), (window(26, 60), window(23, 30)));
    }
}
