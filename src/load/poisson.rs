//! A Poisson process of unit rate: independent exponential gaps, a pure function of the seed.

use super::choice::draw;

/// Keeps these draws apart from others of the same seed.
const GAP: u64 = 0x706f_6973_736f_6e04;
/// Billionths: what one unit of time is counted in.
const UNIT: f64 = 1e9;
/// Arrivals between two sums that are kept.
const STEP: u64 = 256;

/// The arrivals of a unit-rate process up to some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poisson {
    seed: u64,
    /// Sum of the gaps before every [`STEP`]th arrival, that arrival's own not included.
    sums: Vec<u64>,
    total: u64,
}

/// The arrival that was asked for last, and its time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    last: Option<(u64, u64)>,
}

impl Poisson {
    /// All arrivals before `end` (in billionths of a unit).
    pub(crate) fn new(seed: u64, end: u64) -> Self {
        let (mut sums, mut at, mut n) = (Vec::new(), 0_u64, 0_u64);
        loop {
            if n.is_multiple_of(STEP) {
                sums.push(at);
            }
            at = at.saturating_add(gap(seed, n));
            if at >= end {
                return Self { seed, sums, total: n };
            }
            n += 1;
        }
    }

    /// Number of arrivals.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// When arrival `n` comes, in billionths of a unit.
    pub(crate) fn units(&self, cursor: &mut Cursor, n: u64) -> u64 {
        let step = n / STEP;
        let (mut k, mut at) = match cursor.last {
            Some((k, at)) if k <= n && n - k < STEP => (k, at),
            _ => {
                let sum = self.sums.get(step as usize).or(self.sums.last()).copied().unwrap_or(0);
                (step * STEP, sum.saturating_add(gap(self.seed, step * STEP)))
            }
        };
        while k < n {
            k += 1;
            at = at.saturating_add(gap(self.seed, k));
        }
        cursor.last = Some((n, at));
        at
    }
}

/// The gap before arrival `n`: exponential with mean one, from 53 bits of a draw that is never 0.
fn gap(seed: u64, n: u64) -> u64 {
    let even = ((draw(seed, GAP, n) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (-even.ln() * UNIT) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_exponential_and_the_order_of_asking_does_not_matter() {
        let end = 100_000 * 1_000_000_000;
        let poisson = Poisson::new(7, end);
        let n = poisson.total();
        // The number is Poisson with mean 100,000: its standard deviation is 316.
        assert!((n as f64 - 100_000.0).abs() < 4.0 * 316.0, "{n}");
        let mut cursor = Cursor::default();
        let times: Vec<u64> = (0..n).map(|i| poisson.units(&mut cursor, i)).collect();
        assert!(times.windows(2).all(|t| t[0] <= t[1]) && times[n as usize - 1] < end);
        for i in [0, 255, 256, 257, 5_000, n - 1] {
            assert_eq!(poisson.units(&mut Cursor::default(), i), times[i as usize], "{i}");
        }
        // Even for threads that take every third arrival.
        let mut cursor = Cursor::default();
        assert!((0..n).step_by(3).all(|i| poisson.units(&mut cursor, i) == times[i as usize]));
        // Share of gaps above one and two units: e^-1, e^-2.
        let above = |units: u64| {
            times.windows(2).filter(|t| t[1] - t[0] > units * 1_000_000_000).count() as f64 / n as f64
        };
        assert!((above(1) - (-1.0_f64).exp()).abs() < 0.006, "{}", above(1));
        assert!((above(2) - (-2.0_f64).exp()).abs() < 0.005, "{}", above(2));
        assert_ne!(Poisson::new(8, end).total(), n);
    }
}
