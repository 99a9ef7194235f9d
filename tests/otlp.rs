//! Runs against the Go service `tests/targets/otelgo`: the real OpenTelemetry SDK exports to the receiver over
//! both protocols while `loadprof run` sends the load. What the traces say is held against sleeps of known
//! length.

#![allow(clippy::print_stdout, reason = "the figures belong in the log")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use loadprof::formats::otlp::{Measure, Signal, SpanKind};
use loadprof::run::reader::Recording;
use loadprof::spans::{Breakdown, DEFAULT_SPANS, Gather, Gathered, Trace};

const MS: f64 = 1e6;

fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/otelgo");
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("otelgo");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&binary).arg(".").current_dir(&source);
        let status = build.status().expect("go is on PATH: tests/run installs it");
        assert!(status.success(), "otelgo does not build");
        binary
    })
}

/// The service; killed when dropped.
struct Service {
    url: String,
    child: Child,
}

impl Service {
    fn start(protocol: &str, port: u16) -> Self {
        let endpoint = format!("127.0.0.1:{port}");
        let mut command = Command::new(binary());
        command.args(["-protocol", protocol, "-endpoint", &endpoint]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("otelgo starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening ").expect("listening URL").to_owned();
        Self { url, child }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

/// A run of five seconds, 20 requests a second, all of them sampled.
fn record(protocol: &str) -> (tempfile::TempDir, Recording) {
    let (grpc, http) = (free_port(), free_port());
    let service = Service::start(protocol, if protocol == "grpc" { grpc } else { http });
    let dir = tempfile::tempdir().expect("a scratch folder");
    let scenario = format!(
        "[target]\nurl = \"{}\"\n[load]\nsampled = 1.0\n[load.constant-arrival-rate]\nrate = \"20/s\"\n\
         for = \"5s\"\n[[request]]\nname = \"work\"\nget = \"/work\"\n\
         [[evidence.otlp]]\ngrpc = \"127.0.0.1:{grpc}\"\nhttp = \"127.0.0.1:{http}\"\n",
        service.url
    );
    let (file, run) = (dir.path().join("s.toml"), dir.path().join("run"));
    std::fs::write(&file, scenario).expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadprof"));
    let output = command.arg("run").arg(&file).arg("--out").arg(&run).output().expect("loadprof runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let recording = Recording::open(&run).unwrap_or_else(|e| panic!("{e}: {said}"));
    (dir, recording)
}

fn traces(recording: &Recording) -> Gathered {
    let mut gather = Gather::new(DEFAULT_SPANS);
    let lines = recording.read_otlp(Signal::Traces, |batch| {
        let (spans, invalid) = batch.into_spans();
        assert_eq!(invalid, 0);
        spans.iter().for_each(|span| gather.add(span));
    });
    assert_eq!(lines.expect("reads").skipped, 0);
    gather.finish()
}

fn check(protocol: &str) {
    let (_dir, recording) = record(protocol);
    let all = traces(&recording);
    assert_eq!(all.coverage.share, 1.0);
    // Each joins the request that it belongs to by its id. The service traced what preflight asked it, too.
    let run_id = &recording.manifest.run_id;
    let of_run = |t: &&Trace| t.id.to_string().starts_with(run_id);
    let traces: Vec<&Trace> = all.traces.iter().filter(of_run).collect();
    assert_eq!(traces.len(), 100, "of 100 requests; {} in all", all.traces.len());
    for trace in &traces {
        assert!(trace.is_whole(), "{:?}", trace.defects);
        assert!(trace.remote_parent.is_some(), "the load generator's own span");
        let kinds: Vec<_> = trace.spans.iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [SpanKind::Server, SpanKind::Client, SpanKind::Server, SpanKind::Internal]);
        let own: u64 = trace.critical_path().iter().map(|s| s.self_nanos).sum();
        assert_eq!(own, trace.nanos());
    }
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
