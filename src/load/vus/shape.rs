//! How many users are at work when: a pure function of time.

use crate::scenario::{Executor, Stage};
use crate::time::nanos;

/// The users' plan, in nanoseconds from the start of the load.
///
/// User `i` (from 0) works while `value(t) > i`; so ramps start and stop users at even distances, the first
/// one at the start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    segments: Vec<Segment>,
    end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    start: u64,
    len: u64,
    from: f64,
    to: f64,
}

impl Segment {
    fn value(&self, t: u64) -> f64 {
        self.from + (self.to - self.from) * ((t - self.start) as f64 / self.len as f64)
    }

    /// The first moment from `t` on, within the segment, at which the value is above `i`.
    fn first_above(&self, i: f64, t: u64) -> Option<u64> {
        let (t, end) = (t.max(self.start), self.start + self.len);
        if t >= end {
            return None;
        }
        if self.value(t) > i {
            return Some(t);
        }
        if self.to <= i || self.to <= self.from {
            return None;
        }
        let crossing = self.len as f64 * (i - self.from) / (self.to - self.from);
        let at = self.start.saturating_add(crossing as u64).saturating_add(1).max(t);
        (at < end).then_some(at)
    }
}

impl Shape {
    /// The plan of a closed-model executor; none for an open one.
    pub(crate) fn new(executor: &Executor) -> Option<Self> {
        let (start, stages) = match executor {
            Executor::ConstantVus { vus, duration, .. } => {
                (*vus, vec![Stage { duration: *duration, to: *vus, hold: true }])
            }
            Executor::RampingVus { start, stages, .. } => (*start, stages.clone()),
            Executor::ConstantConnections { .. }
            | Executor::ConstantArrivalRate { .. }
            | Executor::RampingArrivalRate { .. } => return None,
        };
        let (mut users, mut end, mut segments) = (start as f64, 0_u64, Vec::new());
        for stage in &stages {
            let (len, to) = (nanos(stage.duration).min(u64::MAX / 4 - end), stage.to as f64);
            if len > 0 {
                let from = if stage.hold { to } else { users };
                segments.push(Segment { start: end, len, from, to });
            }
            (users, end) = (to, end + len);
        }
        Some(Self { segments, end })
    }

    /// When the plan ends.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// Most users at work at the same time.
    pub(crate) fn most(&self) -> usize {
        self.segments.iter().map(|s| s.from.max(s.to).ceil() as usize).max().unwrap_or(0)
    }

    /// The first moment from `t` on at which user `i` works; none if it never does again.
    pub(crate) fn next_turn(&self, i: usize, t: u64) -> Option<u64> {
        self.segments.iter().find_map(|s| s.first_above(i as f64, t))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::SECOND;

    fn ramp(start: usize, stages: &[(u64, usize, bool)]) -> Shape {
        let stage = |&(secs, to, hold): &_| Stage { duration: Duration::from_secs(secs), to, hold };
        let stages = stages.iter().map(stage).collect();
        Shape::new(&Executor::RampingVus { start, stages, think_time: Duration::ZERO }).expect("closed")
    }

    #[test]
    fn constant_users_work_from_start_to_end() {
        let duration = Duration::from_secs(10);
        let shape = Shape::new(&Executor::ConstantVus { vus: 3, duration, think_time: Duration::ZERO });
        let shape = shape.expect("closed");
        assert_eq!((shape.most(), shape.end()), (3, 10 * SECOND));
        assert_eq!(shape.next_turn(2, 0), Some(0));
        assert_eq!(shape.next_turn(2, 10 * SECOND - 1), Some(10 * SECOND - 1));
        assert_eq!(shape.next_turn(2, 10 * SECOND), None);
        assert_eq!(shape.next_turn(3, 0), None);
    }

    #[test]
    fn a_ramp_starts_and_stops_users_at_even_distances() {
        let shape = ramp(0, &[(10, 5, false), (10, 5, true), (10, 0, false), (5, 2, true)]);
        assert_eq!((shape.most(), shape.end()), (5, 35 * SECOND));
        for user in 0..5_u64 {
            let start = shape.next_turn(user as usize, 0).expect("works");
            assert_eq!(start, user * 2 * SECOND + 1, "user {user}");
            // Going down, value(t) = 5 - (t - 20 s) / 2 s: user i stops when it reaches i.
            let stop = (30 - 2 * user) * SECOND;
            assert_eq!(shape.next_turn(user as usize, stop - 2), Some(stop - 2));
            let again = (user < 2).then_some(30 * SECOND);
            assert_eq!(shape.next_turn(user as usize, stop), again, "user {user}");
        }
    }

    #[test]
    fn a_plan_without_users_or_length_has_no_turn() {
        assert_eq!(ramp(0, &[(10, 0, true)]).most(), 0);
        assert_eq!(ramp(7, &[]).most(), 0);
        assert_eq!(ramp(7, &[(0, 9, true)]).next_turn(0, 0), None);
    }
}
