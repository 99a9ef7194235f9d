//! Lines of source code of the application's functions, with what a profile counted there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::names;
use crate::formats::pprof::{Profile, Symbol};

/// A line of a file.
pub(super) type Place = (Arc<str>, i64);

/// Values by function and line. A value counts once for each function on its stack, at the innermost line: what is called from
/// there is part of it. Closures belong to the function around them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    functions: HashMap<Arc<str>, BTreeMap<Place, i64>>,
    files: HashMap<Arc<str>, Arc<str>>,
}

impl Lines {
    /// Adds `factor` times the values of a profile's column `index`.
    pub(super) fn add(&mut self, profile: &Profile, index: usize, factor: i64) {
        let owners = owners(profile);
        let mut values: HashMap<(u32, i64), i64> = HashMap::new();
        let mut met: Vec<u32> = Vec::new();
        for sample in profile.samples.iter().filter(|s| s.values[index] != 0) {
            met.clear();
            for line in sample.stack.iter().flat_map(|&i| &profile.locations[i as usize].lines) {
                let Some(owner) = owners[line.symbol as usize].filter(|o| line.line > 0 && !met.contains(o))
                else {
                    continue;
                };
                met.push(owner);
                let value = values.entry((line.symbol, line.line)).or_default();
                *value = value.saturating_add(sample.values[index].saturating_mul(factor));
            }
        }
        for ((symbol, line), value) in values {
            let symbol = &profile.symbols[symbol as usize];
            self.note(names::enclosing(&symbol.name), &symbol.file, line, value);
        }
    }

    fn note(&mut self, function: &str, file: &str, line: i64, value: i64) {
        if !self.files.contains_key(file) {
            self.files.insert(file.into(), file.into());
        }
        let place = (Arc::clone(&self.files[file]), line);
        if !self.functions.contains_key(function) {
            self.functions.insert(function.into(), BTreeMap::new());
        }
        if let Some(lines) = self.functions.get_mut(function) {
            let sum = lines.entry(place).or_default();
            *sum = sum.saturating_add(value);
        }
    }

    /// Lines of a function with their values.
    pub(super) fn of(&self, function: &str) -> impl Iterator<Item = (&Place, i64)> {
        self.functions.get(function).into_iter().flatten().map(|(place, value)| (place, *value))
    }
}

/// For each symbol the number of the application's function that it is part of, if it is in a known file.
fn owners(profile: &Profile) -> Vec<Option<u32>> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut owners = Vec::with_capacity(profile.symbols.len());
    for Symbol { name, file, .. } in &profile.symbols {
        let next = numbers.len() as u32;
        let known = !file.is_empty() && names::is_application(name);
        owners.push(known.then(|| *numbers.entry(names::enclosing(name)).or_insert(next)));
    }
    owners
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
        let mut lines = Lines::default();
        lines.add(&p.finish(0, 0), 0, 2);
        let file = || "/src/store.go".to_owned();
        assert_eq!(of(&lines, "shop.(*Store).Reload"), [(file(), 58, 14), (file(), 60, 10)]);
        assert_eq!(of(&lines, "shop.walk"), [(file(), 8, 14)], "a line that is not known is none");
        assert!(of(&lines, "encoding/json.Unmarshal").is_empty(), "a library's lines are nobody's cause");
    }

    #[test]
    fn a_later_less_an_earlier_profile_leaves_what_was_added() {
        let profile = |value: i64| {
            let mut p = ProfileBuilder::new(&[("delay", "nanoseconds")], 1);
            p.add([frame("shop.walk", 8)], &[value]);
            p.finish(0, 0)
        };
        let mut lines = Lines::default();
        lines.add(&profile(20), 0, -1);
        lines.add(&profile(50), 0, 1);
        assert_eq!(of(&lines, "shop.walk"), [("/src/store.go".to_owned(), 8, 30)]);
    }
}
