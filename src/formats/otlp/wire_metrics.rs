//! Messages of `metrics.proto`, and the request of its service.

use prost::Message;
use serde::{Deserialize, Serialize};

use super::json::{self, is_default};
use super::wire_common::{KeyValue, Resource, Scope};

/// `ExportMetricsServiceRequest`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MetricsRequest {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resource_metrics: Vec<ResourceMetrics>,
}

/// Metrics of one process.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scope_metrics: Vec<ScopeMetrics>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) schema_url: String,
}

/// Metrics of one library.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) metrics: Vec<Metric>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) schema_url: String,
}

/// A metric: one of the five kinds is set.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metric {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) description: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) unit: String,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gauge: Option<Gauge>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<Sum>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) histogram: Option<Histogram>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exponential_histogram: Option<ExponentialHistogram>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<Summary>,
    #[prost(message, repeated, tag = "12")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) metadata: Vec<KeyValue>,
}

/// Values that are set.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Gauge {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_points: Vec<NumberPoint>,
}

/// Values that are added to.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Sum {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_points: Vec<NumberPoint>,
    #[prost(int32, tag = "2")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub(super) is_monotonic: bool,
}

/// Counts by explicit buckets.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Histogram {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) aggregation_temporality: i32,
}

/// Counts by exponential buckets.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExponentialHistogram {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_points: Vec<ExponentialPoint>,
    #[prost(int32, tag = "2")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) aggregation_temporality: i32,
}

/// Quantiles made by the sender.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_points: Vec<SummaryPoint>,
}

/// One value.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NumberPoint {
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    #[serde(with = "json::whole64_option", skip_serializing_if = "Option::is_none")]
    pub(super) as_int: Option<i64>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(uint32, tag = "8")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) flags: u32,
}

/// One histogram.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HistogramPoint {
    #[prost(message, repeated, tag = "9")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) count: u64,
    #[prost(double, optional, tag = "5")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    #[serde(with = "json::whole64_list", skip_serializing_if = "Vec::is_empty")]
    pub(super) bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    #[serde(with = "json::real_list", skip_serializing_if = "Vec::is_empty")]
    pub(super) explicit_bounds: Vec<f64>,
    #[prost(message, repeated, tag = "8")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(uint32, tag = "10")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) flags: u32,
    #[prost(double, optional, tag = "11")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "12")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
}

/// One exponential histogram.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExponentialPoint {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) count: u64,
    #[prost(double, optional, tag = "5")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<f64>,
    #[prost(sint32, tag = "6")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) scale: i32,
    #[prost(fixed64, tag = "7")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) zero_count: u64,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) positive: Option<Buckets>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negative: Option<Buckets>,
    #[prost(uint32, tag = "10")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) flags: u32,
    #[prost(message, repeated, tag = "11")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(double, optional, tag = "12")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
    #[prost(double, tag = "14")]
    #[serde(with = "json::real")]
    pub(super) zero_threshold: f64,
}

/// Exponential buckets of one sign.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Buckets {
    #[prost(sint32, tag = "1")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) offset: i32,
    #[prost(uint64, repeated, tag = "2")]
    #[serde(with = "json::whole64_list", skip_serializing_if = "Vec::is_empty")]
    pub(super) bucket_counts: Vec<u64>,
}

/// One summary.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SummaryPoint {
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) count: u64,
    #[prost(double, tag = "5")]
    #[serde(with = "json::real")]
    pub(super) sum: f64,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) quantile_values: Vec<ValueAtQuantile>,
    #[prost(uint32, tag = "8")]
    #[serde(deserialize_with = "json::whole", skip_serializing_if = "is_default")]
    pub(super) flags: u32,
}

/// One quantile.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ValueAtQuantile {
    #[prost(double, tag = "1")]
    #[serde(with = "json::real")]
    pub(super) quantile: f64,
    #[prost(double, tag = "2")]
    #[serde(with = "json::real")]
    pub(super) value: f64,
}

/// A measurement kept with its trace.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) filtered_attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    #[serde(with = "json::whole64", skip_serializing_if = "is_default")]
    pub(super) time_unix_nano: u64,
    #[prost(double, optional, tag = "3")]
    #[serde(with = "json::real_option", skip_serializing_if = "Option::is_none")]
    pub(super) as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    #[serde(with = "json::whole64_option", skip_serializing_if = "Option::is_none")]
    pub(super) as_int: Option<i64>,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "json::hex", skip_serializing_if = "Vec::is_empty")]
    pub(super) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    #[serde(with = "json::hex", skip_serializing_if = "Vec::is_empty")]
    pub(super) trace_id: Vec<u8>,
}
