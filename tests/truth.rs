//! What the generator measures against what must be true: a server that stalls, a generator that is starved.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{analysis, finish, loadprof, printed, scenario};
use serde_json::Value;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// When the server does not answer, from its first request on.
#[derive(Clone, Copy)]
struct Stall {
    from: Duration,
    to: Duration,
}

/// A server that answers at once, except while it stalls: then everything waits for the stall's end.
fn serve(stall: Option<Stall>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let first: Arc<std::sync::OnceLock<Instant>> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let first = Arc::clone(&first);
            thread::spawn(move || answer(stream, stall, &first));
        }
    });
    url
}

fn answer(mut stream: TcpStream, stall: Option<Stall>, first: &std::sync::OnceLock<Instant>) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(n @ 1..) = stream.read(&mut buffer) else { return };
        head.extend_from_slice(&buffer[..n]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        if let Some(stall) = stall.filter(|_| is_load(&head)) {
            let elapsed = first.get_or_init(Instant::now).elapsed();
            if elapsed >= stall.from && elapsed < stall.to {
                thread::sleep(stall.to - elapsed);
            }
        }
        head.clear();
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}

/// The preflight's single question does not start the clock: it has no traceparent.
fn is_load(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).to_ascii_lowercase().contains("traceparent")
}

fn run(dir: &Path, text: &str) -> (i32, Value) {
    let path = scenario(dir, text);
    let out = dir.join("run");
    let output = finish(
        loadprof().arg("run").arg(&path).arg("--out").arg(&out).arg("--quiet"),
        Duration::from_secs(90),
    );
    let code = output.status.code().unwrap_or_else(|| panic!("no code: {}", printed(&output)));
    assert!(out.join("report.md").exists(), "{}", printed(&output));
    (code, analysis(&out))
}

/// Response times of a constant rate against a server that stalls once, by hand: an arrival during the stall
/// waits for its end, every other one takes no time.
fn by_hand(rate: u64, secs: u64, stall: Stall) -> Vec<f64> {
    let mut times: Vec<f64> = (0..rate * secs)
        .map(|n| n as f64 / rate as f64)
        .map(|due| {
            let (from, to) = (stall.from.as_secs_f64(), stall.to.as_secs_f64());
            if due >= from && due < to { to - due } else { 0.0 }
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

#[test]
fn a_stall_of_a_second_is_in_the_response_times() {
    let stall = Stall { from: Duration::from_secs(4), to: Duration::from_secs(5) };
    let url = serve(Some(stall));
    let dir = tempfile::tempdir().expect("a folder");
    // Few connections: what cannot be sent waits, and only the response time knows it.
    let text = format!(
        "name = \"stall\"\n[target]\nurl = \"{url}\"\n[load]\nwarm-up = \"0s\"\nmax-connections = 20\n\
         [load.constant-arrival-rate]\nrate = \"500/s\"\nfor = \"10s\"\n"
    );
    let (_, analysis) = run(dir.path(), &text);
    let total = &analysis["load"]["total"];
    assert_eq!(total["done"], 5_000, "every arrival is counted");
    let expected = by_hand(500, 10, stall);
    let at = |q: f64| expected[((q * expected.len() as f64).ceil() as usize).min(expected.len()) - 1];
    // Half of the hits are instant, so the median is the server's own time; the stall begins at p90.
    for (key, q) in [("p95", 0.95), ("p99", 0.99), ("p999", 0.999)] {
        let (seen, true_secs) = (total["response"][key].as_f64().expect("a number") / 1e9, at(q));
        eprintln!("{key}: seen {seen:.4} s, by hand {true_secs:.4} s");
        assert!((seen / true_secs - 1.0).abs() < 0.02, "{key}: {seen} against {true_secs}");
    }
    let p50 = total["response"]["p50"].as_f64().expect("a number") / 1e6;
    assert!(p50 < 5.0, "the median is not touched by the stall: {p50} ms");
    let service = total["service"]["p95"].as_f64().expect("a number") / 1e6;
    eprintln!("service time p95: {service:.3} ms");
    assert!(service < 50.0, "service time cannot see the stall of others: {service} ms");
    let report = std::fs::read_to_string(dir.path().join("run/report.md")).expect("a report");
    assert!(report.contains("service time"), "both clocks are in the report");
}

#[test]
fn a_starved_generator_blames_nobody() {
    let url = serve(None);
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "name = \"starved\"\n[target]\nurl = \"{url}\"\n[load]\nthreads = 1\nmax-connections = 50\n\
         graceful-stop = \"2s\"\n[load.constant-arrival-rate]\nrate = \"400000/s\"\nfor = \"6s\"\n"
    );
    let (code, analysis) = run(dir.path(), &text);
    assert_eq!(code, 10, "{:#}", analysis["validity"]);
    assert_eq!(analysis["verdict"], "generator");
    assert_eq!(analysis["causes"], serde_json::json!([]), "no cause is blamed on the target");
    let report = std::fs::read_to_string(dir.path().join("run/report.md")).expect("a report");
    assert!(report.lines().next().is_some_and(|l| l.contains("GENERATOR")), "{report}");
}
