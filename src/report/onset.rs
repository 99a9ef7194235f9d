//! When it began.

use crate::analysis::{Analysis, Anomaly};

/// The earliest anomaly that touches the explained window, else the earliest.
pub(super) fn first_anomaly(a: &Analysis) -> Option<&Anomaly> {
    let judged = a.breakdown.as_ref().map(|b| b.judged.window);
    let touching = |x: &&Anomaly| judged.is_some_and(|w| w.overlap(x.window) > 0);
    let earliest = |x: &&Anomaly| x.window.from;
    a.anomalies
        .iter()
        .filter(touching)
        .min_by_key(earliest)
        .or_else(|| a.anomalies.iter().min_by_key(earliest))
}
