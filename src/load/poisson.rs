//! A Poisson process of unit rate, a pure function of the seed, without walking from its beginning.
//!
//! The axis is cut into blocks of one length. How many arrivals a block has is drawn for each block alone, as
//! a Poisson number is; given its number, each of its arrivals lies in either half of it by the toss of a coin,
//! and so on down to small parts, where each lies anywhere with equal chances. That is the process itself
//! (Kingman 1993, Poisson Processes): its gaps are independent and exponential.

use super::choice::{below, draw};

/// Keep these draws apart from others of the same seed.
const COUNT: u64 = 0x706f_6973_736f_6e04;
const HALF: u64 = 0x706f_6973_736f_6e05;
const PLACE: u64 = 0x706f_6973_736f_6e06;
/// Billionths: what one unit of time is counted in.
const UNIT: u128 = 1_000_000_000;
/// Length of a block in units, unless there would be more than [`MAX_BLOCKS`].
const BLOCK: u64 = 1 << 16;
/// Blocks at the most; each takes eight bytes, and some 50 ns at the start.
const MAX_BLOCKS: u128 = 1 << 20;
/// Length of the parts whose arrivals are drawn together, in units.
const PART: u64 = 1 << 8;
/// No process is longer, in units: at a million a second that is 35 years.
const LONGEST: u128 = 1 << 50;

/// The arrivals of a unit-rate process up to some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poisson {
    seed: u64,
    /// Length of a block, a power of two.
    block: u64,
    /// Arrivals before each block.
    before: Vec<u64>,
    total: u64,
}

/// The part of the process that was asked for last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// Number of its first arrival.
    first: u64,
    /// When each of its arrivals comes, in order.
    times: Vec<u128>,
}

/// A part of a block while it is looked for.
#[derive(Clone, Copy)]
struct Part {
    /// The block's own seed.
    seed: u64,
    /// Number in the block: the halves of `n` are `2 n` and `2 n + 1`.
    number: u64,
    /// Arrivals of the block before it, and in it.
    before: u64,
    count: u64,
    /// Beginning and length in billionths.
    start: u128,
    len: u64,
}

impl Poisson {
    /// All arrivals before `end` (in billionths of a unit).
    pub(crate) fn new(seed: u64, end: u128) -> Self {
        let end = end.min(LONGEST * UNIT);
        let mut block = BLOCK;
        while end / (u128::from(block) * UNIT) >= MAX_BLOCKS {
            block *= 2;
        }
        let whole = (end / (u128::from(block) * UNIT)) as u64;
        let mut poisson = Self { seed, block, before: Vec::with_capacity(whole as usize + 1), total: 0 };
        for index in 0..whole {
            poisson.before.push(poisson.total);
            poisson.total += poisson.block(index).count;
        }
        poisson.before.push(poisson.total);
        poisson.total += poisson.count_before(whole, end);
        poisson
    }

    /// Number of arrivals.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// When arrival `n` comes, in billionths of a unit; `n` is below [`Self::total`].
    pub(crate) fn units(&self, cursor: &mut Cursor, n: u64) -> u128 {
        let known = |cursor: &Cursor| cursor.times.get(n.checked_sub(cursor.first)? as usize).copied();
        known(cursor).unwrap_or_else(|| {
            self.find(cursor, n);
            known(cursor).unwrap_or_default()
        })
    }

    /// Draws the part that arrival `n` lies in.
    fn find(&self, cursor: &mut Cursor, n: u64) {
        let index = self.before.partition_point(|before| *before <= n).saturating_sub(1);
        let inside = n - self.before[index];
        let part = self.part(index as u64, |right| inside >= right.before);
        cursor.first = self.before[index] + part.before;
        part.draw(&mut cursor.times);
    }

    /// How many arrivals of a block come before `end`, which lies in it.
    fn count_before(&self, index: u64, end: u128) -> u64 {
        let part = self.part(index, |right| end >= right.start);
        let mut times = Vec::new();
        part.draw(&mut times);
        part.before + times.partition_point(|time| *time < end) as u64
    }

    /// Halves a block until the part is small that `goes_right` leads to; it sees the right half.
    fn part(&self, index: u64, goes_right: impl Fn(&Part) -> bool) -> Part {
        let mut part = self.block(index);
        for _ in 0..(self.block / PART).ilog2() {
            let (left, right) = part.halves();
            part = if goes_right(&right) { right } else { left };
        }
        part
    }

    fn block(&self, index: u64) -> Part {
        let seed = draw(self.seed, COUNT, index);
        let len = self.block * UNIT as u64;
        let start = u128::from(index) * u128::from(len);
        Part { seed, number: 1, before: 0, count: poisson_number(seed, self.block as f64), start, len }
    }
}

impl Part {
    fn halves(self) -> (Self, Self) {
        let (number, len) = (2 * self.number, self.len / 2);
        let count = heads(draw(self.seed, HALF, self.number), self.count);
        let left = Self { number, count, len, ..self };
        let right = Self {
            number: number + 1,
            before: self.before + count,
            count: self.count - count,
            start: self.start + u128::from(len),
            ..left
        };
        (left, right)
    }

    /// When its arrivals come.
    fn draw(&self, times: &mut Vec<u128>) {
        let seed = draw(self.seed, PLACE, self.number);
        times.clear();
        times.extend((0..self.count).map(|i| self.start + u128::from(below(draw(seed, PLACE, i), self.len))));
        times.sort_unstable();
    }
}

/// How many of `coins` fall on heads: a bit each.
fn heads(seed: u64, coins: u64) -> u64 {
    let bits = |i| draw(seed, HALF, i);
    let rest = bits(coins / 64) & ((1 << (coins % 64)) - 1);
    (0..coins / 64).map(|i| u64::from(bits(i).count_ones())).sum::<u64>() + u64::from(rest.count_ones())
}

/// A Poisson number of a large mean, by transformed rejection (Hoermann 1993, algorithm PTRS).
fn poisson_number(seed: u64, mean: f64) -> u64 {
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let scale = 1.1239 + 1.1328 / (b - 3.4);
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    let mut draws = (0_u64..).map(|i| even(draw(seed, COUNT, i)));
    loop {
        let (Some(u), Some(v)) = (draws.next(), draws.next()) else { return mean as u64 };
        let u = u - 0.5;
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
        if us >= 0.07 && v <= squeeze {
            return k as u64;
        }
        if k < 1.0 || (us < 0.013 && v > us) {
            continue;
        }
        if (v * scale / (a / (us * us) + b)).ln() <= k * mean.ln() - mean - ln_factorial(k) {
            return k as u64;
        }
    }
}

/// Stirling's series, good to 1e-9 from 10 on.
fn ln_factorial(k: f64) -> f64 {
    let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
    (k + 0.5) * k.ln() - k + half_ln_tau + 1.0 / (12.0 * k) - 1.0 / (360.0 * k * k * k)
}

/// A number above 0 and below 1, from 53 bits of a draw.
fn even(draw: u64) -> f64 {
    ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn all(poisson: &Poisson) -> Vec<u128> {
        let mut cursor = Cursor::default();
        (0..poisson.total()).map(|n| poisson.units(&mut cursor, n)).collect()
    }

    /// Largest distance of the values' distribution from the one given, times the root of their number.
    fn kolmogorov_smirnov(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let distance = |(i, v): (usize, &f64)| {
            let expected = distribution(*v);
            (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
        };
        values.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
    }

    #[test]
    fn gaps_are_exponential_and_independent_and_the_order_of_asking_does_not_matter() {
        let end = 300_000 * UNIT;
        let poisson = Poisson::new(7, end);
        let n = poisson.total();
        // The number is Poisson with mean 300,000: its standard deviation is 548.
        assert!((n as f64 - 300_000.0).abs() < 4.0 * 548.0, "{n}");
        let times = all(&poisson);
        assert!(times.windows(2).all(|t| t[0] <= t[1]) && times[n as usize - 1] < end);
        for i in [0, 255, 256, 257, 65_535, 65_536, 200_000, n - 1] {
            assert_eq!(poisson.units(&mut Cursor::default(), i), times[i as usize], "{i}");
        }
        // Even for threads that take every third arrival, or one that goes back.
        let mut cursor = Cursor::default();
        assert!((0..n).step_by(3).all(|i| poisson.units(&mut cursor, i) == times[i as usize]));
        assert!((0..n).rev().step_by(7).all(|i| poisson.units(&mut cursor, i) == times[i as usize]));
        let gaps: Vec<f64> = times.windows(2).map(|t| (t[1] - t[0]) as f64 / 1e9).collect();
        // Beyond 1.95 with a chance of 0.1 %.
        let distance = kolmogorov_smirnov(gaps.clone(), |gap| 1.0 - (-gap).exp());
        assert!(distance < 1.95, "{distance}");
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let product: f64 = gaps.windows(2).map(|g| (g[0] - mean) * (g[1] - mean)).sum();
        let correlation = product / gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>();
        assert!(correlation.abs() < 4.0 / (n as f64).sqrt(), "{correlation}");
        assert_ne!(Poisson::new(8, end).total(), n);
    }

    #[test]
    fn numbers_in_equal_stretches_vary_as_those_of_a_poisson_process() {
        let times = all(&Poisson::new(3, 400_000 * UNIT));
        // Shorter and longer than a part; variance over mean is 1, with a standard error of sqrt(2 / stretches).
        for len in [10, 1000] {
            let mut counts = vec![0.0; 400_000 / len];
            times.iter().for_each(|t| counts[(t / UNIT) as usize / len] += 1.0);
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance =
                counts.iter().map(|c: &f64| (c - mean).powi(2)).sum::<f64>() / (counts.len() - 1) as f64;
            let error = (2.0 / counts.len() as f64).sqrt();
            assert!((variance / mean - 1.0).abs() < 4.0 * error, "{len}: {}", variance / mean);
        }
        // Short processes of many seeds, which end within their first block.
        let totals: Vec<f64> = (0..4_000).map(|seed| Poisson::new(seed, 400 * UNIT).total() as f64).collect();
        let mean = totals.iter().sum::<f64>() / 4_000.0;
        let variance = totals.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 3_999.0;
        assert!((mean - 400.0).abs() < 4.0 * 20.0 / 4_000_f64.sqrt(), "{mean}");
        assert!((variance / 400.0 - 1.0).abs() < 4.0 * (2.0 / 4_000_f64).sqrt(), "{variance}");
        // Whole blocks: each by a draw of its own.
        let blocks: Vec<f64> =
            (0..20_000).map(|i| poisson_number(draw(1, COUNT, i), BLOCK as f64)).map(|k| k as f64).collect();
        let mean = blocks.iter().sum::<f64>() / 20_000.0;
        let variance = blocks.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 19_999.0;
        assert!((mean - 65_536.0).abs() < 4.0 * 256.0 / 20_000_f64.sqrt(), "{mean}");
        assert!((variance / 65_536.0 - 1.0).abs() < 0.04, "{variance}");
    }

    #[test]
    fn a_longer_process_begins_with_the_shorter_one() {
        let (short, long) = (all(&Poisson::new(5, 1_000 * UNIT + 7)), all(&Poisson::new(5, 200_000 * UNIT)));
        assert_eq!(long[..short.len()], short[..]);
        assert!(long[short.len()] >= 1_000 * UNIT + 7);
        assert_eq!(Poisson::new(5, 0).total(), 0);
        assert_eq!(all(&Poisson::new(5, long[3])).len(), 3, "the end itself is outside");
    }

    #[test]
    fn a_week_at_a_high_rate_takes_little_time_and_memory() {
        let begun = Instant::now();
        let poisson = Poisson::new(1, 604_800 * 200_000 * UNIT);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(poisson.before.len() <= MAX_BLOCKS as usize + 1, "{}", poisson.before.len());
        let n = poisson.total();
        // Standard deviation: 347,793.
        assert!((n as f64 - 120_960_000_000.0).abs() < 4.0 * 347_793.0, "{n}");
        let mut cursor = Cursor::default();
        let last: Vec<u128> = (n - 1000..n).map(|i| poisson.units(&mut cursor, i)).collect();
        assert!(last.windows(2).all(|t| t[0] <= t[1]) && last[999] < 604_800 * 200_000 * UNIT);
        assert!(cursor.times.len() < 1_000, "{}", cursor.times.len());
        assert!(Poisson::new(1, u128::MAX).total() > 1 << 49, "no process is endless");
    }
}
