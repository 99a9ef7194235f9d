//! Intervals and tests on top of `statrs`.

use statrs::distribution::{ContinuousCDF, Gamma, Normal, StudentsT};
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Quantile of the standard normal distribution; `p` is kept off 0 and 1, so the result is finite.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p.clamp(1e-15, 1.0 - 1e-15))
}

/// Distribution function of the standard normal distribution.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// Probability of a standard normal value at least as far from 0 as `z`.
#[must_use]
pub fn two_sided_p(z: f64) -> f64 {
    (2.0 * normal_cdf(-z.abs())).min(1.0)
}

/// How much wider `sigma` normal deviations become when the deviation was estimated with `freedom` degrees
/// of freedom: the quantile of Student's t of equal tail, over `sigma`. At least 1; `freedom` is kept above 2.
#[must_use]
pub fn student_factor(sigma: f64, freedom: f64) -> f64 {
    let tail = normal_cdf(sigma.clamp(0.1, 6.0));
    StudentsT::new(0.0, 1.0, freedom.max(2.0))
        .map_or(1.0, |t| t.inverse_cdf(tail) / sigma.clamp(0.1, 6.0))
        .max(1.0)
}

/// Normal interval of a mean at `confidence`, from the sample deviation and the number of *independent*
/// values (see [`super::effective_size`]).
#[must_use]
pub fn mean_interval(mean: f64, deviation: f64, independent: f64, confidence: f64) -> Interval {
    let reach = -normal_quantile((1.0 - confidence) / 2.0) * deviation / independent.max(1.0).sqrt();
    Interval { low: mean - reach, high: mean + reach }
}

/// Exact interval of a Poisson mean of which `count` events were seen (Garwood 1936).
#[must_use]
pub fn poisson_interval(count: u64, confidence: f64) -> Interval {
    let tail = ((1.0 - confidence) / 2.0).clamp(1e-12, 0.5);
    let at = |shape: f64, p: f64| Gamma::new(shape, 1.0).map_or(f64::NAN, |g| g.inverse_cdf(p));
    let low = if count == 0 { 0.0 } else { at(count as f64, tail) };
    Interval { low, high: at(count as f64 + 1.0, 1.0 - tail) }
}

/// Sizes up to which the Mann-Whitney distribution is counted out.
const EXACT: usize = 30;

/// Two-sided p-value of the Mann-Whitney test that two samples come from one distribution: exact for small
/// samples without ties, else normal with tie and continuity correction. None if a sample is empty or holds NaN.
///
/// The exact distribution is counted here: statrs 0.19.1 looks into the wrong tail when the first sample is
/// not the larger one, and enumerates every combination (8 against 500 never ends).
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<f64> {
    let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
    let (u, p) = mannwhitneyu(a, b, method, Alternative::TwoSided).ok()?;
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    let ties = all.windows(2).any(|w| w[0] == w[1]);
    if ties || a.len().max(b.len()) > EXACT {
        return Some(p);
    }
    let smaller = u.min((a.len() * b.len()) as f64 - u).round() as usize;
    Some((2.0 * rank_sum_share(a.len(), b.len(), smaller)).min(1.0))
}

/// Share of all orders of `m` and `n` distinct values whose U is at most `most` (recursion of Mann and
/// Whitney: the largest value belongs to one sample or to the other).
fn rank_sum_share(m: usize, n: usize, most: usize) -> f64 {
    let width = m * n + 1;
    let mut row: Vec<Vec<f64>> = vec![unit(width); n + 1];
    for i in 1..=m {
        let mut next = vec![unit(width); n + 1];
        for j in 1..=n {
            let count = |u: usize| {
                let first = if u >= j { row[j][u - j] } else { 0.0 };
                (i as f64 * first + j as f64 * next[j - 1][u]) / (i + j) as f64
            };
            next[j] = (0..width).map(count).collect();
        }
        row = next;
    }
    row[n][..=most.min(width - 1)].iter().sum()
}

/// All weight on U = 0.
fn unit(width: usize) -> Vec<f64> {
    let mut weights = vec![0.0; width];
    weights[0] = 1.0;
    weights
}

/// Holm's step-down adjustment: p-values of a family, corrected so that those at most alpha keep the chance of
/// even one false rejection at alpha. In the order of the input.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut running = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        running = running.max((p_values[i] * left).min(1.0));
        adjusted[i] = running;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: stats.norm.ppf, stats.t.ppf, stats.chi2.ppf, stats.mannwhitneyu

    #[test]
    fn quantiles_and_factors_are_those_of_scipy() {
        assert!((normal_quantile(0.95) - 1.64485363).abs() < 1e-7);
        assert!((normal_quantile(0.975) - 1.95996398).abs() < 1e-7);
        assert!((two_sided_p(1.95996398) - 0.05).abs() < 1e-8);
        assert!(normal_quantile(1.0).is_finite() && normal_quantile(0.0).is_finite());
        for (freedom, t) in [(3.0, 9.21870182), (4.0, 6.62007155), (9.0, 4.0942048), (19.0, 3.44719981)] {
            let got = student_factor(3.0, freedom) * 3.0;
            assert!((got - t).abs() < 0.002, "{freedom}: {got}"); // scipy at .99865, here at Phi(3)
        }
        assert!(student_factor(3.0, 1e6) < 1.0001);
    }

    #[test]
    fn poisson_intervals_are_exact() {
        // stats.chi2.ppf(.05, 2k)/2, stats.chi2.ppf(.95, 2k+2)/2
        for (k, low, high) in [
            (0, 0.0, 2.9957322735539895),
            (3, 0.8176914471639534, 7.753656527932725),
            (10, 5.425405697091295, 16.962219235721903),
            (250, 224.57337818636452, 277.6153926106948),
        ] {
            let got = poisson_interval(k, 0.9);
            assert!((got.low - low).abs() < 1e-6 && (got.high - high).abs() < 1e-6, "{k}: {got:?}");
        }
    }

    #[test]
    fn rank_test_is_that_of_scipy() {
        let x = [12.0, 15.5, 11.2, 13.9, 40.1, 12.7, 14.4, 13.3, 12.1, 16.8, 15.0, 13.6];
        let p = mann_whitney(&x[..6], &x[6..]).expect("no NaN");
        assert!((p - 0.6991341991341992).abs() < 1e-12, "exact: {p}");
        let a = [3.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.0, 10.0];
        let b = [1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0, 6.0];
        let p = mann_whitney(&a, &b).expect("no NaN");
        assert!((p - 0.0181716365346374).abs() < 1e-9, "ties: {p}");
        assert_eq!(mann_whitney(&[], &b), None);
    }

    #[test]
    fn holm_multiplies_by_what_is_left_and_never_falls() {
        let got = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (g, e) in got.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((g - e).abs() < 1e-12, "{got:?}");
        }
    }

    #[test]
    fn interval_of_a_mean_widens_with_dependence() {
        let free = mean_interval(10.0, 2.0, 100.0, 0.95);
        assert!((free.high - 10.392).abs() < 1e-3 && (free.low - 9.608).abs() < 1e-3);
        assert!(mean_interval(10.0, 2.0, 25.0, 0.95).high > free.high);
    }
}
