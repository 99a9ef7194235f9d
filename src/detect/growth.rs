//! Leaks: growth that does not level off.
//!
//! A step rule is blind to a slow ramp and cries wolf at the step of goroutines that comes with any latency
//! anomaly. A leak is told from both by its shape: a hinge (level, then a line) fitted to the series finds the
//! onset; from there on the Theil-Sen slope must be beyond doubt, the growth large, and the last third must
//! still grow at half the pace at least.

use super::rates::{Levels, same_rate};
use super::series::Series;
use crate::analysis::{Anomaly, Unit};
use crate::stats::{kendall_tau, mad, median, theil_sen};
use crate::time::{RunTime, Window};

/// Fewest points of the growing stretch.
const MIN_POINTS: usize = 8;
/// Longer series are thinned to this many points: the fits are quadratic.
const MAX_POINTS: usize = 240;
/// End over beginning.
const MIN_RATIO: f64 = 1.5;
/// Rank correlation with time that "sustained" asks for.
const MIN_TAU: f64 = 0.7;
/// Pace of the last third against the whole.
const STILL_GROWING: f64 = 0.5;
/// Goroutines (or descriptors) that one more connection or request under way may account for.
const PER_REQUEST: f64 = 3.0;

/// Growth below this is no leak, whatever its shape.
const fn least(unit: Unit) -> f64 {
    match unit {
        Unit::Bytes => 64.0 * 1024.0 * 1024.0,
        _ => 100.0,
    }
}

/// A point of the thinned series: seconds since its first one, value, window.
#[derive(Clone, Copy)]
struct At {
    seconds: f64,
    value: f64,
    window: Window,
}

/// The leak in a series after the warm-up that lasts to the end of the record, if there is one.
///
/// `rates` is the load level, `concurrency` the connections or requests under way (either may be empty):
/// growth that these account for is load, not a leak.
pub(super) fn leak(
    series: &Series,
    warm_up: RunTime,
    rates: Levels<'_>,
    concurrency: Levels<'_>,
) -> Option<Anomaly> {
    let points = thinned(series, warm_up);
    let onset = hinge(&points)?;
    let (before, grown) = points.split_at(onset);
    let from = median(&values(if before.len() >= 3 { before } else { grown.get(..3)? }))?;
    let to = median(&values(grown.get(grown.len().checked_sub(3)?..)?))?;
    // A swing or a sawtooth comes back to where it was before; a leak leaves it behind.
    let seen = before.iter().map(|p| p.value).fold(from, f64::max);
    let least = least(series.unit);
    let large = to - from >= least && to >= MIN_RATIO * from && to - seen >= least / 2.0;
    if !large || !sustained(grown) || explained(series.unit, grown, to - from, rates, concurrency) {
        return None;
    }
    let (first, last) = (grown.first()?, grown.last()?);
    let noise = mad(&values(before)).unwrap_or(0.0).max(0.05 * from.abs()).max(1.0);
    Some(Anomaly {
        series: series.name.clone(),
        of: series.of.clone(),
        window: Window::new(first.window.from, last.window.to),
        ongoing: true,
        reference: from,
        observed: to,
        unit: series.unit,
        score: (to - from) / noise,
        hindsight: false,
    })
}

fn values(points: &[At]) -> Vec<f64> {
    points.iter().map(|p| p.value).collect()
}

fn seconds(points: &[At]) -> Vec<f64> {
    points.iter().map(|p| p.seconds).collect()
}

fn thinned(series: &Series, warm_up: RunTime) -> Vec<At> {
    let known = || series.points.iter().filter(|p| p.window.from >= warm_up && series.judged(p).is_some());
    let Some(start) = known().next().map(|p| p.window.from) else { return Vec::new() };
    let stride = known().count().div_ceil(MAX_POINTS).max(1);
    let at = |p: &super::Point| {
        let seconds = Window::new(start, p.window.from).secs();
        Some(At { seconds, value: p.value?, window: p.window })
    };
    known().step_by(stride).filter_map(at).collect()
}

/// Index of the point after which a level turns into a line: least squares over all places of the bend that
/// leave enough points behind it. None for too short a series or if the line does not rise.
fn hinge(points: &[At]) -> Option<usize> {
    let last = points.len().checked_sub(MIN_POINTS)?;
    let best = (0..=last)
        .filter_map(|bend| fit(points, points[bend].seconds).map(|(error, slope)| (bend, error, slope)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.2 > 0.0).then_some(best.0)
}

/// Squared error and slope of `a + b max(0, t - bend)`.
fn fit(points: &[At], bend: f64) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let x = |p: &At| (p.seconds - bend).max(0.0);
    let mean_x = points.iter().map(x).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.value).sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for p in points {
        let (dx, dy) = (x(p) - mean_x, p.value - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    (xx > 0.0).then(|| (yy - xy * xy / xx, xy / xx))
}

/// Whether growth is beyond doubt, steady, and has not levelled off.
fn sustained(grown: &[At]) -> bool {
    let last = &grown[grown.len() - (grown.len() / 3).max(4).min(grown.len())..];
    let slope = |part: &[At]| theil_sen(&seconds(part), &values(part), 0.9);
    let (Some(whole), Some(end)) = (slope(grown), slope(last)) else { return false };
    whole.low > 0.0
        && end.low > 0.0
        && end.value >= STILL_GROWING * whole.value
        && kendall_tau(&seconds(grown), &values(grown)) >= MIN_TAU
}

/// Whether more load explains the growth: memory may follow the rate, goroutines the requests under way.
fn explained(unit: Unit, grown: &[At], growth: f64, rates: Levels<'_>, concurrency: Levels<'_>) -> bool {
    let (Some(first), Some(last)) = (grown.first(), grown.last()) else { return false };
    let under_way = concurrency.at(first.window).zip(concurrency.at(last.window));
    if unit == Unit::Bytes {
        let queue = under_way.is_some_and(|(a, b)| b > PER_REQUEST * a.max(1.0));
        return queue || !same_rate(rates.at(first.window), rates.at(last.window));
    }
    under_way.is_some_and(|(a, b)| growth <= PER_REQUEST * (b - a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Point;
    use crate::stats::{normal_quantile, rng};
    use crate::time::SECOND;
    use rand::RngExt;

    const NONE: Levels<'static> = Levels(&[]);

    fn window(i: usize) -> Window {
        let at = |s: usize| RunTime::from_nanos(s as u64 * SECOND);
        Window::new(at(i), at(i + 1))
    }

    fn goroutines(n: usize, seed: u64, f: impl Fn(f64) -> f64) -> Series {
        let mut rng = rng(seed);
        let point = |i: usize| {
            let noise = 8.0 * normal_quantile(rng.random_range(1e-9..1.0));
            Point { window: window(i), value: Some((f(i as f64) + noise).max(4.0)), count: 1 }
        };
        Series::growth("go_goroutines", "shop", Unit::Count, (0..n).map(point).collect())
    }

    fn found(s: &Series) -> Option<Anomaly> {
        leak(s, RunTime::from_nanos(3 * SECOND), NONE, NONE)
    }

    #[test]
    fn a_leak_that_begins_mid_run_is_found_where_it_begins() {
        for rate in [50.0, 150.0, 500.0] {
            for length in [30, 40, 60] {
                for seed in 0..20 {
                    let s = goroutines(length, seed, |t| 40.0 + rate * (t - 15.0).max(0.0));
                    let leak = found(&s).unwrap_or_else(|| panic!("{rate}/s, {length} s, seed {seed}"));
                    let onset = leak.window.from.as_secs_f64();
                    assert!((onset - 15.0).abs() <= 2.0, "{rate}/s, {length} s, seed {seed}: {onset}");
                    assert!(leak.ongoing && leak.reference < 80.0 && leak.observed > 400.0);
                }
            }
        }
    }

    #[test]
    fn plateaus_steps_swings_and_healthy_noise_are_none() {
        type Shape = fn(f64) -> f64;
        let shapes: [(&str, Shape); 6] = [
            ("healthy", |_| 40.0),
            ("warm-up plateau", |t| 40.0 + 600.0 * (1.0 - (-t / 6.0).exp())),
            ("step with a latency anomaly", |t| if t < 20.0 { 40.0 } else { 900.0 }),
            ("ramp that levels off", |t| 40.0 + 60.0 * (t - 15.0).clamp(0.0, 10.0)),
            ("small growth", |t| 40.0 + 1.2 * t),
            ("swing", |t| 300.0 + 200.0 * (t / 5.0).sin()),
        ];
        for (name, shape) in shapes {
            for seed in 0..40 {
                assert!(found(&goroutines(40, seed, shape)).is_none(), "{name}, seed {seed}");
            }
        }
    }

    #[test]
    fn growth_of_the_requests_under_way_is_no_leak() {
        let s = goroutines(40, 1, |t| 40.0 + 50.0 * (t - 15.0).max(0.0));
        let queue: Vec<_> = (0..40).map(|i| (window(i), 10.0 + 24.0 * (i as f64 - 15.0).max(0.0))).collect();
        let steady: Vec<_> = (0..40).map(|i| (window(i), 12.0)).collect();
        assert!(leak(&s, RunTime::ZERO, NONE, Levels(&queue)).is_none());
        assert!(leak(&s, RunTime::ZERO, NONE, Levels(&steady)).is_some());
    }

    #[test]
    fn memory_that_follows_the_rate_is_no_leak() {
        let mut s = goroutines(40, 1, |t| 40.0 + 50.0 * (t - 15.0).max(0.0));
        s.unit = Unit::Bytes;
        for p in &mut s.points {
            p.value = p.value.map(|v| v * 1e6);
        }
        let ramp: Vec<_> = (0..40).map(|i| (window(i), 100.0 + 20.0 * i as f64)).collect();
        assert!(leak(&s, RunTime::ZERO, Levels(&ramp), NONE).is_none());
        assert!(leak(&s, RunTime::ZERO, NONE, NONE).is_some());
    }
}
