//! How many requests are in flight at a moment, and how many there were on average until then: the load threads count, whoever
//! looks at the service reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::reader::Recording;
use super::{files, layout};
use crate::time::RunTime;

/// The counts of all load threads; clones share them.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<Vec<Arc<Count>>>>);

/// Requests in flight of one load thread, which alone changes it, or of several that take turns by a lock. On cache lines of
/// its own: others would slow it down.
///
/// A look may fall between two stores of a change: it is off by one request for the time since the last change then,
/// microseconds.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Count {
    count: AtomicU64,
    /// Sum of the times that requests were in flight, in nanoseconds, up to `since`.
    area: AtomicU64,
    since: AtomicU64,
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
        let none = (!counts.is_empty()).then_some(Look { t, count: 0, area: 0 })?;
        Some(counts.iter().fold(none, |sum, of| {
            let (count, area) = of.at(t);
            Look { t, count: sum.count + count, area: sum.area + area }
        }))
    }

    fn counts(&self) -> MutexGuard<'_, Vec<Arc<Count>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// From `t` on there are as many; never by two at a time.
    pub fn set(&self, count: u64, t: RunTime) {
        let (_, area) = self.at(t);
        self.area.store(area, Ordering::Relaxed);
        self.since.store(t.as_nanos(), Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
    }

    fn at(&self, t: RunTime) -> (u64, u64) {
        let count = self.count.load(Ordering::Relaxed);
        let passed = t.as_nanos().saturating_sub(self.since.load(Ordering::Relaxed));
        (count, self.area.load(Ordering::Relaxed).saturating_add(count.saturating_mul(passed)))
    }
}

/// Requests in flight when a look at a service began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When: the moment in the name of its file.
    pub t: RunTime,
    /// Requests in flight then.
    pub count: u64,
    /// Sum of the times that requests were in flight until then, in nanoseconds: its growth between two looks over the time
    /// between them is the mean.
    pub area: u64,
}

impl Look {
    /// As a line of the file.
    #[must_use]
    pub fn line(self) -> Vec<u8> {
        files::look_line(&self)
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
        assert_eq!(all.look(at(40)), Some(Look { t: at(40), count: 3, area: 60 + 20 + 20 }));
    }

    #[test]
    fn a_look_is_a_line() {
        let look = Look { t: at(1_200), count: 3, area: 4 };
        assert_eq!(String::from_utf8_lossy(&look.line()), "{\"t\":1200,\"count\":3,\"area\":4}\n");
    }
}
