//! Folded stacks and the table of functions.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::{Profile, Sample};

/// A function's share of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// Full name.
    pub function: String,
    /// Sum of the samples whose leaf it is.
    pub flat: i64,
    /// Sum of the samples it is in, each counted once, however deep it recurses.
    pub cum: i64,
}

impl Profile {
    /// Stacks as text, root first, names joined by `;`, with their values at `index`; equal stacks are added
    /// up and zeros left out. Sorted by stack. The form that flame graph tools read, one stack a line.
    ///
    /// A `;` in a name becomes `:` and blanks and control characters become `_`, because readers of the form
    /// split there.
    #[must_use]
    pub fn fold(&self, index: usize, filter: impl Fn(&Sample) -> bool) -> Vec<(String, i64)> {
        let names: Vec<String> = self.frames.iter().map(|f| folded_name(&f.function)).collect();
        let mut folded: BTreeMap<String, i64> = BTreeMap::new();
        let mut stack = String::new();
        for sample in self.samples.iter().filter(|s| filter(s)) {
            stack.clear();
            for (depth, &frame) in sample.stack.iter().rev().enumerate() {
                let separator = if depth == 0 { "" } else { ";" };
                // Writing to a String cannot fail.
                let _ = write!(stack, "{separator}{}", names[frame as usize]);
            }
            let value = sample.values[index];
            match folded.get_mut(&stack) {
                Some(sum) => *sum = sum.saturating_add(value),
                None => drop(folded.insert(stack.clone(), value)),
            }
        }
        folded.into_iter().filter(|(_, value)| *value != 0).collect()
    }

    /// Functions by their values at `index`, as `go tool pprof -top` counts them; largest flat value first,
    /// then largest cumulative one, then by name. Functions with nothing are left out.
    #[must_use]
    pub fn top(&self, index: usize) -> Vec<Top> {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let mut rows: Vec<Top> = Vec::new();
        let row_of_frame: Vec<usize> = self
            .frames
            .iter()
            .map(|f| {
                *by_name.entry(&f.function).or_insert_with(|| {
                    rows.push(Top { function: f.function.clone(), flat: 0, cum: 0 });
                    rows.len() - 1
                })
            })
            .collect();
        // The last sample that counted towards a row: a function that recurses is counted once.
        let mut counted = vec![usize::MAX; rows.len()];
        for (number, sample) in self.samples.iter().enumerate() {
            let value = sample.values[index];
            for (depth, &frame) in sample.stack.iter().enumerate() {
                let row = row_of_frame[frame as usize];
                if depth == 0 {
                    rows[row].flat = rows[row].flat.saturating_add(value);
                }
                if std::mem::replace(&mut counted[row], number) != number {
                    rows[row].cum = rows[row].cum.saturating_add(value);
                }
            }
        }
        rows.retain(|r| r.flat != 0 || r.cum != 0);
        rows.sort_by(|a, b| {
            let key = |r: &Top| (r.flat.unsigned_abs(), r.cum.unsigned_abs());
            key(b).cmp(&key(a)).then_with(|| a.function.cmp(&b.function))
        });
        rows
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
