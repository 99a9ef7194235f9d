//! The receiver over loopback, as exporters see it.

use std::io::Write as _;
use std::net::TcpListener as StdListener;

use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tonic::codec::CompressionEncoding;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use super::intake::{Call, Refusal};
use super::*;
use crate::collect::testing::Rig;
use crate::formats::otlp::{Batch, Encoding, OtlpError, Span};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()))
}

fn receiver() -> Receiver {
    let (grpc, http) = (Some(free_address()), Some(free_address()));
    Receiver { grpc, http, budget: 1 << 30, linger: Duration::ZERO }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// One request over HTTP; waits for the receiver to listen.
async fn post(receiver: &Receiver, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let address = receiver.http.expect("HTTP");
    listening(address).await;
    let mut request = reqwest::Client::new().post(format!("http://{address}{path}")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.expect("a body") }
}

async fn listening(address: SocketAddr) {
    let begin = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(5), "nobody listens");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn export(receiver: &Receiver, service: &str, body: Vec<u8>, gzip: bool) -> Result<Bytes, Status> {
    let address = receiver.grpc.expect("gRPC");
    listening(address).await;
    let channel =
        Endpoint::from_shared(format!("http://{address}")).expect("a URL").connect().await.expect("connects");
    let mut client = tonic::client::Grpc::new(channel).max_encoding_message_size(usize::MAX);
    if gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    client.ready().await.expect("ready");
    let path = format!("/opentelemetry.proto.collector.{service}Service/Export");
    let path = PathAndQuery::try_from(path).expect("a path");
    client.unary(Request::new(body), path, grpc::Raw).await.map(tonic::Response::into_inner)
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn span_json(name: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":
        {{"stringValue":"shop"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"5b8efff798038103d269b633813fc60c",
        "spanId":"eee19b7ec3c1b174","name":"{name}","startTimeUnixNano":"1","endTimeUnixNano":"2",
        "attributes":[{{"key":"http.request.header.authorization","value":{{"stringValue":"Bearer hunter2hunter2"}}}}
        ]}}]}}]}}]}}"#
    )
}

fn span_protobuf(name: &str) -> Vec<u8> {
    let batch = Batch::decode(Signal::Traces, Encoding::Json, span_json(name).as_bytes()).expect("a batch");
    batch.encode(Encoding::Protobuf)
}

fn log_of(bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes);
    let body = format!(r#"{{"logRecords":[{{"body":{{"stringValue":"{text}"}}}}]}}"#);
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{body}]}}]}}"#).into_bytes()
}

fn recorded(rig: &Rig) -> Vec<Span> {
    let text = rig.read("otlp/traces.jsonl");
    let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    let batch = |line| Batch::decode(Signal::Traces, Encoding::Json, line).expect("a line of OTLP");
    lines.flat_map(|line| batch(line).into_spans().0).collect()
}

fn counts(rig: &Rig) -> serde_json::Value {
    serde_json::from_slice(&rig.read(layout::OTLP_COUNTS)).expect("JSON")
}

#[tokio::test]
async fn both_protocols_and_encodings_end_in_one_file() {
    let (mut rig, receiver) = (Rig::new(), receiver());
    rig.start(Box::new(receiver.clone()));
    let json = [("content-type", "application/json; charset=utf-8")];
    let answer = post(&receiver, "/v1/traces", &json, span_json("a").into_bytes()).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"{}".as_ref()));
    assert_eq!(answer.headers["content-type"], JSON);
    let gzip = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    let answer = post(&receiver, "/v1/traces", &gzip, zipped(&span_protobuf("b"))).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.headers["content-type"], PROTOBUF);
    for (name, gzip) in [("c", false), ("d", true)] {
        let answer = export(&receiver, "trace.v1.Trace", span_protobuf(name), gzip).await;
        assert_eq!(answer.expect("taken").as_ref(), b"");
    }
    let answer = post(&receiver, "/v1/logs", &json, log_of(10)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let nothing = export(&receiver, "metrics.v1.Metrics", Vec::new(), true).await;
    assert_eq!(nothing.expect("taken").as_ref(), b"");
    rig.stop().await;
    let names: Vec<String> = recorded(&rig).into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let text = String::from_utf8(rig.read("otlp/traces.jsonl")).expect("UTF-8");
    assert!(!text.contains("hunter2") && text.contains("***"), "{text}");
    assert!(rig.read("otlp/logs.jsonl").ends_with(b"\n"));
    let counts = counts(&rig);
    let traces = &counts["traces"];
    assert_eq!([&traces["requests"], &traces["requests_grpc"], &traces["written"]], [4, 2, 4], "{counts}");
    assert_eq!(traces["bytes"], text.len());
    assert_eq!(rig.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_otlp_is_refused_in_the_words_of_the_protocol() {
    let (mut rig, receiver) = (Rig::new(), receiver());
    rig.start(Box::new(receiver.clone()));
    let bomb = zipped(&vec![0; (64 << 20) + 1]);
    let garbage = b"\x0a\xff\xff\xff".to_vec();
    for (kind, coding, body, status) in [
        ("text/plain", "identity", b"{}".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (PROTOBUF, "identity", garbage.clone(), StatusCode::BAD_REQUEST),
        (JSON, "identity", b"{]".to_vec(), StatusCode::BAD_REQUEST),
        (JSON, "gzip", b"{}".to_vec(), StatusCode::BAD_REQUEST),
        (JSON, "br", b"{}".to_vec(), StatusCode::BAD_REQUEST),
        (JSON, "gzip", bomb.clone(), StatusCode::PAYLOAD_TOO_LARGE),
        (PROTOBUF, "gzip", bomb, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let headers = [("content-type", kind), ("content-encoding", coding)];
        let answer = post(&receiver, "/v1/traces", &headers, body).await;
        assert_eq!(answer.status, status, "{kind} {coding}");
        if answer.status != StatusCode::UNSUPPORTED_MEDIA_TYPE {
            assert_eq!(answer.headers["content-type"], kind);
        }
    }
    let elsewhere = post(&receiver, "/v1/profiles", &[("content-type", JSON)], b"{}".to_vec()).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    // Exporters never try these again.
    let refused = export(&receiver, "trace.v1.Trace", garbage, false).await.expect_err("garbage");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    for gzip in [true, false] {
        let large = export(&receiver, "logs.v1.Logs", vec![0; (64 << 20) + 1], gzip).await;
        assert_eq!(large.expect_err("too large").code(), Code::InvalidArgument);
    }
    let elsewhere = export(&receiver, "profiles.v1.Profiles", Vec::new(), false).await;
    assert_eq!(elsewhere.expect_err("unknown").code(), Code::Unimplemented);
    rig.stop().await;
    let counts = counts(&rig);
    assert_eq!(counts["traces"]["malformed_requests"], 8, "{counts}");
    assert_eq!(counts["logs"]["malformed_requests"], 2, "{counts}");
    assert!(rig.faults().iter().any(|f| f.starts_with("8 requests with spans were no OTLP")));
}

#[tokio::test]
async fn a_spent_budget_is_a_partial_success_told_once() {
    let (mut rig, mut receiver) = (Rig::new(), receiver());
    receiver.budget = 1000;
    rig.start(Box::new(receiver.clone()));
    let json = [("content-type", JSON)];
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let answer = post(&receiver, "/v1/traces", &json, span_json("a").into_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "never to be sent again");
        bodies.push(answer.body);
    }
    assert!(String::from_utf8_lossy(&bodies[3]).contains(r#""rejectedSpans":"1""#), "{bodies:?}");
    let logs = post(&receiver, "/v1/logs", &json, log_of(10)).await;
    assert_eq!(logs.body.as_ref(), b"{}", "each file has its own budget");
    rig.stop().await;
    assert!(rig.read("otlp/traces.jsonl").len() <= 1000);
    let told: Vec<_> = rig.faults().into_iter().filter(|f| f.contains("raise `budget`")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let traces = &counts(&rig)["traces"];
    assert_eq!(
        traces["written"].as_u64().expect("a count") + traces["refused"].as_u64().expect("a count"),
        4
    );
    assert!(rig.faults().iter().any(|f| f.contains("of 4 spans were refused")), "{:?}", rig.faults());
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let counters = Arc::new(Counters::default());
    let (intake, mut jobs) = Intake::new(u64::MAX, Arc::clone(&counters), |_| {});
    let call = Call { signal: Signal::Logs, encoding: Encoding::Json, grpc: false, gzip: false };
    let body = Bytes::from(log_of(10 << 20));
    let mut taken = 0;
    let refusal = loop {
        match intake.accept(call, body.clone()).await {
            Ok(_) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, Refusal::Busy(_)), "{refusal:?}");
    assert_eq!(taken, 6, "64 MiB");
    drop(jobs.recv().await.expect("a line"));
    assert!(intake.accept(call, body.clone()).await.is_ok(), "there is room again");
    intake.close();
    assert!(matches!(intake.accept(call, body).await, Err(Refusal::Busy(_))), "it has ended");
    let tally = counters.of(Signal::Logs).tally();
    assert_eq!((tally.received, tally.busy_requests, tally.malformed_requests), (7, 2, 0));
}

#[tokio::test]
async fn readers_wait_for_their_turn_and_then_come_again() {
    let (intake, _jobs) = Intake::new(u64::MAX, Arc::default(), |_| {});
    let mut reading = Vec::new();
    for _ in 0..8 {
        reading.push(intake.reader(Signal::Traces).await.expect("a turn"));
    }
    let refused = intake.reader(Signal::Traces).await.expect_err("too many");
    assert!(matches!(refused, Refusal::Busy(_)));
    assert_eq!(grpc::status(&refused).code(), Code::Unavailable);
    assert!(!grpc::status(&refused).details().is_empty(), "says when to come again");
    assert_eq!(grpc::status(&OtlpError::TooMany.into()).code(), Code::InvalidArgument);
    let answer = http::refuse(&refused, Encoding::Json);
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["retry-after"], "1");
    let slow = http::refuse(&Refusal::Slow, Encoding::Json);
    assert_eq!((slow.status(), slow.headers().get("retry-after")), (StatusCode::REQUEST_TIMEOUT, None));
}

#[tokio::test]
async fn a_taken_port_is_told_and_the_other_protocol_works() {
    let (mut rig, receiver) = (Rig::new(), receiver());
    let _taken = StdListener::bind(receiver.grpc.expect("gRPC")).expect("binds");
    rig.start(Box::new(receiver.clone()));
    let answer = post(&receiver, "/v1/traces", &[("content-type", JSON)], span_json("a").into_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
    rig.stop().await;
    assert_eq!(recorded(&rig).len(), 1);
    let faults = rig.faults();
    assert!(
        faults[0].contains("cannot be listened on for gRPC") && faults[0].contains("`grpc`"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn late_spans_are_waited_for_and_half_requests_are_not() {
    let (mut rig, mut receiver) = (Rig::new(), receiver());
    receiver.linger = Duration::from_millis(1500);
    rig.start(Box::new(receiver.clone()));
    let address = receiver.http.expect("HTTP");
    listening(address).await;
    let mut half = std::net::TcpStream::connect(address).expect("connects");
    half.write_all(
        b"POST /v1/traces HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    )
    .expect("writes");
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        post(&receiver, "/v1/traces", &[("content-type", JSON)], span_json("late").into_bytes()).await
    };
    let (ended, answer) = tokio::join!(rig.stop(), late);
    assert_eq!(answer.status, StatusCode::OK);
    assert!((1400..4000).contains(&ended.as_millis()), "{ended:?}");
    assert_eq!(recorded(&rig)[0].name, "late");
}

#[tokio::test]
async fn silence_is_told_with_its_remedy() {
    let (mut rig, receiver) = (Rig::new(), receiver());
    rig.start(Box::new(receiver));
    rig.stop().await;
    let faults = rig.faults();
    assert!(faults[0].contains("nothing was received") && faults[0].contains("OTEL_EXPORTER"), "{faults:?}");
}
