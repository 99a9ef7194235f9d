//! What a protobuf message would take in memory, found before it is decoded.
//!
//! Two bytes on the wire can be a whole span: 64 MiB of them would unfold into ten gigabytes. The shapes here
//! name the fields that hold messages, and what one of these takes.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::{wire_common as common, wire_logs as logs, wire_metrics as metrics, wire_trace as trace};

/// Deepest nesting accepted. The JSON of a value is deeper than its protobuf (three or four levels for two or
/// three), and must stay below the 127 levels that its parser follows.
const DEEPEST: usize = 80;

/// A message: its size in memory, and which of its fields are messages.
pub(super) struct Shape {
    size: usize,
    fields: &'static [(u32, &'static Shape)],
}

const fn shape<T>(fields: &'static [(u32, &'static Shape)]) -> Shape {
    Shape { size: size_of::<T>(), fields }
}

static ANY: Shape = shape::<common::AnyValue>(&[(5, &LIST), (6, &MAP)]);
static LIST: Shape = shape::<common::ArrayValue>(&[(1, &ANY)]);
static MAP: Shape = shape::<common::KeyValueList>(&[(1, &PAIR)]);
// A value is part of its pair, so only what lies below it counts.
static VALUE: Shape = Shape { size: 0, fields: &[(5, &LIST), (6, &MAP)] };
static PAIR: Shape = shape::<common::KeyValue>(&[(2, &VALUE)]);
static RESOURCE: Shape = shape::<common::Resource>(&[(1, &PAIR)]);
static SCOPE: Shape = shape::<common::Scope>(&[(3, &PAIR)]);

static EVENT: Shape = shape::<trace::Event>(&[(3, &PAIR)]);
static LINK: Shape = shape::<trace::Link>(&[(4, &PAIR)]);
static SPAN: Shape = shape::<trace::Span>(&[(9, &PAIR), (11, &EVENT), (13, &LINK)]);
static SCOPE_SPANS: Shape = shape::<trace::ScopeSpans>(&[(1, &SCOPE), (2, &SPAN)]);
static RESOURCE_SPANS: Shape = shape::<trace::ResourceSpans>(&[(1, &RESOURCE), (2, &SCOPE_SPANS)]);
pub(super) static TRACES: Shape = shape::<trace::TraceRequest>(&[(1, &RESOURCE_SPANS)]);

static RECORD: Shape = shape::<logs::LogRecord>(&[(5, &VALUE), (6, &PAIR)]);
static SCOPE_LOGS: Shape = shape::<logs::ScopeLogs>(&[(1, &SCOPE), (2, &RECORD)]);
static RESOURCE_LOGS: Shape = shape::<logs::ResourceLogs>(&[(1, &RESOURCE), (2, &SCOPE_LOGS)]);
pub(super) static LOGS: Shape = shape::<logs::LogsRequest>(&[(1, &RESOURCE_LOGS)]);

static EXEMPLAR: Shape = shape::<metrics::Exemplar>(&[(7, &PAIR)]);
static NUMBER: Shape = shape::<metrics::NumberPoint>(&[(7, &PAIR), (5, &EXEMPLAR)]);
// Bucket counts of a histogram have a fixed width; those of an exponential one take 1 byte and become 8.
static HISTOGRAM_POINT: Shape = shape::<metrics::HistogramPoint>(&[(9, &PAIR), (8, &EXEMPLAR)]);
static EXPONENTIAL_POINT: Shape = shape::<metrics::ExponentialPoint>(&[(1, &PAIR), (11, &EXEMPLAR)]);
static QUANTILE: Shape = shape::<metrics::ValueAtQuantile>(&[]);
static SUMMARY_POINT: Shape = shape::<metrics::SummaryPoint>(&[(7, &PAIR), (6, &QUANTILE)]);
static GAUGE: Shape = shape::<metrics::Gauge>(&[(1, &NUMBER)]);
static SUM: Shape = shape::<metrics::Sum>(&[(1, &NUMBER)]);
static HISTOGRAM: Shape = shape::<metrics::Histogram>(&[(1, &HISTOGRAM_POINT)]);
static EXPONENTIAL: Shape = shape::<metrics::ExponentialHistogram>(&[(1, &EXPONENTIAL_POINT)]);
static SUMMARY: Shape = shape::<metrics::Summary>(&[(1, &SUMMARY_POINT)]);
static METRIC: Shape = shape::<metrics::Metric>(&[
    (5, &GAUGE),
    (7, &SUM),
    (9, &HISTOGRAM),
    (10, &EXPONENTIAL),
    (11, &SUMMARY),
    (12, &PAIR),
]);
static SCOPE_METRICS: Shape = shape::<metrics::ScopeMetrics>(&[(1, &SCOPE), (2, &METRIC)]);
static RESOURCE_METRICS: Shape = shape::<metrics::ResourceMetrics>(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
pub(super) static METRICS: Shape = shape::<metrics::MetricsRequest>(&[(1, &RESOURCE_METRICS)]);

/// Bytes that the messages inside `bytes` take, without their texts (those take what they take on the wire).
/// None if `limit` or the deepest nesting is passed. A broken message weighs what was read of it: the decoder will tell.
pub(super) fn weigh(bytes: &[u8], shape: &'static Shape, limit: usize) -> Option<usize> {
    let mut weight = shape.size;
    let mut open = vec![(bytes, shape)];
    while let Some((rest, shape)) = open.last_mut() {
        let Some((field, inner)) = next_delimited(rest) else {
            open.pop();
            continue;
        };
        let Some((_, child)) = shape.fields.iter().find(|(number, _)| *number == field) else { continue };
        weight += child.size;
        if weight > limit || open.len() == DEEPEST {
            return None;
        }
        open.push((inner, child));
    }
    Some(weight)
}

/// The next length-delimited field; others are passed over. None at the end and at what is broken.
fn next_delimited<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    while !rest.is_empty() {
        let (field, kind) = decode_key(rest).ok()?;
        if kind != WireType::LengthDelimited {
            skip_field(kind, field, rest, DecodeContext::default()).ok()?;
            continue;
        }
        let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
        let (inner, tail) = rest.split_at_checked(length)?;
        *rest = tail;
        return Some((field, inner));
    }
    None
}
