//! How many requests are in flight at a moment, and how many there were on average until then: the load threads count, whoever
//! looks at the service reads. They remember their last changes, so that a look which takes a while can be held against any moment of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::reader::Recording;
use super::{files, layout};
use crate::time::RunTime;

/// Changes that a thread remembers, 25 ms of 20,000 requests a second: a snapshot of many goroutines takes some milliseconds.
const REMEMBERED: usize = 1024;
/// A change is kept in one word, so that none is read half: the count in the lower bits, above it the time in units of 256 ns.
const COUNT_BITS: u32 = 20;
const UNIT_BITS: u32 = 8;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// The counts of all load threads; clones share them.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<Vec<Arc<Count>>>>);

/// Requests in flight of one load thread, which alone changes it, or of several that take turns by a lock. On cache lines of
/// its own: others would slow it down.
///
/// A look may fall between two stores of a change: it is off by one request for the time since the last change then,
/// microseconds, unless the thread has just lost its core.
#[derive(Debug)]
#[repr(align(64))]
pub struct Count {
    count: AtomicU64,
    /// Sum of the times that requests were in flight, in nanoseconds, up to `since`.
    area: AtomicU64,
    since: AtomicU64,
    /// Number of changes; the last of them are in `last`, each in the place of its number.
    changes: AtomicU64,
    last: Box<[AtomicU64]>,
}

impl InFlight {
    /// A count for one more thread.
    #[must_use]
    pub fn join(&self) -> Arc<Count> {
        let count = Arc::new(Count::default());
        self.counts().push(Arc::clone(&count));
        count
    }

    /// All threads together at `t`, which is now; none if nobody counts.
    #[must_use]
    pub fn look(&self, t: RunTime) -> Option<Look> {
        let counts = self.counts();
        (!counts.is_empty()).then(|| {
            let now = counts.iter().map(|of| of.now(t));
            let (count, area) = now.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
            Look { t, count, area, later: Vec::new() }
        })
    }

    /// How many were in flight later than `t`, at the times of [`LATER`] until `end`, which is now or has been; as far as it is
    /// remembered.
    #[must_use]
    pub fn later(&self, t: RunTime, end: RunTime) -> Vec<u64> {
        let counts = self.counts();
        let moments = LATER.iter().map(|micros| t.plus(micros * 1_000)).take_while(|moment| *moment <= end);
        // The earliest are forgotten first, and say more.
        moments.map_while(|moment| counts.iter().map(|of| of.then(moment)).sum()).collect()
    }

    fn counts(&self) -> MutexGuard<'_, Vec<Arc<Count>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Count {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        let last = (0..REMEMBERED).map(|_| zero()).collect();
        Self { count: zero(), area: zero(), since: zero(), changes: zero(), last }
    }
}

const fn place(number: u64) -> usize {
    number as usize % REMEMBERED
}

impl Count {
    /// From `t` on there are as many; never by two at a time.
    pub fn set(&self, count: u64, t: RunTime) {
        let (_, area) = self.now(t);
        self.area.store(area, Ordering::Relaxed);
        self.since.store(t.as_nanos(), Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
        let number = self.changes.load(Ordering::Relaxed);
        let change = t.as_nanos() >> UNIT_BITS << COUNT_BITS | count.min(MOST);
        self.last[place(number)].store(change, Ordering::Relaxed);
        self.changes.store(number + 1, Ordering::Release);
    }

    /// How many there were at `t`.
    fn then(&self, t: RunTime) -> Option<u64> {
        let changes = self.changes.load(Ordering::Acquire);
        let earliest = changes.saturating_sub(REMEMBERED as u64);
        let mut known = (earliest..changes).rev().map(|n| self.last[place(n)].load(Ordering::Relaxed));
        let found = known.find(|change| change >> COUNT_BITS <= t.as_nanos() >> UNIT_BITS);
        // What was written meanwhile over the earliest ones is later than `t`, and so never found.
        found.map(|change| change & MOST).or_else(|| (earliest == 0).then_some(0))
    }

    fn now(&self, t: RunTime) -> (u64, u64) {
        let count = self.count.load(Ordering::Relaxed);
        let passed = t.as_nanos().saturating_sub(self.since.load(Ordering::Relaxed));
        (count, self.area.load(Ordering::Relaxed).saturating_add(count.saturating_mul(passed)))
    }
}

/// A look at a service shows it some time after it was asked for: how much later the requests in flight are counted again,
/// in microseconds.
pub const LATER: [u64; 20] = [
    50, 75, 100, 150, 200, 250, 300, 400, 500, 700, 1_000, 1_400, 2_000, 2_800, 4_000, 5_600, 8_000, 11_000,
    16_000, 22_000,
];

/// Requests in flight when a look at a service began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When: the moment in the name of its file.
    pub t: RunTime,
    /// Requests in flight then.
    pub count: u64,
    /// Sum of the times that requests were in flight until then, in nanoseconds: its growth between two looks over the time
    /// between them is the mean.
    pub area: u64,
    /// Requests in flight later, at the times of [`LATER`] that had passed when the look was over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<u64>,
}

impl Look {
    /// As a line of the file.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        files::look_line(self)
    }
}

/// The looks at a service in the order they were written; a line that is none is left out.
#[must_use]
pub fn looks(recording: &Recording, service: &str) -> Vec<Look> {
    files::looks(&recording.dir, &layout::in_flight(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> RunTime {
        RunTime::from_nanos(nanos)
    }

    #[test]
    fn threads_count_for_themselves_and_are_added_up() {
        let all = InFlight::default();
        assert_eq!(all.look(at(5)), None, "nobody counts");
        let (one, other) = (all.join(), all.clone().join());
        one.set(3, at(10));
        other.set(1, at(20));
        one.set(2, at(30));
        // 3 for 20, then 2 for 10; 1 for 20.
        assert_eq!(
            all.look(at(40)),
            Some(Look { t: at(40), count: 3, area: 60 + 20 + 20, later: Vec::new() })
        );
    }

    #[test]
    fn what_changed_meanwhile_is_remembered() {
        let all = InFlight::default();
        let (one, other) = (all.join(), all.join());
        let micros = |n: u64| at(n * 1_000);
        other.set(1, micros(100));
        one.set(3, micros(1_060));
        one.set(2, micros(1_090));
        other.set(0, micros(1_180));
        assert_eq!(
            all.later(micros(1_000), micros(1_260)),
            [1, 4, 3, 3, 2, 2],
            "50 to 250 microseconds later"
        );
        assert_eq!(all.later(micros(0), micros(80)), [0, 0], "before the first");
        for n in 0..REMEMBERED as u64 {
            one.set(n % 7, micros(2_000 + n));
        }
        assert_eq!(all.later(micros(1_000), micros(4_000)), [0; 0], "forgotten");
        assert_eq!(all.later(micros(1_950), micros(2_051)), [0, 4, 1], "2,000; 2,025; 2,050");
        one.set(MOST + 9, micros(6_000));
        assert_eq!(one.then(micros(7_000)), Some(MOST), "more than anybody has");
    }

    #[test]
    fn a_look_is_a_line() {
        let look = Look { t: at(1_200), count: 3, area: 4, later: Vec::new() };
        assert_eq!(String::from_utf8_lossy(&look.line()), "{\"t\":1200,\"count\":3,\"area\":4}\n");
        let later = Look { later: vec![3, 2], ..look }.line();
        assert_eq!(String::from_utf8_lossy(&later), "{\"t\":1200,\"count\":3,\"area\":4,\"later\":[3,2]}\n");
    }
}
