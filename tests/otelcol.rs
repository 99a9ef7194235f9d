//! Runs against the Go service `tests/targets/otelgo` with a real OpenTelemetry Collector in between
//! (`tests/targets/otelcol`, built with its own builder): what the service sends comes through whole, whichever way the
//! Collector exports it, also when the receiver is busy or its budget is spent; and the analysis reads all of it.

#![allow(clippy::print_stdout, reason = "the figures belong in the log")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use loadprof::formats::otlp::{Clocks, Signal, TraceId};
use loadprof::run::event::EventKind;
use loadprof::run::history::MetricHistory;
use loadprof::run::reader::Recording;
use otel::{Load, Ports, Running, Service, json, wait_for};

#[path = "common/otel.rs"]
mod otel;

/// Spans of a request.
const SPANS: u64 = 4;

/// The Collector; built unless a build is cached (tests/run does that before the tests).
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/otelcol/build.sh");
        let built = Command::new(script).stderr(Stdio::inherit()).output().expect("the script runs");
        assert!(built.status.success(), "the Collector does not build");
        PathBuf::from(String::from_utf8(built.stdout).expect("a path").trim())
    })
}

/// How the Collector exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Grpc,
    Protobuf,
    Json,
}

impl Way {
    const fn exporter(self) -> &'static str {
        match self {
            Self::Grpc => "otlp_grpc",
            Self::Protobuf | Self::Json => "otlp_http",
        }
    }
}

/// A Collector between service and receiver.
struct Collector {
    port: u16,
    log: PathBuf,
    dir: tempfile::TempDir,
    _child: Running,
}

impl Collector {
    /// Exports spans one way and everything else another. What waits between two tries on its own account is never a
    /// whole second: that is the receiver's word.
    fn start(to: Ports, spans: Way, others: Way) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let port = otel::free_port();
        let encoding = if others == Way::Json || spans == Way::Json { "json" } else { "proto" };
        let retry = "{initial_interval: 20ms, max_interval: 400ms}";
        let (grpc, http) = (to.grpc, to.http);
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n\
             processors: {{batch: {{timeout: 500ms}}}}\n\
             exporters:\n\
             \x20 otlp_grpc: {{endpoint: '127.0.0.1:{grpc}', tls: {{insecure: true}}, compression: gzip, \
             retry_on_failure: {retry}}}\n\
             \x20 otlp_http: {{endpoint: 'http://127.0.0.1:{http}', encoding: {encoding}, compression: gzip, \
             retry_on_failure: {retry}}}\n\
             service:\n\
             \x20 telemetry: {{metrics: {{level: none}}, logs: {{sampling: {{enabled: false}}}}}}\n\
             \x20 pipelines:\n\
             \x20   traces: {{receivers: [otlp], processors: [batch], exporters: [{}]}}\n\
             \x20   logs: {{receivers: [otlp], processors: [batch], exporters: [{other}]}}\n\
             \x20   metrics: {{receivers: [otlp], processors: [batch], exporters: [{other}]}}\n",
            spans.exporter(),
            other = others.exporter(),
        );
        let (file, log) = (dir.path().join("config.yaml"), dir.path().join("log"));
        std::fs::write(&file, config).expect("writes");
        let out = std::fs::File::create(&log).expect("a file");
        let mut command = Command::new(binary());
        command.arg("--config").arg(&file).stdout(Stdio::null()).stderr(out);
        let child = Running(command.spawn().expect("the Collector starts"));
        wait_for(port);
        Self { port, log, dir, _child: child }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }
}

struct Ran {
    recording: Recording,
    collector: Collector,
    _dir: tempfile::TempDir,
}

fn run(spans: Way, others: Way, leak: &str, load: Load<'_>, meanwhile: impl FnOnce(Ports) + Send) -> Ran {
    let ports = Ports::free();
    let collector = Collector::start(ports, spans, others);
    let service = Service::start("grpc", collector.port, &["-leak", leak]);
    let (dir, recording) = thread::scope(|scope| {
        scope.spawn(|| meanwhile(ports));
        otel::record(&service, ports, load)
    });
    assert!(collector.dir.path().exists());
    Ran { recording, collector, _dir: dir }
}

/// A count of `otlp/receiver.json`.
fn count(ran: &Ran, signal: &str, what: &str) -> u64 {
    json(&ran.recording, "otlp/receiver.json")[signal][what].as_u64().expect("a count")
}

/// Everything that the service sent is there, once, and joined.
fn check_nothing_is_lost(ran: &Ran, requests: usize) {
    for signal in Signal::ALL {
        let of = |what| count(ran, signal.name(), what);
        assert!(of("received") > 0, "{signal:?}");
        assert_eq!(
            (of("written"), of("refused"), of("invalid"), of("lost")),
            (of("received"), 0, 0, 0),
            "{signal:?}"
        );
    }
    let all = otel::gathered(&ran.recording);
    assert_eq!(all.coverage.share, 1.0);
    let traces = otel::of_load(&ran.recording, &all);
    assert_eq!(traces.len(), requests, "of {} in all: {}", all.traces.len(), ran.collector.said());
    traces.iter().for_each(|trace| otel::check_whole(trace));
    let (mut spans, mut ids) = (0, BTreeSet::new());
    let read = ran.recording.read_otlp(Signal::Traces, |batch| {
        spans += batch.items();
        ids.extend(batch.into_spans().0.into_iter().map(|s| (s.trace, s.id)));
    });
    read.expect("reads");
    assert_eq!((spans, ids.len() as u64), (SPANS * all.traces.len() as u64, spans), "nothing came twice");
    let ids: BTreeSet<TraceId> = traces.iter().map(|t| t.id).collect();
    check_logs(ran, &ids);
    check_metrics(ran, all.traces.len());
}

/// Two records a request, with its trace id; both a line with its level.
fn check_logs(ran: &Ran, traces: &BTreeSet<TraceId>) {
    let mut records: BTreeMap<TraceId, usize> = BTreeMap::new();
    let read = ran.recording.read_otlp(Signal::Logs, |batch| {
        let ids = batch.into_records().into_iter().map(|r| r.trace.expect("a trace id"));
        ids.for_each(|id| *records.entry(id).or_default() += 1);
    });
    read.expect("reads");
    assert!(traces.iter().all(|id| records.get(id) == Some(&2)), "{records:?}");
    let mut levels: BTreeMap<String, usize> = BTreeMap::new();
    let unread = ran.recording.log_lines(&Clocks::default(), |line| {
        let read = line.read();
        assert_eq!(line.service, "shop");
        assert!(read.trace_id.is_some_and(|id| id.len() == 32));
        match read.level.as_str() {
            "INFO" => assert_eq!(read.message, "counted"),
            _ => assert!(read.message.starts_with("stock is low"), "{}", read.message),
        }
        *levels.entry(read.level).or_default() += 1;
    });
    assert_eq!(unread.expect("reads"), Default::default());
    assert!(
        levels["INFO"] >= traces.len() && levels["INFO"] == levels["WARN"] && levels.len() == 2,
        "{levels:?}"
    );
    let text = std::fs::read_to_string(ran.recording.dir.join("otlp/logs.jsonl")).expect("a file");
    assert!(text.contains("session.token") && !text.contains("hunter2"), "secrets are masked");
}

/// Counters of both services agree with the number of traces: the shop counts since its start, in explicit buckets; the
/// stock since its last export, in exponential ones.
fn check_metrics(ran: &Ran, traces: usize) {
    let all = ran.recording.otlp_series(&Clocks::default(), |_, _| true).expect("reads");
    let last = |history: &MetricHistory, name: &str| {
        let series = history.named(name).next().unwrap_or_else(|| panic!("no {name}"));
        series.points.last().expect("a point").1
    };
    let (shop, stock) = (&all["shop"], &all["stock"]);
    let traces = traces as f64;
    assert_eq!(last(shop, "shop_requests_total"), traces);
    assert_eq!(last(shop, "http_server_request_duration_seconds_count"), traces);
    assert_eq!(last(stock, "stock_counts_total"), traces);
    assert_eq!(last(stock, "stock_count_duration_seconds_count"), traces);
    assert!(last(shop, "go_goroutine_count") > 1.0);
    let mean = last(stock, "stock_count_duration_seconds_sum") / traces;
    let mut below: Vec<(f64, f64)> = stock
        .named("stock_count_duration_seconds_bucket")
        .filter_map(|s| Some((s.label("le")?.parse().ok()?, s.points.last()?.1)))
        .collect();
    below.sort_by(|a, b| a.0.total_cmp(&b.0));
    let median = below.iter().find(|(_, count)| *count * 2.0 >= traces).expect("a bucket").0;
    println!("stock: mean {:.1} ms, median at most {:.1} ms", mean * 1e3, median * 1e3);
    // It sleeps for 30 ms, on a busy machine somewhat longer.
    assert!((0.030..0.060).contains(&mean), "{mean}");
    assert!((0.030..0.060).contains(&median), "{median}");
}

/// Requests with several processes in them come apart by service.
fn check_processes_come_apart(ran: &Ran) {
    let mut mixed = 0;
    let read = ran.recording.read_otlp(Signal::Traces, |batch| {
        let mut by_service: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for span in batch.into_spans().0 {
            by_service.entry(span.resource.service.clone()).or_default().insert(span.name);
        }
        mixed += usize::from(by_service.len() > 1);
        let only = |service: &str, names: &[&str]| {
            by_service
                .get(service)
                .is_none_or(|found| found.iter().all(|name| names.contains(&name.as_str())))
        };
        assert!(only("shop", &["GET /work", "stock.Stock/Count"]), "{by_service:?}");
        assert!(only("stock", &["stock.Stock/Count", "count rows"]), "{by_service:?}");
    });
    read.expect("reads");
    assert!(mixed > 0, "no request of the Collector held both services");
}

/// The report tells critical path and log lines by the services' own names.
fn check_analysis(ran: &Ran) {
    let analysis = json(&ran.recording, "analysis/analysis.json");
    let rows = analysis["spans"]["rows"].as_array().expect("rows");
    for service in ["shop", "stock"] {
        assert!(rows.iter().any(|row| row["service"] == service), "{rows:?}");
    }
    let logs = analysis["logs"].as_array().expect("patterns");
    let low =
        logs.iter().find(|p| p["pattern"] == "stock is low: <*> left").unwrap_or_else(|| panic!("{logs:?}"));
    assert_eq!((&low["service"], &low["level"]), (&"shop".into(), &"WARN".into()));
    assert!(low["lines"].as_u64() >= Some(50) && low["of_slow"].as_u64() > Some(0), "{low}");
}

fn check_way(way: Way) {
    let ran = run(way, way, "0", Load { rate: 20, secs: 5, more: "" }, |_| {});
    check_nothing_is_lost(&ran, 100);
    check_processes_come_apart(&ran);
    check_analysis(&ran);
    for signal in Signal::ALL {
        let requests = count(&ran, signal.name(), "requests");
        let grpc = if way == Way::Grpc { requests } else { 0 };
        assert_eq!(count(&ran, signal.name(), "requests_grpc"), grpc);
        assert_eq!(count(&ran, signal.name(), "malformed_requests"), 0);
    }
}

#[test]
fn nothing_is_lost_over_grpc() {
    check_way(Way::Grpc);
}

#[test]
fn nothing_is_lost_over_http_as_protobuf() {
    check_way(Way::Protobuf);
}

#[test]
fn nothing_is_lost_over_http_as_json() {
    check_way(Way::Json);
}

/// Half requests take all places of readers for some seconds: both exporters are told to come again after a second, do
/// so no sooner, and nothing is lost.
#[test]
fn the_collector_comes_again_when_the_receiver_is_busy() {
    let hold = |ports: Ports| {
        wait_for(ports.http);
        thread::sleep(Duration::from_millis(1500));
        let half = |_| {
            let mut half = TcpStream::connect(("127.0.0.1", ports.http)).expect("connects");
            let head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
            half.write_all(head).expect("writes");
            half
        };
        let held: Vec<TcpStream> = (0..8).map(half).collect();
        thread::sleep(Duration::from_secs(4));
        drop(held);
    };
    let ran = run(Way::Grpc, Way::Json, "0", Load { rate: 20, secs: 7, more: "linger = \"8s\"\n" }, hold);
    check_nothing_is_lost(&ran, 140);
    assert_eq!(count(&ran, "traces", "malformed_requests"), 8, "the half ones");
    let said = ran.collector.said();
    // Of JSON the Collector tells the status alone.
    for (signal, exporter, word) in [("traces", "otlp_grpc", "try again"), ("logs", "otlp_http", "429")] {
        let busy = count(&ran, signal, "busy_requests");
        let of = [exporter, word, "Will retry"].map(str::to_owned);
        let signal_said = format!("\"otelcol.signal\": \"{signal}\"");
        let told: Vec<&str> = said
            .lines()
            .filter(|line| of.iter().chain([&signal_said]).all(|word| line.contains(word.as_str())))
            .collect();
        println!("{signal}: told to come again {busy} times, {} of them seen by the Collector", told.len());
        assert!(busy > 0 && !told.is_empty(), "{signal}: {busy}, {said}");
        // What the Collector would wait by itself is 400 ms and the half of it again at the most.
        assert!(told.iter().all(|l| l.contains("\"interval\": \"1s\"")), "{told:?}");
    }
}

/// What does not fit the budget is refused for good, by a partial success: the Collector tells it and sends nothing twice.
fn check_budget(way: Way) {
    let ran = run(way, way, "0", Load { rate: 150, secs: 6, more: "budget = \"1MiB\"\n" }, |_| {});
    let of = |what| count(&ran, "traces", what);
    assert!(of("refused") > 0 && of("bytes") <= 1 << 20, "{}", of("bytes"));
    assert_eq!(of("written") + of("refused"), of("received"));
    let sent = of("received");
    assert!((SPANS * 900..SPANS * 910).contains(&sent), "{sent} spans, each once: preflight's among them");
    let said = ran.collector.said();
    let partial = said.lines().filter(|l| l.contains("Partial success") && l.contains("raise `budget`"));
    let dropped = partial
        .filter_map(|l| l.split("\"dropped_spans\": ").nth(1)?.split(['}', ',']).next()?.parse::<u64>().ok());
    let dropped: u64 = dropped.sum();
    println!("{way:?}: {} of {sent} spans refused, {dropped} by the Collector's word", of("refused"));
    assert_eq!(dropped, of("refused"), "{said}");
    let told = ran.recording.events.iter().any(
        |e| matches!(&e.kind, EventKind::CollectorFault { problem, .. } if problem.contains("raise `budget`")),
    );
    assert!(told, "{:?}", ran.recording.events);
}

#[test]
fn a_spent_budget_is_told_over_grpc_and_nothing_comes_twice() {
    check_budget(Way::Grpc);
}

#[test]
fn a_spent_budget_is_told_over_http_and_nothing_comes_twice() {
    check_budget(Way::Protobuf);
}

/// Goroutines that are left behind are known from the service's own metrics alone.
#[test]
fn a_leak_is_seen_in_metrics_that_came_through_the_collector() {
    let ran = run(Way::Grpc, Way::Protobuf, "20", Load { rate: 20, secs: 25, more: "" }, |_| {});
    let analysis = json(&ran.recording, "analysis/analysis.json");
    let anomalies = analysis["anomalies"].as_array().expect("a list");
    let leak = anomalies.iter().find(|a| a["series"] == "go_goroutines" && a["of"] == "shop");
    let leak = leak.unwrap_or_else(|| panic!("{anomalies:?}"));
    println!("goroutines {} -> {}", leak["reference"], leak["observed"]);
    // 20 of each of 20 requests a second, to the end.
    assert!((5_000.0..10_500.0).contains(&leak["observed"].as_f64().expect("a number")), "{leak}");
    assert_eq!(leak["ongoing"], true);
}
