//! What arrival `n` does: pure functions of the seed and `n`, the same on any number of threads.

/// Keeps the draws for different purposes apart.
pub(crate) const REQUEST: u64 = 0x7265_7175_6573_7401;
const SAMPLED: u64 = 0x7361_6d70_6c65_6402;
const SPAN: u64 = 0x7370_616e_5f69_6403;

/// Draws journeys by weight, the sampled flag by share, and span ids.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    seed: u64,
    /// Running sums of the weights.
    sums: Vec<u64>,
    /// `draw < sampled` samples; `None` samples everything.
    sampled: Option<u64>,
}

impl Choice {
    pub(crate) fn new(seed: u64, weights: impl Iterator<Item = u32>, sampled: f64) -> Self {
        let running = weights.scan(0, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        let sums = running.collect();
        let sampled = (sampled < 1.0).then(|| (sampled.max(0.0) * 2_f64.powi(64)) as u64);
        Self { seed, sums, sampled }
    }

    /// Index of the journey of arrival `n`.
    pub(crate) fn journey(&self, n: u64) -> usize {
        let total = self.sums.last().copied().unwrap_or(0);
        if self.sums.len() < 2 {
            return 0;
        }
        let draw = below(self.draw(REQUEST, n), total);
        self.sums.partition_point(|sum| *sum <= draw).min(self.sums.len() - 1)
    }

    /// Whether arrival `n` asks for its trace to be recorded.
    pub(crate) fn sampled(&self, n: u64) -> bool {
        self.sampled.is_none_or(|share| self.draw(SAMPLED, n) < share)
    }

    /// Span id of arrival `n`; never 0, which would make the trace context invalid.
    pub(crate) fn span(&self, n: u64) -> u64 {
        self.draw(SPAN, n).max(1)
    }

    const fn draw(&self, purpose: u64, n: u64) -> u64 {
        draw(self.seed, purpose, n)
    }
}

/// Draw `n` for one purpose; repeats with the seed.
pub(crate) const fn draw(seed: u64, purpose: u64, n: u64) -> u64 {
    mix(mix(seed ^ purpose).wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A draw as a whole number below `total`, fair without a division: multiply and shift (Lemire 2019).
pub(crate) const fn below(draw: u64, total: u64) -> u64 {
    ((draw as u128 * total as u128) >> 64) as u64
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that passes BigCrush on counters.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    fn weighted(seed: u64, weights: &[u32], sampled: f64) -> Choice {
        Choice::new(seed, weights.iter().copied(), sampled)
    }

    #[test]
    fn journeys_are_drawn_by_weight_and_repeat_with_the_seed() {
        let weights = [3, 1, 0, 6];
        let choice = weighted(7, &weights, 0.01);
        let mut counts = [0_u32; 4];
        (0..100_000).for_each(|n| counts[choice.journey(n)] += 1);
        // Standard deviation of a count is at most 158.
        for (count, expected) in counts.iter().zip([30_000_i64, 10_000, 0, 60_000]) {
            assert!((i64::from(*count) - expected).abs() < 800, "{counts:?}");
        }
        assert_eq!(counts[2], 0);
        let again = weighted(7, &weights, 0.01);
        assert!((0..1000).all(|n| again.journey(n) == choice.journey(n) && again.span(n) == choice.span(n)));
        let other = weighted(8, &weights, 0.01);
        assert!((0..1000).any(|n| other.journey(n) != choice.journey(n)));
    }

    #[test]
    fn the_sampled_share_is_kept() {
        let share = |s| (0..100_000).filter(|n| weighted(1, &[1], s).sampled(*n)).count();
        assert_eq!((share(0.0), share(1.0)), (0, 100_000));
        assert!((share(0.01) as i64 - 1000).abs() < 160);
        assert_eq!(weighted(1, &[1], 0.5).journey(99), 0);
    }
}
