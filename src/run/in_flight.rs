//! How many requests are in flight at a moment: the load threads count, whoever looks at the service at that moment reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::reader::Recording;
use super::{files, layout};
use crate::time::RunTime;

/// Bytes of the file that are read: a million looks.
const MAX_BYTES: u64 = 64 << 20;

/// The counts of all load threads; clones share them.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<Vec<Arc<Count>>>>);

/// Requests in flight of one load thread, which alone changes it. On a cache line of its own: others would slow it down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Count(AtomicU64);

impl InFlight {
    /// A count for one more thread.
    #[must_use]
    pub fn join(&self) -> Arc<Count> {
        let count = Arc::new(Count::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&count));
        count
    }

    /// Requests in flight now; none if nobody counts them.
    #[must_use]
    pub fn now(&self) -> Option<u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!counts.is_empty()).then(|| counts.iter().map(|c| c.get()).sum())
    }
}

impl Count {
    /// As it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it; of the thread that counts only.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }
}

/// Requests in flight around one look at a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When it began: the moment in the name of its file.
    pub t: RunTime,
    /// Requests in flight then.
    pub before: u64,
    /// Requests in flight when the answer was there.
    pub after: u64,
}

impl Look {
    /// As a line of the file.
    #[must_use]
    pub fn line(self) -> Vec<u8> {
        let mut line = serde_json::to_vec(&self).expect("numbers");
        line.push(b'\n');
        line
    }

    /// The best guess for the moment in between at which the service was looked at.
    #[must_use]
    pub const fn mean(self) -> f64 {
        (self.before as f64 + self.after as f64) / 2.0
    }
}

/// The looks at a service in the order they were written; a line that is none is left out.
#[must_use]
pub fn looks(recording: &Recording, service: &str) -> Vec<Look> {
    let path = files::inside(&recording.dir, &layout::in_flight(service));
    let bytes = path.and_then(|path| files::read(&path, MAX_BYTES).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_for_themselves_and_are_added_up() {
        let all = InFlight::default();
        assert_eq!(all.now(), None, "nobody counts");
        let (one, other) = (all.join(), all.clone().join());
        one.set(3);
        other.set(other.get() + 1);
        assert_eq!(all.now(), Some(4));
    }

    #[test]
    fn a_look_is_a_line() {
        let look = Look { t: RunTime::from_nanos(1_200), before: 3, after: 4 };
        assert_eq!(String::from_utf8_lossy(&look.line()), "{\"t\":1200,\"before\":3,\"after\":4}\n");
        assert!((look.mean() - 3.5).abs() < 1e-9);
    }
}
