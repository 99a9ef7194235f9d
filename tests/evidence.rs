//! Runs against the Go service with every source of evidence on: what each gives in a run with a fault, and a run whose
//! sources are killed, hang, answer garbage and flood.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::go::free_port;
use common::{Pair, Shop, after, analysis, finish, loadprof, printed, scenario};
use serde_json::Value;

const MIB: u64 = 1 << 20;

fn port(url: &str) -> &str {
    url.trim_end_matches('/').rsplit(':').next().expect("a port")
}

#[test]
fn a_lock_shows_in_the_trace_the_machine_and_the_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("shop.log");
    let pair = Pair::start(&["-log", log.to_str().expect("text")]);
    let url = pair.shop.url.clone();
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"sources\"\n[target]\nurl = \"{url}\"\n[load]\nwarm-up = \"2s\"\n\
             [load.constant-arrival-rate]\nrate = \"150/s\"\nfor = \"26s\"\n[[request]]\nget = \"/catalogue?page=2\"\n\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"/debug/pprof\"\n\
             [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"/metrics\"\n\
             [[evidence.process]]\nservice = \"shop\"\nport = {}\n\
             [[evidence.logs]]\nservice = \"shop\"\nfiles = \"shop.log\"\n",
            port(&url)
        ),
    );
    let checked = finish(loadprof().arg("check").arg(&path), Duration::from_secs(30));
    let text = printed(&checked);
    for words in ["process on port", "run-queue delay", "shop.log", "no CPU quota"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    // As long under a lock as makes the queue grow for the rest of the run, also where the document is read somewhat faster
    // under load than one request at a time.
    let (admin, pages) = (url.clone(), pages_for(&pair.shop, 1.5 / 150.0));
    let switched = after(Duration::from_secs(12), move || {
        common::http(&admin, "POST", &format!("/admin/set?refresh=always&pages={pages}"));
    });
    let out = dir.path().join("run");
    let (output, a, report) = run(&path, &out);
    switched.join().expect("switched");
    eprintln!("{}", report.lines().take(120).collect::<Vec<_>>().join("\n"));
    holder_is_named(&a, &output);
    machine(&a);
    lines(&a);
    for heading in ["## Execution traces", "## The machine of the service", "## Log lines"] {
        assert!(report.contains(heading), "{heading}");
    }
}

/// Runs a scenario: what it printed, its analysis and its report.
fn run(scenario: &Path, out: &Path) -> (std::process::Output, Value, String) {
    let mut command = loadprof();
    command.arg("run").arg(scenario).arg("--out").arg(out).arg("--quiet");
    let output = finish(&mut command, Duration::from_secs(90));
    (output, analysis(out), fs::read_to_string(out.join("report.md")).expect("a report"))
}

/// Pages of the catalogue whose parsing holds the lock for so many seconds: on another machine they are others.
fn pages_for(shop: &Shop, secs: f64) -> u64 {
    const TRIED: f64 = 110.0;
    shop.set(&format!("refresh=always&pages={TRIED}"));
    let held = |clocks: &Value| {
        let route = &clocks["routes"]["/catalogue"];
        (route["lock_held_ns"].as_f64().expect("a clock"), route["requests"].as_f64().expect("a count"))
    };
    let before = held(&shop.clocks());
    (0..40).for_each(|_| drop(common::http(&shop.url, "GET", "/catalogue?page=2")));
    let now = held(&shop.clocks());
    shop.set("refresh=never&pages=19");
    let each = (now.0 - before.0) / (now.1 - before.1) / 1e9;
    eprintln!("{TRIED} pages hold the lock for {:.2} ms", 1e3 * each);
    (TRIED * secs / each).round().clamp(20.0, 5_000.0) as u64
}

/// The trace that was taken while the trouble lasted names who held the lock.
fn holder_is_named(a: &Value, output: &std::process::Output) {
    let traces = a["traces"].as_array().expect("a list");
    let taken =
        traces.iter().find(|t| t["why"] == "anomaly").unwrap_or_else(|| panic!("{}", printed(output)));
    assert!(taken["problem"].is_null() && taken["requests"].as_u64() > Some(50), "{taken}");
    let handoffs = taken["handoffs"].as_array().expect("a list");
    let lock = handoffs.iter().find(|h| h["state"] == "lock").unwrap_or_else(|| panic!("{taken}"));
    for side in ["waiter", "waker"] {
        assert!(lock[side].as_str().is_some_and(|f| f.contains("catalogue.(*Store)")), "{lock}");
    }
    // The lock is where requests wait, by the trace as by the snapshots.
    let states = taken["states"].as_array().expect("a list");
    let of = |state: &str| {
        states.iter().find(|s| s["state"] == state).and_then(|s| s["nanos"].as_i64()).unwrap_or(0)
    };
    eprintln!("per request: lock {} ns, CPU {} ns, ready {} ns", of("lock"), of("cpu"), of("run-queue"));
    assert!(of("lock") > 0 && of("cpu") > 0, "{taken}");
}

fn machine(a: &Value) {
    let readings = a["readings"].as_array().expect("a list");
    let of = |what: &str| {
        readings.iter().find(|r| r["what"] == what).unwrap_or_else(|| panic!("{what}: {readings:?}"))
    };
    let (judged, reference) = (of("cores-used")["judged"].as_f64(), of("cores-used")["reference"].as_f64());
    let (judged, reference) = (judged.expect("a value"), reference.expect("a value"));
    assert!(judged > 2.0 * reference && judged < 2.5, "cores in use: {reference} and then {judged}");
    assert!(of("resident-memory")["judged"].as_f64() > Some(MIB as f64));
    assert!(of("threads")["judged"].as_f64() > Some(2.0) && of("open-fds")["judged"].as_f64() > Some(2.0));
}

fn lines(a: &Value) {
    let logs = a["logs"].as_array().expect("a list");
    let slow = logs
        .iter()
        .find(|l| l["pattern"] == "slow request for /catalogue")
        .unwrap_or_else(|| panic!("{logs:?}"));
    assert_eq!(slow["level"], "WARN");
    assert!(slow["lines"].as_u64() > Some(10) && slow["of_slow"].as_u64() > Some(0), "{slow}");
    assert!(slow["per_second"].as_f64() > slow["reference_per_second"].as_f64());
    assert!(logs.iter().all(|l| l["pattern"] != "request for /catalogue"), "{logs:?}");
}

#[test]
fn metrics_alone_tell_the_time_in_handlers_and_whose() {
    let dir = tempfile::tempdir().expect("a folder");
    let pair = Pair::start(&[]);
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"metrics\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"2s\"\n\
             [load.constant-arrival-rate]\nrate = \"300/s\"\nfor = \"24s\"\n[[request]]\nget = \"/catalogue?page=2\"\n\
             [[request]]\nget = \"/recommend\"\n[[evidence.prometheus]]\nservice = \"shop\"\nurl = \"/metrics\"\n",
            pair.shop.url
        ),
    );
    let called = pair.downstream.url.clone();
    let switched = after(Duration::from_secs(12), move || common::set(&called, "delay=8ms"));
    let out = dir.path().join("run");
    let (output, a, report) = run(&path, &out);
    switched.join().expect("switched");
    assert_eq!(a["verdict"], "mechanism", "{}\n{report}", printed(&output));
    let cause = &a["causes"][0];
    assert_eq!((&cause["kind"], &cause["at"]), (&"wait".into(), &"handlers of /recommend".into()), "{cause}");
    // Every second request waits 8 ms longer.
    let explains = cause["explains"]["value"].as_f64().expect("nanoseconds") / 1e6;
    assert!((3.6..4.6).contains(&explains), "{cause}");
    let rows = a["breakdown"]["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|r| r["state"] == "handler" && r["service"] == "shop"), "{rows:?}");
    assert!(report.contains("in handlers"), "{report}");
}

/// What a source does once preflight and the first questions are over.
#[derive(Clone, Copy)]
enum Turn {
    Hang,
    Garbage,
    Flood,
}

const PAGE: &str = "# TYPE x counter\nx_total 1\n# EOF\n";

/// A page of metrics that turns bad after some good answers. Gives its address.
fn turning(good: u64, turn: Turn, sent: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}/metrics", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (asked, sent) = (Arc::clone(&asked), Arc::clone(&sent));
            thread::spawn(move || answer(stream, &asked, good, turn, &sent));
        }
    });
    url
}

fn answer(mut stream: TcpStream, asked: &AtomicU64, good: u64, turn: Turn, sent: &AtomicU64) {
    let mut head = [0; 4096];
    while matches!(stream.read(&mut head), Ok(1..)) {
        let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\n";
        if asked.fetch_add(1, Ordering::Relaxed) < good {
            let _ = write!(stream, "{ok}Content-Length: {}\r\n\r\n{PAGE}", PAGE.len());
            continue;
        }
        match turn {
            Turn::Hang => thread::sleep(Duration::from_secs(60)),
            Turn::Garbage => {
                let _ = write!(stream, "{ok}Content-Length: 6\r\n\r\n\u{1}\u{2}\u{3}\u{4}\u{5}\n");
            }
            Turn::Flood => {
                let _ = write!(stream, "{ok}\r\n");
                let line = b"flood_total{a=\"b\"} 1\n".repeat(50_000);
                while stream.write_all(&line).is_ok() {
                    sent.fetch_add(line.len() as u64, Ordering::Relaxed);
                }
                return;
            }
        }
    }
}

/// Sends spans to a receiver until told to stop; counts them.
fn flood_of_spans(port: u16, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> thread::JoinHandle<()> {
    const SPANS: u64 = 2_000;
    let span = |n: u64| {
        format!(
            r#"{{"traceId":"{n:032x}","spanId":"{n:016x}","name":"flood","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2"}}"#
        )
    };
    let spans: Vec<String> = (1..=SPANS).map(span).collect();
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let mut answer = [0; 4096];
            while !stop.load(Ordering::Relaxed) {
                let head = format!(
                    "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let went = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
                if went.is_err() || !matches!(stream.read(&mut answer), Ok(1..)) {
                    break;
                }
                sent.fetch_add(SPANS, Ordering::Relaxed);
            }
        }
    })
}

/// Greatest resident memory of a process, bytes.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

#[test]
fn sources_that_fail_hang_lie_and_flood_cost_only_themselves() {
    const RATE: u64 = 300;
    const SECS: u64 = 12;
    let dir = tempfile::tempdir().expect("a folder");
    let shop = Shop::start(&[]);
    let killed = Shop::start(&[]);
    let (flooded, spans, stop) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let quiet = Arc::new(AtomicU64::new(0));
    let hanging = turning(4, Turn::Hang, Arc::clone(&quiet));
    let garbage = turning(4, Turn::Garbage, quiet);
    let flood = turning(4, Turn::Flood, Arc::clone(&flooded));
    let otlp = free_port();
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"bad sources\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"0s\"\n\
             [load.constant-arrival-rate]\nrate = \"{RATE}/s\"\nfor = \"{SECS}s\"\n[[request]]\nget = \"/healthz\"\n\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"/debug/pprof\"\n\
             [[evidence.process]]\nservice = \"shop\"\nport = {}\n\
             [[evidence.prometheus]]\nservice = \"killed\"\nurl = \"{}/metrics\"\n\
             [[evidence.prometheus]]\nservice = \"hanging\"\nurl = \"{hanging}\"\n\
             [[evidence.prometheus]]\nservice = \"garbage\"\nurl = \"{garbage}\"\n\
             [[evidence.prometheus]]\nservice = \"flood\"\nurl = \"{flood}\"\n\
             [[evidence.otlp]]\nhttp = \"127.0.0.1:{otlp}\"\nbudget = \"16MiB\"\nlinger = \"1s\"\n",
            shop.url,
            port(&shop.url),
            killed.url
        ),
    );
    let dying = after(Duration::from_secs(5), move || drop(killed));
    let flooder = flood_of_spans(otlp, Arc::clone(&stop), Arc::clone(&spans));
    let out = dir.path().join("run");
    let (took, peak) = watched(&path, &out, &stop);
    dying.join().expect("killed");
    flooder.join().expect("ends");
    eprintln!(
        "{took:?}, {} MiB at most; {} MiB of metrics sent, {} spans",
        peak / MIB,
        flooded.load(Ordering::Relaxed) / MIB,
        spans.load(Ordering::Relaxed)
    );
    judge(&analysis(&out), RATE * SECS);
    // Load, collectors' grace, analysis.
    assert!(took < Duration::from_secs(SECS + 25), "{took:?}");
    assert!(peak < 300 * MIB, "{} MiB", peak / MIB);
    let kept = fs::metadata(out.join("otlp/traces.jsonl")).map_or(0, |m| m.len());
    assert!(kept <= 17 * MIB && spans.load(Ordering::Relaxed) > 100_000, "{kept} bytes kept");
}

/// Runs loadprof, watches its memory, and tells others when it is over.
fn watched(path: &Path, out: &Path, over: &AtomicBool) -> (Duration, u64) {
    let begin = Instant::now();
    let mut command = loadprof();
    command.arg("run").arg(path).arg("--out").arg(out).arg("--quiet").stdout(Stdio::null());
    let mut child = command.spawn().expect("starts");
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        peak = peak_memory(child.id()).unwrap_or(0).max(peak);
        if begin.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(20));
    };
    over.store(true, Ordering::Relaxed);
    assert!(status.code().is_some_and(|code| [0, 10].contains(&code)), "{status}");
    (begin.elapsed(), peak)
}

/// Load figures are right, and each bad source has a caveat that says what was lost.
fn judge(a: &Value, asked: u64) {
    let total = &a["load"]["total"];
    assert_eq!((total["done"].as_u64(), total["response"]["count"].as_u64()), (Some(asked), Some(asked)));
    assert_eq!(a["load"]["offered"].as_u64(), Some(asked));
    let caveats = a["caveats"].as_array().expect("a list");
    let lost: Vec<(&str, &str)> = caveats
        .iter()
        .filter_map(|c| {
            Some((c["collector-lost"]["service"].as_str()?, c["collector-lost"]["problem"].as_str()?))
        })
        .collect();
    for (service, words) in [
        ("killed", "refused"),
        ("hanging", "no whole answer"),
        ("garbage", "no metrics"),
        ("flood", "goes on beyond"),
        ("otlp", ""),
    ] {
        let told = lost.iter().any(|(s, problem)| *s == service && problem.contains(words));
        assert!(told, "{service}: {words:?} in {lost:?}");
    }
}
