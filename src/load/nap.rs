//! Sleeping until an absolute moment with the whole thread.
//!
//! A load thread whose next arrival is due soon sleeps without listening to its sockets: answers that come
//! meanwhile carry the kernel's stamp of their arrival, so reading them a little later changes no measured
//! time, and saves a wake-up for each. A wake-up is the dearest thing a paced request costs: what is left of a
//! gap shorter than that is spent spinning, which is both cheaper and more exact.

use std::hint::spin_loop;
use std::num::NonZeroU64;

use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::time::{RunClock, RunTime, SECOND};

/// What a sleep and the wake-up after it cost a thread, in nanoseconds: 15 us to 30 us on a virtual machine,
/// less on others.
const SLEEP_COST: u64 = 15_000;

/// Sleeps on the run clock.
#[derive(Debug)]
pub(crate) struct Nap {
    clock: RunClock,
    /// `CLOCK_MONOTONIC` at the start of the run, in nanoseconds.
    origin: u64,
}

impl Nap {
    /// For the current thread, whose sleeps become exact: the kernel's default may add 50 us to each.
    pub(crate) fn new(clock: RunClock) -> Self {
        // Where the kernel refuses, sleeps are late, and lateness shows it.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let run = clock.now();
        let now = clock_gettime(ClockId::Monotonic);
        let now = now.tv_sec.unsigned_abs() * SECOND + now.tv_nsec.unsigned_abs();
        Self { clock, origin: now.saturating_sub(run.as_nanos()) }
    }

    /// Returns at `at` or later; sooner only if a signal came.
    pub(crate) fn until(&self, at: RunTime) {
        let now = self.clock.now();
        if at.since(now) <= SLEEP_COST {
            while self.clock.now() < at {
                spin_loop();
            }
            return;
        }
        self.sleep_until(at);
    }

    /// As [`Nap::until`], and never spins.
    pub(crate) fn sleep_until(&self, at: RunTime) {
        let nanos = self.origin.saturating_add(at.as_nanos());
        let at = Timespec { tv_sec: (nanos / SECOND) as i64, tv_nsec: (nanos % SECOND) as i64 };
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &at);
    }
}
