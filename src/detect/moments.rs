//! From anomalies of single series to moments of the run.

use crate::analysis::Anomaly;
use crate::time::Window;

/// One moment per group of symptoms that overlap or begin within `guard` nanoseconds of each other's end.
///
/// It carries the series that showed it first; of those that showed it within `guard` of the first, the one
/// that was farthest off. Its window is that of the whole group.
pub(super) fn moments(symptoms: &[Anomaly], guard: u64) -> Vec<Anomaly> {
    let mut order: Vec<&Anomaly> = symptoms.iter().collect();
    order.sort_by_key(|a| (a.window.from, a.window.to));
    let mut groups: Vec<Vec<&Anomaly>> = Vec::new();
    let mut until = None;
    for anomaly in order {
        match (groups.last_mut(), until) {
            (Some(group), Some(end)) if anomaly.window.from <= end => group.push(anomaly),
            _ => {
                groups.push(vec![anomaly]);
                until = None;
            }
        }
        until = until.max(Some(anomaly.window.to.plus(guard)));
    }
    groups.iter().filter_map(|g| one(g, guard)).collect()
}

fn one(group: &[&Anomaly], guard: u64) -> Option<Anomaly> {
    let first = group.first()?.window.from;
    let last = group.iter().map(|a| a.window.to).max()?;
    let early = group.iter().filter(|a| a.window.from <= first.plus(guard));
    let shown = early.max_by(|a, b| a.score.total_cmp(&b.score))?;
    Some(Anomaly {
        window: Window::new(first, last),
        ongoing: group.iter().any(|a| a.ongoing),
        ..Anomaly::clone(shown)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Unit;
    use crate::time::{RunTime, SECOND};

    fn anomaly(series: &str, from: u64, to: u64, score: f64) -> Anomaly {
        let at = |s: u64| RunTime::from_nanos(s * SECOND);
        Anomaly {
            series: series.into(),
            of: None,
            window: Window::new(at(from), at(to)),
            ongoing: to == 60,
            reference: 1.0,
            observed: 2.0,
            unit: Unit::Nanoseconds,
            score,
            hindsight: false,
        }
    }

    #[test]
    fn what_overlaps_is_one_moment() {
        let all = [
            anomaly("p99", 31, 60, 5.0),
            anomaly("p50", 30, 45, 9.0),
            anomaly("error-rate", 44, 50, 80.0),
            anomaly("p95", 5, 9, 4.0),
        ];
        let got = moments(&all, 3 * SECOND);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].series.as_str(), got[0].ongoing), ("p95", false));
        assert_eq!((got[1].series.as_str(), got[1].ongoing), ("p50", true), "errors came later");
        assert_eq!(got[1].window.secs(), 30.0);
    }
}
