//! How long the next CPU window is, and how long it is to the next snapshot of a cumulative profile.
//!
//! The end of a window costs a service tens of milliseconds in one go, to name and pack the samples, however long it
//! was: short windows one after the other are what being watched costs. They are needed while something is wrong, for
//! its part of the run must have windows of its own; while nothing is, windows grow.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Trigger;
use crate::time::{RunTime, Window};

/// Longest window while nothing is wrong, unless longer ones are asked for.
const LONGEST: u64 = 15;
/// Time after an anomaly was seen in which windows are short, and snapshots many: it has enough of them then.
pub(super) const SHORT: Duration = Duration::from_secs(60);

/// Lengths of the windows of one collector over a run.
#[derive(Debug)]
pub(super) struct Lengths {
    /// As asked for, seconds.
    asked: u64,
    grow: bool,
    planned: Option<Duration>,
    /// Windows so far.
    taken: u64,
    /// When an anomaly was seen last.
    trouble: Option<Instant>,
}

impl Lengths {
    /// `asked` is rounded to seconds: Go takes an unusable number for its default of 30 s. `planned` is the planned end
    /// of the load on the run clock.
    pub(super) fn new(asked: Duration, grow: bool, planned: Option<Duration>) -> Self {
        let asked = (asked.as_secs_f64().round() as u64).max(1);
        Self { asked, grow, planned, taken: 0, trouble: None }
    }

    /// Length of the next window in seconds. The last ones are shortened to end near the planned end; past it (requests
    /// still under way) windows are as short as can be, so that stopping is quick.
    pub(super) fn next(&mut self, now: RunTime, moment: Instant) -> u64 {
        let full = self.full(moment);
        self.taken += 1;
        match self.planned {
            None => full,
            Some(end) => {
                let left = Window::new(now, end.into());
                (left.secs().round() as u64).clamp(1, full)
            }
        }
    }

    /// Twice as asked for, so that a short run has windows on both sides of what happens in it; then each longer by as
    /// much.
    fn full(&self, moment: Instant) -> u64 {
        let short = self.trouble.is_some_and(|t| moment.saturating_duration_since(t) < SHORT);
        if short || !self.grow {
            return self.asked;
        }
        self.asked.saturating_mul(self.taken.max(1)).min(LONGEST.max(self.asked))
    }

    /// Resolves when an anomaly says that a window of `seconds` that began at `began` should end early.
    pub(super) async fn early_end(&mut self, triggers: &mut Receiver<Trigger>, seconds: u64, began: Instant) {
        loop {
            match triggers.recv().await {
                Ok(Trigger::Anomaly) if self.trouble(seconds, began, Instant::now()) => return,
                // Triggers that were lost do not matter: those that follow say the same.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Takes note of an anomaly, while a window of `seconds` is open that began at `began`; whether to end it now. One
    /// that is nearly over, or no longer than asked for, comes to its end.
    fn trouble(&mut self, seconds: u64, began: Instant, moment: Instant) -> bool {
        self.trouble = Some(moment);
        let left = Duration::from_secs(seconds).saturating_sub(moment.saturating_duration_since(began));
        self.grow && seconds > self.asked && left > Duration::from_secs(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(asked: f64, grow: bool, planned: Option<f64>) -> Lengths {
        Lengths::new(Duration::from_secs_f64(asked), grow, planned.map(Duration::from_secs_f64))
    }

    #[test]
    fn the_last_window_ends_near_the_planned_end() {
        let next = |now, end| {
            let now = Duration::from_secs_f64(now).into();
            lengths(10.0, false, Some(end)).next(now, Instant::now())
        };
        assert_eq!(next(0.0, 60.0), 10);
        assert_eq!(next(50.3, 60.0), 10);
        assert_eq!(next(53.4, 60.0), 7);
        assert_eq!(next(59.9, 60.0), 1);
        assert_eq!(next(75.0, 60.0), 1, "requests still under way");
        let free = |asked| lengths(asked, false, None).next(RunTime::ZERO, Instant::now());
        assert_eq!(free(0.4), 1, "never 0: Go would take 30 s");
        assert_eq!(free(9.6), 10);
    }

    #[test]
    fn windows_grow_while_nothing_is_wrong_and_are_short_after_an_anomaly() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut all = lengths(5.0, true, None);
        let next: Vec<u64> = (0..6).map(|_| all.next(RunTime::ZERO, start)).collect();
        assert_eq!(next, [5, 5, 10, 15, 15, 15]);
        assert!(all.trouble(15, at(60), at(66)), "nine seconds are left");
        assert_eq!(all.next(RunTime::ZERO, at(67)), 5);
        assert!(!all.trouble(5, at(67), at(69)), "as short as asked for");
        assert_eq!(all.next(RunTime::ZERO, at(128)), 5);
        assert_eq!(all.next(RunTime::ZERO, at(130)), 15, "a minute after the last one");
        assert!(!all.trouble(15, at(130), at(144)), "nearly over");
        let mut long = lengths(30.0, true, None);
        let next: Vec<u64> = (0..4).map(|_| long.next(RunTime::ZERO, start)).collect();
        assert_eq!(next, [30; 4]);
        let mut even = lengths(5.0, false, None);
        let next: Vec<u64> = (0..4).map(|_| even.next(RunTime::ZERO, start)).collect();
        assert_eq!(next, [5; 4]);
    }
}
