//! Log records.

use std::sync::Arc;

use super::value::{Value, attributes};
use super::wire_logs as wire;
use super::{Attributes, Resource, SpanId, TraceId};

/// A log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When it happened, wall clock, nanoseconds since 1970 UTC; when it was seen if that is not known; 0 if
    /// neither is.
    pub at_unix_nanos: u64,
    /// 1 to 24, higher is worse (9 info, 13 warn, 17 error, 21 fatal); 0 if not given.
    pub severity: i32,
    /// The severity in the sender's words.
    pub severity_text: String,
    /// What was logged.
    pub body: Value,
    /// More about it.
    pub attributes: Attributes,
    /// Trace it belongs to.
    pub trace: Option<TraceId>,
    /// Span it belongs to.
    pub span: Option<SpanId>,
    /// The process that logged it.
    pub resource: Arc<Resource>,
}

/// The records of a request, in its order.
pub(super) fn records(request: wire::LogsRequest) -> Vec<LogRecord> {
    let mut records = Vec::new();
    for process in request.resource_logs {
        let resource = Resource::of(process.resource);
        let all = process.scope_logs.into_iter().flat_map(|library| library.log_records);
        records.extend(all.map(|record| checked(record, &resource)));
    }
    records
}

fn checked(wire: wire::LogRecord, resource: &Arc<Resource>) -> LogRecord {
    let happened = Some(wire.time_unix_nano).filter(|at| *at > 0);
    LogRecord {
        at_unix_nanos: happened.unwrap_or(wire.observed_time_unix_nano),
        severity: wire.severity_number,
        severity_text: wire.severity_text,
        body: Value::of(wire.body),
        attributes: attributes(wire.attributes),
        trace: TraceId::new(&wire.trace_id),
        span: SpanId::new(&wire.span_id),
        resource: Arc::clone(resource),
    }
}
