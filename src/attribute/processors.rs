//! What a snapshot does not show of those that run, because it runs itself.
//!
//! A snapshot is taken by a goroutine, which needs one of the runtime's processors. Where all of them are busy it waits in the same
//! queue as the others, first come, first served, and when its turn has come one of those that ran before has gone: in a
//! queue M/M/c an arrival sees the mean number of others, `c rho + L_q`, and when it is served `L_q` have come after it and `c - 1` run
//! if it had to wait. So the number that snapshots show is too small by the probability of that, Erlang's C (Kleinrock, *Queueing
//! Systems* I, 3.5; Cooper, *Introduction to Queueing Theory*, 3.4). It is a processor's worth when all are busy, and nothing while
//! one is free. A thread that a quota stops keeps its processor, so nothing is said of a group that is stopped.

use super::measure::Measured;
use super::side::ServiceSide;

/// Part of it that may be wrong: turns are not exponential, and threads wait for cores that other programs have.
const DOUBT: f64 = 0.25;

/// Time per request that snapshots of a service miss of those of its requests that run; these `ran` for so long.
pub(super) fn displaced(service: &ServiceSide, ran: Measured, throughput: f64) -> Measured {
    let Some((of, processors)) = service.cpu.as_ref().zip(service.processors) else {
        return Measured::default();
    };
    let busy = of.totals.sum(|_| true) as f64 / 1e9 / of.stands_for();
    if busy.is_nan() || busy <= 0.0 {
        return Measured::default();
    }
    let part = (ran.value * throughput / 1e9 / busy).min(1.0);
    let nanos = erlang_c(processors.round(), busy) * part * 1e9 / throughput;
    Measured::new(nanos, DOUBT * nanos)
}

/// Probability that an arrival finds all servers busy, with so many of them busy on average.
fn erlang_c(servers: f64, busy: f64) -> f64 {
    if busy >= servers {
        return 1.0;
    }
    // Erlang's B of one server more from that of one less.
    let lost = (1..=servers as u32).fold(1.0, |lost, n| busy * lost / (f64::from(n) + busy * lost));
    lost / (1.0 - busy / servers * (1.0 - lost))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    #[test]
    fn the_probability_of_a_wait_is_that_of_the_tables() {
        assert!((erlang_c(1.0, 0.7) - 0.7).abs() < 1e-12, "one server is busy for its load");
        assert!((erlang_c(2.0, 1.0) - 1.0 / 3.0).abs() < 1e-12);
        assert!((erlang_c(10.0, 8.0) - 0.4092).abs() < 1e-4);
        assert_eq!((erlang_c(2.0, 0.0), erlang_c(2.0, 2.5)), (0.0, 1.0));
    }

    /// Turns come at random, are served in their order and last as they like; at moments of its own a snapshot asks for a turn,
    /// and sees who is there when it has it.
    #[test]
    fn a_snapshot_that_waits_for_its_turn_misses_one_that_ran() {
        let mut random = Pcg64::seed_from_u64(7);
        let mut chance = |mean: f64| -mean * (1.0 - random.random::<f64>()).ln();
        let (mut now, mut free) = (0.0, [0.0_f64; 2]);
        let mut turns: Vec<(f64, f64)> = Vec::new();
        let mut asked_and_seen: Vec<(f64, f64)> = Vec::new();
        for i in 0..60_000 {
            now += chance(1.0 / 1.5);
            free.sort_by(f64::total_cmp);
            let begin = free[0].max(now);
            if i % 10 == 9 {
                asked_and_seen.push((now, begin));
            } else {
                free[0] = begin + chance(1.0);
                turns.push((now, free[0]));
            }
        }
        let there = |t: f64| turns.iter().filter(|(from, to)| *from <= t && t < *to).count() as f64;
        // Whoever asks at random meets the mean.
        let missed = |(asked, seen): &(f64, f64)| there(*asked) - there(*seen);
        let mean = asked_and_seen.iter().map(missed).sum::<f64>() / asked_and_seen.len() as f64;
        let expected = erlang_c(2.0, 1.5 * 0.9);
        assert!((mean - expected).abs() < 0.05, "{mean} is not {expected}");
    }
}
