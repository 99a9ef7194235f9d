//! The stages of a load in words, for events and people.

use std::time::Duration;

use crate::scenario::{Executor, Stage};
use crate::time::{RunTime, nanos};

/// A stage of the load, in time from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// When it begins.
    pub from: RunTime,
    /// When the next one begins, or the load ends.
    pub to: RunTime,
    /// Words for people, e.g. `200/s for 30s` or `200/s to 1500/s in 2m`.
    pub what: String,
}

/// The stages of an executor in order; one for a constant executor.
#[must_use]
pub fn stages(executor: &Executor) -> Vec<StagePlan> {
    let rate = |value: f64| format!("{}/s", number(value));
    let users = |value: f64| format!("{} user{}", number(value), if value == 1.0 { "" } else { "s" });
    match executor {
        Executor::ConstantArrivalRate { rate: r, duration } => {
            described(r.0, &[Stage { duration: *duration, to: r.0, hold: true }], rate)
        }
        Executor::RampingArrivalRate { start, stages } => {
            let stages: Vec<_> = stages.iter().map(|s| valued(s, s.to.0)).collect();
            described(start.0, &stages, rate)
        }
        Executor::ConstantConnections { connections, duration } => {
            let stage = Stage { duration: *duration, to: *connections as f64, hold: true };
            described(*connections as f64, &[stage], |value| format!("{} connections", number(value)))
        }
        Executor::ConstantVus { vus, duration, .. } => {
            described(*vus as f64, &[Stage { duration: *duration, to: *vus as f64, hold: true }], users)
        }
        Executor::RampingVus { start, stages, .. } => {
            let stages: Vec<_> = stages.iter().map(|s| valued(s, s.to as f64)).collect();
            described(*start as f64, &stages, users)
        }
    }
}

const fn valued<T>(stage: &Stage<T>, to: f64) -> Stage<f64> {
    Stage { duration: stage.duration, to, hold: stage.hold }
}

fn described(start: f64, stages: &[Stage<f64>], unit: impl Fn(f64) -> String) -> Vec<StagePlan> {
    let (mut value, mut at) = (start, RunTime::ZERO);
    let plan = |stage: &Stage<f64>| {
        let (from, length) = (at, words(stage.duration));
        let what = if stage.hold || stage.to == value {
            format!("{} for {length}", unit(stage.to))
        } else {
            format!("{} to {} in {length}", unit(value), unit(stage.to))
        };
        (value, at) = (stage.to, at.plus(nanos(stage.duration)));
        StagePlan { from, to: at, what }
    };
    stages.iter().map(plan).collect()
}

/// At most three decimals, none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1h30m`, `45s`, `1.5s`, `250ms`.
fn words(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{}ms", number(duration.as_secs_f64() * 1e3));
    }
    if !millis.is_multiple_of(1000) && millis < 60_000 {
        return format!("{}s", number(duration.as_secs_f64()));
    }
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Rate;

    fn told(executor: &Executor) -> Vec<(u64, u64, String)> {
        let plain = |s: StagePlan| (s.from.as_nanos() / 1_000_000, s.to.as_nanos() / 1_000_000, s.what);
        stages(executor).into_iter().map(plain).collect()
    }

    #[test]
    fn stages_are_told_in_words() {
        let stage = |ms, to, hold| Stage { duration: Duration::from_millis(ms), to: Rate(to), hold };
        let stages =
            vec![stage(30_000, 200.0, true), stage(150_000, 1500.5, false), stage(250, 1500.5, false)];
        assert_eq!(
            told(&Executor::RampingArrivalRate { start: Rate(0.0), stages }),
            [
                (0, 30_000, "200/s for 30s".into()),
                (30_000, 180_000, "200/s to 1500.5/s in 2m30s".into()),
                (180_000, 180_250, "1500.5/s for 250ms".into()),
            ]
        );
        let duration = Duration::from_millis(5_400_000);
        assert_eq!(
            told(&Executor::ConstantVus { vus: 1, duration, think_time: Duration::ZERO }),
            [(0, 5_400_000, "1 user for 1h30m".into())]
        );
        let stages = vec![Stage { duration: Duration::from_millis(1500), to: 50, hold: false }];
        assert_eq!(
            told(&Executor::RampingVus { start: 10, stages, think_time: Duration::ZERO }),
            [(0, 1500, "10 users to 50 users in 1.5s".into())]
        );
    }
}
