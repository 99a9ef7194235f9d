//! Moving averages and deviations with the arithmetic of pandas.

use super::robust::std_dev;

/// Exponentially weighted moving average, `pandas.Series.ewm(alpha).mean()` with its default `adjust=True`:
/// every value so far counts with weight `(1 - alpha)^age`, and the weights are normed to 1, so the first
/// values are not dragged towards an arbitrary start.
///
/// The recursive form keeps two sums and is exact, so a live view and a later analysis agree to the bit.
#[derive(Clone, Copy, Debug)]
pub struct Ewma {
    keep: f64,
    weighted: f64,
    weights: f64,
}

impl Ewma {
    /// An empty average; `alpha` is the weight of the newest value, in 0..=1 (clamped).
    #[must_use]
    pub const fn new(alpha: f64) -> Self {
        Self { keep: 1.0 - alpha.clamp(0.0, 1.0), weighted: 0.0, weights: 0.0 }
    }

    /// Takes the next value; a missing one still ages the others (pandas' `ignore_na=False`).
    ///
    /// Returns the average so far, none before the first value.
    pub fn push(&mut self, value: Option<f64>) -> Option<f64> {
        self.weighted *= self.keep;
        self.weights *= self.keep;
        if let Some(v) = value {
            self.weighted += v;
            self.weights += 1.0;
        }
        self.value()
    }

    /// The average so far.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.weighted / self.weights)
    }
}

/// [`Ewma`] of a whole series; as long as `values`.
#[must_use]
pub fn ewma(values: &[Option<f64>], alpha: f64) -> Vec<Option<f64>> {
    let mut average = Ewma::new(alpha);
    values.iter().map(|&v| average.push(v)).collect()
}

/// Sample standard deviation (divisor n - 1) of the last `window` values, `pandas.Series.rolling(window).std()`:
/// none until the window is full, and none while a value in it is missing.
#[must_use]
pub fn rolling_std(values: &[Option<f64>], window: usize) -> Vec<Option<f64>> {
    (0..values.len())
        .map(|i| {
            let first = (i + 1).checked_sub(window)?;
            let full: Option<Vec<f64>> = values[first..=i].iter().copied().collect();
            std_dev(&full?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected figures of this module's tests: pandas 3.1.1, numpy 2.4.6
    //   s = pd.Series(X); s.ewm(alpha=0.3).mean(); s.rolling(10).std()
    const X: [f64; 12] = [12.0, 15.5, 11.2, 13.9, 40.1, 12.7, 14.4, 13.3, 12.1, 16.8, 15.0, 13.6];

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() <= 1e-12 * b.abs())
    }

    #[test]
    fn ewma_is_that_of_pandas() {
        let expected = [
            12.0,
            14.058823529411764,
            12.753424657534246,
            13.206079747335176,
            22.9042227110454,
            19.434779356514586,
            17.788791360325668,
            16.3597739417943,
            15.028104076873241,
            15.57512483633498,
            15.399106936427142,
            14.851799414906363,
        ];
        let got = ewma(&X.map(Some), 0.3);
        assert!(got.iter().zip(expected).all(|(&g, e)| close(g, e)), "{got:?}");
    }

    #[test]
    fn a_missing_value_ages_the_others_as_in_pandas() {
        // pd.Series([1, None, 3, None, None, 2]).ewm(alpha=0.3).mean()
        let got = ewma(&[None, Some(1.0), None, Some(3.0), None, None, Some(2.0)], 0.3);
        assert_eq!(got[0], None);
        let expected =
            [1.0, 1.0, 2.3422818791946307, 2.3422818791946307, 2.3422818791946307, 2.115765649506641];
        assert!(got[1..].iter().zip(expected).all(|(&g, e)| close(g, e)), "{got:?}");
    }

    #[test]
    fn rolling_std_is_that_of_pandas() {
        let got = rolling_std(&X.map(Some), 10);
        assert!(got[..9].iter().all(Option::is_none));
        let expected = [8.568028426138135, 8.456424250894175, 8.502607443210191];
        assert!(got[9..].iter().zip(expected).all(|(&g, e)| close(g, e)), "{got:?}");
        let mut gap = X.map(Some);
        gap[5] = None;
        assert!(rolling_std(&gap, 10)[9..].iter().all(Option::is_none), "a gap empties the window");
    }
}
