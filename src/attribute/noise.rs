//! How small a change of the mean means nothing.

use super::side::Side;

/// Noise: 3 % of the response time, at least 50 us.
pub(super) fn least(judged: &Side, reference: Option<&Side>) -> f64 {
    let base = reference.unwrap_or(judged).client.response.value;
    (0.03 * base).max(50_000.0)
}

/// The same, and at least what the healthy part differs from itself by.
pub(super) fn floor(judged: &Side, reference: Option<&Side>) -> f64 {
    let drift = reference.map_or(0.0, |r| drift(&r.client.by_period, judged.client.by_period.len()));
    drift.max(least(judged, reference))
}

/// Pairs of stretches below which nothing is known of how far healthy is from healthy.
const PAIRS: usize = 10;

/// Healthy against healthy: how far the means of two neighbouring stretches of the reference, as long as what is judged,
/// are apart nine times of ten; nothing if it is too short for that.
fn drift(periods: &[(f64, u64)], judged: usize) -> f64 {
    const NINE_OF_TEN: f64 = 0.9;
    let pairs = (periods.len() + 1).saturating_sub(2 * judged);
    if judged == 0 || pairs < PAIRS {
        return 0.0;
    }
    let mut sums = vec![(0.0, 0)];
    sums.extend(periods.iter().scan((0.0, 0), |sum, p| {
        *sum = (sum.0 + p.0, sum.1 + p.1);
        Some(*sum)
    }));
    let mean = |from: usize| {
        let (first, last) = (sums[from], sums[from + judged]);
        (last.1 > first.1).then(|| (last.0 - first.0) / (last.1 - first.1) as f64)
    };
    let mut apart: Vec<f64> = (0..pairs).filter_map(|i| Some((mean(i + judged)? - mean(i)?).abs())).collect();
    apart.sort_by(f64::total_cmp);
    let place = NINE_OF_TEN * apart.len().saturating_sub(1) as f64;
    apart.get(place.ceil() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::drift;

    #[test]
    fn a_reference_that_differs_from_itself_raises_what_counts_as_noise() {
        let steady = vec![(2e6 * 100.0, 100); 40];
        assert_eq!(drift(&steady, 5), 0.0);
        let mut risen = steady.clone();
        risen[20..].fill((3e6 * 100.0, 100));
        assert!((drift(&risen, 15) - 14e6 / 15.0).abs() < 1.0, "all but one of the later ones");
        assert_eq!(drift(&risen, 1), 0.0, "one step of 39");
        assert_eq!(drift(&risen, 16), 0.0, "nine pairs tell nothing");
        risen[..20].fill((0.0, 0));
        assert_eq!((drift(&[], 5), drift(&risen, 15)), (0.0, 0.0), "nobody asked");
    }
}
