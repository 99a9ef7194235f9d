//! The critical path: at each moment of a trace, the one span that its end was waiting for.

use super::trace::{Placed, Trace};
use crate::formats::otlp::SpanKind;

/// A child may end later than its parent by this part of its own length and still have been waited for: both
/// ends are taken one after the other, in either order.
const LATE_PART: u64 = 20;

/// A span on the critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of the span in its trace.
    pub span: usize,
    /// Nanoseconds on the path that no child of it accounts for.
    pub self_nanos: u64,
}

/// A span and the part of it that lies on the path.
struct Open {
    span: usize,
    from: u64,
    to: u64,
}

impl Trace {
    /// The critical path, callers before callees. Self times add up to [`Trace::nanos`].
    ///
    /// Walks back from the end of the root: of the children that had ended by then, the one that ended last was
    /// waited for; before its start, the same again. Between them the parent itself worked. Children that nobody
    /// waited for are not on it: receivers of messages, and those that ended after their parent.
    #[must_use]
    pub fn critical_path(&self) -> Vec<Step> {
        let root = self.root();
        let mut open = vec![Open { span: 0, from: root.start, to: root.end }];
        let mut path = Vec::new();
        // Not recursive: a trace may be as deep as it has spans.
        while let Some(part) = open.pop() {
            let self_nanos = self.descend(&part, &mut open);
            path.push(Step { span: part.span, self_nanos });
        }
        path
    }

    /// Opens the children on the path; what is left is the span's own.
    fn descend(&self, part: &Open, open: &mut Vec<Open>) -> u64 {
        let span = &self.spans[part.span];
        let children = span.children.clone().filter(|child| waits_for(span, &self.spans[*child]));
        let mut children: Vec<usize> = children.collect();
        children.sort_by_key(|child| {
            let child = &self.spans[*child];
            (std::cmp::Reverse(child.end), std::cmp::Reverse(child.start))
        });
        let (mut cursor, mut own) = (part.to, 0);
        for index in children {
            let child = &self.spans[index];
            let end = child.end.min(part.to);
            // It ran beside the one that was waited for, or lies outside the part.
            if end > cursor || end <= part.from || child.start >= end {
                continue;
            }
            own += cursor - end;
            cursor = child.start.max(part.from);
            open.push(Open { span: index, from: cursor, to: end });
        }
        own + (cursor - part.from)
    }
}

fn waits_for(parent: &Placed, child: &Placed) -> bool {
    child.kind != SpanKind::Consumer && ends_in_time(parent, child)
}

/// Whether a child ends before its parent, or late by less than can be told.
pub(super) fn ends_in_time(parent: &Placed, child: &Placed) -> bool {
    let late = child.end.saturating_sub(parent.end);
    late <= (child.end - child.start) / LATE_PART
}
