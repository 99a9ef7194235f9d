//! Lines of source code of the application's functions, with what a profile counted there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::names;
use super::stacks::shared;
use crate::formats::pprof::{Profile, Symbol};

/// A line of a file.
pub(super) type Place = (Arc<str>, i64);

/// Lines that are told apart (in snapshots: lines of functions on each stack); what comes beyond these is left out.
pub(super) const MOST: usize = 100_000;
/// Longest name of a file that is kept, in bytes.
pub(super) const LONGEST: usize = 4_096;

/// Whose line a value counts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Each function's on the stack, once, at the innermost line: what is called from there is part of it.
    Each,
    /// That of the innermost function of the application: who allocates or unlocks there.
    Innermost,
}

/// Values by function and line. Closures belong to the function around them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    functions: HashMap<Arc<str>, BTreeMap<Place, i64>>,
    files: HashSet<Arc<str>>,
    known: usize,
}

impl Lines {
    /// Adds `factor` times the values of a profile's column `index`.
    pub(super) fn add(&mut self, profile: &Profile, index: usize, factor: i64, whose: Whose) {
        let (owners, number) = owners(profile);
        let mut values: HashMap<(u32, i64), i64> = HashMap::new();
        // The last sample that each function was met in.
        let mut met: Vec<usize> = vec![0; number];
        for (sample, at) in profile.samples.iter().zip(1..).filter(|(s, _)| s.values[index] != 0) {
            for line in sample.stack.iter().flat_map(|&i| &profile.locations[i as usize].lines) {
                let Some(owner) = owners[line.symbol as usize] else { continue };
                if std::mem::replace(&mut met[owner], at) != at {
                    let value = values.entry((line.symbol, line.line)).or_default();
                    *value = value.saturating_add(sample.values[index].saturating_mul(factor));
                }
                if whose == Whose::Innermost {
                    break;
                }
            }
        }
        for ((symbol, line), value) in values {
            let Symbol { name, file, .. } = &profile.symbols[symbol as usize];
            if line > 0 && !file.is_empty() && file.len() <= LONGEST {
                self.note(names::enclosing(name), file, line, value);
            }
        }
    }

    fn note(&mut self, function: &str, file: &str, line: i64, value: i64) {
        if self.known >= MOST && !self.files.contains(file) {
            return;
        }
        let place = (shared(&mut self.files, file), line);
        if let Some(sum) = self.functions.get_mut(function).and_then(|lines| lines.get_mut(&place)) {
            *sum = sum.saturating_add(value);
        } else if self.known < MOST {
            self.known += 1;
            self.functions.entry(function.into()).or_default().insert(place, value);
        }
    }

    /// Lines of a function with their values.
    pub(super) fn of(&self, function: &str) -> impl Iterator<Item = (&Place, i64)> {
        self.functions.get(function).into_iter().flatten().map(|(place, value)| (place, *value))
    }
}

/// For each symbol the number of the application's function that it is part of; and how many of these there are.
fn owners(profile: &Profile) -> (Vec<Option<usize>>, usize) {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut owners = Vec::with_capacity(profile.symbols.len());
    for Symbol { name, .. } in &profile.symbols {
        let next = numbers.len();
        let mine = names::is_application(name);
        owners.push(mine.then(|| *numbers.entry(names::enclosing(name)).or_insert(next)));
    }
    (owners, numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pprof::{Frame, ProfileBuilder};

    fn frame(function: &str, line: i64) -> Frame {
        Frame { function: function.into(), file: "/src/store.go".into(), line }
    }

    fn of(lines: &Lines, function: &str) -> Vec<(String, i64, i64)> {
        lines.of(function).map(|((file, line), value)| (file.to_string(), *line, value)).collect()
    }

    #[test]
    fn a_value_counts_once_in_each_function_at_its_innermost_line() {
        let mut p = ProfileBuilder::new(&[("cpu", "nanoseconds")], 1);
        // A closure inside of the function that calls it, and a recursion.
        p.add([frame("shop.(*Store).Reload.func1", 60), frame("shop.(*Store).Reload", 57)], &[5]);
        p.add([frame("shop.walk", 8), frame("shop.walk", 9), frame("shop.(*Store).Reload", 58)], &[7]);
        p.add([frame("encoding/json.Unmarshal", 101), frame("shop.walk", 0)], &[11]);
        let p = p.finish(0, 0);
        let mut lines = Lines::default();
        lines.add(&p, 0, 2, Whose::Each);
        let file = || "/src/store.go".to_owned();
        assert_eq!(of(&lines, "shop.(*Store).Reload"), [(file(), 58, 14), (file(), 60, 10)]);
        assert_eq!(of(&lines, "shop.walk"), [(file(), 8, 14)], "a line that is not known is none");
        assert!(of(&lines, "encoding/json.Unmarshal").is_empty(), "a library's lines are nobody's cause");

        let mut lines = Lines::default();
        lines.add(&p, 0, 1, Whose::Innermost);
        assert_eq!(of(&lines, "shop.(*Store).Reload"), [(file(), 60, 5)], "not what it calls");
        assert_eq!(of(&lines, "shop.walk"), [(file(), 8, 7)]);
    }

    #[test]
    fn a_later_less_an_earlier_profile_leaves_what_was_added() {
        let profile = |value: i64| {
            let mut p = ProfileBuilder::new(&[("delay", "nanoseconds")], 1);
            p.add([frame("shop.walk", 8)], &[value]);
            p.finish(0, 0)
        };
        let mut lines = Lines::default();
        lines.add(&profile(20), 0, -1, Whose::Innermost);
        lines.add(&profile(50), 0, 1, Whose::Innermost);
        assert_eq!(of(&lines, "shop.walk"), [("/src/store.go".to_owned(), 8, 30)]);
    }

    #[test]
    fn lines_without_end_are_not_kept() {
        let mut lines = Lines::default();
        (1..=MOST as i64 + 10).for_each(|line| lines.note("shop.walk", "/src/store.go", line, 1));
        lines.note("shop.walk", "/src/store.go", 7, 1);
        assert_eq!(lines.of("shop.walk").count(), MOST);
        assert_eq!(lines.of("shop.walk").find(|((_, line), _)| *line == 7).map(|(_, v)| v), Some(2));
    }
}
