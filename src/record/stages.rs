//! Stages of a load in words.

use crate::scenario::{Executor, Stage};
use crate::time::nanos;

/// Beginning of each stage in nanoseconds from the start of the load, and its words.
pub(super) fn stages(executor: &Executor) -> Vec<(u64, String)> {
    match executor {
        Executor::ConstantArrivalRate { rate, duration } => {
            vec![(0, format!("{}/s for {duration:?}", rate.0))]
        }
        Executor::ConstantVus { vus, duration, .. } => vec![(0, format!("{vus} users for {duration:?}"))],
        Executor::RampingArrivalRate { stages, .. } => words(stages, |r| format!("{}/s", r.0)),
        Executor::RampingVus { stages, .. } => words(stages, |n| format!("{n} users")),
    }
}

fn words<T>(stages: &[Stage<T>], value: impl Fn(&T) -> String) -> Vec<(u64, String)> {
    let mut begin = 0;
    stages
        .iter()
        .map(|stage| {
            let at = begin;
            begin += nanos(stage.duration);
            let how = if stage.hold { "" } else { "to " };
            (at, format!("{how}{} for {:?}", value(&stage.to), stage.duration))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::Rate;

    #[test]
    fn stages_begin_where_the_last_one_ends() {
        let stage = |secs, to, hold| Stage { duration: Duration::from_secs(secs), to: Rate(to), hold };
        let executor = Executor::RampingArrivalRate {
            start: Rate(10.0),
            stages: vec![stage(30, 200.0, true), stage(120, 1500.0, false)],
        };
        let words = stages(&executor);
        assert_eq!(words[0], (0, "200/s for 30s".to_owned()));
        assert_eq!(words[1], (30_000_000_000, "to 1500/s for 120s".to_owned()));
    }
}
