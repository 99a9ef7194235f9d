//! One trace: a tree of spans below one root.

use std::collections::HashMap;
use std::ops::Range;

use super::names::Name;
use super::skew::{self, Shift};
use crate::formats::otlp::{SpanId, SpanKind, TraceId};

/// What is kept of a span until its trace is put together.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) kind: SpanKind,
    pub(super) service: Name,
    pub(super) name: Name,
    pub(super) clock: Name,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) failed: bool,
}

/// A span at its place in a trace, its times on the root's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub id: SpanId,
    /// Part in a call.
    pub kind: SpanKind,
    /// Service that recorded it.
    pub service: Name,
    /// What was done.
    pub name: Name,
    /// Start, nanoseconds since 1970 UTC on the root's clock.
    pub start: u64,
    /// End; never before the start.
    pub end: u64,
    /// Whether it ended in an error.
    pub failed: bool,
    /// Index of its parent; none for the root.
    pub parent: Option<usize>,
    pub(super) clock: Name,
    /// Nanoseconds that were added to its times.
    pub(super) moved: i64,
    pub(super) children: Range<usize>,
}

/// What is wrong with a trace. A trace without any of it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// Spans with an id that was there already; not used. They do not make a trace less whole: exporters repeat
    /// requests whose answer got lost.
    pub duplicates: u64,
    /// Spans that are not below the root, because the parent of one of their ancestors is missing.
    pub orphans: u64,
    /// Spans that are their own ancestors, or below such.
    pub cyclic: u64,
    /// Spans beyond [`super::MOST_SPANS_OF_A_TRACE`].
    pub cut: u64,
}

/// A trace with its root.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Spans below the root, callers before callees; the root is the first.
    pub spans: Vec<Placed>,
    /// Parent that the root names but nobody recorded: the span id of the load generator's `traceparent`, as a
    /// rule.
    pub remote_parent: Option<SpanId>,
    /// Clocks that were set right.
    pub shifts: Vec<Shift>,
    /// What is wrong with it.
    pub defects: Defects,
}

impl Trace {
    /// Puts a trace together; none if no span can be its root.
    pub(super) fn assemble(id: TraceId, nodes: Vec<Node>, cut: u64) -> Option<Self> {
        let before = nodes.len();
        let nodes = once_each(nodes);
        let family = Family::of(&nodes);
        let root = family.root(&nodes)?;
        let spans = family.tree(&nodes, root);
        let below_tops: usize = family.tops.iter().map(|top| family.tree(&nodes, *top).len()).sum();
        let defects = Defects {
            duplicates: (before - nodes.len()) as u64,
            orphans: (below_tops - spans.len()) as u64,
            cyclic: (nodes.len() - below_tops) as u64,
            cut,
        };
        let remote_parent = nodes[root].parent;
        let mut trace = Self { id, spans, remote_parent, shifts: Vec::new(), defects };
        trace.shifts = skew::set_right(&mut trace.spans);
        Some(trace)
    }

    /// The span that all others were done for.
    #[must_use]
    pub fn root(&self) -> &Placed {
        &self.spans[0]
    }

    /// Length of the root in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.root().end - self.root().start
    }

    /// Whether all its spans are below its root.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        let Defects { orphans, cyclic, cut, .. } = self.defects;
        orphans == 0 && cyclic == 0 && cut == 0
    }
}

/// In an order that does not depend on the order of arrival, each id once.
fn once_each(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|a, b| {
        let key = |n: &Node| (n.start, n.id, n.end, n.kind, n.name, n.service, n.parent);
        key(a).cmp(&key(b))
    });
    let mut seen = std::collections::HashSet::with_capacity(nodes.len());
    nodes.retain(|n| seen.insert(n.id));
    nodes
}

/// Who is whose child, by index.
struct Family {
    children: Vec<Vec<usize>>,
    /// Spans without a recorded parent.
    tops: Vec<usize>,
}

impl Family {
    fn of(nodes: &[Node]) -> Self {
        let by_id: HashMap<SpanId, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id, i)).collect();
        let (mut children, mut tops) = (vec![Vec::new(); nodes.len()], Vec::new());
        for (index, node) in nodes.iter().enumerate() {
            match node.parent.and_then(|parent| by_id.get(&parent)) {
                Some(parent) => children[*parent].push(index),
                None => tops.push(index),
            }
        }
        Self { children, tops }
    }

    /// A span that names no parent comes first, then the longest: what waits for the rest.
    fn root(&self, nodes: &[Node]) -> Option<usize> {
        let rank = |index: &usize| {
            let node = &nodes[*index];
            (node.parent.is_none(), node.end - node.start, std::cmp::Reverse(*index))
        };
        self.tops.iter().copied().max_by_key(|index| rank(index))
    }

    /// The tree below a span, breadth first: children of one span lie side by side.
    fn tree(&self, nodes: &[Node], root: usize) -> Vec<Placed> {
        let mut spans = vec![place(&nodes[root], None)];
        let mut sources = vec![root];
        let mut next = 0;
        while next < spans.len() {
            let begin = spans.len();
            for child in &self.children[sources[next]] {
                spans.push(place(&nodes[*child], Some(next)));
                sources.push(*child);
            }
            spans[next].children = begin..spans.len();
            next += 1;
        }
        spans
    }
}

fn place(node: &Node, parent: Option<usize>) -> Placed {
    Placed {
        id: node.id,
        kind: node.kind,
        service: node.service,
        name: node.name,
        start: node.start,
        end: node.end,
        failed: node.failed,
        parent,
        clock: node.clock,
        moved: 0,
        children: 0..0,
    }
}
