//! The healthy level a period is held against, and how far from it is too far.

use super::series::{Direction, Sampling, Scale, Series};
use crate::stats::{mad, median};

/// Fewest healthy periods at the same rate that make a reference.
pub const MIN_REFERENCE: usize = 5;

/// A robust deviation of n periods is taken `1 + SHORT_DOUBT / n` times: five periods easily look calmer than
/// the series is.
const SHORT_DOUBT: f64 = 4.0;

/// Healthy level and spread of a series, on its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reference {
    /// Median.
    pub(super) level: f64,
    /// Robust deviation, floor included; sampling noise of the judged period comes on top.
    pub(super) spread: f64,
    /// Periods behind it.
    pub(super) periods: usize,
}

impl Reference {
    /// From the scaled values of healthy periods; none below [`MIN_REFERENCE`].
    pub(super) fn of(series: &Series, scaled: &[f64]) -> Option<Self> {
        if scaled.len() < MIN_REFERENCE {
            return None;
        }
        let level = median(scaled)?;
        let doubt = 1.0 + SHORT_DOUBT / scaled.len() as f64;
        let spread = (mad(scaled)? * doubt).max(fixed_floor(series, level));
        Some(Self { level, spread, periods: scaled.len() })
    }

    /// The same level with more doubt: a baseline run was another run.
    pub(super) fn widened(self, by: f64) -> Self {
        Self { spread: self.spread.hypot(by), ..self }
    }

    /// Spread for a period with `count` observations.
    pub(super) fn spread_at(&self, series: &Series, count: u64) -> f64 {
        self.spread.max(sampling_noise(series, series.unscaled(self.level), count))
    }

    /// The value beyond which a period violates, on the worse side (`worse` = 1 above, -1 below): `k`
    /// deviations off and the minimum effect off, whichever is farther.
    pub(super) fn threshold(&self, series: &Series, k: f64, count: u64, worse: f64) -> f64 {
        let reach = k * self.spread_at(series, count);
        let by_spread = series.unscaled(self.level + worse * reach);
        let level = series.unscaled(self.level);
        let by_effect = level + worse * series.minimum.at(level);
        if worse > 0.0 { by_spread.max(by_effect) } else { by_spread.min(by_effect) }
    }

    /// On which side the value violates: 1 above, -1 below, none if it does not.
    pub(super) fn violated(&self, series: &Series, k: f64, value: f64, count: u64) -> Option<f64> {
        let beyond = |side: f64| (value - self.threshold(series, k, count, side)) * side > 0.0;
        sides(series.direction).iter().copied().find(|&s| beyond(s))
    }
}

/// The sides that are watched.
pub(super) const fn sides(direction: Direction) -> &'static [f64] {
    match direction {
        Direction::HigherIsWorse => &[1.0],
        Direction::LowerIsWorse => &[-1.0],
        Direction::Both => &[1.0, -1.0],
    }
}

/// The floor that does not depend on the judged period.
pub(super) fn fixed_floor(series: &Series, level: f64) -> f64 {
    match series.scale {
        Scale::Log => series.floor.relative,
        Scale::Linear => (series.floor.relative * level.abs()).max(series.floor.absolute),
    }
    .max(1e-12)
}

/// Deviation that the number of observations alone explains, on the series' scale.
///
/// A q-quantile of n values deviates by `sqrt(q (1-q) / n) / f`; for an exponential tail the relative density
/// `q f(q)` is `(1-q) ln(1/(1-q))`, which gives the deviation of its logarithm used here. A share has the
/// binomial one; one pseudo-observation keeps a reference without errors from claiming that none can happen.
fn sampling_noise(series: &Series, level: f64, count: u64) -> f64 {
    let n = count.max(1) as f64;
    match series.floor.sampling {
        Sampling::Exact => 0.0,
        Sampling::Edge => 1.0 / n,
        Sampling::Quantile(q) => (q / ((1.0 - q) * n)).sqrt() / -(1.0 - q).ln(),
        Sampling::Share => {
            let p = ((level * n + 1.0) / (n + 1.0)).clamp(0.0, 1.0);
            (p * (1.0 - p) / n).sqrt()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Percentile, Series};

    fn p50() -> Series {
        Series::latency(Percentile::P50, None, Vec::new())
    }

    #[test]
    fn a_calm_reference_keeps_the_floor_and_the_minimum_effect() {
        let series = p50();
        let scaled = [10e6_f64.ln(); 20];
        let r = Reference::of(&series, &scaled).expect("20 periods");
        assert_eq!(r.spread, 0.05);
        // 3 x 5 % = 16 %, but 2 ms = 20 % is more.
        assert!((r.threshold(&series, 3.0, 100_000, 1.0) - 12e6).abs() < 1.0);
        assert_eq!(r.violated(&series, 3.0, 11.9e6, 100_000), None);
        assert_eq!(r.violated(&series, 3.0, 12.1e6, 100_000), Some(1.0));
        assert_eq!(r.violated(&series, 3.0, 1e6, 100_000), None, "faster is not worse");
        assert_eq!(Reference::of(&series, &scaled[..4]), None);
    }

    #[test]
    fn few_observations_widen_the_spread() {
        let series = p50();
        let r = Reference::of(&series, &[1e6_f64.ln(); 20]).expect("20 periods");
        assert!((r.spread_at(&series, 100) - 0.1443).abs() < 1e-3, "1 / (sqrt(100) ln 2)");
        let errors = Series::error_rate(None, Vec::new());
        let none = Reference::of(&errors, &[0.0; 20]).expect("20 periods");
        assert_eq!(none.violated(&errors, 3.0, 2.0 / 50.0, 50), None, "2 of 50");
        assert_eq!(none.violated(&errors, 3.0, 40.0 / 1000.0, 1000), Some(1.0), "40 of 1000");
    }

    #[test]
    fn lower_is_worse_for_the_achieved_share() {
        let series = Series::achieved(Vec::new());
        let r = Reference::of(&series, &[1.0; 10]).expect("10 periods");
        assert_eq!(r.violated(&series, 3.0, 1.3, 500), None);
        assert_eq!(r.violated(&series, 3.0, 0.90, 500), Some(-1.0));
        assert_eq!(r.violated(&series, 3.0, 0.80, 10), None, "two of ten may lie on the edge");
    }
}
