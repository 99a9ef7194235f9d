//! CPU stacks of both windows, folded for flame graphs.

use std::collections::BTreeMap;

use super::names;
use super::side::Side;
use super::stacks::plain;

/// Folded CPU stacks, root first, in nanoseconds per request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Of the reference; empty without one.
    pub reference: Vec<(String, u64)>,
    /// Of the judged window.
    pub judged: Vec<(String, u64)>,
}

impl Folded {
    pub(super) fn of(reference: Option<&Side>, judged: &Side) -> Self {
        Self { reference: reference.map(fold).unwrap_or_default(), judged: fold(judged) }
    }
}

fn fold(side: &Side) -> Vec<(String, u64)> {
    let throughput = side.client.throughput();
    let Some(cpu) = side.entry().and_then(|s| s.cpu.as_ref()).filter(|_| throughput > 0.0) else {
        return Vec::new();
    };
    let mut folded: BTreeMap<String, f64> = BTreeMap::new();
    for (stack, nanos) in cpu.totals.iter().filter(|(_, v)| *v > 0) {
        let names: Vec<String> =
            plain(stack).iter().rev().map(|f| names::enclosing(f).replace([';', ' ', '\n'], "_")).collect();
        *folded.entry(names.join(";")).or_default() += nanos as f64 / (cpu.stands_for() * throughput);
    }
    folded.into_iter().map(|(s, v)| (s, v.round() as u64)).filter(|(_, v)| *v > 0).collect()
}
