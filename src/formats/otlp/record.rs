//! Log records.

use std::borrow::Cow;
use std::sync::Arc;

use super::value::{Value, attributes, find};
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
    /// Name of the event, if it is one.
    pub event: String,
    /// The process that logged it.
    pub resource: Arc<Resource>,
}

impl LogRecord {
    /// The level: the word for its number, which means the same everywhere; without a number what the sender calls it,
    /// perhaps nothing.
    #[must_use]
    pub fn level(&self) -> &str {
        match self.severity {
            1..=4 => "TRACE",
            5..=8 => "DEBUG",
            9..=12 => "INFO",
            13..=16 => "WARN",
            17..=20 => "ERROR",
            21..=24 => "FATAL",
            _ => &self.severity_text,
        }
    }

    /// The record as a line: its body, a structured one as JSON, else the event's name; with the exception that came
    /// with it.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        let body = match &self.body {
            Value::Empty => Cow::Borrowed(self.event.as_str()),
            body => body.to_text(),
        };
        let exception =
            |key| find(&self.attributes, key).and_then(Value::text).filter(|text| !text.is_empty());
        match (exception("exception.type"), exception("exception.message")) {
            (None, None) => body,
            // JSON stays JSON.
            _ if body.starts_with('{') => body,
            (kind, message) => {
                let kind = kind.unwrap_or("exception");
                Cow::Owned(format!("{body}: {kind}: {}", message.unwrap_or_default()))
            }
        }
    }
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
        event: wire.event_name,
        resource: Arc::clone(resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(severity: i32, severity_text: &str, body: Value, attributes: &[(&str, &str)]) -> LogRecord {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), Value::Text((*value).to_owned()));
        LogRecord {
            at_unix_nanos: 1,
            severity,
            severity_text: severity_text.into(),
            body,
            attributes: attributes.iter().map(pair).collect(),
            trace: None,
            span: None,
            event: "cart.paid".into(),
            resource: Resource::of(None),
        }
    }

    #[test]
    fn numbers_are_levels_and_words_stand_in_for_them() {
        let level = |severity, text| record(severity, text, Value::Empty, &[]).level().to_owned();
        assert_eq!([level(1, ""), level(9, "NOTICE"), level(13, "warning")], ["TRACE", "INFO", "WARN"]);
        assert_eq!([level(20, ""), level(24, ""), level(0, "Severe")], ["ERROR", "FATAL", "Severe"]);
        assert_eq!([level(0, ""), level(25, "x"), level(-1, "y")], ["", "x", "y"]);
    }

    #[test]
    fn a_record_is_a_line() {
        let text = |text: &str| Value::Text(text.into());
        let line = |body, attributes: &[(&str, &str)]| record(9, "", body, attributes).line().into_owned();
        assert_eq!(line(text("no stock"), &[("k", "v")]), "no stock");
        assert_eq!(line(Value::Empty, &[]), "cart.paid");
        let thrown = [("exception.type", "PoolTimeout"), ("exception.message", "after 30s")];
        assert_eq!(line(text("failed"), &thrown), "failed: PoolTimeout: after 30s");
        assert_eq!(line(text("failed"), &thrown[..1]), "failed: PoolTimeout: ");
        let list = Value::List(vec![Value::Int(1), Value::Double(0.5), Value::Bool(true), Value::Empty]);
        let map = Value::Map(vec![("msg".into(), text("a \"b\"")), ("all".into(), list)]);
        assert_eq!(line(map, &thrown), r#"{"msg":"a \"b\"","all":[1,0.5,true,null]}"#);
        assert_eq!(line(Value::Bytes(vec![1, 0xab]), &[]), "01ab");
    }
}
