//! How often a collector fetches: with jitter, slower when it costs too much, and backing off on failure.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::time::{RunTime, nanos};

/// A fetch may take this share of the interval before the pace is slowed.
const COSTLY: f64 = 0.20;
/// Below this share, the pace is let go faster again; far enough from [`COSTLY`] not to swing.
const CHEAP: f64 = 0.08;
/// Below this share there may be more fetches than were asked for, where they are of use.
const SPARE: f64 = 0.05;
/// Step of a change of pace.
const STEP: f64 = 1.5;
/// Weight of the newest fetch in the moving average of costs.
const ALPHA: f64 = 0.2;
/// Fetches before the pace is judged, again after each change: the first one also pays for the connection.
const SETTLE: u32 = 5;

/// Times between samples of a population that must not be in step with what is sampled.
///
/// Each gap is drawn uniformly from 0.5 to 1.5 times the interval. A fixed period aliases: snapshots every
/// 100 ms of a service that gets an arrival every 100 ms would always meet the same phase of a request, and
/// the share of time in each state would be wrong by any amount. The mean rate stays what was asked for.
#[derive(Debug)]
pub(super) struct Pace {
    asked: Duration,
    slowest: Duration,
    interval: Duration,
    cost: f64,
    observed: u32,
    rng: Pcg64,
}

/// A new pace and the reason for it.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// New mean time between two fetches.
    pub(super) interval: Duration,
    /// Why, for people.
    pub(super) why: String,
}

impl Pace {
    /// `asked` is the mean interval to start with, `slowest` the longest one to fall back to; equal seeds
    /// draw equal gaps.
    pub(super) fn new(asked: Duration, slowest: Duration, seed: u64) -> Self {
        let slowest = slowest.max(asked);
        let rng = Pcg64::seed_from_u64(seed);
        Self { asked, slowest, interval: asked, cost: 0.0, observed: 0, rng }
    }

    /// Time from the start of a fetch to the start of the next.
    pub(super) fn gap(&mut self) -> Duration {
        self.gap_of(1.0)
    }

    /// The same where so many fetches for one would be of use, as far as they cost next to nothing.
    pub(super) fn gap_of(&mut self, more: f64) -> Duration {
        // Halved, so that paces that differ do so by more than chance: who weighs fetches by their time can tell.
        let mut more = more;
        while more > 1.0 && self.interval.as_secs_f64() / more < self.cost / SPARE {
            more /= 2.0;
        }
        self.interval.div_f64(more.max(1.0)).mul_f64(self.rng.random_range(0.5..1.5))
    }

    /// Takes note of what a fetch cost, and changes the pace if it must.
    pub(super) fn observe(&mut self, cost: Duration) -> Option<Change> {
        let cost = cost.as_secs_f64();
        self.cost = if self.observed == 0 { cost } else { ALPHA * cost + (1.0 - ALPHA) * self.cost };
        self.observed += 1;
        if self.observed < SETTLE {
            return None;
        }
        let share = self.cost / self.interval.as_secs_f64();
        let next = if share > COSTLY {
            let needed = Duration::from_secs_f64(self.cost / COSTLY);
            needed.max(self.interval.mul_f64(STEP)).min(self.slowest)
        } else if share < CHEAP {
            self.interval.div_f64(STEP).max(self.asked)
        } else {
            self.interval
        };
        self.change_to(next)
    }

    fn change_to(&mut self, next: Duration) -> Option<Change> {
        if next == self.interval {
            return None;
        }
        let now = if next > self.interval { "costly" } else { "cheap again" };
        let why = format!(
            "a fetch takes {:.1} ms on average: {now} at one per {:.0} ms",
            self.cost * 1e3,
            self.interval.as_secs_f64() * 1e3
        );
        self.interval = next;
        self.observed = 0;
        Some(Change { interval: next, why })
    }
}

/// The first multiple of the period after a moment: a scrape that took too long leaves some out, later ones
/// stay aligned with the periods of the load.
pub(super) fn next_multiple(after: RunTime, period: Duration) -> RunTime {
    let period = nanos(period).max(1);
    RunTime::from_nanos((after.as_nanos() / period + 1).saturating_mul(period))
}

/// Pause after failures in a row: doubling from 0.25 s to 10 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);

    /// Counts a failure.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The source works (again).
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Pause before the next attempt; none after a success.
    pub(super) fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            n => (Self::FIRST * 2_u32.saturating_pow((n - 1).min(16))).min(Self::LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn gaps_keep_the_mean_rate_and_have_no_period() {
        let mut pace = Pace::new(100 * MS, 2000 * MS, 7);
        let gaps: Vec<f64> = (0..2000).map(|_| pace.gap().as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.1).abs() < 0.002, "mean {mean}");
        assert!(gaps.iter().all(|g| (0.05..0.15).contains(g)));
        // Phases of the moments against a 100 ms arrival rhythm: every tenth of it is met equally often.
        let mut met = [0_u32; 10];
        let mut at = 0.0;
        for gap in gaps {
            at += gap;
            met[((at / 0.1_f64).fract() * 10.0) as usize] += 1;
        }
        assert!(met.iter().all(|&n| (140..260).contains(&n)), "{met:?}");
    }

    #[test]
    fn equal_seeds_draw_equal_gaps() {
        let draw = |seed| {
            let mut pace = Pace::new(100 * MS, 2000 * MS, seed);
            [pace.gap(), pace.gap(), pace.gap()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_costly_source_is_slowed_to_the_limit_and_a_cheap_one_recovers() {
        let mut pace = Pace::new(100 * MS, 2000 * MS, 1);
        let slow: Vec<Change> = (0..200).filter_map(|_| pace.observe(90 * MS)).collect();
        assert_eq!(slow.last().map(|c| c.interval), Some(450 * MS), "{slow:?}");
        assert!(slow[0].why.contains("90.0 ms"), "{slow:?}");
        let stuck: Vec<Change> = (0..200).filter_map(|_| pace.observe(5000 * MS)).collect();
        assert_eq!(stuck.last().map(|c| c.interval), Some(2000 * MS));
        let back: Vec<Change> = (0..300).filter_map(|_| pace.observe(2 * MS)).collect();
        assert_eq!(back.last().map(|c| c.interval), Some(100 * MS), "{back:?}");
        assert!((0..300).all(|_| pace.observe(15 * MS).is_none()), "15 % is neither costly nor cheap");
    }

    #[test]
    fn more_fetches_than_asked_for_only_where_they_are_cheap() {
        let mut pace = Pace::new(100 * MS, 2000 * MS, 1);
        let mut mean = |cost: Duration, more: f64| {
            (0..100).for_each(|_| drop(pace.observe(cost)));
            (0..1000).map(|_| pace.gap_of(more)).sum::<Duration>() / 1000
        };
        let near = |gap: Duration, ms: u32| {
            assert!(gap > ms * MS * 9 / 10 && gap < ms * MS * 11 / 10, "{gap:?} {ms}")
        };
        near(mean(MS / 10, 4.0), 25);
        near(mean(2 * MS, 4.0), 50);
        near(mean(6 * MS, 4.0), 100);
        near(mean(MS / 10, 0.1), 100);
    }

    #[test]
    fn one_slow_fetch_does_not_change_the_pace() {
        let mut pace = Pace::new(100 * MS, 2000 * MS, 1);
        assert!((0..20).all(|_| pace.observe(5 * MS).is_none()));
        assert!(pace.observe(70 * MS).is_none());
    }

    #[test]
    fn pauses_double_to_ten_seconds_and_end_with_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(), Duration::ZERO);
        let pauses: Vec<u128> = (0..8)
            .map(|_| {
                backoff.failed();
                backoff.pause().as_millis()
            })
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        backoff.succeeded();
        assert_eq!(backoff.pause(), Duration::ZERO);
    }
}
