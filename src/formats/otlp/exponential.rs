//! Exponential histograms as histograms with explicit bounds, so that whoever reads points knows one kind only.
//!
//! Bucket `i` of scale `s` ends at `2^(i+1)/2^s`. Senders change the scale as values spread, which would give every
//! point other bounds: buckets are therefore put together, which is exact, until their scale is [`SCALE`] at the most.
//! Bounds of a coarser scale are among those of a finer one.

use std::collections::BTreeMap;

use super::point::{Measure, Temporality};
use super::wire_metrics as wire;

/// Eight buckets each time the value doubles: a bound is at most 9 % above the value.
const SCALE: i32 = 3;

/// None if it is no histogram: a flag says so, or its threshold is no number.
pub(super) fn explicit(p: wire::ExponentialPoint, temporality: Temporality) -> Option<Measure> {
    if p.flags & super::point::NO_VALUE != 0 || !p.zero_threshold.is_finite() || p.zero_threshold < 0.0 {
        return None;
    }
    let mut below: BTreeMap<Bound, u64> = BTreeMap::new();
    let mut last = 0;
    let negative = p.negative.iter().flat_map(|side| ends(side, p.scale)).map(|end| (-end.low, end.count));
    let positive = p.positive.iter().flat_map(|side| ends(side, p.scale)).map(|end| (end.high, end.count));
    let zero = (p.zero_count > 0).then_some((p.zero_threshold, p.zero_count));
    for (upper, count) in negative.chain(zero).chain(positive) {
        let here = if upper.is_finite() { below.entry(Bound(upper)).or_default() } else { &mut last };
        *here = here.saturating_add(count);
    }
    let (mut bounds, mut buckets): (Vec<f64>, Vec<u64>) = below.into_iter().map(|(b, n)| (b.0, n)).unzip();
    if !bounds.is_empty() || last > 0 {
        buckets.push(last);
    } else {
        bounds.clear();
    }
    Some(Measure::Histogram { count: p.count, sum: p.sum, bounds, buckets, temporality })
}

/// A finite upper end.
#[derive(Clone, Copy, PartialEq)]
struct Bound(f64);

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Minus zero is zero.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

/// A bucket of absolute values.
struct End {
    low: f64,
    high: f64,
    count: u64,
}

/// Buckets that hold something, of scale [`SCALE`] or coarser.
fn ends(side: &wire::Buckets, scale: i32) -> impl Iterator<Item = End> {
    let coarser = u32::try_from(scale.saturating_sub(SCALE)).unwrap_or(0);
    let scale = scale.min(SCALE);
    let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
    for (i, count) in (i64::from(side.offset)..).zip(&side.bucket_counts).filter(|(_, count)| **count > 0) {
        let sum = sums.entry(i >> coarser.min(62)).or_default();
        *sum = sum.saturating_add(*count);
    }
    sums.into_iter().map(move |(i, count)| End { low: bound(i, scale), high: bound(i + 1, scale), count })
}

/// `2^(i / 2^scale)`; powers of two are exact.
fn bound(i: i64, scale: i32) -> f64 {
    // Whatever the scale: zero times infinity is no number.
    if i == 0 { 1.0 } else { (i as f64 * (-f64::from(scale)).exp2()).exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> wire::ExponentialPoint {
        let positive = Some(wire::Buckets { offset, bucket_counts: counts.to_vec() });
        wire::ExponentialPoint { scale, positive, count: counts.iter().sum(), ..Default::default() }
    }

    fn read(p: wire::ExponentialPoint) -> (Vec<f64>, Vec<u64>) {
        match explicit(p, Temporality::Delta) {
            Some(Measure::Histogram { bounds, buckets, .. }) => (bounds, buckets),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn buckets_end_at_powers_of_the_base() {
        assert_eq!(read(point(0, -1, &[5, 0, 7])), (vec![1.0, 4.0], vec![5, 7, 0]));
        assert_eq!(read(point(-2, 1, &[3])), (vec![256.0], vec![3, 0]), "(16, 256]");
        assert_eq!(read(point(1, 1, &[2])), (vec![2.0], vec![2, 0]), "(sqrt 2, 2]");
        assert_eq!(read(point(0, 0, &[])), (vec![], vec![]));
    }

    #[test]
    fn fine_buckets_are_put_together_without_loss() {
        // 2^5 buckets a doubling: four of them are one of scale 3. From -2 on: two below 1, then (1, 2^(1/8)].
        let (bounds, buckets) = read(point(5, -2, &[1, 2, 4, 8, 16, 32, 64]));
        assert_eq!(bounds, [1.0, (1.0_f64 / 8.0).exp2(), (2.0_f64 / 8.0).exp2()]);
        assert_eq!(buckets, [3, 60, 64, 0]);
    }

    #[test]
    fn zero_and_negative_values_have_their_place() {
        let mut p = point(0, 0, &[2]);
        p.negative = Some(wire::Buckets { offset: 0, bucket_counts: vec![3, 4] });
        (p.zero_count, p.zero_threshold) = (9, 0.5);
        assert_eq!(read(p), (vec![-2.0, -1.0, 0.5, 2.0], vec![4, 3, 9, 2, 0]));
    }

    #[test]
    fn ends_of_the_scale_do_no_harm() {
        for (scale, offset) in
            [(i32::MAX, i32::MIN), (i32::MIN, i32::MAX), (20, i32::MAX), (-11, 0), (0, 1023)]
        {
            let (bounds, buckets) = read(point(scale, offset, &[1, 1, 1]));
            assert!(bounds.is_sorted() && bounds.iter().all(|b| b.is_finite()), "{scale}: {bounds:?}");
            assert_eq!((buckets.len(), buckets.iter().sum::<u64>()), (bounds.len() + 1, 3), "{scale}");
        }
        let odd = wire::ExponentialPoint { zero_threshold: f64::NAN, ..point(0, 0, &[1]) };
        assert_eq!(explicit(odd, Temporality::Delta), None);
    }
}
