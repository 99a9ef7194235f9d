//! gRPC: the three `Export` methods. Messages are taken as bytes, so that they can be weighed before they are
//! decoded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::{Buf, BufMut, Bytes};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Response, Status};

use super::counters::add;
use super::intake::{Call, Intake, Refusal};
use super::{RETRY_SECONDS, TIME, ended};
use crate::formats::otlp::{Encoding, MAX_BYTES, OtlpError, Signal, retry_details};

/// Streams of one connection at the same time.
const STREAMS: u32 = 32;
/// Silent peers are asked whether they live, so that dead ones do not fill the table of connections.
const PING: Duration = Duration::from_secs(20);

/// Serves until `stop` turns true.
pub(super) async fn serve(listener: TcpListener, intake: Arc<Intake>, stop: watch::Receiver<bool>) {
    let export = |signal| {
        let intake = Arc::clone(&intake);
        post(move |request| export(signal, Arc::clone(&intake), request))
    };
    let routes = [
        (Signal::Traces, "trace.v1.Trace"),
        (Signal::Logs, "logs.v1.Logs"),
        (Signal::Metrics, "metrics.v1.Metrics"),
    ];
    let router = routes.into_iter().fold(Router::new(), |router, (signal, name)| {
        router.route(&format!("/opentelemetry.proto.collector.{name}Service/Export"), export(signal))
    });
    let server = Server::builder()
        .timeout(TIME)
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(PING))
        .add_routes(Routes::from(router))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), ended(stop));
    // A failed accept loop has nothing left to say to anyone; what came in is counted.
    let _ = server.await;
}

async fn export(signal: Signal, intake: Arc<Intake>, request: Request) -> axum::response::Response {
    let _reader = match intake.reader(signal).await {
        Ok(reader) => reader,
        Err(refusal) => return status(&refusal).into_http::<axum::body::Body>(),
    };
    let answer = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_BYTES)
        .unary(Export { signal, intake: Arc::clone(&intake) }, request)
        .await;
    let code = answer.headers().get("grpc-status").and_then(|code| code.to_str().ok());
    // What tonic says of messages that are too large means "try again" to exporters.
    let too_large = [Code::OutOfRange, Code::ResourceExhausted].map(|code| (code as i32).to_string());
    if code.is_some_and(|code| too_large.iter().any(|c| c == code)) {
        add(&intake.counters.of(signal).malformed, 1);
        return status(&OtlpError::TooLarge.into()).into_http::<axum::body::Body>();
    }
    answer.into_response()
}

/// Refusals in the words of gRPC: exporters try again on `UNAVAILABLE` and never on `INVALID_ARGUMENT`.
pub(super) fn status(refusal: &Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Busy(_) => {
            let details = retry_details(Code::Unavailable as i32, &message, RETRY_SECONDS);
            Status::with_details(Code::Unavailable, message, details.into())
        }
        Refusal::Slow => Status::deadline_exceeded(message),
        Refusal::Otlp(_) | Refusal::Gzip(_) => Status::invalid_argument(message),
    }
}

struct Export {
    signal: Signal,
    intake: Arc<Intake>,
}

impl UnaryService<Bytes> for Export {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (signal, intake) = (self.signal, Arc::clone(&self.intake));
        Box::pin(async move {
            // tonic has unpacked it.
            let call = Call { signal, encoding: Encoding::Protobuf, grpc: true, gzip: false };
            let partial = intake.accept(call, request.into_inner()).await.map_err(|r| status(&r))?;
            Ok(Response::new(partial.encode(signal, Encoding::Protobuf)))
        })
    }
}

/// Messages as their bytes.
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
