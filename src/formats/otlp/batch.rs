//! One request, from bytes and to bytes.

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::weigh::{self, Shape, weigh};
use super::wire_logs::LogsRequest;
use super::wire_metrics::MetricsRequest;
use super::wire_trace::TraceRequest;
use super::{Encoding, LogRecord, MAX_BYTES, OtlpError, Point, Signal, Span, point, record, span};

/// Most memory that the messages of a request may take, beside their texts.
const MAX_MEMORY: usize = 256 << 20;
/// Most JSON objects in a request: each unfolds into a message of some hundred bytes.
const MAX_OBJECTS: usize = 2 << 20;
/// Requests with `null` where a list or a text belongs are read a second time; only up to this size, because a
/// tree of JSON takes far more than its bytes.
const MAX_NULLS: usize = 4 << 20;

/// One request: `ExportTraceServiceRequest`, `ExportLogsServiceRequest` or `ExportMetricsServiceRequest`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch(pub(super) Request);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Traces(TraceRequest),
    Logs(LogsRequest),
    Metrics(MetricsRequest),
}

impl Batch {
    /// Decodes a request, decompressed already.
    ///
    /// # Errors
    /// [`OtlpError`] says what the bytes were instead, or which bound they pass.
    pub fn decode(signal: Signal, encoding: Encoding, bytes: &[u8]) -> Result<Self, OtlpError> {
        if bytes.len() > MAX_BYTES {
            return Err(OtlpError::TooLarge);
        }
        let request = match signal {
            Signal::Traces => Request::Traces(message(encoding, bytes, &weigh::TRACES)?),
            Signal::Logs => Request::Logs(message(encoding, bytes, &weigh::LOGS)?),
            Signal::Metrics => Request::Metrics(message(encoding, bytes, &weigh::METRICS)?),
        };
        Ok(Self(request))
    }

    /// The request as a line of a file, its end included.
    ///
    /// # Errors
    /// If the line passes a bound of [`Self::decode`], so that it could not be read back: JSON is longer than
    /// protobuf.
    pub fn line(&self) -> Result<Vec<u8>, OtlpError> {
        let mut line = self.encode(Encoding::Json);
        line.push(b'\n');
        match line.len() > MAX_BYTES {
            true => Err(OtlpError::TooLarge),
            false if too_many_objects(&line) => Err(OtlpError::TooMany),
            false => Ok(line),
        }
    }

    /// Encodes the request; [`Encoding::Json`] gives one line without its end.
    #[must_use]
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        match (&self.0, encoding) {
            (Request::Traces(r), Encoding::Protobuf) => r.encode_to_vec(),
            (Request::Logs(r), Encoding::Protobuf) => r.encode_to_vec(),
            (Request::Metrics(r), Encoding::Protobuf) => r.encode_to_vec(),
            (Request::Traces(r), Encoding::Json) => json(r),
            (Request::Logs(r), Encoding::Json) => json(r),
            (Request::Metrics(r), Encoding::Json) => json(r),
        }
    }

    /// What it carries.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self.0 {
            Request::Traces(_) => Signal::Traces,
            Request::Logs(_) => Signal::Logs,
            Request::Metrics(_) => Signal::Metrics,
        }
    }

    /// Number of spans, log records or points.
    #[must_use]
    pub fn items(&self) -> u64 {
        match &self.0 {
            Request::Traces(r) => {
                let libraries = r.resource_spans.iter().flat_map(|p| &p.scope_spans);
                libraries.map(|l| l.spans.len() as u64).sum()
            }
            Request::Logs(r) => {
                let libraries = r.resource_logs.iter().flat_map(|p| &p.scope_logs);
                libraries.map(|l| l.log_records.len() as u64).sum()
            }
            Request::Metrics(r) => {
                let libraries = r.resource_metrics.iter().flat_map(|p| &p.scope_metrics);
                libraries.flat_map(|l| &l.metrics).map(|m| m.points()).sum()
            }
        }
    }

    /// Takes spans out that are none: ids of a wrong length or all zero, an end before the start. Their number.
    pub fn drop_invalid(&mut self) -> u64 {
        let before = self.items();
        if let Request::Traces(r) = &mut self.0 {
            for library in r.resource_spans.iter_mut().flat_map(|p| &mut p.scope_spans) {
                library.spans.retain(super::wire_trace::Span::is_valid);
            }
        }
        before - self.items()
    }

    /// The spans, in order, and the number of those left out because they are none; nothing for other signals.
    #[must_use]
    pub fn into_spans(self) -> (Vec<Span>, u64) {
        match self.0 {
            Request::Traces(r) => span::spans(r),
            _ => (Vec::new(), 0),
        }
    }

    /// The log records, in order; nothing for other signals.
    #[must_use]
    pub fn into_records(self) -> Vec<LogRecord> {
        match self.0 {
            Request::Logs(r) => record::records(r),
            _ => Vec::new(),
        }
    }

    /// The points and the number of those left out (summaries, points without a value, histograms that do not fit
    /// their bounds); nothing for other signals.
    #[must_use]
    pub fn into_points(self) -> (Vec<Point>, u64) {
        match self.0 {
            Request::Metrics(r) => point::points(r),
            _ => (Vec::new(), 0),
        }
    }
}

fn message<T>(encoding: Encoding, bytes: &[u8], shape: &'static Shape) -> Result<T, OtlpError>
where
    T: Message + Default + DeserializeOwned,
{
    match encoding {
        Encoding::Protobuf => {
            weigh(bytes, shape, MAX_MEMORY).ok_or(OtlpError::TooMany)?;
            T::decode(bytes).map_err(|e| OtlpError::Protobuf(e.to_string()))
        }
        Encoding::Json => from_json(bytes),
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, OtlpError> {
    if too_many_objects(bytes) {
        return Err(OtlpError::TooMany);
    }
    let error = match serde_json::from_slice(bytes) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    // Protobuf's JSON allows `null` for any field; no exporter known writes it, so it is not worth its price on
    // every field.
    let nulls = bytes.len() <= MAX_NULLS && bytes.windows(4).any(|w| w == b"null");
    let again = nulls.then(|| serde_json::from_slice(bytes).ok().map(without_nulls)).flatten();
    again.and_then(|tree| serde_json::from_value(tree).ok()).ok_or_else(|| OtlpError::Json(error.to_string()))
}

/// Braces inside texts count too; who sends two million of them in one batch can send smaller ones.
fn too_many_objects(json: &[u8]) -> bool {
    json.iter().filter(|b| **b == b'{').count() > MAX_OBJECTS
}

/// Takes fields that are null out of their objects. Depth is bounded by the parser.
fn without_nulls(tree: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::{Array, Object};
    match tree {
        Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| !v.is_null());
            Object(kept.map(|(k, v)| (k, without_nulls(v))).collect())
        }
        Array(list) => Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("string keys, and no number that JSON has no word for")
}
