//! The demo target over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::formats::pprof::Profile;

use super::*;

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the target listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .expect("the target reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let status = std::str::from_utf8(&answer[9..12]).expect("a status").parse().expect("a number");
    Answer { status, body: answer.split_off(head + 4) }
}

fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

fn started() -> Server {
    Server::start(&Options { workers: 2, ..Options::default() }).expect("a demo target")
}

/// Sends requests from a few threads while `during` runs.
fn under_load<T>(address: SocketAddr, method: &str, path: &str, body: &str, during: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    ask(address, method, path, body);
                }
            });
        }
        // Also when `during` panics: the scope waits for its threads.
        let _end = SetOnDrop(&done);
        during()
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_shop_answers() {
    let server = started();
    let address = server.address();
    let page = get(address, "/products?page=3");
    assert_eq!(page.status, 200);
    let page: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(40));
    assert_eq!(page["items"][0]["id"], 80);
    for (method, path, body, status) in [
        ("GET", "/products", "", 200),
        ("GET", "/products?page=0", "", 404),
        ("GET", "/products?page=101", "", 404),
        ("GET", "/products?page=x", "", 400),
        ("GET", "/products/7", "", 200),
        ("GET", "/products/4000", "", 404),
        ("GET", "/healthz", "", 200),
        ("GET", "/nowhere", "", 404),
        ("POST", "/cart", "{\"product\":7,\"quantity\":2}", 201),
        ("POST", "/cart", "{\"product\":9999,\"quantity\":2}", 404),
        ("POST", "/cart", "{\"product\":7,\"quantity\":4000000000}", 409),
        ("POST", "/cart", "nonsense", 400),
        ("POST", "/admin/set?reprise=on", "", 400),
        ("GET", "/debug/pprof/profile?seconds=0.5", "", 400),
        ("GET", "/debug/pprof/profile?seconds=61", "", 400),
    ] {
        assert_eq!(ask(address, method, path, body).status, status, "{method} {path} {body}");
    }
    let product: serde_json::Value = serde_json::from_slice(&get(address, "/products/7").body).expect("JSON");
    assert_eq!(product["available"], 999_998);
}

#[test]
fn metrics_are_prometheus_text_with_counters_that_count() {
    let server = started();
    for _ in 0..3 {
        get(server.address(), "/products/1");
    }
    let page = get(server.address(), "/metrics").text();
    let mut values = std::collections::HashMap::new();
    for line in page.lines().filter(|l| !l.starts_with("# HELP ") && !l.starts_with("# TYPE ")) {
        let (name, value) = line.rsplit_once(' ').expect("name and value");
        assert!(
            values.insert(name, value.parse::<f64>().expect("a number")).is_none(),
            "{line} is there twice"
        );
    }
    assert_eq!(values["http_requests_total{route=\"/products/{id}\",code=\"2xx\"}"], 3.0);
    assert_eq!(values["http_request_duration_seconds_count{route=\"/products/{id}\"}"], 3.0);
    assert_eq!(values["http_request_duration_seconds_bucket{route=\"/products/{id}\",le=\"+Inf\"}"], 3.0);
    assert!(values["process_cpu_seconds_total"] > 0.0);
    assert!(values["process_resident_memory_bytes"] > 1e6);
    assert!(values["tokio_live_tasks"] >= 1.0);
}

#[test]
fn a_cpu_profile_names_what_was_switched_on_and_only_one_runs() {
    let server = started();
    let address = server.address();
    assert_eq!(ask(address, "POST", "/admin/set?reprice=on", "").status, 200);
    let answers = under_load(address, "GET", "/products?page=1", "", || {
        let ask = move || get(address, "/debug/pprof/profile?seconds=2");
        let other = std::thread::spawn(ask);
        [ask(), other.join().expect("an answer")]
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    let ([profile], [refused]) = (taken.as_slice(), refused.as_slice()) else {
        panic!("one of two is refused")
    };
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("cpu profiling already in use"), "{}", refused.text());
    let profile = Profile::decode(&profile.body).expect("a profile");
    let cpu = profile.value_index("cpu").expect("CPU time");
    assert_eq!((profile.period, cpu, profile.default_index()), (10_000_000, 1, 1));
    assert!(profile.duration_nanos >= 2_000_000_000 && profile.time_nanos > 0);
    let within = |name: &str| -> i64 {
        let holds = |s: &&_| profile.functions(s).any(|f| f.contains(name));
        profile.samples.iter().filter(holds).map(|s| s.values[cpu]).sum()
    };
    let total = profile.total(cpu);
    let names: std::collections::BTreeSet<_> = profile.symbols.iter().map(|s| &s.name).collect();
    assert!(within("demo::pricing::reprice") > total / 5, "of {total}: {names:?}");
    assert_eq!(within("perf_signal_handler"), 0, "the profiler's own frames are cut off");
    let flat: i64 = profile
        .samples
        .iter()
        .filter(|s| profile.functions(s).next().is_some_and(|f| f.ends_with("demo::pricing::reprice")))
        .map(|s| s.values[cpu])
        .sum();
    assert!(flat * 10 > within("demo::pricing::reprice") * 9, "the leaf is the function itself: {flat}");
}

#[test]
fn the_contention_profile_names_who_held_the_lock() {
    let server = started();
    let address = server.address();
    assert_eq!(ask(address, "POST", "/admin/set?stock-audit=on", "").status, 200);
    let order = "{\"product\":7,\"quantity\":1}";
    under_load(address, "POST", "/cart", order, || std::thread::sleep(Duration::from_millis(500)));
    let profile = Profile::decode(&get(address, "/debug/pprof/mutex").body).expect("a profile");
    let kinds: Vec<_> = profile.sample_types.iter().map(|t| (t.kind.as_str(), t.unit.as_str())).collect();
    assert_eq!(kinds, [("contentions", "count"), ("delay", "nanoseconds")]);
    let leaf =
        |s: &&_| profile.functions(s).next().is_some_and(|f| f == "loadprof::demo::stock::Stock::audit");
    let by_audit: i64 = profile.samples.iter().filter(leaf).map(|s| s.values[1]).sum();
    let total = profile.total(1);
    let stacks: Vec<Vec<_>> =
        profile.samples.iter().map(|s| profile.functions(s).take(4).collect()).collect();
    assert!(by_audit > 100_000_000 && by_audit * 10 > total * 8, "{by_audit} of {total}: {stacks:#?}");
    let again = Profile::decode(&get(address, "/debug/pprof/mutex").body).expect("a profile");
    assert!(again.total(1) >= total, "cumulative since the start");
}

#[test]
fn a_setting_switches_on_at_its_time() {
    let options =
        Options { switch: Some("reprice".into()), at: Duration::from_millis(300), ..Options::default() };
    let server = Server::start(&options).expect("a demo target");
    let price = || {
        let page: serde_json::Value =
            serde_json::from_slice(&get(server.address(), "/products?page=1").body).expect("JSON");
        page["items"][0]["price"].as_u64().expect("a price")
    };
    let (before, start) = (price(), Instant::now());
    while price() == before {
        assert!(start.elapsed() < Duration::from_secs(20), "never switched on");
        std::thread::sleep(Duration::from_millis(20));
    }
    ask(server.address(), "POST", "/admin/set?reprice=off", "");
    assert_eq!(price(), before);
}

#[test]
fn wrong_options_are_refused_with_the_remedy() {
    let refused = |options: Options| Server::start(&options).expect_err("wrong").to_string();
    let open = Options { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..Options::default() };
    assert!(refused(open).contains("loopback only"));
    let unknown = Options { switch: Some("reprise".into()), ..Options::default() };
    assert!(refused(unknown).contains("known are reprice and stock-audit"));
    let server = started();
    let taken = Options { listen: server.address(), ..Options::default() };
    assert!(refused(taken).contains("choose another address"));
}

#[test]
fn it_ends_when_its_parent_closes_the_pipe() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let server = started();
    let address = server.address();
    let thread = std::thread::spawn(move || server.wait(parent::when_closed(theirs)));
    assert_eq!(get(address, "/healthz").status, 200);
    drop(ours);
    thread.join().expect("the server's thread").expect("an orderly end");
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "still listens");
        std::thread::sleep(Duration::from_millis(5));
    }
}
