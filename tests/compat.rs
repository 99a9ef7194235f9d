//! Folders of every released format version open for ever; newer ones are refused.
//!
//! `BLESS=1 cargo test --test compat` writes the folder of the present version again. A folder of a released
//! version is never blessed again: if it stops opening, the reader is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use loadprof::formats::pprof::{Frame, ProfileBuilder};
use loadprof::run::event::EventKind;
use loadprof::run::layout;
use loadprof::run::load_log::{ExtraSample, LoadLog};
use loadprof::run::manifest::{
    FORMAT_MAJOR, FORMAT_MINOR, FormatVersion, Host, Manifest, RunState, SourceFacts, SwitchedOff,
};
use loadprof::run::period::{
    Failure, FailureExample, Latency, LoadPeriod, RequestPeriod, SlowHit, new_latency,
};
use loadprof::run::reader::Recording;
use loadprof::run::writer::{RunError, RunWriter};
use loadprof::time::{RunClock, RunTime, SECOND, Window};

const SCENARIO: &str = "name = \"compat\"\n\n[target]\nurl = \"http://127.0.0.1:8080\"\n";
const METRICS: &str = "# HELP go_goroutines Number of goroutines.\n# TYPE go_goroutines gauge\ngo_goroutines 12\n\
                       # TYPE requests_total counter\nrequests_total{path=\"/products\",code=\"200\"} 41\n\
                       # TYPE took_seconds histogram\ntook_seconds_bucket{le=\"0.1\"} 40\n\
                       took_seconds_bucket{le=\"+Inf\"} 41\ntook_seconds_sum 1.25\ntook_seconds_count 41\n";

/// The committed folder; written again first if asked for.
fn folder() -> PathBuf {
    static BLESSED: std::sync::Once = std::sync::Once::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/run-v1");
    BLESSED.call_once(|| {
        if std::env::var_os("BLESS").is_some() {
            bless(&dir).expect("writes the folder");
        }
    });
    dir
}

fn latency(values: impl IntoIterator<Item = u64>) -> Latency {
    let mut h = new_latency();
    values.into_iter().for_each(|v| h.record(v).expect("grows"));
    h
}

/// Three periods of two requests, the second with failures.
fn periods() -> Vec<LoadPeriod> {
    (1..=3).map(period).collect()
}

fn period(n: u64) -> LoadPeriod {
    let end = RunTime::from_nanos(n * SECOND + n);
    let mut list = RequestPeriod::new();
    list.response = latency((1..200).map(|i| i * 50_000 * n));
    list.service = latency((1..200).map(|i| i * 49_000 * n));
    list.phases[0] = latency((1..200).map(|i| i * 1_000));
    list.phases[5] = latency((1..200).map(|i| i * 40_000 * n));
    (list.passed, list.status[1]) = (199, 199);
    (list.bytes_in, list.bytes_out, list.connects) = (199 * 1234, 199 * 99, 4);
    let mut buy = RequestPeriod::new();
    if n == 2 {
        buy.response = latency([30 * SECOND, 1_000]);
        buy.service = latency([29 * SECOND, 900]);
        buy.failed[Failure::Timeout as usize] = 1;
        buy.failed[Failure::Status as usize] = 1;
        buy.status[4] = 1;
    }
    let slow = SlowHit {
        request: 0,
        done: end.minus(5),
        trace_id: format!("00112233aabbccdd{n:016x}"),
        response_nanos: 9_950_000 * n,
        service_nanos: 9_751_000 * n,
        status: 200,
    };
    let failure = FailureExample {
        request: 1,
        at: end.minus(3),
        kind: Failure::Timeout,
        detail: "no answer within 30s".to_owned(),
        checks: Vec::new(),
    };
    LoadPeriod {
        window: Window::new(RunTime::from_nanos((n - 1) * SECOND + n - 1), end),
        requests: vec![list, buy],
        lateness: latency((1..200).map(|i| i * 300)),
        offered: 201,
        sent: 200,
        backlog: 1,
        in_flight: n,
        connections: 8,
        streams: 0,
        vus: 0,
        slowest: vec![slow],
        failures: if n == 2 { vec![failure] } else { Vec::new() },
    }
}

fn manifest() -> Manifest {
    let off = SwitchedOff { what: "mutex".into(), remedy: "runtime.SetMutexProfileFraction(100)".into() };
    let facts = SourceFacts { reachable: true, gives: vec!["cpu".into()], off: vec![off], problem: None };
    Manifest {
        format: FormatVersion { major: FORMAT_MAJOR, minor: FORMAT_MINOR },
        tool_version: "0.1.0".into(),
        run_id: "00112233aabbccdd".into(),
        scenario: "compat".into(),
        scenario_sha256: "ab".repeat(32),
        overrides: vec!["load.rate=200/s".into()],
        target: "http://127.0.0.1:8080/".into(),
        baseline: None,
        max_connections: None,
        arrivals: None,
        started_unix_nanos: 1_767_225_600_000_000_000,
        state: RunState::Recording,
        host: Host { cores: 2, kernel: "6.1".into(), cpu: "a CPU".into(), memory_bytes: 8 << 30 },
        sources: [("shop/go-pprof".to_owned(), facts)].into(),
        parts: Default::default(),
    }
}

fn profile() -> Vec<u8> {
    let frame = |f: &str| Frame { function: f.into(), file: "shop.go".into(), line: 7 };
    let mut builder = ProfileBuilder::new(&[("samples", "count"), ("cpu", "nanoseconds")], 10_000_000);
    builder.add([frame("main.reload"), frame("main.main")], &[3, 30_000_000]);
    builder.finish(1_767_225_600_000_000_000, 100_000_000).encode()
}

/// Writes the folder as a run would.
fn bless(dir: &Path) -> Result<(), RunError> {
    let _ = fs::remove_dir_all(dir);
    let out = RunWriter::create(dir, RunClock::start(), manifest(), SCENARIO)?;
    let at = RunTime::from_nanos;
    let mut log = LoadLog::new(out.clone(), vec!["list-products".into(), "buy".into()])?;
    out.event_at(at(0), EventKind::LoadStarted);
    out.event_at(at(1), EventKind::Stage { index: 0, what: "200/s for 3s".into() });
    let cpu = ExtraSample { name: "process_cpu_seconds_total".into(), labels: Vec::new(), value: 0.5 };
    for period in periods() {
        log.write(&period, std::slice::from_ref(&cpu))?;
    }
    let window = Window::new(at(100_000_000), at(200_000_000));
    out.put(&layout::scrape("shop", window.from), METRICS.as_bytes())?;
    out.put(&layout::windowed("shop", "cpu", window), &profile())?;
    let dump = layout::capture("shop", "goroutines", window.from, "txt");
    out.put(&dump, b"goroutine 1 [running]:\nmain.main()\n")?;
    let (service, what, why) = ("shop".to_owned(), "goroutines".to_owned(), "healthy".to_owned());
    let capture = EventKind::Capture { service, what, why, window, path: Some(dump), problem: None };
    out.event_at(window.to, capture);
    let (service, collector) = ("shop".to_owned(), "go-pprof/mutex".to_owned());
    let problem = "HTTP 500".to_owned();
    out.event_at(window.to, EventKind::CollectorFault { service, collector, problem });
    out.event_at(at(3 * SECOND), EventKind::ScheduleEnded);
    out.event_at(at(3 * SECOND + 4), EventKind::LoadEnded);
    out.seal(RunState::Complete { load_nanos: 3 * SECOND })
}

#[test]
fn a_folder_of_version_1_opens() {
    let run = Recording::open(&folder()).expect("format 1.0 opens");
    assert_eq!((run.manifest.format.major, run.manifest.host.cores), (1, 2));
    assert_eq!(run.manifest.overrides, ["load.rate=200/s"]);
    assert_eq!((run.scenario_text.as_str(), run.partial.as_deref()), (SCENARIO, None));
    assert_eq!(run.read_periods().expect("reads"), periods());
    assert_eq!((run.events.len(), run.skipped_events), (10, 0));
    assert_eq!(run.services(), ["shop"]);
    let profiles = run.profiles("shop", "cpu");
    let profile = run.read_profile(&profiles[0]).expect("a profile");
    assert_eq!((profiles.len(), profile.total(1), profiles[0].window.nanos()), (1, 30_000_000, 100_000_000));
    let history = run.series("shop", |_, _| true).expect("reads");
    let requests = history.get("requests_total", &[("code", "200")]).expect("there");
    assert_eq!(requests.points, [(RunTime::from_nanos(100_000_000), 41.0)]);
    let capture = &run.captures()[0];
    assert!(capture.file.as_ref().is_ok_and(|path| path.is_file()), "{capture:?}");
}

#[test]
fn a_blessed_folder_is_as_the_committed_one() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let dir = scratch.path().join("run");
    bless(&dir).expect("writes");
    let (new, old) = (Recording::open(&dir).expect("opens"), Recording::open(&folder()).expect("opens"));
    assert_eq!(new.manifest, Manifest { parts: new.manifest.parts.clone(), ..old.manifest.clone() });
    assert_eq!(new.events, old.events);
    assert_eq!(new.read_periods().expect("reads"), old.read_periods().expect("reads"));
}

#[test]
fn a_newer_major_version_is_refused_with_its_own_error() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    bless(&scratch.path().join("run")).expect("writes");
    let path = scratch.path().join("run").join(layout::MANIFEST);
    let text = fs::read_to_string(&path).expect("reads");
    let newer = text.replacen("\"major\": 1", "\"major\": 2", 1).replace("\"host\"", "\"hosts\"");
    fs::write(&path, newer).expect("writes");
    match Recording::open(path.parent().expect("in the folder")) {
        Err(e @ RunError::Newer { major: 2, minor: 0, .. }) => {
            assert!(e.to_string().contains("this loadprof reads 1.x"), "{e}");
        }
        other => panic!("{other:?}"),
    }
    fs::write(&path, text.replacen("\"minor\": 0", "\"minor\": 9, \"news\": 1", 1)).expect("writes");
    assert!(Recording::open(path.parent().expect("in the folder")).is_ok(), "a newer minor opens");
}
