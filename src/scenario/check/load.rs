//! `[load]`: the executor, its stages, and the limits of the generator.

use std::time::Duration;

use super::super::scalar::{Checked, Placed, Span};
use super::super::units::Time;
use super::super::wire::{self, EXECUTORS};
use super::super::{Arrivals, Executor, Load, Rate, Stage};
use super::Check;

/// Connections at the most unless the scenario says otherwise: a target that hangs meets no more than this
/// many, and the generator stays well inside its ephemeral ports (28,000) and a raised descriptor limit.
const MAX_CONNECTIONS: u64 = 2000;
/// Most virtual users and connections one machine can have: the ports of one address.
const MAX_USERS: u64 = 60_000;
/// Longest warm-up that is chosen by itself.
const MAX_WARM_UP: Duration = Duration::from_secs(2);

impl Check<'_, '_> {
    /// The load, and the graceful stop if one was written. Where arrivals are not said, they are `unsaid`.
    pub(super) fn load(
        &mut self,
        wire: Option<Placed<wire::Load>>,
        period: Duration,
        unsaid: Arrivals,
    ) -> Option<(Load, Option<Duration>)> {
        let Some(wire) = wire else {
            self.findings.file(
                "[load] is missing: write e.g. [load.constant-arrival-rate] with rate = \"200/s\" and for = \"30s\"",
            );
            return None;
        };
        let (mut wire, span) = wire.into_parts();
        let threads = self.count_in(wire.threads.take(), 1, 256).unwrap_or_else(default_threads);
        let seed = self.findings.take(wire.seed.take()).map_or(1, |(seed, _)| seed.0);
        let sampled = self.findings.take(wire.sampled.take()).map_or(0.01, |(share, _)| share.0);
        let stop = self.findings.take(wire.graceful_stop.take()).map(|(time, _)| time.0);
        let warm_up = wire.warm_up.take();
        let connections = wire.max_connections.take();
        let spacing = wire.arrivals.take();
        let executor = self.executor(wire, &span);
        let arrivals = self.arrivals(spacing, executor.as_ref()).unwrap_or(unsaid);
        let max_connections = self.connections(connections, executor.as_ref());
        let executor = executor?;
        if executor.duration() < period {
            self.findings.place(
                &span,
                format_args!(
                    "lasts only {:?}, less than one period of {period:?}: make it longer",
                    executor.duration()
                ),
            );
        }
        let warm_up = self.warm_up(warm_up, executor.duration(), period);
        let graceful_stop = Duration::ZERO;
        Some((
            Load { executor, arrivals, warm_up, graceful_stop, max_connections, threads, seed, sampled },
            stop,
        ))
    }

    fn executor(&mut self, wire: wire::Load, span: &Span) -> Option<Executor> {
        let spans: Vec<Span> = [
            wire.constant_arrival_rate.as_ref().map(Placed::span),
            wire.ramping_arrival_rate.as_ref().map(Placed::span),
            wire.constant_connections.as_ref().map(Placed::span),
            wire.constant_vus.as_ref().map(Placed::span),
            wire.ramping_vus.as_ref().map(Placed::span),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let [_, second, ..] = spans.as_slice() {
            self.findings.place(second, "a second executor: a scenario has exactly one, remove the others");
            return None;
        }
        if let Some(table) = wire.constant_arrival_rate {
            return self.constant_arrival_rate(table);
        }
        if let Some(table) = wire.ramping_arrival_rate {
            return self.ramping_arrival_rate(table);
        }
        if let Some(table) = wire.constant_connections {
            return self.constant_connections(table);
        }
        if let Some(table) = wire.constant_vus {
            return self.constant_vus(table);
        }
        if let Some(table) = wire.ramping_vus {
            return self.ramping_vus(table);
        }
        self.findings.place(
            span,
            format_args!("has no executor: write one of [load.{}]", EXECUTORS.join("], [load.")),
        );
        None
    }

    fn constant_arrival_rate(&mut self, wire: Placed<wire::ConstantArrivalRate>) -> Option<Executor> {
        let (wire, span) = wire.into_parts();
        self.require(wire.rate.is_some(), &span, "rate", "rate = \"200/s\"");
        self.require(wire.r#for.is_some(), &span, "for", "for = \"30s\"");
        let duration = self.positive(wire.r#for);
        let (rate, span) = self.findings.take(wire.rate)?;
        if rate.0 == 0.0 {
            self.findings.value(&span, "must be above 0 (write e.g. \"200/s\")");
            return None;
        }
        Some(Executor::ConstantArrivalRate { rate, duration: duration? })
    }

    fn arrivals(&mut self, wire: Option<Checked<String>>, executor: Option<&Executor>) -> Option<Arrivals> {
        let span = wire.as_ref().map(|arrivals| arrivals.span.clone());
        let arrivals = self.one_of(wire, &Arrivals::KNOWN);
        if let (Some(span), Some(executor)) = (span, executor.filter(|executor| !executor.is_open())) {
            self.findings.value(
                &span,
                format_args!(
                    "{} has no arrivals of its own, answers set its pace: remove it, or use an arrival rate",
                    executor.name()
                ),
            );
        }
        arrivals
    }

    fn constant_connections(&mut self, wire: Placed<wire::ConstantConnections>) -> Option<Executor> {
        let (wire, span) = wire.into_parts();
        self.require(wire.connections.is_some(), &span, "connections", "connections = 64");
        self.require(wire.r#for.is_some(), &span, "for", "for = \"30s\"");
        let duration = self.positive(wire.r#for);
        let connections = self.count_in(wire.connections, 1, MAX_USERS)?;
        Some(Executor::ConstantConnections { connections, duration: duration? })
    }

    fn constant_vus(&mut self, wire: Placed<wire::ConstantVus>) -> Option<Executor> {
        let (wire, span) = wire.into_parts();
        self.require(wire.vus.is_some(), &span, "vus", "vus = 10");
        self.require(wire.r#for.is_some(), &span, "for", "for = \"30s\"");
        let duration = self.positive(wire.r#for);
        let think_time = self.time_or_zero(wire.think_time);
        let vus = self.count_in(wire.vus, 1, MAX_USERS)?;
        Some(Executor::ConstantVus { vus, duration: duration?, think_time })
    }

    fn ramping_arrival_rate(&mut self, wire: Placed<wire::RampingArrivalRate>) -> Option<Executor> {
        let (wire, span) = wire.into_parts();
        let start = self.findings.take_or(wire.start, Rate(0.0));
        let mut stages = Vec::new();
        for stage in wire.stages.into_iter().flatten() {
            let (stage, span) = stage.into_parts();
            let duration = self.stage_length(stage.r#for, &span);
            let (hold, jump) = (self.findings.take(stage.rate), self.findings.take(stage.to));
            if let (Some((to, hold)), Some(duration)) = (self.either(hold, jump, "rate", &span), duration) {
                stages.push(Stage { duration, to, hold });
            }
        }
        let top = stages.iter().map(|s| s.to.0).fold(start.0, f64::max);
        self.check_stages(stages.is_empty(), top, &span, "{ for = \"30s\", to = \"200/s\" }");
        Some(Executor::RampingArrivalRate { start, stages })
    }

    fn ramping_vus(&mut self, wire: Placed<wire::RampingVus>) -> Option<Executor> {
        let (wire, span) = wire.into_parts();
        let start = self.count_in(wire.start, 0, MAX_USERS).unwrap_or(0);
        let think_time = self.time_or_zero(wire.think_time);
        let mut stages = Vec::new();
        for stage in wire.stages.into_iter().flatten() {
            let (stage, span) = stage.into_parts();
            let duration = self.stage_length(stage.r#for, &span);
            let mut users = |count: Option<Checked<_>>| {
                let place = count.as_ref().map(|c| c.span.clone());
                self.count_in(count, 0, MAX_USERS).zip(place)
            };
            let (hold, jump) = (users(stage.vus), users(stage.to));
            if let (Some((to, hold)), Some(duration)) = (self.either(hold, jump, "vus", &span), duration) {
                stages.push(Stage { duration, to, hold });
            }
        }
        let top = stages.iter().map(|s| s.to).fold(start, usize::max);
        self.check_stages(stages.is_empty(), top as f64, &span, "{ for = \"30s\", to = 50 }");
        Some(Executor::RampingVus { start, stages, think_time })
    }

    fn stage_length(&mut self, length: Option<Checked<Time>>, span: &Span) -> Option<Duration> {
        self.require(length.is_some(), span, "for", "for = \"30s\"");
        self.positive(length)
    }

    /// The value of a stage and whether it is held.
    fn either<T>(
        &mut self,
        hold: Option<(T, Span)>,
        ramp: Option<(T, Span)>,
        hold_key: &str,
        span: &Span,
    ) -> Option<(T, bool)> {
        match (hold, ramp) {
            (Some((value, _)), None) => Some((value, true)),
            (None, Some((value, _))) => Some((value, false)),
            (Some(_), Some((_, second))) => {
                self.findings
                    .value(&second, format_args!("a stage has `{hold_key}` or `to`, not both: remove one"));
                None
            }
            (None, None) => {
                if !self.findings.is_within(span) {
                    self.findings.place(
                        span,
                        format_args!(
                            "has no value: write `{hold_key}` to jump and hold, or `to` to go there linearly"
                        ),
                    );
                }
                None
            }
        }
    }

    fn check_stages(&mut self, none: bool, top: f64, span: &Span, example: &str) {
        if none && !self.findings.is_within(span) {
            self.findings.place(span, format_args!("has no stages: write stages = [{example}]"));
        } else if !none && top == 0.0 {
            self.findings.place(span, format_args!("never leaves 0: raise a stage, e.g. {example}"));
        }
    }

    fn time_or_zero(&mut self, time: Option<Checked<Time>>) -> Duration {
        self.findings.take_or(time, Time(Duration::ZERO)).0
    }

    /// As many connections as the executor asks for, at least: a user that waits for one is no user.
    fn connections(
        &mut self,
        wire: Option<Checked<super::super::units::Count>>,
        executor: Option<&Executor>,
    ) -> usize {
        let users = match executor {
            Some(Executor::ConstantConnections { connections, .. }) => *connections,
            Some(Executor::ConstantVus { vus, .. }) => *vus,
            Some(Executor::RampingVus { start, stages, .. }) => {
                stages.iter().map(|s| s.to).fold(*start, usize::max)
            }
            _ => 0,
        };
        let default = users.max(usize::try_from(MAX_CONNECTIONS).unwrap_or(usize::MAX));
        let Some(wire) = wire else { return default };
        let span = wire.span.clone();
        let connections = self.count_in(Some(wire), 1, MAX_USERS).unwrap_or(default);
        if connections < users {
            let wanted = match executor {
                Some(Executor::ConstantConnections { .. }) => {
                    format!("is less than the {users} connections of the executor")
                }
                _ => format!("{users} users need {users} connections"),
            };
            self.findings.value(&span, format_args!("{wanted}: raise it or leave it out"));
        }
        connections
    }

    fn warm_up(&mut self, wire: Option<Checked<Time>>, duration: Duration, period: Duration) -> Duration {
        let Some((time, span)) = self.findings.take(wire) else { return default_warm_up(duration, period) };
        if time.0 >= duration {
            self.findings
                .value(&span, format_args!("must be shorter than the load, which lasts {duration:?}"));
        }
        time.0
    }
}

/// A tenth of the run, at most two seconds, in whole periods.
fn default_warm_up(duration: Duration, period: Duration) -> Duration {
    let wanted = (duration / 10).min(MAX_WARM_UP);
    let periods = wanted.as_nanos() / period.as_nanos().max(1);
    period * u32::try_from(periods).unwrap_or(0)
}

/// Half of the cores: the target of a local run needs the other half.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_a_tenth_in_whole_periods_and_at_most_two_seconds() {
        let s = Duration::from_secs;
        assert_eq!(default_warm_up(s(40), s(1)), s(2));
        assert_eq!(default_warm_up(s(15), s(1)), s(1));
        assert_eq!(default_warm_up(s(5), s(1)), s(0));
        assert_eq!(default_warm_up(s(60), s(5)), s(0));
        assert_eq!(default_warm_up(s(6), Duration::from_millis(500)), Duration::from_millis(500));
    }
}
