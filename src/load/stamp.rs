//! Stamps of the kernel, which are wall clock times, as moments of the monotonic clock.
//!
//! Both clocks are steered alike, so their difference changes only when the wall clock is set. It is looked
//! up at most once a millisecond and thread, instead of two clock reads for every answer.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{RunClock, RunTime, nanos};

/// How far from a look-up stamps are turned by it, in nanoseconds: a larger step of the wall clock is noticed
/// at once, a smaller one after this time.
const NEAR: u64 = 1_000_000;

/// A pair of reads this close together is good enough.
const CLOSE: Duration = Duration::from_micros(1);
/// Pairs of reads that are tried.
const READS: usize = 5;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Pair {
    instant: Instant,
    unix_nanos: u64,
}

thread_local! {
    static LAST: Cell<Option<Pair>> = const { Cell::new(None) };
}

/// The wall clock: time since 1970 UTC, zero before it.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The moment of a stamp, in nanoseconds since 1970 UTC.
pub(crate) fn moment(stamp: u64) -> Instant {
    let last = LAST.get().filter(|pair| pair.unix_nanos.abs_diff(stamp) <= NEAR);
    let pair = last.unwrap_or_else(|| {
        let (_, pair) = Pair::read();
        LAST.set(Some(pair));
        pair
    });
    pair.moment(stamp)
}

/// Whether a stamp, in nanoseconds since 1970 UTC, was surely made before a moment. Nothing is sure once the wall
/// clock was set: a stamp of before that is turned into a moment by what holds after it.
pub(crate) fn surely_before(stamp: u64, clock: &RunClock, moment: RunTime) -> bool {
    let (gap, pair) = Pair::read();
    let (doubt, since) =
        (nanos(gap) + NEAR, nanos(pair.instant.saturating_duration_since(clock.instant(RunTime::ZERO))));
    let set = pair.unix_nanos.abs_diff(clock.wall_unix_nanos() + since) > doubt;
    !set && clock.at(pair.moment(stamp)).plus(doubt) < moment
}

impl Pair {
    /// The closest of a few: a thread that is put aside between the two reads makes a pair that is wrong by
    /// that time, and many answers would share it. With how far apart its reads may lie.
    fn read() -> (Duration, Self) {
        let (mut least, mut best) = Self::read_once();
        for _ in 1..READS {
            if least < CLOSE {
                break;
            }
            let (gap, pair) = Self::read_once();
            if gap < least {
                (least, best) = (gap, pair);
            }
        }
        (least, best)
    }

    /// A pair, and how far apart its reads may lie.
    fn read_once() -> (Duration, Self) {
        let instant = Instant::now();
        let unix_nanos = nanos(wall());
        (instant.elapsed(), Self { instant, unix_nanos })
    }

    /// A stamp that a look-up just made finds far in the future was made before the wall clock was set back;
    /// like one out of the monotonic clock's range it counts as made at the look-up.
    fn moment(self, stamp: u64) -> Instant {
        let (ahead, behind) = (stamp.saturating_sub(self.unix_nanos), self.unix_nanos.saturating_sub(stamp));
        let ahead = if ahead > NEAR { 0 } else { ahead };
        let moment = (self.instant + Duration::from_nanos(ahead)).checked_sub(Duration::from_nanos(behind));
        moment.unwrap_or(self.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_becomes_the_moment_at_which_it_was_made() {
        for round in 0..200 {
            let before = Instant::now();
            let stamp = nanos(wall());
            let after = Instant::now();
            std::thread::sleep(Duration::from_micros(round % 7 * 400));
            let moment = moment(stamp);
            // A busy machine may put the thread aside in each of a look-up's pairs of reads.
            let slack = Duration::from_micros(200);
            assert!(moment + slack >= before && moment <= after + slack, "round {round}");
        }
    }

    #[test]
    fn a_stamp_is_before_a_moment_only_beyond_doubt() {
        let clock = RunClock::start();
        let stamp = nanos(wall());
        let now = clock.now();
        assert!(!surely_before(stamp, &clock, now), "within the doubt");
        assert!(surely_before(stamp, &clock, now.plus(50 * NEAR)));
        // As if the wall clock had been set an hour ahead since the stamp was made.
        let hour = 3_600_000_000_000;
        let set = RunClock::start().with_wall(clock.wall_unix_nanos() - hour);
        assert!(!surely_before(stamp - hour, &set, now.plus(50 * NEAR)));
    }

    #[test]
    fn one_look_up_serves_all_stamps_near_it() {
        LAST.set(None);
        moment(nanos(wall()));
        let Pair { instant: looked, unix_nanos: at } = LAST.get().expect("looked up");
        let first = moment(at);
        assert_eq!(first, looked);
        for off in [1, 999, 500_000] {
            assert_eq!(moment(at + off), first + Duration::from_nanos(off));
            assert_eq!(first.duration_since(moment(at - off)), Duration::from_nanos(off));
        }
        assert_eq!(LAST.get().expect("kept").instant, looked);
        moment(at - 100 * NEAR);
        assert_ne!(LAST.get().expect("anew").instant, looked);
    }

    #[test]
    fn a_wall_clock_that_was_set_is_noticed() {
        // As if the wall clock had been an hour ahead when it was looked up.
        let hour = 3_600_000_000_000;
        LAST.set(Some(Pair { instant: Instant::now(), unix_nanos: nanos(wall()) + hour }));
        let before = Instant::now();
        let moment = moment(nanos(wall()));
        assert!(moment.duration_since(before) < Duration::from_secs(60), "{:?}", moment - before);
        assert!(before.duration_since(moment) < Duration::from_secs(60));
        // A stamp of before the clock was set back.
        let (_, pair) = Pair::read();
        assert_eq!(pair.moment(pair.unix_nanos + hour), pair.instant);
        assert_eq!(pair.moment(0).max(pair.instant), pair.instant);
    }
}
