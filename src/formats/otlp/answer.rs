//! What is answered to a request.

use prost::Message;
use serde::Serialize;

use super::{Encoding, Signal};

/// Part of a request that was not kept. None of it: zero and no message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Spans, log records or points that were refused.
    pub rejected: u64,
    /// Why, and the remedy.
    pub message: String,
}

/// `Export*ServiceResponse`: the same bytes for all signals.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`, the body of HTTP answers that are no success.
#[derive(Clone, PartialEq, Message, Serialize)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Partial {
    /// The response to an export.
    #[must_use]
    pub fn encode(&self, signal: Signal, encoding: Encoding) -> Vec<u8> {
        let partly = self.rejected > 0 || !self.message.is_empty();
        let rejected = i64::try_from(self.rejected).unwrap_or(i64::MAX);
        match encoding {
            Encoding::Protobuf => {
                let inner = || PartialSuccess { rejected, error_message: self.message.clone() };
                Response { partial_success: partly.then(inner) }.encode_to_vec()
            }
            Encoding::Json if !partly => b"{}".to_vec(),
            Encoding::Json => {
                let count = match signal {
                    Signal::Traces => "rejectedSpans",
                    Signal::Logs => "rejectedLogRecords",
                    Signal::Metrics => "rejectedDataPoints",
                };
                let inner = serde_json::json!({ count: rejected.to_string(), "errorMessage": self.message });
                serde_json::json!({ "partialSuccess": inner }).to_string().into_bytes()
            }
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct StatusWithDetails {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// A `google.rpc.Status` for gRPC's details, which asks to come again after some seconds.
#[must_use]
pub fn retry_details(code: i32, message: &str, seconds: u32) -> Vec<u8> {
    let delay = RetryDelay { seconds: seconds.into() };
    let detail = Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: RetryInfo { retry_delay: Some(delay) }.encode_to_vec(),
    };
    StatusWithDetails { code, message: message.to_owned(), details: vec![detail] }.encode_to_vec()
}

/// A `google.rpc.Status` in protobuf; `code` is a code of gRPC.
#[must_use]
pub fn status_protobuf(code: i32, message: &str) -> Vec<u8> {
    RpcStatus { code, message: message.to_owned() }.encode_to_vec()
}

/// A `google.rpc.Status` in JSON.
#[must_use]
pub fn status_json(code: i32, message: &str) -> Vec<u8> {
    serde_json::to_vec(&RpcStatus { code, message: message.to_owned() }).unwrap_or_default()
}
