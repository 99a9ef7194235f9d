//! Moving-block bootstrap (Künsch 1989) for series whose neighbours resemble each other.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::trend::autocorrelation;

/// The one generator of this crate's statistics, from a seed.
#[must_use]
pub fn rng(seed: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed)
}

/// Lag-1 autocorrelation, freed from its small-sample bias: a series of n values shows about
/// `(1 + 4 rho) / n` too little (Marriott and Pope 1954). Kept within 0..=0.95: negative dependence is not
/// trusted, because relying on it would narrow intervals.
fn dependence(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let seen = autocorrelation(values);
    (seen + (1.0 + 4.0 * seen.max(0.0)) / n.max(1.0)).clamp(0.0, 0.95)
}

/// How many independent values a series is worth: `n (1 - rho) / (1 + rho)` of an AR(1) series.
///
/// At least 1 and at most n; 0 of an empty slice.
#[must_use]
pub fn effective_size(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let rho = dependence(values);
    (n * (1.0 - rho) / (1.0 + rho)).max(1.0).min(n)
}

/// Block length for the moving-block bootstrap: `(sqrt(6) rho / (1 - rho^2))^(2/3) n^(1/3)`, the best choice
/// for the variance of a mean of an AR(1) series (Carlstein 1986, Künsch 1989), but not below `n^(1/3)`
/// (dependence is estimated badly from few values) nor above a third of the series (three blocks at least).
#[must_use]
pub fn block_length(values: &[f64]) -> usize {
    let n = values.len();
    let cube = (n as f64).cbrt();
    let rho = dependence(values);
    let best = (6.0_f64.sqrt() * rho / (1.0 - rho * rho)).powf(2.0 / 3.0) * cube;
    (best.max(cube).ceil() as usize).clamp(1, (n / 3).max(1))
}

/// Draws of overlapping blocks from a series of `n` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    n: usize,
    length: usize,
}

impl Blocks {
    /// Blocks of `length` (kept within 1..=n) out of `n` values.
    #[must_use]
    pub fn new(n: usize, length: usize) -> Self {
        Self { n, length: length.clamp(1, n.max(1)) }
    }

    /// Fills `out` with `wanted` indices into the series: whole blocks, the last one cut off. Empty if the
    /// series is.
    pub fn draw(&self, rng: &mut Pcg64, wanted: usize, out: &mut Vec<usize>) {
        out.clear();
        while self.n > 0 && out.len() < wanted {
            let start = rng.random_range(0..=self.n - self.length);
            let take = self.length.min(wanted - out.len());
            out.extend(start..start + take);
        }
    }
}

/// Values of `statistic` on `draws` resampled series of the same length, each given as indices.
pub fn bootstrap(
    values: &[f64],
    draws: usize,
    rng: &mut Pcg64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Vec<f64> {
    let blocks = Blocks::new(values.len(), block_length(values));
    let mut indices = Vec::with_capacity(values.len());
    (0..draws)
        .map(|_| {
            blocks.draw(rng, values.len(), &mut indices);
            statistic(&indices)
        })
        .collect()
}

/// The value that a maximum exceeds with probability `tail`, from draws of it: quantile of the Gumbel
/// distribution with their mean and deviation. It reaches beyond the draws, which a quantile of the draws
/// cannot when `tail` is far below one in their number. None below two draws.
#[must_use]
pub fn gumbel_quantile(maxima: &[f64], tail: f64) -> Option<f64> {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let (centre, deviation) = (super::mean(maxima)?, super::std_dev(maxima)?);
    let scale = deviation * 6.0_f64.sqrt() / std::f64::consts::PI;
    let reduced = -(-(-tail.clamp(1e-12, 0.999)).ln_1p()).ln();
    Some(centre + scale * (reduced - EULER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{mean, std_dev};

    fn ar1(rho: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut rng = rng(seed);
        let mut last = 0.0;
        let mut noise = || super::super::normal_quantile(rng.random_range(1e-12..1.0));
        (0..n + 50)
            .map(|_| {
                last = rho * last + (1.0 - rho * rho).sqrt() * noise();
                last
            })
            .skip(50)
            .collect()
    }

    #[test]
    fn blocks_are_whole_within_bounds_and_repeatable() {
        let blocks = Blocks::new(20, 4);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        blocks.draw(&mut rng(7), 10, &mut a);
        blocks.draw(&mut rng(7), 10, &mut b);
        assert_eq!(a, b);
        assert_eq!(a.len(), 10);
        assert!(a.iter().all(|&i| i < 20));
        assert!(a[..4].windows(2).all(|w| w[1] == w[0] + 1), "{a:?}");
        blocks.draw(&mut rng(8), 10, &mut b);
        assert_ne!(a, b);
        Blocks::new(0, 4).draw(&mut rng(1), 5, &mut a);
        assert!(a.is_empty());
    }

    #[test]
    fn dependent_series_are_worth_less_and_take_longer_blocks() {
        let (free, bound) = (ar1(0.0, 300, 1), ar1(0.8, 300, 1));
        assert!(effective_size(&free) > 200.0, "{}", effective_size(&free));
        let worth = effective_size(&bound);
        assert!((15.0..60.0).contains(&worth), "300 * .2 / 1.8 = 33: {worth}");
        assert!(block_length(&bound) > 2 * block_length(&free));
        assert!(block_length(&[1.0, 2.0]) == 1 && block_length(&[]) == 1);
    }

    #[test]
    fn bootstrap_of_a_mean_finds_its_true_deviation() {
        // The deviation of the mean of an AR(1) series is sqrt((1 + rho) / (1 - rho) / n).
        let series = ar1(0.6, 400, 3);
        let draws = bootstrap(&series, 400, &mut rng(4), |at| {
            at.iter().map(|&i| series[i]).sum::<f64>() / at.len() as f64
        });
        let (truth, got) = ((1.6_f64 / 0.4 / 400.0).sqrt(), std_dev(&draws).expect("400 draws"));
        assert!((got / truth - 1.0).abs() < 0.3, "{got} for {truth}");
    }

    #[test]
    fn gumbel_reaches_beyond_the_draws() {
        // Maxima of 60 normal values: the exact 99.9 % quantile is Phi^-1(.999^(1/60)) = 4.149.
        let maxima: Vec<f64> =
            (0..400).map(|seed| ar1(0.0, 60, seed).into_iter().fold(f64::MIN, f64::max)).collect();
        let got = gumbel_quantile(&maxima, 0.001).expect("400 draws");
        assert!((got - 4.15).abs() < 0.6, "{got}");
        assert!(got > mean(&maxima).expect("some") && gumbel_quantile(&[1.0], 0.1).is_none());
    }
}
