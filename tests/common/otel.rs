//! The Go service with OpenTelemetry's SDK, and what is found of it in a run folder.

#![allow(unreachable_pub, dead_code, reason = "test files use parts of it")]

#[path = "go.rs"]
mod go;

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loadprof::formats::otlp::{Signal, SpanKind};
use loadprof::run::reader::Recording;
use loadprof::spans::{DEFAULT_SPANS, Gather, Gathered, Trace};

pub use go::{Running, free_port};

/// The service.
pub struct Service {
    pub url: String,
    _child: Running,
}

impl Service {
    /// Sends to a port of this machine; spans are held back for a second at the most.
    pub fn start(protocol: &str, port: u16, more: &[&str]) -> Self {
        let endpoint = format!("127.0.0.1:{port}");
        let mut command = Command::new(go::program("otelgo"));
        command.args(["-protocol", protocol, "-endpoint", &endpoint]).args(more);
        command.env("OTEL_BSP_SCHEDULE_DELAY", "1000").stderr(Stdio::null());
        let (child, url) = go::start(&mut command);
        Self { url, _child: child }
    }
}

/// Waits until somebody listens.
pub fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where the receiver listens.
#[derive(Clone, Copy)]
pub struct Ports {
    pub grpc: u16,
    pub http: u16,
}

impl Ports {
    pub fn free() -> Self {
        Self { grpc: free_port(), http: free_port() }
    }
}

/// Load on `GET /work`, all of it sampled.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub rate: u32,
    pub secs: u32,
    /// Keys of `[[evidence.otlp]]` beside the addresses.
    pub more: &'a str,
}

/// A run of the load with nothing but the receiver as evidence.
pub fn record(service: &Service, ports: Ports, load: Load<'_>) -> (tempfile::TempDir, Recording) {
    let Load { rate, secs, more } = load;
    let dir = tempfile::tempdir().expect("a scratch folder");
    let scenario = format!(
        "[target]\nurl = \"{}\"\n[load]\nsampled = 1.0\n[load.constant-arrival-rate]\nrate = \"{rate}/s\"\n\
         for = \"{secs}s\"\n[[request]]\nname = \"work\"\nget = \"/work\"\n\
         [[evidence.otlp]]\ngrpc = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:{}\"\n{more}\n",
        service.url, ports.grpc, ports.http
    );
    let (file, run) = (dir.path().join("s.toml"), dir.path().join("run"));
    std::fs::write(&file, scenario).expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadprof"));
    let output = command.arg("run").arg(&file).arg("--out").arg(&run).output().expect("loadprof runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let recording = Recording::open(&run).unwrap_or_else(|e| panic!("{e}: {said}"));
    (dir, recording)
}

/// All traces.
pub fn gathered(recording: &Recording) -> Gathered {
    let mut gather = Gather::new(DEFAULT_SPANS);
    let lines = recording.read_otlp(Signal::Traces, |batch| {
        let (spans, invalid) = batch.into_spans();
        assert_eq!(invalid, 0);
        spans.iter().for_each(|span| gather.add(span));
    });
    assert_eq!(lines.expect("reads").skipped, 0);
    gather.finish()
}

/// Traces of the load's requests; each joins the request that it belongs to by its id. The service traced what
/// preflight asked it, too.
pub fn of_load<'a>(recording: &Recording, all: &'a Gathered) -> Vec<&'a Trace> {
    let run_id = &recording.manifest.run_id;
    all.traces.iter().filter(|t| t.id.to_string().starts_with(run_id)).collect()
}

/// The trace is whole: what it consists of is known, and its critical path is as long as it is.
pub fn check_whole(trace: &Trace) {
    assert!(trace.is_whole(), "{:?}", trace.defects);
    assert!(trace.remote_parent.is_some(), "the load generator's own span");
    let kinds: Vec<_> = trace.spans.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Client, SpanKind::Server, SpanKind::Internal]);
    let own: u64 = trace.critical_path().iter().map(|s| s.self_nanos).sum();
    assert_eq!(own, trace.nanos());
}

/// A file of JSON in the run folder.
pub fn json(recording: &Recording, rel: &str) -> serde_json::Value {
    let text = std::fs::read(recording.dir.join(rel)).unwrap_or_else(|e| panic!("{rel}: {e}"));
    serde_json::from_slice(&text).expect("JSON")
}
