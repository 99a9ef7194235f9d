//! Waking at an absolute moment, to tens of microseconds.
//!
//! tokio's timers round up to whole milliseconds; a timerfd is a high-resolution kernel timer (and, unlike
//! sleeps and epoll timeouts, not subject to timer slack).

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::time::{RunClock, RunTime, SECOND};

/// A timer on the run clock.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
    /// `CLOCK_MONOTONIC` at the start of the run, in nanoseconds.
    origin: u64,
    armed: Option<RunTime>,
}

impl Timer {
    /// A timer of the current runtime, not armed.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub(crate) fn new(clock: &RunClock) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // The run clock is read first: an origin that errs is late by nanoseconds, never early, so that what
        // is due at a wake-up is due on the run clock too.
        let run = clock.now();
        let origin = clock_nanos().saturating_sub(run.as_nanos());
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may change their descriptor; an OwnedFd does not"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd, origin, armed: None })
    }

    /// Ready once `at` has come. Asking for another moment moves the timer.
    pub(crate) fn poll_until(&mut self, at: RunTime, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.armed != Some(at) {
            self.arm(at)?;
        }
        loop {
            let mut guard = ready!(self.fd.poll_read_ready(cx))?;
            // A new setting clears the descriptor's count, so it needs no read: only the edge is forgotten.
            guard.clear_ready();
            if clock_nanos() >= self.origin.saturating_add(at.as_nanos()) {
                self.armed = None;
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn arm(&mut self, at: RunTime) -> io::Result<()> {
        // Zero would disarm it.
        let nanos = self.origin.saturating_add(at.as_nanos()).clamp(1, i64::MAX as u64);
        let value = Timespec { tv_sec: (nanos / SECOND) as i64, tv_nsec: (nanos % SECOND) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed = Some(at);
        Ok(())
    }
}

fn clock_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * SECOND + now.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn wakes_at_absolute_moments_never_early() {
        let clock = RunClock::start();
        let mut timer = Timer::new(&clock).expect("timer");
        let mut best = u64::MAX;
        for i in 1..=40_u64 {
            let at = RunTime::from_nanos(i * 500_000);
            poll_fn(|cx| timer.poll_until(at, cx)).await.expect("wait");
            let now = clock.now();
            assert!(now.plus(1_000) >= at, "woke {} ns early", at.since(now));
            best = best.min(now.since(at));
        }
        assert!(best < 500_000, "the best of 40 wake-ups was {best} ns late");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_moment_in_the_past_is_ready_and_a_moved_timer_keeps_the_new_moment() {
        let clock = RunClock::start();
        let mut timer = Timer::new(&clock).expect("timer");
        poll_fn(|cx| timer.poll_until(RunTime::ZERO, cx)).await.expect("wait");
        let (soon, later) = (clock.now().plus(1_000_000), clock.now().plus(5_000_000));
        poll_fn(|cx| {
            assert!(timer.poll_until(soon, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| timer.poll_until(later, cx)).await.expect("wait");
        assert!(clock.now().plus(1_000) >= later);
    }
}
