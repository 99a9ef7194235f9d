//! OTLP, the protocol of OpenTelemetry: spans, log records and metrics as protobuf or JSON.
//!
//! [`Batch`] is one `Export*ServiceRequest` as it came; it is written to files as one line of JSON, which other
//! tools read too. [`Span`], [`LogRecord`] and [`Point`] are the checked values inside. The wire messages stay
//! private: each is prost and serde in one, so protobuf and JSON share one definition. (The messages of the
//! crate opentelemetry-proto 0.33.1 lose values that JSON has no number for: NaN is written as null.)

mod answer;
mod batch;
mod clocks;
mod exponential;
mod ids;
mod json;
mod point;
mod record;
mod scrub;
mod span;
#[cfg(test)]
mod tests;
mod value;
mod weigh;
mod wire_common;
mod wire_logs;
mod wire_metrics;
mod wire_trace;

pub use answer::{Partial, retry_details, status_json, status_protobuf};
pub use batch::Batch;
pub use clocks::Clocks;
pub use ids::{IdError, SpanId, TraceId};
pub use point::{Measure, Point, Temporality};
pub use record::LogRecord;
pub use scrub::BODY;
pub use span::{Span, SpanEvent, SpanKind, SpanLink, Status};
pub use value::{Attributes, NO_SERVICE, Resource, Value, find};

/// Largest request accepted, decompressed.
pub const MAX_BYTES: usize = 64 << 20;

/// Why bytes are no OTLP request.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OtlpError {
    /// Larger than [`MAX_BYTES`].
    #[error("the request is larger than {MAX_BYTES} bytes: export smaller batches")]
    TooLarge,
    /// Bytes that unfold into very many values, or very deep ones.
    #[error("the request holds too many values, or too deep ones: export smaller batches")]
    TooMany,
    /// Not the protobuf message.
    #[error("not an OTLP message: {0}")]
    Protobuf(String),
    /// Not the JSON of the message.
    #[error("not an OTLP message in JSON: {0}")]
    Json(String),
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Points of metrics.
    Metrics,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// Last part of the HTTP path, and of file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    /// What the things inside are called.
    #[must_use]
    pub const fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Logs => "log records",
            Self::Metrics => "data points",
        }
    }
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `application/x-protobuf`, and gRPC.
    Protobuf,
    /// `application/json`.
    Json,
}
