//! Stacks of function names with a value each: merged profiles, or the difference of two cumulative ones.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use crate::formats::pprof::Profile;

/// Function names of a stack, leaf first.
pub(super) type Stack = Vec<Arc<str>>;

/// Values by stack; equal stacks are added up, in an order that does not depend on the input's.
#[derive(Clone, Debug, Default)]
pub(super) struct StackTotals {
    totals: BTreeMap<Stack, i64>,
    names: HashSet<Arc<str>>,
}

impl StackTotals {
    /// Adds `factor` times the values of a profile's column `index`.
    pub(super) fn add(&mut self, profile: &Profile, index: usize, factor: i64) {
        for sample in &profile.samples {
            let value = sample.values[index].saturating_mul(factor);
            if value != 0 {
                let stack = profile.functions(sample).map(|f| shared(&mut self.names, f)).collect();
                let total = self.totals.entry(stack).or_default();
                *total = total.saturating_add(value);
            }
        }
    }

    /// Stacks and their values, without those that cancelled out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Stack, i64)> {
        self.totals.iter().map(|(s, v)| (s, *v)).filter(|(_, v)| *v != 0)
    }

    /// Sum of the values of the stacks that `keep` accepts.
    pub(super) fn sum(&self, keep: impl Fn(&Stack) -> bool) -> i64 {
        self.iter().filter(|(s, _)| keep(s)).fold(0, |sum: i64, (_, v)| sum.saturating_add(v))
    }
}

/// The one copy of a text.
pub(super) fn shared(texts: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = text.into();
    texts.insert(Arc::clone(&new));
    new
}

/// The stack as plain names, for [`super::stack::read`].
pub(super) fn plain(stack: &[Arc<str>]) -> Vec<&str> {
    stack.iter().map(|f| &**f).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pprof::{Frame, ProfileBuilder};

    #[test]
    fn a_later_less_an_earlier_profile_leaves_what_was_added() {
        let frame = |n: &str| Frame { function: n.into(), file: String::new(), line: 0 };
        let profile = |a: i64, b: i64| {
            let mut p = ProfileBuilder::new(&[("delay", "nanoseconds")], 1);
            p.add([frame("leaf"), frame("root")], &[a]);
            p.add([frame("other")], &[b]);
            p.finish(0, 0)
        };
        let mut totals = StackTotals::default();
        totals.add(&profile(50, 7), 0, 1);
        totals.add(&profile(20, 7), 0, -1);
        let left: Vec<_> = totals.iter().map(|(s, v)| (plain(s).join(";"), v)).collect();
        assert_eq!(left, [("leaf;root".to_owned(), 30)]);
        assert_eq!(totals.sum(|s| plain(s).contains(&"root")), 30);
    }
}
