//! Runs against the Go service `tests/targets/otelgo`: the real OpenTelemetry SDK exports to the receiver over
//! both protocols while `loadprof run` sends the load. What the traces say is held against sleeps of known
//! length.

#![allow(clippy::print_stdout, reason = "the figures belong in the log")]

use std::collections::BTreeMap;

use loadprof::formats::otlp::{Measure, Signal, SpanKind};
use loadprof::run::reader::Recording;
use loadprof::spans::Breakdown;

#[path = "common/otel.rs"]
mod otel;

const MS: f64 = 1e6;

fn check(protocol: &str) {
    let ports = otel::Ports::free();
    let service =
        otel::Service::start(protocol, if protocol == "grpc" { ports.grpc } else { ports.http }, &[]);
    let (_dir, recording) = otel::record(&service, ports, otel::Load { rate: 20, secs: 5, more: "" });
    let all = otel::gathered(&recording);
    assert_eq!(all.coverage.share, 1.0);
    let traces = otel::of_load(&recording, &all);
    assert_eq!(traces.len(), 100, "of 100 requests; {} in all", all.traces.len());
    traces.iter().for_each(|trace| otel::check_whole(trace));
    let breakdown = Breakdown::of(&all, traces.iter().copied());
    assert_eq!(breakdown.left_out.all(), 0);
    let rows: BTreeMap<_, _> =
        breakdown.rows.iter().map(|r| ((r.service.to_string(), r.kind), r.mean_nanos / MS)).collect();
    println!("{protocol}: {:.3} ms per request, {rows:?}", breakdown.mean_nanos / MS);
    let sum: f64 = rows.values().sum();
    assert!((sum - breakdown.mean_nanos / MS).abs() < 1e-6, "{sum}");
    // A sleep is never shorter than asked for, and on a busy machine somewhat longer.
    for (service, kind, sleep) in [
        ("shop", SpanKind::Server, 30.0),
        ("stock", SpanKind::Server, 20.0),
        ("stock", SpanKind::Internal, 10.0),
    ] {
        let row = rows[&(service.to_owned(), kind)];
        assert!((sleep..sleep * 1.3 + 3.0).contains(&row), "{service} {kind:?}: {row} ms, slept {sleep}");
    }
    let call = rows[&("shop".to_owned(), SpanKind::Client)];
    assert!((0.0..10.0).contains(&call), "the way there and back takes {call} ms");
    logs_and_metrics(&recording, traces.len());
}

fn logs_and_metrics(recording: &Recording, traces: usize) {
    let mut records = Vec::new();
    recording.read_otlp(Signal::Logs, |batch| records.extend(batch.into_records())).expect("reads");
    assert!(records.len() >= traces, "{} records", records.len());
    assert!(records.iter().all(|r| r.trace.is_some() && r.span.is_some()));
    let text = std::fs::read_to_string(recording.dir.join("otlp/logs.jsonl")).expect("a file");
    assert!(text.contains("session.token") && !text.contains("hunter2"), "secrets are masked");
    let mut points = Vec::new();
    recording.read_otlp(Signal::Metrics, |batch| points.extend(batch.into_points().0)).expect("reads");
    let counted = points.iter().filter(|p| &*p.name == "shop.requests").filter_map(|p| match p.measure {
        Measure::Sum { value, .. } => Some(value),
        _ => None,
    });
    let counted = counted.fold(0.0, f64::max);
    assert!((100.0..110.0).contains(&counted), "{counted} requests, preflight's among them");
    let durations = points.iter().filter(|p| &*p.name == "http.server.request.duration");
    assert!(durations.into_iter().any(|p| matches!(p.measure, Measure::Histogram { .. }) && &*p.unit == "s"));
}

#[test]
fn spans_of_the_go_sdk_over_grpc_explain_the_time_of_a_request() {
    check("grpc");
}

#[test]
fn spans_of_the_go_sdk_over_http_explain_the_time_of_a_request() {
    check("http");
}
