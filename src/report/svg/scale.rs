//! Axes: from values to pixels, with ticks at round numbers.

use crate::time::{RunTime, SECOND};

/// Steps within a decade at which a log axis has ticks.
const LOG_STEPS: [f64; 3] = [1.0, 2.0, 5.0];
/// Steps of a time axis in seconds.
const CLOCK_STEPS: [u64; 16] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

/// A mapping of values to pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// A linear scale over exactly `low..high`.
    pub(crate) fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, from, to, log: false }
    }

    /// A linear scale from 0 to a round number above `high`.
    pub(crate) fn from_zero(high: f64, from: f64, to: f64) -> Self {
        let step = round_step(high.max(1e-9) / 4.0);
        Self::linear(0.0, (high / step).ceil().max(1.0) * step, from, to)
    }

    /// A log scale that spans round numbers around `low..high`, at least a factor of five.
    pub(crate) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = low.max(1.0);
        let high = high.max(low);
        let (mut floor, ceiling) = (log_step_below(low), log_step_above(high));
        if ceiling / floor < 5.0 {
            floor = log_step_below(floor / 2.0).max(1.0);
        }
        let ceiling = ceiling.max(floor * 5.0);
        Self { low: floor, high: ceiling, from, to, log: true }
    }

    /// The pixel of a value; values outside land outside the axis.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// Values with a tick, about `most` of them.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        if self.log { self.log_ticks(most) } else { self.linear_ticks() }
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / 4.0);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last.min(first + 100)).map(|i| i as f64 * step).collect()
    }

    /// 1-2-5 ticks; whole decades only if those are too many.
    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let mut all = Vec::new();
        for exponent in exponent(self.low)..=exponent(self.high) {
            all.extend(LOG_STEPS.iter().map(|s| s * 10f64.powi(exponent)));
        }
        all.retain(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001);
        if all.len() > most {
            all.retain(|v| (v.log10() - v.log10().round()).abs() < 1e-9);
        }
        all
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, not below `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powi(exponent(raw));
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.into_iter().map(|s| s * power).find(|s| *s >= raw * 0.999_999).unwrap_or(10.0 * power)
}

fn exponent(v: f64) -> i32 {
    (v.log10() + 1e-9).floor().clamp(-300.0, 300.0) as i32
}

fn log_step_below(v: f64) -> f64 {
    let power = 10f64.powi(exponent(v));
    LOG_STEPS.into_iter().rev().map(|s| s * power).find(|s| *s <= v * 1.000_001).unwrap_or(power)
}

fn log_step_above(v: f64) -> f64 {
    let power = 10f64.powi(exponent(v));
    LOG_STEPS.into_iter().map(|s| s * power).find(|s| *s >= v * 0.999_999).unwrap_or(10.0 * power)
}

/// Moments with a tick between two moments, at most `most`.
pub(crate) fn clock_ticks(from: RunTime, to: RunTime, most: u64) -> Vec<RunTime> {
    let length = to.since(from);
    let fits = |step: &u64| length / (step * SECOND) < most;
    let last = CLOCK_STEPS[CLOCK_STEPS.len() - 1];
    let step =
        CLOCK_STEPS.into_iter().find(fits).unwrap_or_else(|| last * (length / (last * SECOND * most) + 1));
    let step = step * SECOND;
    let first = from.as_nanos().div_ceil(step);
    (first..=to.as_nanos() / step).map(|i| RunTime::from_nanos(i * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_axes_span_round_numbers_and_keep_few_ticks() {
        let scale = Scale::log(1.3e6, 43e6, 100.0, 0.0);
        assert_eq!(scale.ticks(8), [1e6, 2e6, 5e6, 1e7, 2e7, 5e7]);
        assert!((scale.at(1e6) - 100.0).abs() < 1e-9 && scale.at(5e7).abs() < 1e-9);
        assert_eq!(Scale::log(1e3, 1e9, 0.0, 1.0).ticks(8), [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]);
        assert!(Scale::log(7e6, 7e6, 0.0, 1.0).ticks(8).len() >= 2, "one value still gets an axis");
        assert!(Scale::log(0.0, 0.0, 0.0, 1.0).at(0.0).is_finite());
    }

    #[test]
    fn linear_axes_start_at_zero_and_end_on_a_tick() {
        let scale = Scale::from_zero(1187.0, 0.0, 100.0);
        assert_eq!(scale.ticks(8), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(Scale::from_zero(0.0, 0.0, 1.0).at(0.0), 0.0);
    }

    #[test]
    fn clock_ticks_are_few_and_round() {
        let at = |s: u64| RunTime::from_nanos(s * SECOND);
        assert_eq!(clock_ticks(at(0), at(30), 10), [0, 5, 10, 15, 20, 25, 30].map(at));
        assert!(clock_ticks(at(0), at(86_400 * 400), 10).len() <= 11);
        assert_eq!(clock_ticks(at(0), at(0), 10), [at(0)]);
    }
}
