//! Letting answers gather: how long a thread of the closed model stays asleep before it listens again.
//!
//! A thread that is faster than its target is woken for an answer or two, and each wake-up costs about as much as a
//! request. One that first sleeps for a small share of what an answer takes finds several. No measured time
//! changes, since answers carry the kernel's stamp of their arrival. The next request of a connection goes out later,
//! by half that share on average: a target that is not at its limit is asked that much less often, one that is at its
//! limit just as often.

use crate::time::RunTime;

/// The part of the time between two requests of a connection that is slept through.
const SHARE: u64 = 16;
/// Answers that should come meanwhile: for fewer, sleeping costs more than it saves.
const ANSWERS: u64 = 2;
/// Less is not worth a sleep, in nanoseconds.
const SHORTEST: u64 = 8_000;
/// Time limits wait for this at the most, in nanoseconds.
const LONGEST: u64 = 200_000;
/// Time between two looks at how fast answers come, in nanoseconds.
const LOOK: u64 = 1_000_000;

/// One thread's.
#[derive(Debug, Default)]
pub(crate) struct Lull {
    looked: RunTime,
    sent: u64,
    length: Option<u64>,
}

impl Lull {
    /// How many nanoseconds to sleep at `now`, if at all, after `sent` requests and with `in_flight` answers awaited.
    pub(crate) fn length(&mut self, now: RunTime, sent: u64, in_flight: u64) -> Option<u64> {
        let passed = now.since(self.looked);
        if passed >= LOOK {
            let answers = sent.saturating_sub(self.sent);
            self.length = length(passed, answers, in_flight);
            (self.looked, self.sent) = (now, sent);
        }
        self.length
    }
}

/// As [`Lull::length`], where `answers` came in the last `passed` nanoseconds.
fn length(passed: u64, answers: u64, in_flight: u64) -> Option<u64> {
    let apart = passed.checked_div(answers)?;
    // By Little's law each connection sends once in `in_flight` times what lies between two answers.
    let length = (apart.saturating_mul(in_flight) / SHARE).min(LONGEST);
    (length >= SHORTEST && length >= apart.saturating_mul(ANSWERS)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn many_connections_let_answers_gather_for_a_small_share_of_their_time() {
        // 64 connections, 128 answers a millisecond: each connection sends every half millisecond.
        assert_eq!(length(MILLISECOND, 128, 64), Some(31_248));
        // 20,000/s over 256 connections: 12.8 ms each, of which a 16th is too long.
        assert_eq!(length(MILLISECOND, 20, 256), Some(LONGEST));
    }

    #[test]
    fn few_or_rare_answers_are_not_waited_for() {
        assert_eq!(length(MILLISECOND, 100, 1), None, "one connection would send less often");
        assert_eq!(length(MILLISECOND, 100, 30), None, "less than two answers");
        assert_eq!(length(MILLISECOND, 6, 6000), None, "less than two in the longest sleep");
        assert_eq!(length(MILLISECOND, 1000, 64), None, "too short for a sleep");
        assert_eq!(length(MILLISECOND, 0, 64), None, "a server that stalls");
    }

    #[test]
    fn a_look_is_taken_once_a_millisecond() {
        let (mut lull, at) = (Lull::default(), RunTime::from_nanos);
        assert_eq!(lull.length(at(MILLISECOND - 1), 100, 64), None);
        let seen = lull.length(at(MILLISECOND), 128, 64);
        assert!(seen.is_some());
        assert_eq!(lull.length(at(MILLISECOND + 10), 128, 64), seen);
        assert_eq!(lull.length(at(2 * MILLISECOND), 128, 64), None, "no answer since");
        assert_eq!(lull.length(at(3 * MILLISECOND), 256, 64), seen);
    }
}
