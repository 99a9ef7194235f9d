//! HTTP: `POST /v1/traces`, `/v1/logs`, `/v1/metrics`, protobuf or JSON, plain or gzip.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::counters::add;
use super::intake::{Call, Intake, Refusal};
use super::{RETRY_SECONDS, TIME, ended};
use crate::formats::otlp::{Encoding, MAX_BYTES, OtlpError, Signal, status_json, status_protobuf};

/// Codes of gRPC, for the bodies of answers.
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const UNAVAILABLE: i32 = 14;

/// Serves until `stop` turns true.
pub(super) async fn serve(listener: TcpListener, intake: Arc<Intake>, stop: watch::Receiver<bool>) {
    let router = Signal::ALL.into_iter().fold(Router::new(), |router, signal| {
        let take = move |State(intake): State<Arc<Intake>>, request| export(signal, intake, request);
        router.route(&format!("/v1/{}", signal.name()), post(take))
    });
    let server = axum::serve(listener, router.with_state(intake)).with_graceful_shutdown(ended(stop));
    // It never fails; the accept loop retries.
    let _ = server.await;
}

async fn export(signal: Signal, intake: Arc<Intake>, request: Request) -> Response {
    let Some(encoding) = encoding(request.headers()) else {
        add(&intake.counters.of(signal).malformed, 1);
        let why = "the content type must be application/x-protobuf or application/json";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
    };
    match take(signal, encoding, &intake, request).await {
        Ok(body) => answer(StatusCode::OK, encoding, body),
        Err(refusal) => refuse(&refusal, encoding),
    }
}

async fn take(
    signal: Signal,
    encoding: Encoding,
    intake: &Intake,
    request: Request,
) -> Result<Vec<u8>, Refusal> {
    let _reader = intake.reader(signal).await?;
    let malformed = |refusal| {
        add(&intake.counters.of(signal).malformed, 1);
        refusal
    };
    let gzip = is_gzip(request.headers()).map_err(malformed)?;
    let body = tokio::time::timeout(TIME, read(request.into_body())).await;
    let body = body.unwrap_or(Err(Refusal::Slow)).map_err(malformed)?;
    let call = Call { signal, encoding, grpc: false, gzip };
    // Who waits for its turn behind others sent nothing wrong.
    let accepted = tokio::time::timeout(TIME, intake.accept(call, body)).await;
    let partial = accepted.map_err(|_| intake.busy(signal, "decoding is behind"))??;
    Ok(partial.encode(signal, encoding))
}

/// Parameters such as a charset say nothing that matters.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(coding) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    match coding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "gzip" => Ok(true),
        "identity" | "" => Ok(false),
        _ => Err(Refusal::Gzip("another content encoding than gzip".into())),
    }
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| OtlpError::Protobuf(format!("the body broke off: {e}")))?;
        if read.len() + chunk.len() > MAX_BYTES {
            return Err(OtlpError::TooLarge.into());
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}

pub(super) fn refuse(refusal: &Refusal, encoding: Encoding) -> Response {
    let (status, code) = match refusal {
        Refusal::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, UNAVAILABLE),
        Refusal::Slow => (StatusCode::REQUEST_TIMEOUT, DEADLINE_EXCEEDED),
        Refusal::Otlp(OtlpError::TooLarge | OtlpError::TooMany) => {
            (StatusCode::PAYLOAD_TOO_LARGE, INVALID_ARGUMENT)
        }
        Refusal::Otlp(_) | Refusal::Gzip(_) => (StatusCode::BAD_REQUEST, INVALID_ARGUMENT),
    };
    let message = refusal.to_string();
    let body = match encoding {
        Encoding::Protobuf => status_protobuf(code, &message),
        Encoding::Json => status_json(code, &message),
    };
    let mut response = answer(status, encoding, body);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS.into());
    }
    response
}

fn answer(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let kind = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}
