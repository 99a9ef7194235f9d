//! How arrivals are spaced, and what that does to profiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EvidenceKind, EvidenceSource, Executor, Rate, Scenario, Stage};

/// CPU profiles take so many samples a second.
const SAMPLES: f64 = 100.0;
/// Fewer places than this within the distance of two arrivals, and the samples keep step with them.
const PLACES: u32 = 20;

/// How arrivals are spaced in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Evenly: as k6, vegeta and wrk2 do.
    #[default]
    Even,
    /// Each by chance somewhere in the slot that even arrivals would begin: as many as these, but in step with nothing.
    Jittered,
    /// A Poisson process of the same rate: independent users, bunched as real ones are.
    Poisson,
}

impl Arrivals {
    /// All of them, by their words in scenario files.
    pub(super) const KNOWN: [(&'static str, Self); 3] =
        [("even", Self::Even), ("jittered", Self::Jittered), ("poisson", Self::Poisson)];

    /// The word in scenario files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Jittered => "jittered",
            Self::Poisson => "poisson",
        }
    }

    /// What a scenario gets that does not say: even, unless a CPU profile samples the target meanwhile.
    #[must_use]
    pub fn beside(evidence: &[EvidenceSource]) -> Self {
        if profiles_cpu(evidence) { Self::Jittered } else { Self::Even }
    }
}

fn profiles_cpu(evidence: &[EvidenceSource]) -> bool {
    evidence.iter().any(|s| matches!(s.kind, EvidenceKind::GoPprof { .. } | EvidenceKind::Pprof { .. }))
}

impl Scenario {
    /// A rate at which even arrivals keep step with the samples of a CPU profile that is taken meanwhile.
    #[must_use]
    pub fn in_step(&self) -> Option<Rate> {
        if self.load.arrivals != Arrivals::Even || !profiles_cpu(&self.evidence) {
            return None;
        }
        held(&self.load.executor)
            .into_iter()
            .find(|(rate, time)| keeps_step(*rate, *time))
            .map(|(rate, _)| rate)
    }
}

/// The rates that stay as they are for some time.
fn held(executor: &Executor) -> Vec<(Rate, Duration)> {
    match executor {
        Executor::ConstantArrivalRate { rate, duration } => vec![(*rate, *duration)],
        Executor::RampingArrivalRate { start, stages } => {
            let before = std::iter::once(*start).chain(stages.iter().map(|s: &Stage<Rate>| s.to));
            let level = stages.iter().zip(before).filter(|(s, before)| s.hold || s.to == *before);
            level.map(|(s, _)| (s.to, s.duration)).collect()
        }
        Executor::ConstantConnections { .. } | Executor::ConstantVus { .. } | Executor::RampingVus { .. } => {
            Vec::new()
        }
    }
}

/// Whether samples fall on few places between two arrivals, and drift by less than one distance in all the time. At
/// `b` places the CPU time of a service that is busy for a share `s` may be off by a factor of `1 / (b s)`.
fn keeps_step(rate: Rate, time: Duration) -> bool {
    (1..=PLACES).map(f64::from).any(|places| {
        let arrivals = rate.0 * places / SAMPLES;
        let drift = (arrivals - arrivals.round()).abs() * SAMPLES / places;
        arrivals.round() >= 1.0 && drift * time.as_secs_f64() < 1.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_rates_keep_step_and_odd_ones_do_not() {
        let steps = |rate| keeps_step(Rate(rate), Duration::from_secs(30));
        for rate in [5.0, 10.0, 50.0, 100.0, 150.0, 500.0, 500.01, 20_000.0] {
            assert!(steps(rate), "{rate}");
        }
        for rate in [1.0, 3.0, 497.0, 501.0, 499.9, 1234.5] {
            assert!(!steps(rate), "{rate}");
        }
    }

    #[test]
    fn only_what_is_held_keeps_step() {
        let stage = |to, hold| Stage { duration: Duration::from_secs(9), to: Rate(to), hold };
        let stages = vec![stage(100.0, false), stage(200.0, true), stage(200.0, false), stage(0.0, false)];
        let held = held(&Executor::RampingArrivalRate { start: Rate(0.0), stages });
        assert_eq!(held.iter().map(|(rate, _)| rate.0).collect::<Vec<_>>(), [200.0, 200.0]);
    }
}
