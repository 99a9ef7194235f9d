//! How far the clocks of machines are off, by what set their spans right in many traces.

use std::collections::{BTreeMap, HashMap};

use super::gather::Gathered;
use super::names::Name;
use super::trace::{Placed, Trace};
use crate::formats::otlp::{Clocks, SpanKind};

/// Calls from which on a clock is known: one of them may have been late for reasons of its own.
const LEAST: usize = 3;

impl Gathered {
    /// Clocks against the one that most traces begin on: the middle of what their calls were moved by, those that
    /// needed no move counted as well.
    #[must_use]
    pub fn clocks(&self) -> Clocks {
        let Some(reference) = self.most_common_root() else { return Clocks::default() };
        let mut moves: BTreeMap<Name, Vec<i64>> = BTreeMap::new();
        for trace in self.traces.iter().filter(|t| t.root().clock == reference) {
            for call in calls(trace).filter(|call| call.clock != reference) {
                moves.entry(call.clock).or_default().push(call.moved);
            }
        }
        moves.retain(|_, by| by.len() >= LEAST);
        moves.into_iter().map(|(clock, by)| (self.text(clock).to_string(), middle(by))).collect()
    }

    fn most_common_root(&self) -> Option<Name> {
        let mut roots: HashMap<Name, u64> = HashMap::new();
        for trace in &self.traces {
            *roots.entry(trace.root().clock).or_default() += 1;
        }
        roots
            .into_iter()
            .max_by_key(|&(clock, traces)| (traces, std::cmp::Reverse(clock)))
            .map(|(clock, _)| clock)
    }
}

/// Spans that were asked for from another clock and that tell of it: a message may begin at any later time, and a call
/// longer than its caller ends at any.
fn calls(trace: &Trace) -> impl Iterator<Item = &Placed> {
    trace.spans.iter().filter(|span| {
        let Some(parent) = span.parent.map(|p| &trace.spans[p]) else { return false };
        let fits = span.end - span.start <= parent.end - parent.start;
        span.clock != parent.clock && span.kind != SpanKind::Consumer && fits
    })
}

fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
