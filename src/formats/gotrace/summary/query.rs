//! Questions to a summary that take more than a look.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::GoState;
use super::{Goroutine, StateSum, StateTotal, Summary, Total};

impl Summary {
    /// Goroutines that do the program's work: not the runtime's own, and not there to look at the program.
    pub fn workers(&self) -> impl Iterator<Item = &Goroutine> {
        self.goroutines.iter().filter(|g| !g.observer && !self.is_system(g))
    }

    /// Whether a goroutine is the runtime's own.
    #[must_use]
    pub fn is_system(&self, goroutine: &Goroutine) -> bool {
        let start = self.text(goroutine.start);
        start.starts_with("runtime.") && start != "runtime.main"
    }

    /// Goroutines started with a function, e.g. `net/http.(*conn).serve`: those that serve requests.
    pub fn started_with<'a>(&'a self, function: &'a str) -> impl Iterator<Item = &'a Goroutine> {
        self.goroutines.iter().filter(move |g| self.text(g.start) == function)
    }

    /// Totals of the states of one goroutine.
    #[must_use]
    pub fn states_of(&self, goroutine: &Goroutine) -> &[StateTotal] {
        let begin = self.states.partition_point(|s| s.goroutine < goroutine.index);
        let end = self.states.partition_point(|s| s.goroutine <= goroutine.index);
        &self.states[begin..end]
    }

    /// Nanoseconds that a goroutine spent in a state.
    #[must_use]
    pub fn nanos_in(&self, goroutine: &Goroutine, state: GoState) -> u64 {
        let in_state = self.states_of(goroutine).iter().filter(|s| s.state == state);
        in_state.fold(0, |sum, s| sum.saturating_add(s.total.nanos))
    }

    /// States of several goroutines added up by state, reason and stack; the most time first.
    #[must_use]
    pub fn sum_states<'a>(&self, goroutines: impl IntoIterator<Item = &'a Goroutine>) -> Vec<StateSum> {
        let mut sums: BTreeMap<_, Total> = BTreeMap::new();
        for row in goroutines.into_iter().flat_map(|g| self.states_of(g)) {
            sums.entry((row.state, row.reason, row.stack)).or_default().add_all(row.total);
        }
        let sum = |((state, reason, stack), total)| StateSum { state, reason, stack, total };
        let mut sums: Vec<_> = sums.into_iter().map(sum).collect();
        sums.sort_by_key(|s| Reverse(s.total.nanos));
        sums
    }
}
