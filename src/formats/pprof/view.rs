//! Folded stacks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::nodes::Nodes;
use super::{Profile, Sample};

impl Profile {
    /// Stacks as text, root first, names joined by `;`, with their values at `index`; equal stacks are added
    /// up and zeros left out. Sorted by stack. The form that flame graph tools read, one stack a line.
    ///
    /// A `;` in a name becomes `:` and blanks and control characters become `_`, because readers of the form
    /// split there.
    #[must_use]
    pub fn fold(&self, index: usize, filter: impl Fn(&Sample) -> bool) -> Vec<(String, i64)> {
        let nodes = Nodes::of(self);
        let names: Vec<String> = nodes.names.iter().map(|name| folded_name(name)).collect();
        let mut folded: BTreeMap<String, i64> = BTreeMap::new();
        let mut stack = String::new();
        for sample in self.samples.iter().filter(|s| filter(s)) {
            stack.clear();
            for (depth, (node, _)) in nodes.frames(sample).rev().enumerate() {
                let separator = if depth == 0 { "" } else { ";" };
                // Writing to a String cannot fail.
                let _ = write!(stack, "{separator}{}", names[node as usize]);
            }
            let value = sample.values[index];
            match folded.get_mut(&stack) {
                Some(sum) => *sum = sum.saturating_add(value),
                None => drop(folded.insert(stack.clone(), value)),
            }
        }
        folded.into_iter().filter(|(_, value)| *value != 0).collect()
    }
}

fn folded_name(name: &str) -> String {
    let safe = |c: char| match c {
        ';' => ':',
        c if c.is_whitespace() || c.is_control() => '_',
        c => c,
    };
    if name.is_empty() { "_".to_owned() } else { name.chars().map(safe).collect() }
}
