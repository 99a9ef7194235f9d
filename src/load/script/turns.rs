//! Whose turn it is: which arrivals of the open model take a record of which feeder.

/// A place among the arrivals, and how many of those before it take a record of each feeder.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    at: u64,
    taken: Vec<u64>,
}

impl Turns {
    /// For so many feeders; with none it counts nothing.
    pub(crate) fn new(feeders: usize) -> Self {
        Self { at: 0, taken: vec![0; feeders] }
    }

    /// For each feeder, how many arrivals before `n` take a record of it; empty if nothing is counted. What an
    /// arrival takes, `feeders_of` says. Walks there from where it was, so it costs little for arrivals that
    /// are close to one another, in whatever order they come.
    pub(crate) fn before<'f>(&mut self, n: u64, feeders_of: impl Fn(u64) -> &'f [usize]) -> &[u64] {
        if self.taken.is_empty() {
            return &[];
        }
        while self.at < n {
            feeders_of(self.at).iter().for_each(|feeder| self.taken[*feeder] += 1);
            self.at += 1;
        }
        while self.at > n {
            self.at -= 1;
            feeders_of(self.at).iter().for_each(|feeder| self.taken[*feeder] -= 1);
        }
        &self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::choice::Choice;

    #[test]
    fn every_taker_of_a_feeder_has_its_own_turn_on_any_number_of_threads_in_any_order() {
        let choice = Choice::new(5, [1, 9, 3].into_iter(), 0.0);
        let takes: [&[usize]; 3] = [&[0, 1], &[], &[1]];
        let feeders_of = |n: u64| takes[choice.journey(n)];
        // Counted once in order, the plain way.
        let mut counts = [0, 0];
        let turns_of = |n: u64| {
            let before = counts;
            feeders_of(n).iter().for_each(|f| counts[*f] += 1);
            before
        };
        let expected: Vec<[u64; 2]> = (0..5_000).map(turns_of).collect();
        assert!(counts[0] > 300 && counts[1] > 1_200, "{counts:?}");
        for threads in [1, 2, 7] {
            for thread in 0..threads {
                let mut turns = Turns::new(2);
                for n in (thread..5_000).step_by(threads) {
                    // Lanes may begin a little out of order.
                    let n = (n ^ 5).min(4_999);
                    assert_eq!(turns.before(n as u64, feeders_of), expected[n], "{threads} threads, {n}");
                }
            }
        }
        assert_eq!(Turns::new(0).before(9, feeders_of), [0; 0]);
    }
}
