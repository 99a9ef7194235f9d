//! The load level over time: periods are compared only at the same one.

use crate::time::Window;

/// Levels within 10 % of each other count as the same.
pub const SAME_RATE: f64 = 0.10;

/// Whether two load levels are the same: within [`SAME_RATE`], or less than one arrival (one user) apart. A
/// level that is not known is like any other.
#[must_use]
pub fn same_rate(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= (SAME_RATE * a.max(b)).max(0.99),
        _ => true,
    }
}

/// A quantity per period, in order of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels<'a>(pub(super) &'a [(Window, f64)]);

impl Levels<'_> {
    /// Mean over a window, weighted by overlap; none where nothing is known.
    pub(super) fn at(&self, window: Window) -> Option<f64> {
        let first = self.0.partition_point(|(w, _)| w.to <= window.from);
        let (mut sum, mut weight) = (0.0, 0.0);
        for (w, value) in self.0[first..].iter().take_while(|(w, _)| w.from < window.to) {
            let shared = w.overlap(window) as f64;
            sum += value * shared;
            weight += shared;
        }
        (weight > 0.0).then(|| sum / weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{RunTime, SECOND};

    fn window(from: f64, to: f64) -> Window {
        let at = |s: f64| RunTime::from_nanos((s * SECOND as f64) as u64);
        Window::new(at(from), at(to))
    }

    #[test]
    fn levels_are_weighted_by_overlap() {
        let known = [(window(0.0, 1.0), 100.0), (window(1.0, 2.0), 200.0)];
        let levels = Levels(&known);
        assert_eq!(levels.at(window(0.5, 1.5)), Some(150.0));
        assert_eq!(levels.at(window(0.25, 1.25)), Some(125.0));
        assert_eq!(levels.at(window(5.0, 6.0)), None);
    }

    #[test]
    fn ten_percent_is_the_same_rate() {
        assert!(same_rate(Some(500.0), Some(540.0)) && !same_rate(Some(500.0), Some(600.0)));
        assert!(!same_rate(Some(4.0), Some(5.0)) && same_rate(None, Some(1.0)));
    }
}
