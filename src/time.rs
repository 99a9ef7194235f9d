//! The run clock: integer nanoseconds since the start of a run, and windows of it.
//!
//! Every file of a run folder speaks [`RunTime`]; the manifest holds the one pair of wall-clock and
//! monotonic anchors that ties them to the calendar.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// A moment of a run: nanoseconds since its start on the monotonic clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RunTime(u64);

impl RunTime {
    /// The start of the run.
    pub const ZERO: Self = Self(0);

    /// A moment `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// Nanoseconds from `earlier` to this moment; 0 if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `nanos` later.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// The moment `nanos` earlier, not before the start.
    #[must_use]
    pub const fn minus(self, nanos: u64) -> Self {
        Self(self.0.saturating_sub(nanos))
    }
}

impl From<Duration> for RunTime {
    fn from(d: Duration) -> Self {
        Self(nanos(d))
    }
}

impl fmt::Display for RunTime {
    /// Seconds with milliseconds, for messages: `12.345s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.as_secs_f64())
    }
}

/// A duration in whole nanoseconds, saturating at `u64::MAX` (584 years).
#[must_use]
pub fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// A half-open stretch of a run: `from <= t < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// First moment inside.
    pub from: RunTime,
    /// First moment after.
    pub to: RunTime,
}

impl Window {
    /// A window; `to` before `from` gives an empty one.
    #[must_use]
    pub fn new(from: RunTime, to: RunTime) -> Self {
        Self { from, to: to.max(from) }
    }

    /// Length in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.to.since(self.from)
    }

    /// Length in seconds.
    #[must_use]
    pub fn secs(self) -> f64 {
        self.nanos() as f64 / SECOND as f64
    }

    /// Whether `t` lies inside.
    #[must_use]
    pub fn contains(self, t: RunTime) -> bool {
        self.from <= t && t < self.to
    }

    /// Whether the whole of `inner` lies inside.
    #[must_use]
    pub fn covers(self, inner: Self) -> bool {
        self.from <= inner.from && inner.to <= self.to
    }

    /// Nanoseconds that both windows share.
    #[must_use]
    pub fn overlap(self, other: Self) -> u64 {
        self.to.min(other.to).since(self.from.max(other.from))
    }
}

/// Reads the monotonic clock as [`RunTime`]; copies share one start.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    wall_unix_nanos: u64,
}

impl RunClock {
    /// Starts the clock: now is [`RunTime::ZERO`].
    #[must_use]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
        Self { start: Instant::now(), wall_unix_nanos: wall }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> RunTime {
        RunTime(nanos(self.start.elapsed()))
    }

    /// The moment of an [`Instant`]; [`RunTime::ZERO`] if it was before the start.
    #[must_use]
    pub fn at(&self, instant: Instant) -> RunTime {
        RunTime(nanos(instant.saturating_duration_since(self.start)))
    }

    /// The [`Instant`] of a moment.
    #[must_use]
    pub fn instant(&self, t: RunTime) -> Instant {
        self.start + Duration::from_nanos(t.0)
    }

    /// The clock with another wall clock time at its start.
    #[cfg(test)]
    #[must_use]
    pub(crate) const fn with_wall(self, wall_unix_nanos: u64) -> Self {
        Self { wall_unix_nanos, ..self }
    }

    /// Wall clock of the start, nanoseconds since 1970 UTC.
    #[must_use]
    pub const fn wall_unix_nanos(&self) -> u64 {
        self.wall_unix_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open_and_overlap_by_their_shared_part() {
        let at = RunTime::from_nanos;
        let a = Window::new(at(10), at(20));
        assert!(a.contains(at(10)) && a.contains(at(19)) && !a.contains(at(20)));
        assert_eq!(a.overlap(Window::new(at(15), at(30))), 5);
        assert_eq!(a.overlap(Window::new(at(20), at(30))), 0);
        assert!(a.covers(Window::new(at(12), at(20))) && !a.covers(Window::new(at(9), at(20))));
        assert_eq!(Window::new(at(5), at(3)).nanos(), 0, "a reversed window is empty");
    }
}
