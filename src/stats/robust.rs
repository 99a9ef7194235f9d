//! Location and spread, with and without resistance to outliers.

/// Makes the MAD of normal data estimate their standard deviation: 1 / Phi^-1(3/4).
pub const MAD_TO_SIGMA: f64 = 1.4826;

/// Arithmetic mean; none of an empty slice.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (divisor n - 1); none below two values.
#[must_use]
pub fn std_dev(values: &[f64]) -> Option<f64> {
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Median, the mean of the two middle values of an even number; none of an empty slice.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    median_of(&mut values.to_vec())
}

/// [`median`] of a scratch slice, which it reorders.
pub(super) fn median_of(scratch: &mut [f64]) -> Option<f64> {
    let n = scratch.len();
    if n == 0 {
        return None;
    }
    let (below, &mut upper, _) = scratch.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, upper))
}

/// Median absolute deviation from the median, times [`MAD_TO_SIGMA`]; none of an empty slice.
#[must_use]
pub fn mad(values: &[f64]) -> Option<f64> {
    let mut scratch = values.to_vec();
    let centre = median_of(&mut scratch)?;
    for v in &mut scratch {
        *v = (*v - centre).abs();
    }
    median_of(&mut scratch).map(|m| m * MAD_TO_SIGMA)
}

/// Quantile by linear interpolation between order statistics (numpy's default, type 7 of Hyndman and Fan).
///
/// `q` is clamped to 0..=1; none of an empty slice.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (at - below as f64) * (sorted[above] - sorted[below]))
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy 2.4.6 / scipy 1.17.1: np.quantile(X, q); stats.median_abs_deviation(X, scale=1/1.4826)
    const X: [f64; 12] = [12.0, 15.5, 11.2, 13.9, 40.1, 12.7, 14.4, 13.3, 12.1, 16.8, 15.0, 13.6];

    #[test]
    fn quantiles_are_those_of_numpy() {
        for (q, expected) in [
            (0.0, 11.2),
            (0.05, 11.64),
            (0.25, 12.55),
            (0.5, 13.75),
            (0.9, 16.67),
            (0.99, 37.537),
            (1.0, 40.1),
        ] {
            let got = quantile(&X, q).expect("not empty");
            assert!((got - expected).abs() < 1e-9, "{q}: {got}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn one_outlier_moves_median_and_mad_hardly() {
        assert_eq!(median(&X), Some(13.75));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert!((mad(&X).expect("not empty") - 2.14977).abs() < 1e-9);
        let mut worse = X;
        worse[4] = 4e6;
        assert_eq!(mad(&worse), mad(&X), "the outlier's size does not matter");
        assert_eq!((median(&[]), mad(&[]), mean(&[]), std_dev(&[1.0])), (None, None, None, None));
    }
}
