//! Spans to traces, within bounds: when there are too many spans, whole traces are given up by a hash of their
//! id, so that what stays is a fair sample and its share is known.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::{Name, Names};
use super::trace::{Node, Trace};
use crate::formats::otlp::{Span, Status, TraceId};

/// Spans kept unless told otherwise: about 150 MB.
pub const DEFAULT_SPANS: usize = 1_000_000;
/// Most spans of one trace; a trace that has more is cut, and counts as not whole.
pub const MOST_SPANS_OF_A_TRACE: usize = 50_000;

/// Collects spans in any order.
#[derive(Debug)]
pub struct Gather {
    most: usize,
    /// Traces are kept whose hash begins with so many zero bits.
    level: u32,
    kept: usize,
    seen: u64,
    traces: HashMap<TraceId, Open>,
    names: Names,
}

#[derive(Debug, Default)]
struct Open {
    nodes: Vec<Node>,
    cut: u64,
}

/// How much of what was seen was kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Spans seen.
    pub seen_spans: u64,
    /// Spans of the traces that were kept.
    pub kept_spans: u64,
    /// Share of the traces that were kept: 1, 1/2, 1/4...
    pub share: f64,
    /// Traces kept of which no root could be found; they are in no list.
    pub rootless: u64,
}

/// Traces, in the order of their ids.
#[derive(Debug)]
pub struct Gathered {
    /// Traces that have a root.
    pub traces: Vec<Trace>,
    /// How much of what was seen is in them.
    pub coverage: Coverage,
    names: Names,
}

impl Gather {
    /// Keeps about `most` spans at the same time, [`DEFAULT_SPANS`] is a good number.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            level: 0,
            kept: 0,
            seen: 0,
            traces: HashMap::new(),
            names: Names::default(),
        }
    }

    /// Adds a span.
    pub fn add(&mut self, span: &Span) {
        self.seen += 1;
        if !self.keeps(span.trace) {
            return;
        }
        let node = self.node(span);
        let open = self.traces.entry(span.trace).or_default();
        if open.nodes.len() >= MOST_SPANS_OF_A_TRACE {
            open.cut += 1;
            return;
        }
        open.nodes.push(node);
        self.kept += 1;
        while self.kept > self.most && self.traces.len() > 1 {
            self.thin_out();
        }
    }

    /// Puts the traces together.
    #[must_use]
    pub fn finish(self) -> Gathered {
        let mut coverage = Coverage {
            seen_spans: self.seen,
            kept_spans: self.kept as u64,
            share: 0.5_f64.powi(self.level as i32),
            rootless: 0,
        };
        let all = self.traces.into_iter();
        let mut traces: Vec<Trace> = all
            .filter_map(|(id, open)| {
                let trace = Trace::assemble(id, open.nodes, open.cut);
                coverage.rootless += u64::from(trace.is_none());
                trace
            })
            .collect();
        traces.sort_by_key(|t| t.id);
        Gathered { traces, coverage, names: self.names }
    }

    fn keeps(&self, trace: TraceId) -> bool {
        hash(trace).leading_zeros() >= self.level
    }

    /// Gives up every second trace.
    fn thin_out(&mut self) {
        self.level += 1;
        let level = self.level;
        self.traces.retain(|id, _| hash(*id).leading_zeros() >= level);
        self.kept = self.traces.values().map(|open| open.nodes.len()).sum();
    }

    fn node(&mut self, span: &Span) -> Node {
        Node {
            id: span.id,
            parent: span.parent,
            kind: span.kind,
            service: self.names.name(&span.resource.service),
            name: self.names.name(&span.name),
            // Spans of one machine share a clock.
            clock: self.names.name(span.resource.clock()),
            start: span.start_unix_nanos,
            end: span.end_unix_nanos,
            failed: matches!(span.status, Status::Error(_)),
        }
    }
}

impl Gathered {
    /// The text of a name.
    #[must_use]
    pub fn text(&self, name: Name) -> &Arc<str> {
        self.names.text(name)
    }
}

/// Ids of a load generator count up, so their bits are mixed well (the finaliser of MurmurHash3).
fn hash(trace: TraceId) -> u64 {
    let bytes = trace.bytes();
    let half = |from: usize| bytes[from..from + 8].iter().fold(0, |n: u64, b| n << 8 | u64::from(*b));
    let mix = |mut h: u64| {
        h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ h >> 33
    };
    mix(mix(half(0)) ^ half(8))
}
