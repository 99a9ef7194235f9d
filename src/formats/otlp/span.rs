//! Spans.

use std::sync::Arc;

use super::value::attributes;
use super::wire_trace as wire;
use super::{Attributes, Resource, SpanId, TraceId};

/// What a span's part in a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanKind {
    /// Work inside a process; also what said nothing.
    Internal,
    /// A call as the one who answers sees it.
    Server,
    /// A call as the one who asks sees it.
    Client,
    /// A message as its sender sees it.
    Producer,
    /// A message as its receiver sees it.
    Consumer,
}

impl SpanKind {
    const fn of(number: i32) -> Self {
        match number {
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            // A kind of a later version is no reason to lose the span.
            _ => Self::Internal,
        }
    }

    /// The word of the specification, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said.
    #[default]
    Unset,
    /// Someone found it good.
    Ok,
    /// It failed; the message may be empty.
    Error(String),
}

/// Something that happened within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// Wall clock, nanoseconds since 1970 UTC.
    pub at_unix_nanos: u64,
    /// What happened.
    pub name: String,
    /// More about it.
    pub attributes: Attributes,
}

/// A span of another trace, or of this one, that a span has to do with besides its parent.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanLink {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// More about it.
    pub attributes: Attributes,
}

/// One piece of work of one process for one trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Trace it belongs to.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// Span that it was done for; none for the first of a trace.
    pub parent: Option<SpanId>,
    /// Part in a call.
    pub kind: SpanKind,
    /// What was done, e.g. `GET /products`.
    pub name: String,
    /// Wall clock of the start on the recording machine, nanoseconds since 1970 UTC.
    pub start_unix_nanos: u64,
    /// Wall clock of the end; never before the start.
    pub end_unix_nanos: u64,
    /// How it ended.
    pub status: Status,
    /// More about it.
    pub attributes: Attributes,
    /// What happened within.
    pub events: Vec<SpanEvent>,
    /// What else it has to do with.
    pub links: Vec<SpanLink>,
    /// The process that recorded it.
    pub resource: Arc<Resource>,
}

impl wire::Span {
    /// Whether both ids are ids, and the times are in order.
    pub(super) fn is_valid(&self) -> bool {
        TraceId::new(&self.trace_id).is_some()
            && SpanId::new(&self.span_id).is_some()
            && self.start_time_unix_nano <= self.end_time_unix_nano
    }

    fn checked(self, resource: &Arc<Resource>) -> Option<Span> {
        if !self.is_valid() {
            return None;
        }
        let status = self.status.unwrap_or_default();
        Some(Span {
            trace: TraceId::new(&self.trace_id)?,
            id: SpanId::new(&self.span_id)?,
            parent: SpanId::new(&self.parent_span_id),
            kind: SpanKind::of(self.kind),
            name: self.name,
            start_unix_nanos: self.start_time_unix_nano,
            end_unix_nanos: self.end_time_unix_nano,
            status: match status.code {
                1 => Status::Ok,
                2 => Status::Error(status.message),
                _ => Status::Unset,
            },
            attributes: attributes(self.attributes),
            events: self.events.into_iter().map(event).collect(),
            links: self.links.into_iter().filter_map(link).collect(),
            resource: Arc::clone(resource),
        })
    }
}

fn event(wire: wire::Event) -> SpanEvent {
    SpanEvent { at_unix_nanos: wire.time_unix_nano, name: wire.name, attributes: attributes(wire.attributes) }
}

fn link(wire: wire::Link) -> Option<SpanLink> {
    Some(SpanLink {
        trace: TraceId::new(&wire.trace_id)?,
        span: SpanId::new(&wire.span_id)?,
        attributes: attributes(wire.attributes),
    })
}

/// The spans of a request and the number of those that were none: ids of a wrong length or all zero, or an
/// end before the start.
pub(super) fn spans(request: wire::TraceRequest) -> (Vec<Span>, u64) {
    let (mut spans, mut invalid) = (Vec::new(), 0);
    for process in request.resource_spans {
        let resource = Resource::of(process.resource);
        for span in process.scope_spans.into_iter().flat_map(|library| library.spans) {
            match span.checked(&resource) {
                Some(span) => spans.push(span),
                None => invalid += 1,
            }
        }
    }
    (spans, invalid)
}
