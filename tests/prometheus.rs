//! Runs against the Go service `tests/targets/metrics` and Debian's Prometheus scraping it: what the service counted
//! itself is what every form of its metrics says, as text, protobuf, expvar and through PromQL.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::go::{self, Running};
use common::{after, analysis, finish, http, loadprof, printed, scenario, try_http};
use loadprof::formats::openmetrics::{Exposition, Kind, decode_protobuf, parse};
use loadprof::formats::pprof::{Profile, delta};
use loadprof::run::history::MetricHistory;
use loadprof::run::reader::Recording;
use serde_json::Value;

const SECRET: &str = "hunter2-never-written";
/// Requests before the run: counters exist only once something was counted.
const BEFORE: u64 = 3;
/// Requests that preflight sends to see whether the target is there.
const LOOK: u64 = 1;

/// A process and where it listens.
struct Service {
    url: String,
    _process: Running,
}

fn service(args: &[&str]) -> Service {
    let mut command = Command::new(go::program("metrics"));
    let (process, url) = go::start(command.arg(format!("-password={SECRET}")).args(args));
    let service = Service { url, _process: process };
    (0..BEFORE).for_each(|_| drop(http(&service.url, "GET", "/work/a")));
    service
}

/// Debian's Prometheus, scraping both registries of the service every second; ready when both were scraped.
fn prometheus(dir: &Path, service: &str) -> Service {
    let port = go::free_port();
    let target = service.trim_start_matches("http://");
    let job = |name: &str, path: &str| {
        format!("- job_name: {name}\n  metrics_path: {path}\n  static_configs:\n  - targets: ['{target}']\n")
    };
    let config = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n{}{}",
        job("shop", "/metrics"),
        job("plain", "/plain/metrics")
    );
    let file = dir.join("prometheus.yml");
    fs::write(&file, config).expect("written");
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus is on PATH: tests/run installs it");
    let server = Service { url: format!("http://127.0.0.1:{port}"), _process: Running(child) };
    let deadline = Instant::now() + Duration::from_secs(60);
    let both = || {
        let answer =
            try_http(&server.url, "GET", "/api/v1/query?query=count(shop_in_flight)").unwrap_or_default();
        answer.contains("\"2\"")
    };
    while !both() {
        assert!(Instant::now() < deadline, "the service was not scraped");
        std::thread::sleep(Duration::from_millis(100));
    }
    server
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a body").1
}

/// What the service counted itself.
fn counted(service: &str) -> u64 {
    let told: Value = serde_json::from_str(body(&http(service, "GET", "/counted")).trim()).expect("JSON");
    told["requests"].as_u64().expect("a number")
}

/// First and last value of the only series of a name.
fn ends(history: &MetricHistory, name: &str) -> (f64, f64) {
    let mut named = history.named(name);
    let series = named.next().unwrap_or_else(|| panic!("{name} is there: {:?}", history.problems));
    assert!(named.next().is_none(), "{name} is one series");
    (series.points[0].1, series.points[series.points.len() - 1].1)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut all: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    all.sort();
    all
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().flat_map(|p| if p.is_dir() { all_files(&p) } else { vec![p] }).collect()
}

fn queries() -> &'static str {
    r#"queries = [
      { name = "requests_total", query = "sum(shop_requests_total{job=\"shop\"})", unit = "count" },
      { name = "plain_requests_total", query = "sum(shop_requests_total{job=\"plain\"})" },
      { name = "go_goroutines", query = "go_goroutines{job=\"shop\"}", unit = "count" },
      { name = "took", query = "rate(shop_took_seconds_sum{job=\"shop\"}[3s]) / rate(shop_took_seconds_count{job=\"shop\"}[3s])", unit = "seconds" },
    ]"#
}

fn load(url: &str, seconds: u32) -> String {
    format!(
        "name = \"metrics\"\n[target]\nurl = \"{url}\"\n[load]\nwarm-up = \"0s\"\n[load.constant-arrival-rate]\n\
         rate = \"100/s\"\nfor = \"{seconds}s\"\n[[request]]\nget = \"/work/a\"\n"
    )
}

fn run(path: &Path, out: &Path) -> String {
    let mut command = loadprof();
    command.arg("run").arg(path).arg("--out").arg(out).arg("--quiet");
    printed(&finish(&mut command, Duration::from_secs(120)))
}

fn check(path: &Path) -> String {
    printed(&finish(loadprof().arg("check").arg(path), Duration::from_secs(60)))
}

#[test]
fn every_form_says_what_the_service_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let shop = service(&["-mutex", "1", "-block", "1"]);
    let server = prometheus(dir.path(), &shop.url);
    let path = scenario(
        dir.path(),
        &format!(
            "{}[[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"/debug/pprof\"\ncpu-window = \"2s\"\n\
             profiles = [\"mutex\", \"block\", \"allocs\", \"threadcreate\", \"shop/db.pool\"]\n\
             [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"/metrics\"\n\
             [[evidence.prometheus]]\nservice = \"plain\"\nurl = \"/plain/metrics\"\n\
             [[evidence.prometheus]]\nservice = \"packed\"\nurl = \"/protobuf\"\n\
             [[evidence.expvar]]\nservice = \"vars\"\nurl = \"/debug/vars\"\n\
             [[evidence.promql]]\nservice = \"server\"\nurl = \"{}\"\nsettle = \"4s\"\n{}\n",
            load(&shop.url, 12),
            server.url,
            queries()
        ),
    );
    let told = check(&path);
    eprintln!("{told}");
    for words in ["version 2.", "scrapes every 1 s", "4 queries with", "memstats", "shop/db.pool", "protobuf"]
    {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
    let before = counted(&shop.url);
    assert_eq!(before, BEFORE + LOOK, "the check looked at the target");
    let out = dir.path().join("run");
    let printed = run(&path, &out);
    let total = counted(&shop.url);
    let a = analysis(&out);
    let sent = a["load"]["sent"].as_u64().unwrap_or_else(|| panic!("{printed}"));
    eprintln!("{sent} requests sent, {total} counted");
    assert_eq!(total - before, sent + LOOK);
    let recording = Recording::open(&out).expect("a run folder");
    counters(&recording, (before + LOOK) as f64, total as f64);
    pages(&recording, total as f64);
    profiles(&recording, &out);
    for file in all_files(&out) {
        let bytes = fs::read(&file).expect("readable");
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{}", file.display());
    }
    at_rest(&shop.url);
    // OpenMetrics of client_golang names `go_memstats_alloc_bytes` twice, as counter and as gauge: that is told.
    let lost = a["caveats"].as_array().expect("a list").iter().map(|c| &c["collector-lost"]);
    let lost: Vec<&Value> = lost.filter(|c| !c.is_null() && c["collector"] != "prometheus").collect();
    assert!(lost.is_empty(), "{lost:?}");
    told_metrics(&a, sent);
}

/// The sum of increases is what was sent, whoever tells it.
fn counters(recording: &Recording, before: f64, total: f64) {
    let of = |service: &str| recording.series(service, |_, _| true).expect("readable");
    // The first page is asked for as the load begins: the first arrivals may be in it.
    let counted = |service: &str, name: &str| {
        let (first, last) = ends(&of(service), name);
        assert!(
            (before..=before + 20.0).contains(&first) && last == total,
            "{service}: {first} to {last} of {name}"
        );
    };
    for service in ["shop", "plain", "packed"] {
        counted(service, "shop_requests_total");
        counted(service, "shop_native_seconds_count");
    }
    let vars = of("vars");
    counted("vars", "shop.requests");
    let (first, last) = ends(&vars, "memstats.Mallocs");
    assert!(last - first > total, "a request allocates: {first} to {last}");
    let kind = |name: &str| vars.named(name).next().map(|s| s.kind);
    assert_eq!(
        (kind("memstats.NumGC"), kind("memstats.HeapAlloc")),
        (Some(Kind::Counter), Some(Kind::Gauge))
    );
    let server = of("server");
    for name in ["requests_total", "plain_requests_total"] {
        let (first, last) = ends(&server, name);
        // The look may be in the scrape after the start only.
        assert!(
            last == total && (first == before || first == before - LOOK as f64),
            "{name}: {first} to {last}"
        );
    }
    let asked = server.named("requests_total").next().expect("there");
    let steps: Vec<f64> = asked.points.windows(2).map(|w| (w[1].0.since(w[0].0)) as f64 / 1e9).collect();
    assert!(steps.iter().all(|s| (s - 1.0).abs() < 0.002), "one a period, pieces without a gap: {steps:?}");
    assert!(asked.points.windows(2).all(|w| w[0].1 <= w[1].1), "{:?}", asked.points);
    // The same goroutines, seen by the server and by the scrapes.
    let mean = |h: &MetricHistory| {
        let points = &h.named("go_goroutines").next().expect("there").points;
        points.iter().map(|p| p.1).sum::<f64>() / points.len() as f64
    };
    let (theirs, ours) = (mean(&server), mean(&of("shop")));
    assert!((theirs - ours).abs() < 0.5 * ours, "{theirs} and {ours} goroutines");
}

/// Names of files say their format, and both forms that can have examples.
fn pages(recording: &Recording, total: f64) {
    let last = |service: &str, ending: &str| {
        let files = recording.metrics(service);
        assert!(files.iter().all(|f| f.path.extension().is_some_and(|e| e == ending)), "{service}");
        fs::read(&files.last().expect("a page").path).expect("readable")
    };
    let (open, packed) = (last("plain", "om"), last("packed", "pb"));
    let example = |page: &Exposition<'_>| {
        let sample = page.samples().map(|(_, s)| s.clone()).find(|s| s.name == "shop_requests_total");
        let example = sample.expect("there").exemplar.expect("an example");
        u64::from_str_radix(&example.labels[0].1, 16).expect("a trace id") as f64
    };
    let open = parse(&open).expect("small");
    assert!(
        open.eof && open.family("go_goroutines").is_none(),
        "OpenMetrics of the registry without runtime metrics"
    );
    assert!((example(&open) - total).abs() < 3.0, "one of the last requests is the example");
    assert!((example(&decode_protobuf(&packed).expect("small")) - total).abs() < 3.0);
    let series = recording.series("shop", |_, s| s.name.starts_with("go_cpu_classes_")).expect("readable");
    assert!(!series.series.is_empty(), "the registry with runtime metrics");
}

/// `analysis.json` has what the server was asked.
fn told_metrics(a: &Value, sent: u64) {
    let metrics = a["metrics"].as_array().expect("a list");
    let of = |name: &str| {
        metrics.iter().find(|m| m["name"] == name).unwrap_or_else(|| panic!("{name}: {metrics:?}"))
    };
    let rate = of("requests_total")["judged"].as_f64().expect("a rate");
    eprintln!("{rate}/s through PromQL; {sent} sent in 12 s");
    assert!((rate - 100.0).abs() < 15.0 && of("requests_total")["unit"] == "per-second", "{metrics:?}");
    let took = of("took");
    assert!(
        took["unit"] == "nanoseconds" && took["judged"].as_f64() > Some(200e3),
        "at least its sleep: {took}"
    );
    assert_eq!(of("go_goroutines")["labels"]["job"], "shop");
}

/// Profiles by their names, and what lies between the first and the last.
fn profiles(recording: &Recording, out: &Path) {
    let kinds = recording.profile_kinds("shop");
    for kind in ["allocs", "block", "cpu", "goroutine", "mutex", "shop-db.pool", "threadcreate"] {
        assert!(kinds.iter().any(|k| k == kind), "{kind}: {kinds:?}");
    }
    assert!(!kinds.iter().any(|k| k == "heap"), "not asked for");
    let ends = |kind: &str| -> (Profile, Profile) {
        let files = recording.profiles("shop", kind);
        assert!(files.len() >= 4, "{kind}: {}", files.len());
        let read = |f| recording.read_profile(f).expect("a profile");
        (read(&files[0]), read(&files[files.len() - 1]))
    };
    for (kind, value, least) in
        [("mutex", "contentions", 1), ("block", "contentions", 10), ("allocs", "alloc_objects", 1)]
    {
        let (first, last) = ends(kind);
        let between = delta(&last, &first).expect("of one kind");
        let index = between.value_index(value).unwrap_or_else(|| panic!("{kind} has {value}"));
        assert!(between.total(index) >= least, "{kind}: {} {value}", between.total(index));
    }
    let (_, pool) = ends("shop-db.pool");
    assert_eq!(pool.total(0), 3);
    assert!(out.join("profiles/shop/shop-db.pool").is_dir());
}

/// Values of all three forms of one registry, at rest, are equal.
fn at_rest(url: &str) {
    let fetch = |path: &str, accept: &str| {
        let output = Command::new("curl")
            .args(["-sf", "-H", &format!("Accept: {accept}")])
            .arg(format!("{url}{path}"))
            .output();
        let output = output.expect("curl is there");
        assert!(output.status.success());
        output.stdout
    };
    let (packed, text) = (fetch("/plain/protobuf", "*/*"), fetch("/plain/metrics", "text/plain"));
    let open = fetch("/plain/metrics", "application/openmetrics-text; version=1.0.0");
    let values = |page: &Exposition<'_>| -> BTreeMap<String, u64> {
        let bound = |k: &str, v: &str| {
            if k == "le" || k == "quantile" {
                v.parse::<f64>().expect("a bound").to_string()
            } else {
                v.to_owned()
            }
        };
        let one = |s: &loadprof::formats::openmetrics::Sample<'_>| {
            let labels: BTreeMap<String, String> =
                s.labels.iter().map(|(k, v)| (k.to_string(), bound(k, v))).collect();
            (format!("{} {labels:?}", s.name), s.value.to_bits())
        };
        page.samples().map(|(_, s)| one(s)).filter(|(k, _)| !k.contains("_created")).collect()
    };
    let packed = values(&decode_protobuf(&packed).expect("small"));
    assert!(packed.len() > 15, "{packed:?}");
    assert_eq!(packed, values(&parse(&text).expect("small")));
    assert_eq!(packed, values(&parse(&open).expect("small")));
}

#[test]
fn what_is_off_is_told_and_a_server_that_dies_costs_only_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let shop = service(&[]);
    let server = prometheus(dir.path(), &shop.url);
    let sources = format!(
        "[[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"/debug/pprof\"\ncpu-window = \"2s\"\n\
         profiles = [\"mutex\", \"block\", \"no.such\"]\n\
         [[evidence.promql]]\nservice = \"shop\"\nurl = \"{}\"\nsettle = \"2s\"\n",
        server.url
    );
    let bad = scenario(
        dir.path(),
        &format!("{}{sources}queries = [{{ name = \"bad\", query = \"sum(\" }}]\n", load(&shop.url, 14)),
    );
    let told = check(&bad);
    assert!(
        told.contains("query `bad`: answers 400: bad_data") && !told.starts_with("exit status: 0"),
        "{told}"
    );
    let queries = r#"queries = [
      { name = "requests_total", query = "sum(shop_requests_total{job=\"shop\"})" },
      { name = "nobody", query = "up{job=\"nobody\"}" },
      { name = "clash", query = "shop_requests_total + on() shop_took_seconds_bucket" },
    ]"#;
    let path = scenario(dir.path(), &format!("{}{sources}{queries}\n", load(&shop.url, 14)));
    let told = check(&path);
    eprintln!("{told}");
    for words in [
        "runtime.SetMutexProfileFraction(100)",
        "runtime.SetBlockProfileRate(10000)",
        "pprof.NewProfile(\"no.such\")",
        "which `profiles` may name: shop/db.pool",
        "`up{job=\"nobody\"}` gives no series now",
        "answers 422: execution",
    ] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
    let out = dir.path().join("run");
    // The first piece comes ten seconds after the start of the run, the next would come at twenty.
    let mut command = loadprof();
    command.arg("run").arg(&path).arg("--out").arg(&out).arg("--quiet");
    let killed = after(Duration::from_secs(13), move || drop(server));
    let output = finish(&mut command, Duration::from_secs(120));
    killed.join().expect("killed");
    let a = analysis(&out);
    assert_eq!(a["run"]["partial"], Value::Null, "{}", printed(&output));
    let caveats = a["caveats"].to_string();
    for words in ["query `clash`: ", "\"collector\":\"promql\""] {
        assert!(caveats.contains(words), "{words}: {caveats}");
    }
    let kept = Recording::open(&out).expect("a run folder").series("shop", |_, _| true).expect("readable");
    let requests = kept.named("requests_total").next().expect("what was known stays");
    assert!(
        requests.points.len() >= 5 && requests.points[requests.points.len() - 1].1 > 100.0,
        "{:?}",
        requests.points
    );
    assert!(kept.named("clash").next().is_none() && kept.named("nobody").next().is_none());
    let missing = a["missing"].to_string();
    eprintln!("{missing}");
    let kinds = Recording::open(&out).expect("a run folder").profile_kinds("shop");
    assert!(!kinds.iter().any(|k| k == "mutex" || k == "block"), "off is no profile: {kinds:?}");
    let manifest = fs::read_to_string(out.join("run.json")).expect("a manifest");
    assert!(
        manifest.contains("SetBlockProfileRate") && manifest.contains("SetMutexProfileFraction"),
        "{manifest}"
    );
}
