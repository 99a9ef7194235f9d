//! How far a counter went.

use crate::time::RunTime;

/// How far a counter went between the first and the last of its points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterDelta {
    /// The increase; after a reset the new value counts in full, as in Prometheus' `increase` without its
    /// extrapolation.
    pub increase: f64,
    /// How often the counter fell: its process started again, or it is no counter.
    pub resets: usize,
    /// Moment of the first point.
    pub from: RunTime,
    /// Moment of the last point.
    pub to: RunTime,
}

/// Increase over points in order of time; NaN points are left out. None with fewer than two points.
#[must_use]
pub fn counter_delta(points: &[(RunTime, f64)]) -> Option<CounterDelta> {
    let mut points = points.iter().filter(|(_, v)| !v.is_nan());
    let &(from, mut last) = points.next()?;
    let mut delta = CounterDelta { increase: 0.0, resets: 0, from, to: from };
    let mut seen = 1;
    for &(at, value) in points {
        if value < last {
            delta.resets += 1;
            delta.increase += value;
        } else {
            delta.increase += value - last;
        }
        (last, delta.to) = (value, at);
        seen += 1;
    }
    (seen > 1).then_some(delta)
}
