//! How far behind its even place an arrival comes, so that none keep step with what samples the target.
//!
//! Where the whole slot is used, arrivals are as likely at one moment as at any other. Where a slot is longer than
//! [`LONGEST`], they are as likely at any phase of a tick that goes a whole number of times into it. So a sampler meets
//! the target as often in each state as it is in it, whatever the rate.

use super::choice::{self, below};

/// Longest way from the even place, in nanoseconds: two ticks at 100 a second (CPU profiles), five at 250, six at 300,
/// twenty at 1000 (kernels, which look at CPU timers once a tick). At low rates arrivals stay even to the eye.
pub(super) const LONGEST: u64 = 20_000_000;
/// Keeps these draws apart from others of the same seed.
const PLACE: u64 = 0x6a69_7474_6572_6407;

/// A part of `slot` (which stays below 2^64), drawn evenly for arrival `n`; always less than `slot` unless that is 0.
pub(super) const fn draw(seed: u64, n: u64, slot: u128) -> u128 {
    below(choice::draw(seed, PLACE, n), slot as u64) as u128
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::load::schedule::{Cursor, Schedule};
    use crate::scenario::{Arrivals, Executor, Rate, Stage};
    use crate::time::{RunTime, SECOND};

    use super::*;

    fn constant(rate: f64, secs: u64, arrivals: Arrivals, seed: u64) -> Schedule {
        let executor =
            Executor::ConstantArrivalRate { rate: Rate(rate), duration: Duration::from_secs(secs) };
        Schedule::new(&executor, arrivals, seed).expect("open")
    }

    fn all(schedule: &Schedule) -> Vec<u64> {
        let mut cursor = Cursor::default();
        let due = |n| schedule.due_from(&mut cursor, n).expect("in the schedule").as_nanos();
        (0..schedule.total()).map(due).collect()
    }

    #[test]
    fn each_arrival_stays_in_its_slot_and_repeats_with_the_seed() {
        let times = all(&constant(500.0, 60, Arrivals::Jittered, 7));
        assert_eq!(times.len(), 30_000);
        let slot = |n: usize| n as u64 * 2_000_000;
        assert!(times.iter().enumerate().all(|(n, t)| (slot(n)..=slot(n + 1)).contains(t)));
        assert!(times.is_sorted());
        // Mean place: half of a slot, with a standard error of 2 ms / sqrt(12 n).
        let place = times.iter().enumerate().map(|(n, t)| (t - slot(n)) as f64).sum::<f64>() / 30_000.0;
        assert!((place - 1e6).abs() < 4.0 * 2e6 / (12.0 * 30_000_f64).sqrt(), "{place}");
        assert_eq!(times, all(&constant(500.0, 60, Arrivals::Jittered, 7)));
        assert_ne!(times, all(&constant(500.0, 60, Arrivals::Jittered, 8)));
    }

    #[test]
    fn at_low_rates_arrivals_are_moved_by_two_ticks_at_the_most() {
        let times = all(&constant(2.0, 200, Arrivals::Jittered, 1));
        let moved: Vec<u64> = times.iter().enumerate().map(|(n, t)| t - n as u64 * SECOND / 2).collect();
        assert!(moved.iter().all(|by| *by <= LONGEST) && moved.iter().any(|by| *by > LONGEST * 9 / 10));
    }

    #[test]
    fn the_last_slot_ends_with_the_schedule() {
        // Half an arrival fits behind the last whole one.
        for seed in 0..200 {
            let s = constant(2.5, 1, Arrivals::Jittered, seed);
            assert_eq!(s.total(), 3);
            assert!(s.due(2).is_some_and(|due| due <= s.end()), "{seed}");
        }
    }

    proptest! {
        #[test]
        fn jitter_keeps_order_count_and_slots(
            start in 0.0..500.0_f64,
            stages in prop::collection::vec((0.1..20.0_f64, prop_oneof![Just(0.0), 0.0..3000.0_f64], any::<bool>()), 1..6),
            seed in any::<u64>(),
            share in 0.0..1.0_f64,
        ) {
            let stage = |&(secs, to, hold): &(f64, f64, bool)| {
                Stage { duration: Duration::from_secs_f64(secs), to: Rate(to), hold }
            };
            let executor =
                Executor::RampingArrivalRate { start: Rate(start), stages: stages.iter().map(stage).collect() };
            let even = Schedule::new(&executor, Arrivals::Even, seed).expect("open");
            let s = Schedule::new(&executor, Arrivals::Jittered, seed).expect("open");
            prop_assert_eq!(s.total(), even.total());
            prop_assume!(s.total() > 1);
            let n = ((s.total() - 1) as f64 * share) as u64;
            let due = s.due(n).expect("in range");
            prop_assert!(due >= even.due(n).expect("in range") && due <= even.due(n + 1).unwrap_or(s.end()));
            prop_assert!(s.due(n + 1).is_none_or(|next| next >= due));
            prop_assert!(s.arrivals(due) > n);
            prop_assert!(due == RunTime::ZERO || s.arrivals(due.minus(1)) <= n);
            let t = RunTime::from_nanos((s.end().as_nanos() as f64 * share) as u64);
            prop_assert!(s.arrivals(t).abs_diff(even.arrivals(t)) <= 1);
        }
    }

    /// CPU time per arrival, as a sampler sees it that looks `hz` times a second, `phase` after the start, how many of the
    /// bursts of `burst` nanoseconds go on that arrivals begin.
    fn sampled(times: &[u64], end: u64, burst: u64, hz: u64, phase: u64) -> f64 {
        let tick = SECOND / hz;
        let busy =
            |at: u64| times.partition_point(|t| *t <= at) - times.partition_point(|t| *t + burst <= at);
        let seen: usize = (0..).map(|k| k * tick + phase).take_while(|at| *at < end).map(busy).sum();
        seen as f64 * tick as f64 / times.len() as f64
    }

    #[test]
    fn a_profile_sees_the_cpu_time_of_jittered_arrivals_and_not_that_of_even_ones() {
        const END: u64 = 600;
        // Rate, CPU of each arrival in nanoseconds, samples per second: a profile's, and ticks of kernels.
        for (rate, burst, hz) in [
            (500.0, 50_000, 100),
            (500.0, 50_000, 250),
            (100.0, 400_000, 100),
            (20.0, 2_000_000, 100),
            (1000.0, 200_000, 1000),
        ] {
            let even = all(&constant(rate, END, Arrivals::Even, 1));
            let jittered = all(&constant(rate, END, Arrivals::Jittered, 1));
            for phase in [0, 17_000, 310_000, 999_000] {
                let off = |times: &[u64]| sampled(times, END * SECOND, burst, hz, phase) / burst as f64;
                let (even, jittered) = (off(&even), off(&jittered));
                assert!(!(0.5..=2.0).contains(&even), "{rate}/s, {hz} Hz: even ones are off by {even}");
                // Independent samples would have this spread; with one arrival in each slot it is smaller.
                let seen = (END * hz) as f64 * rate * burst as f64 / 1e9;
                assert!((jittered - 1.0).abs() < 4.0 / seen.sqrt(), "{rate}/s, {hz} Hz: {jittered}");
            }
        }
    }
}
