//! The requests in flight that the generator counted around each snapshot, against their exact mean: a control variate.
//!
//! A hundred snapshots meet more requests than there are on average, or fewer, by chance. How many there were around each is
//! known, and so is their mean over the window, by Little's law from the generator's clocks. What is seen in a snapshot goes
//! up and down with the requests that are there, so that the part of its mean that is such a chance can be taken away
//! (regression estimator: Cochran, *Sampling Techniques*, chapter 7; Law & Kelton, 11.4). Rows are not made to fit the whole: a
//! count that has nothing to do with the requests in flight stays as it is, and so does time that no row explains.

use super::measure::{Measured, batch_mean};

/// Snapshots from which on the slope is known well enough.
const LEAST: usize = 20;
/// Standard errors that the mean around the snapshots may be off before the two are not of the same thing.
const ALIKE: f64 = 4.0;

/// Requests in flight around each snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Beside {
    /// Less their own mean.
    centred: Vec<f64>,
    /// How much more of them the snapshots met than there are on average.
    surplus: f64,
    variance: f64,
}

impl Beside {
    /// `seen`: around each snapshot; `mean`: over the whole window. None where they say nothing of each other.
    pub(super) fn of(seen: &[f64], mean: f64) -> Option<Self> {
        let around = batch_mean(seen);
        let surplus = around.value - mean;
        let centred: Vec<f64> = seen.iter().map(|m| m - around.value).collect();
        let variance = centred.iter().map(|c| c * c).sum::<f64>();
        let alike = surplus.abs() <= ALIKE * around.error;
        (seen.len() >= LEAST && mean > 0.0 && variance > 0.0 && alike).then_some(Self {
            centred,
            surplus,
            variance,
        })
    }

    /// The mean of what each snapshot showed, without what it showed by chance; each stands for `weights` of the time.
    pub(super) fn mean(&self, counts: &[f64], weights: &[f64]) -> Measured {
        let mean = counts.iter().sum::<f64>() / counts.len().max(1) as f64;
        let together: f64 = counts.iter().zip(&self.centred).map(|(n, c)| (n - mean) * c).sum();
        let slope = together / self.variance;
        let left: Vec<f64> = counts
            .iter()
            .zip(&self.centred)
            .zip(weights)
            .map(|((n, centred), weight)| weight * (n - slope * (centred + self.surplus)))
            .collect();
        batch_mean(&left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests in flight go up and down; two of three of them wait for a lock.
    fn seen() -> Vec<f64> {
        (0..100).map(|i| f64::from((i * 37 + i * i) % 17)).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn chance_is_taken_away_in_proportion() {
        let seen = seen();
        let truth = mean(&seen) * 0.95;
        let beside = Beside::of(&seen, truth).expect("alike");
        let ones = vec![1.0; seen.len()];
        let waiting: Vec<f64> = seen.iter().map(|m| m * 2.0 / 3.0).collect();
        let of_waiting = beside.mean(&waiting, &ones);
        assert!((of_waiting.value - truth * 2.0 / 3.0).abs() < 1e-9, "{of_waiting:?}");
        assert!(of_waiting.error < 1e-9, "nothing is left to chance: {of_waiting:?}");
        let workers = vec![3.0; seen.len()];
        assert!((beside.mean(&workers, &ones).value - 3.0).abs() < 1e-9, "three are three, whoever is there");
        // Rows add up to the row of all of them, whatever each has of the requests.
        let other: Vec<f64> =
            seen.iter().enumerate().map(|(i, m)| m / 3.0 + f64::from(i as u32 % 3)).collect();
        let all: Vec<f64> = waiting.iter().zip(&other).map(|(a, b)| a + b).collect();
        let sum = beside.mean(&waiting, &ones).value + beside.mean(&other, &ones).value;
        assert!((sum - beside.mean(&all, &ones).value).abs() < 1e-9);
    }

    #[test]
    fn what_is_of_another_kind_is_left_alone() {
        let seen = seen();
        let truth = mean(&seen);
        assert_eq!(Beside::of(&seen, truth * 3.0), None, "more than chance");
        assert_eq!(Beside::of(&seen[..10], truth), None, "too few");
        assert_eq!(Beside::of(&[4.0; 50], 4.0), None, "no more is known than before");
        assert_eq!(Beside::of(&[], 4.0), None);
    }
}
