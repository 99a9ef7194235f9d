//! Bad input of each kind: one message that names what and where, exit 2, and no load sent.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{analysis, finish, loadprof, printed, scenario};

/// A server whose answer depends on the path and on how often it was asked; counts what load was sent.
struct Server {
    url: String,
    load: Arc<AtomicU64>,
}

/// What a path answers.
type Answer = fn(asked: u64, stream: &mut TcpStream);

fn serve(path: &'static str, answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let load = Arc::new(AtomicU64::new(0));
    let (counted, asked) = (Arc::clone(&load), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (counted, asked) = (Arc::clone(&counted), Arc::clone(&asked));
            thread::spawn(move || {
                while let Some(head) = head(&mut stream) {
                    counted.fetch_add(u64::from(head.contains("traceparent")), Ordering::Relaxed);
                    if head.split(' ').nth(1).is_some_and(|p| p.starts_with(path)) {
                        answer(asked.fetch_add(1, Ordering::Relaxed), &mut stream);
                        return;
                    }
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    Server { url, load }
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => head.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

fn page(stream: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// Runs a scenario that must be refused; what it said.
fn refused(text: &str, words: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = scenario(dir.path(), text);
    let out = dir.path().join("run");
    let output = finish(loadprof().arg("run").arg(&path).arg("--out").arg(&out), Duration::from_secs(40));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    if let Ok(manifest) = std::fs::read_to_string(out.join("run.json")) {
        assert!(!manifest.contains("\"recording\""), "the folder still waits for more: {manifest}");
    }
    said
}

const TARGET: &str = "name = \"bad\"\n[target]\nurl = \"http://127.0.0.1:9\"\n";

#[test]
fn a_wrong_scenario_is_refused_with_line_key_and_remedy() {
    let load = "[load.constant-arrival-rate]\nrate = \"10/s\"\nfor = \"1s\"\n";
    refused(&format!("{TARGET}ulr = \"x\"\n{load}"), &["scenario.toml:4", "ulr", "did you mean `url`"]);
    refused(
        &format!("{TARGET}[load.constant-arrival-rate]\nrate = [1]\nfor = \"1s\"\n"),
        &["scenario.toml:5", "rate"],
    );
    refused(
        &format!("{TARGET}[load.constant-arrival-rate]\nrate = \"-5/s\"\nfor = \"1s\"\n"),
        &["scenario.toml:5", "load.constant-arrival-rate.rate", "-5/s", "above 0"],
    );
    refused(&format!("{TARGET}[load\n"), &["scenario.toml:4", "not TOML"]);
    refused(TARGET, &["scenario.toml", "load", "constant-arrival-rate"]);
}

#[test]
fn a_missing_file_is_named() {
    let output = finish(loadprof().args(["run", "/nowhere/missing.toml"]), Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("/nowhere/missing.toml"),
        "{}",
        printed(&output)
    );
    let output = finish(loadprof().args(["analyze", "/nowhere"]), Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("run.json"), "{}", printed(&output));
}

#[test]
fn an_unreachable_target_is_named() {
    let port = common::go::ports::nobody().port();
    refused(
        &format!(
            "name = \"x\"\n[target]\nurl = \"http://127.0.0.1:{port}\"\n\
             [load.constant-arrival-rate]\nrate = \"10/s\"\nfor = \"1s\"\n"
        ),
        &["target", &format!("127.0.0.1:{port}"), "refused"],
    );
}

#[test]
fn a_setup_that_fails_ends_the_run_before_its_load() {
    let server = serve("/login", |_, stream| page(stream, "500 Internal Server Error", "text/plain", "no"));
    let said = refused(
        &format!(
            "name = \"x\"\n[target]\nurl = \"{}\"\n[[setup]]\npost = \"/login\"\n\
             [load.constant-arrival-rate]\nrate = \"10/s\"\nfor = \"1s\"\n",
            server.url
        ),
        &["/login", "500"],
    );
    assert!(server.load.load(Ordering::Relaxed) <= 1, "only the setup request was sent: {said}");
}

fn evidence(server: &Server, kind: &str, path: &str) -> String {
    format!(
        "name = \"x\"\n[target]\nurl = \"{0}\"\n[load.constant-arrival-rate]\nrate = \"50/s\"\nfor = \"6s\"\n\
         [[evidence.{kind}]]\nservice = \"shop\"\nurl = \"{0}{path}\"\n",
        server.url
    )
}

#[test]
fn an_evidence_endpoint_that_lies_is_refused_before_any_load() {
    let liars: [(Answer, &str); 4] = [
        (|_, s| page(s, "200 OK", "text/html", "<html><body>Sign in</body></html>"), "web page"),
        (|_, s| page(s, "500 Internal Server Error", "text/plain", "no"), "500"),
        (|_, s| page(s, "200 OK", "application/octet-stream", ""), "empty"),
        (
            |_, s| {
                let _ = s.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
                // Ends when the other side has had enough; bounded for a test that fails.
                for _ in 0..200_000 {
                    if s.write_all(&[b'x'; 16_384]).is_err() {
                        return;
                    }
                }
            },
            "",
        ),
    ];
    for (answer, word) in liars {
        let server = serve("/debug/pprof", answer);
        let said =
            refused(&evidence(&server, "go-pprof", "/debug/pprof"), &["shop/go-pprof", &server.url, word]);
        eprintln!("{said}");
        assert_eq!(server.load.load(Ordering::Relaxed), 0, "no load was sent");
    }
}

#[test]
fn a_collector_that_breaks_later_is_a_caveat_and_the_load_goes_on() {
    // Good for the preflight, then broken.
    let server = serve("/metrics", |asked, s| match asked {
        0 | 1 => page(s, "200 OK", "text/plain; version=0.0.4", "# TYPE up gauge\nup 1\n"),
        _ => page(s, "500 Internal Server Error", "text/plain", "broken now"),
    });
    let dir = tempfile::tempdir().expect("a folder");
    let path = scenario(dir.path(), &evidence(&server, "prometheus", "/metrics"));
    let out = dir.path().join("run");
    let output = finish(loadprof().arg("run").arg(&path).arg("--out").arg(&out), Duration::from_secs(40));
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let analysis = analysis(&out);
    assert_eq!(analysis["load"]["total"]["failed"], serde_json::json!({}));
    assert_eq!(server.load.load(Ordering::Relaxed), 300, "every arrival was sent");
    let lost =
        analysis["caveats"].as_array().expect("caveats").iter().find(|c| c["collector-lost"].is_object());
    let lost = &lost.unwrap_or_else(|| panic!("{:#}", analysis["caveats"]))["collector-lost"];
    assert_eq!(lost["service"], "shop");
    assert!(lost["problem"].as_str().is_some_and(|p| p.contains("500")), "{lost:#}");
}

#[test]
fn check_asks_every_source_and_says_what_is_off() {
    let server =
        serve("/metrics", |_, s| page(s, "200 OK", "text/plain; version=0.0.4", "# TYPE up gauge\nup 1\n"));
    let dir = tempfile::tempdir().expect("a folder");
    let path = scenario(dir.path(), &evidence(&server, "prometheus", "/metrics"));
    let output = finish(loadprof().arg("check").arg(&path), Duration::from_secs(20));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(said.contains("shop/prometheus") && said.contains("reachable"), "{said}");
    assert_eq!(server.load.load(Ordering::Relaxed), 0, "a check sends no load");
}

#[test]
fn the_schema_is_json() {
    let output = finish(loadprof().arg("schema"), Duration::from_secs(10));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(schema["$schema"].as_str().is_some_and(|s| s.contains("2020-12")), "{schema:#}");
}
