//! A mean with its standard error, in nanoseconds per request.

use crate::analysis::Estimate;

/// Half-width of a 90 % interval in standard errors.
const Z90: f64 = 1.645;

/// A mean and its standard error; sums and differences assume independent parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    pub value: f64,
    pub error: f64,
}

impl Measured {
    pub(super) const fn new(value: f64, error: f64) -> Self {
        Self { value, error }
    }

    /// A value that is certainly not less than `low`.
    pub(super) fn from(low: f64, value: f64) -> Self {
        Self { value, error: (value - low).max(0.0) / Z90 }
    }

    /// The same if it is known not to be less than `low`.
    pub(super) fn at_least(self, low: f64) -> Self {
        if self.low() >= low || self.value <= low { self } else { Self::from(low, self.value) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, error: self.error.hypot(other.error) }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self { value: self.value - other.value, error: self.error.hypot(other.error) }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, error: self.error * factor.abs() }
    }

    /// Lower end of the 90 % interval.
    pub(super) fn low(self) -> f64 {
        self.value - Z90 * self.error
    }

    /// Upper end of the 90 % interval.
    pub(super) fn high(self) -> f64 {
        self.value + Z90 * self.error
    }

    /// As shown: whole nanoseconds with the 90 % interval.
    pub(super) fn estimate(self) -> Estimate {
        let whole = |x: f64| x.round() as i64;
        Estimate { value: whole(self.value), low: whole(self.low()), high: whole(self.high()) }
    }
}

/// Observations in a block: neighbours in time are alike, blocks of half a second to a few seconds much
/// less so.
const BLOCK: usize = 5;

/// Mean of a series of neighbouring observations, its error by the method of batch means (Law & Kelton,
/// *Simulation Modeling and Analysis*, 9.5.3): the spread of block means allows for autocorrelation.
pub(super) fn batch_mean(values: &[f64]) -> Measured {
    let n = values.len();
    if n == 0 {
        return Measured::default();
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let block = if n >= 4 * BLOCK { BLOCK } else { 1 };
    let blocks: Vec<f64> = values.chunks_exact(block).map(|c| c.iter().sum::<f64>() / block as f64).collect();
    let k = blocks.len() as f64;
    if k < 2.0 {
        return Measured::new(mean, mean.abs());
    }
    let spread = blocks.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (k - 1.0);
    Measured::new(mean, (spread / k).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autocorrelation_widens_the_error() {
        let alternating: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let runs: Vec<f64> = (0..100).map(|i| f64::from(i / 5 % 2)).collect();
        let (a, r) = (batch_mean(&alternating), batch_mean(&runs));
        assert!((a.value - 0.5).abs() < 1e-9 && (r.value - 0.5).abs() < 1e-9);
        assert!(r.error > 4.0 * a.error, "{} against {}", r.error, a.error);
    }

    #[test]
    fn few_observations_are_as_uncertain_as_they_are_large() {
        assert_eq!(batch_mean(&[8.0]), Measured::new(8.0, 8.0));
        assert_eq!(batch_mean(&[]), Measured::default());
    }
}
