//! How many deviations make a violation: calibrated on the reference itself.

use rand_pcg::Pcg64;

use super::reference::{fixed_floor, sides};
use super::series::Series;
use crate::stats::{Blocks, block_length, gumbel_quantile, mad, median};

/// Chance that a healthy run raises an alarm in any of its series.
pub const FALSE_ALARM: f64 = 0.01;

/// Draws of the bootstrap; the tail beyond them comes from a fitted Gumbel distribution.
const DRAWS: usize = 200;

/// What the calibration must hold for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Series judged together: each gets its share of [`FALSE_ALARM`] (Bonferroni).
    pub(super) series: usize,
    /// Periods of the run that are judged.
    pub(super) periods: usize,
    /// Violations in a row that make an alarm.
    pub(super) in_a_row: usize,
    /// Never fewer deviations than this.
    pub(super) sigma: f64,
}

/// The width k, in deviations, at which a healthy run of this family's length alarms in this series with its
/// share of the false-alarm budget.
///
/// An alarm needs `in_a_row` violations, so what matters is the largest, over the run, of the *smallest* of
/// that many neighbours. Each draw resamples blocks of such run minima as they stood in the reference (so a
/// two-period spike stays harmless and blocks never glue two spikes together), and judges them by level and
/// spread of an equally resampled reference: the doubt about a short reference is part of k.
pub(super) fn calibrate(series: &Series, scaled: &[f64], family: &Family, rng: &mut Pcg64) -> f64 {
    if scaled.len() < family.in_a_row.max(2) {
        return family.sigma;
    }
    let worst = sides(series.direction)
        .iter()
        .filter_map(|&side| one_side(series, scaled, family, side, rng))
        .fold(family.sigma, f64::max);
    if worst.is_finite() { worst } else { family.sigma }
}

fn one_side(series: &Series, scaled: &[f64], family: &Family, side: f64, rng: &mut Pcg64) -> Option<f64> {
    let minima: Vec<f64> = scaled
        .windows(family.in_a_row)
        .map(|w| w.iter().map(|v| v * side).fold(f64::INFINITY, f64::min) * side)
        .collect();
    let length = block_length(scaled);
    let (reference, run) = (Blocks::new(scaled.len(), length), Blocks::new(minima.len(), length));
    let (mut at, mut sample) = (Vec::new(), Vec::new());
    let mut maxima = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        reference.draw(rng, scaled.len(), &mut at);
        sample.clear();
        sample.extend(at.iter().map(|&i| scaled[i]));
        let level = median(&sample)?;
        let spread = mad(&sample)?.max(fixed_floor(series, level));
        run.draw(rng, family.periods, &mut at);
        let farthest = at.iter().map(|&i| (minima[i] - level) * side).fold(f64::NEG_INFINITY, f64::max);
        maxima.push(farthest / spread);
    }
    gumbel_quantile(&maxima, FALSE_ALARM / family.series.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Percentile;
    use crate::stats::rng;

    const FAMILY: Family = Family { series: 4, periods: 60, in_a_row: 3, sigma: 3.0 };

    fn wander(step: f64) -> Vec<f64> {
        (0..60).map(|i| 17.0 + step * (f64::from(i) / 7.0).sin()).collect()
    }

    #[test]
    fn white_noise_keeps_sigma_and_slow_wandering_widens_it() {
        let series = Series::latency(Percentile::P50, None, Vec::new());
        let white: Vec<f64> = (0..60).map(|i| 17.0 + 0.1 * f64::from(i * 37 % 11 - 5) / 5.0).collect();
        assert_eq!(calibrate(&series, &white, &FAMILY, &mut rng(1)), 3.0);
        // Three long swings: whole runs sit at the crest, and a resampled reference may miss it.
        let k = calibrate(&series, &wander(0.5), &FAMILY, &mut rng(1));
        assert!(k > 3.5, "{k}");
    }

    #[test]
    fn spikes_of_two_periods_do_not_widen_it() {
        let series = Series::latency(Percentile::P50, None, Vec::new());
        let mut spiky: Vec<f64> = (0..60).map(|i| 17.0 + 0.1 * f64::from(i * 37 % 11 - 5) / 5.0).collect();
        for i in [7, 8, 20, 41, 42, 55] {
            spiky[i] += 1.1;
        }
        assert_eq!(calibrate(&series, &spiky, &FAMILY, &mut rng(1)), 3.0);
    }
}
