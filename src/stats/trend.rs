//! Slopes and dependence in time.

use super::interval::normal_quantile;
use super::robust::{mean, median};

/// A slope with its interval, in units of y per unit of x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Median of the slopes of all pairs.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Theil-Sen slope with the rank interval of Sen (1968) at `confidence` (e.g. 0.9), as
/// `scipy.stats.theilslopes(y, x, alpha=confidence)`.
///
/// All pairs are formed: O(n^2) time and memory, so thin long series first. None below two points, for
/// slices of unlike length, or if all x are equal.
#[must_use]
pub fn theil_sen(x: &[f64], y: &[f64], confidence: f64) -> Option<Slope> {
    let n = x.len();
    if n < 2 || y.len() != n {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for i in 0..n {
        for j in i + 1..n {
            let dx = x[j] - x[i];
            if dx != 0.0 {
                slopes.push((y[j] - y[i]) / dx);
            }
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let value = median(&slopes)?;
    let half_alpha = (1.0 - confidence.clamp(0.0, 0.999_999)) / 2.0;
    let reach = -normal_quantile(half_alpha) * rank_variance(x, y).sqrt();
    let total = slopes.len() as f64;
    let upper = ((total + reach) / 2.0).round_ties_even().min(total - 1.0).max(0.0) as usize;
    let lower = (((total - reach) / 2.0).round_ties_even() - 1.0).max(0.0) as usize;
    Some(Slope { value, low: slopes[lower.min(upper)], high: slopes[upper] })
}

/// Variance of Kendall's S with ties in x and y.
fn rank_variance(x: &[f64], y: &[f64]) -> f64 {
    let term = |k: f64| k * (k - 1.0) * (2.0 * k + 5.0);
    let ties = |v: &[f64]| -> f64 { repeats(v).iter().map(|&k| term(k as f64)).sum() };
    ((term(x.len() as f64) - ties(x) - ties(y)) / 18.0).max(0.0)
}

/// Sizes of the groups of equal values.
fn repeats(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).filter(|&k| k > 1).collect()
}

/// Kendall's rank correlation (variant b, ties count for neither side): 1 for a strictly growing y.
///
/// 0 if either side is constant or the slices are of unlike length. O(n^2).
#[must_use]
pub fn kendall_tau(x: &[f64], y: &[f64]) -> f64 {
    if x.len() != y.len() {
        return 0.0;
    }
    let (mut score, mut moved_x, mut moved_y) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in i + 1..x.len() {
            let (dx, dy) = (sign(x[j] - x[i]), sign(y[j] - y[i]));
            score += dx * dy;
            moved_x += dx * dx;
            moved_y += dy * dy;
        }
    }
    let scale = f64::sqrt(moved_x * moved_y);
    if scale > 0.0 { score / scale } else { 0.0 }
}

fn sign(v: f64) -> f64 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// Autocorrelation of neighbours (lag 1), the usual biased estimate; 0 for constant or too short series.
#[must_use]
pub fn autocorrelation(values: &[f64]) -> f64 {
    let Some(centre) = mean(values) else { return 0.0 };
    let total: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    let neighbours: f64 = values.windows(2).map(|w| (w[0] - centre) * (w[1] - centre)).sum();
    if total > 0.0 { neighbours / total } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 12] = [12.0, 15.5, 11.2, 13.9, 40.1, 12.7, 14.4, 13.3, 12.1, 16.8, 15.0, 13.6];

    fn steps(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64).collect()
    }

    #[test]
    fn slope_and_interval_are_those_of_scipy() {
        // scipy 1.17.1: stats.theilslopes(X, range(12), alpha=0.9)
        let s = theil_sen(&steps(12), &X, 0.9).expect("enough points");
        assert!(
            (s.value - 0.15).abs() < 1e-12 && (s.low + 0.36).abs() < 1e-12 && (s.high - 0.475).abs() < 1e-12
        );
        // with ties: stats.theilslopes([20,20,21,24,24,30], range(6), alpha=0.9)
        let s = theil_sen(&steps(6), &[20.0, 20.0, 21.0, 24.0, 24.0, 30.0], 0.9).expect("enough points");
        assert_eq!((s.value, s.low, s.high), (1.5, 0.5, 3.0));
        assert_eq!(theil_sen(&[1.0, 1.0], &[1.0, 2.0], 0.9), None, "no spread in x");
    }

    #[test]
    fn tau_and_autocorrelation_are_those_of_scipy_and_numpy() {
        // stats.kendalltau(range(12), X); ((s-m)[1:] * (s-m)[:-1]).sum() / ((s-m)**2).sum()
        assert!((kendall_tau(&steps(12), &X) - 0.1515151515151515).abs() < 1e-12);
        assert!((autocorrelation(&X) + 0.1444971685412704).abs() < 1e-12);
        assert_eq!(kendall_tau(&steps(5), &steps(5)), 1.0);
        assert_eq!(autocorrelation(&[2.0; 9]), 0.0);
    }
}
