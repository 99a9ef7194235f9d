//! One function with its callers and callees, as `go tool pprof -peek` shows them.

use std::collections::HashMap;

use super::nodes::Nodes;
use super::{Profile, Top};

/// Calls between a function and another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Full name of the other function.
    pub function: String,
    /// Sum of the samples that have the call, each counted once.
    pub value: i64,
    /// Whether the compiler put all of them into the caller.
    pub inlined: bool,
}

/// A function and its neighbours in the stacks, heaviest first. Calls of itself are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Its own values.
    pub own: Top,
    /// Who called it.
    pub callers: Vec<Call>,
    /// Whom it called.
    pub callees: Vec<Call>,
}

/// A neighbour while its calls are counted.
struct Edge {
    value: i64,
    inlined: bool,
    /// The last sample that counted.
    counted: usize,
}

#[derive(Default)]
struct Edges(HashMap<u32, Edge>);

impl Profile {
    /// The function of exactly this name, by its values at `index`; none if no sample with a value has it.
    #[must_use]
    pub fn peek(&self, index: usize, function: &str) -> Option<Peek> {
        let nodes = Nodes::of(self);
        let asked = u32::try_from(nodes.names.iter().position(|name| *name == function)?).ok()?;
        let (mut callers, mut callees) = (Edges::default(), Edges::default());
        let mut own = Top { function: function.to_owned(), flat: 0, cum: 0 };
        for (number, sample) in self.samples.iter().enumerate().filter(|(_, s)| s.values[index] != 0) {
            let value = sample.values[index];
            let mut caller = None;
            let mut inside = false;
            for (node, inlined) in nodes.frames(sample).rev() {
                inside |= node == asked;
                match caller {
                    Some(caller) if node == asked && caller != asked => {
                        callers.add(caller, number, value, inlined)
                    }
                    Some(caller) if caller == asked && node != asked => {
                        callees.add(node, number, value, inlined)
                    }
                    _ => {}
                }
                caller = Some(node);
            }
            if caller == Some(asked) {
                own.flat = own.flat.saturating_add(value);
            }
            if inside {
                own.cum = own.cum.saturating_add(value);
            }
        }
        let known = own.flat != 0 || own.cum != 0;
        known.then(|| Peek { own, callers: callers.sorted(&nodes), callees: callees.sorted(&nodes) })
    }
}

impl Edges {
    fn add(&mut self, other: u32, number: usize, value: i64, inlined: bool) {
        let edge = self.0.entry(other).or_insert(Edge { value: 0, inlined: true, counted: usize::MAX });
        // A call counts once a sample, from the root the first: its kind is the one that counts.
        if std::mem::replace(&mut edge.counted, number) != number {
            edge.value = edge.value.saturating_add(value);
            edge.inlined &= inlined;
        }
    }

    fn sorted(self, nodes: &Nodes<'_>) -> Vec<Call> {
        let call = |(node, edge): (u32, Edge)| Call {
            function: nodes.names[node as usize].to_owned(),
            value: edge.value,
            inlined: edge.inlined,
        };
        let mut calls: Vec<Call> = self.0.into_iter().map(call).collect();
        let size = |c: &Call| c.value.unsigned_abs();
        calls.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.function.cmp(&b.function)));
        calls
    }
}
