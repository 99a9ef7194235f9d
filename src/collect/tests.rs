//! Collectors against servers that misbehave, and against a real Go service.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use url::Url;

use super::cpu_windows::CpuWindows;
use super::go_pprof::{self, Settings};
use super::http::below;
use super::preflight;
use super::prometheus::{Page, Scrapes};
use super::recorder::Endpoint;
use super::snapshots::Snapshots;
use super::sources::{collectors_for, endpoint};
use super::testing::{GoService, Reply, Rig, Server, cpu_profile, source};
use super::{Collector, Trigger};
use crate::formats::pprof::Profile;
use crate::run::event::EventKind;
use crate::run::in_flight::Look;
use crate::run::layout::parse_stamp;
use crate::run::manifest::{SourceFacts, SwitchedOff};
use crate::scenario::{
    Arrivals, Endpoint as Target, EvidenceKind, Executor, Load, ProfileName, Rate, Scenario, Target as System,
};
use crate::time::{SECOND, Window};

const SECONDS: fn(f64) -> Duration = Duration::from_secs_f64;

fn go_kind() -> EvidenceKind {
    EvidenceKind::GoPprof {
        snapshots_per_second: 20.0,
        cpu_window: SECONDS(1.0),
        captures: true,
        profiles: ProfileName::usual(),
    }
}

fn at(url: Url) -> Endpoint {
    endpoint(&source(EvidenceKind::Prometheus, url.clone()), &url).expect("an endpoint")
}

/// One collector of a Go service, by name.
fn go_collector(url: Url, name: &str) -> Box<dyn Collector> {
    let settings = Settings {
        snapshots_per_second: 20.0,
        cpu_window: SECONDS(1.0),
        captures: true,
        planned: SECONDS(600.0),
        seed: 1,
    };
    let all = go_pprof::collectors(&at(url), settings, &ProfileName::usual(), |_| true);
    all.into_iter().find(|c| c.name() == name).expect("a collector of this name")
}

fn cpu(url: Url) -> Box<dyn Collector> {
    let (name, endpoint, window) = ("pprof/cpu", at(url), SECONDS(1.0));
    Box::new(CpuWindows { name, endpoint, window, grow: false, planned: None })
}

#[tokio::test]
async fn a_source_that_fails_is_told_once_and_recovers() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::text(500, "text/plain", "not yet"),
        _ => Reply::text(200, "", "bytes of a profile"),
    })
    .await;
    let mut rig = Rig::new();
    let began = Instant::now();
    rig.start(go_collector(server.url("/p"), "go-pprof/goroutine"));
    rig.wait_for("profiles/shop/goroutine", 5).await;
    assert!(began.elapsed() > SECONDS(0.75), "it backs off for 0.25 s and 0.5 s");
    rig.stop().await;
    let faults = rig.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("/p/goroutine?debug=0: answers 500 (\"not yet\")"), "{faults:?}");
    assert!(faults[1].ends_with("(the last of 1 faults not told)"), "{faults:?}");
    let first = rig.files("profiles/shop/goroutine").remove(0);
    assert_eq!(rig.read(&format!("profiles/shop/goroutine/{first}")), b"bytes of a profile");
}

#[tokio::test]
async fn each_snapshot_has_a_look_at_the_requests_in_flight() {
    let server = Server::start(|_| Reply::text(200, "", "bytes").after(SECONDS(0.002))).await;
    let mut rig = Rig::new();
    rig.in_flight.join().set(7, rig.out.clock().now());
    rig.start(go_collector(server.url("/p"), "go-pprof/goroutine"));
    rig.wait_for("profiles/shop/goroutine", 5).await;
    rig.stop().await;
    let text = rig.read("profiles/shop/in-flight.jsonl");
    let looks: Vec<Look> =
        text.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("a look")).collect();
    let moments =
        rig.files("profiles/shop/goroutine").into_iter().map(|f| parse_stamp(&f).expect("a time").from);
    assert_eq!(looks.iter().map(|l| l.t).collect::<Vec<_>>(), moments.collect::<Vec<_>>());
    let meanwhile: Vec<u64> = looks.iter().flat_map(|look| look.later.iter().copied()).collect();
    assert!(!meanwhile.is_empty() && meanwhile.iter().all(|n| *n == 7), "{meanwhile:?}");
    for pair in looks.windows(2) {
        let mean = (pair[1].area - pair[0].area) as f64 / pair[1].t.since(pair[0].t) as f64;
        assert!(pair[0].count == 7 && (mean - 7.0).abs() < 0.5, "{pair:?}");
    }
}

#[tokio::test]
async fn a_costly_source_is_asked_less_often() {
    let reply = Reply::text(200, "", "bytes").after(SECONDS(0.03));
    let server = Server::start(move |_| reply.clone()).await;
    let mut rig = Rig::new();
    rig.start(go_collector(server.url("/p"), "go-pprof/goroutine"));
    rig.wait_for("profiles/shop/goroutine", 7).await;
    rig.stop().await;
    let slowed = rig.events().into_iter().find_map(|e| match e {
        EventKind::CollectorSlowed { interval_nanos, why, .. } => Some((interval_nanos, why)),
        _ => None,
    });
    let (interval, why) = slowed.expect("an event");
    assert!(interval >= SECOND * 3 / 20, "30 ms are 20 % of 150 ms: {interval}");
    assert!(why.contains("costly"), "{why}");
}

#[tokio::test]
async fn a_hanging_source_does_not_delay_the_end() {
    let server = Server::start(|_| Reply::Hang).await;
    let mut rig = Rig::new();
    let url = server.url("/p");
    rig.start(go_collector(url.clone(), "go-pprof/goroutine"));
    rig.start(go_collector(url.clone(), "go-pprof/captures"));
    rig.start(go_collector(url.clone(), "go-pprof/mutex"));
    rig.start(Box::new(Scrapes { endpoint: at(url), period: SECONDS(0.1), page: Page::Scrape }));
    rig.trigger(Trigger::Anomaly);
    tokio::time::sleep(SECONDS(0.2)).await;
    let took = rig.stop().await;
    assert!(took < SECONDS(1.2), "{took:?}");
    let problems: Vec<_> = rig
        .events()
        .into_iter()
        .filter_map(|e| match e {
            EventKind::Capture { what, problem, path: None, .. } => Some((what, problem?)),
            _ => None,
        })
        .collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|(_, p)| p.contains("the load ended before")), "{problems:?}");
}

#[tokio::test]
async fn an_open_cpu_window_is_finished_but_not_waited_for_without_end() {
    let profile = cpu_profile();
    let reply = Reply::bytes(200, "", profile.clone()).after(SECONDS(1.1));
    let server = Server::start(move |_| reply.clone()).await;
    let hanging = Server::start(|_| Reply::Hang).await;
    let (mut good, mut bad) = (Rig::new(), Rig::new());
    good.start(cpu(server.url("/p")));
    bad.start(cpu(hanging.url("/p")));
    tokio::time::sleep(SECONDS(0.3)).await;
    let (finished, given_up) = tokio::join!(good.stop(), bad.stop());
    assert!(finished > SECONDS(0.5) && finished < SECONDS(1.8), "{finished:?}");
    assert!(given_up > SECONDS(2.0) && given_up < SECONDS(3.2), "{given_up:?}");
    assert_eq!(server.paths(), ["/p/profile?seconds=1"]);
    let files = good.files("profiles/shop/cpu");
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(parse_stamp(&files[0]).map(Window::nanos), Some(SECOND));
    assert_eq!(good.read(&format!("profiles/shop/cpu/{}", files[0])), profile);
    assert!(bad.files("profiles/shop/cpu").is_empty());
}

#[tokio::test]
async fn a_long_cpu_window_of_a_real_service_is_ended_by_an_anomaly() {
    let Some(service) = GoService::start(&[]) else { return };
    let mut rig = Rig::new();
    let (name, endpoint, window) = ("go-pprof/cpu", at(service.url.clone()), SECONDS(1.0));
    rig.start(Box::new(CpuWindows { name, endpoint, window, grow: true, planned: None }));
    // Windows of 1, 1, 2 and 3 s; the last of these is open.
    rig.wait_for("profiles/shop/cpu", 3).await;
    tokio::time::sleep(SECONDS(0.5)).await;
    let began = Instant::now();
    rig.trigger(Trigger::Anomaly);
    rig.wait_for("profiles/shop/cpu", 5).await;
    let took = began.elapsed();
    assert!(took > SECONDS(2.0) && took < SECONDS(4.0), "two short ones, one after the other: {took:?}");
    rig.stop().await;
    assert!(rig.faults().is_empty(), "{:?}", rig.faults());
    let files = rig.files("profiles/shop/cpu");
    let lengths: Vec<u64> = files.iter().map(|f| parse_stamp(f).map_or(0, Window::nanos) / SECOND).collect();
    assert_eq!(&lengths[..5], [1, 1, 2, 1, 1]);
}

#[tokio::test]
async fn a_profiler_that_is_in_use_is_told_and_not_pestered() {
    let busy = "Could not enable CPU profiling: cpu profiling already in use\n";
    let server = Server::start(move |_| Reply::text(500, "text/plain", busy)).await;
    let mut rig = Rig::new();
    rig.start(cpu(server.url("/p")));
    tokio::time::sleep(SECONDS(0.6)).await;
    assert!(rig.stop().await < SECONDS(0.5));
    assert!((2..=3).contains(&server.paths().len()), "{:?}", server.paths());
    assert!(rig.faults()[0].contains("stop the other profiler"), "{:?}", rig.faults());
}

#[tokio::test]
async fn a_profile_that_comes_at_once_is_refused_and_not_asked_for_in_a_loop() {
    let server = Server::start(|_| Reply::text(200, "", "from a cache")).await;
    let mut rig = Rig::new();
    rig.start(cpu(server.url("/p")));
    tokio::time::sleep(SECONDS(0.5)).await;
    assert!(rig.stop().await < SECONDS(0.5));
    assert_eq!(server.paths().len(), 1);
    assert!(rig.faults()[0].contains("no profile of 1 s"), "{:?}", rig.faults());
    assert!(rig.files("profiles/shop/cpu").is_empty());
}

#[tokio::test]
async fn captures_are_taken_once_per_trigger_within_their_number() {
    let server = Server::start(|request| match request.path.as_str() {
        "/p/goroutine?debug=2" => Reply::text(200, "text/plain", "goroutine 1 [running]:"),
        _ => Reply::text(500, "text/plain", "Could not enable tracing: tracing is already enabled"),
    })
    .await;
    let mut rig = Rig::new();
    rig.start(go_collector(server.url("/p"), "go-pprof/captures"));
    for trigger in [Trigger::Healthy, Trigger::Healthy, Trigger::Anomaly, Trigger::Anomaly] {
        rig.trigger(trigger);
    }
    rig.wait_for("captures/shop", 2).await;
    tokio::time::sleep(SECONDS(0.2)).await;
    rig.stop().await;
    let captures: Vec<_> = rig
        .events()
        .into_iter()
        .map(|e| match e {
            EventKind::Capture { what, why, path, problem, .. } => (what, why, path, problem),
            other => panic!("{other:?}"),
        })
        .collect();
    let said: Vec<_> = captures.iter().map(|(what, why, ..)| format!("{what} {why}")).collect();
    assert_eq!(said, ["goroutines healthy", "trace healthy", "goroutines anomaly", "trace anomaly"]);
    assert_eq!(rig.read(captures[0].2.as_ref().expect("a path")), b"goroutine 1 [running]:");
    let problem = captures[1].3.as_ref().expect("a problem");
    assert!(captures[1].2.is_none() && problem.contains("Could not enable tracing"), "{problem}");
}

#[tokio::test]
async fn scrapes_are_aligned_raw_and_end_with_a_last_one() {
    let server = Server::start(|request| Reply::text(200, "text/plain", &request.head)).await;
    let mut rig = Rig::new();
    rig.start(Box::new(Scrapes {
        endpoint: at(server.url("/metrics")),
        period: SECONDS(0.2),
        page: Page::Scrape,
    }));
    rig.wait_for("metrics/shop", 4).await;
    rig.stop().await;
    let files = rig.files("metrics/shop");
    assert!(files.len() >= 5, "{files:?}");
    let head = String::from_utf8(rig.read(&format!("metrics/shop/{}", files[0]))).expect("text");
    assert!(head.to_ascii_lowercase().contains("accept: application/openmetrics-text; version=1.0.0"));
    for file in &files[1..4] {
        let moment = parse_stamp(file).expect("a stamp").from.as_nanos();
        assert!(moment % (SECOND / 5) < SECOND / 10, "{files:?} are not on multiples of 0.2 s");
    }
}

#[tokio::test]
async fn a_full_disk_ends_collectors_quietly() {
    let server = Server::start(|_| Reply::text(200, "", "bytes")).await;
    let mut rig = Rig::new();
    std::os::unix::fs::symlink("/dev/full", rig.dir.path().join("events.jsonl")).expect("a link");
    let url = server.url("/p");
    rig.start(go_collector(url.clone(), "go-pprof/goroutine"));
    rig.start(Box::new(Snapshots {
        name: "x".into(),
        endpoint: at(url.clone()),
        kind: "heap".into(),
        url: below(&url, "heap", &[]),
        every: SECONDS(1.0),
        grow: false,
        later: Duration::ZERO,
    }));
    rig.wait_for("profiles/shop/goroutine", 1).await;
    rig.out.event(EventKind::LoadStarted);
    assert!(rig.out.stopped().is_some());
    assert!(rig.ended().await < SECONDS(1.5));
}

fn scenario(evidence: Vec<crate::scenario::EvidenceSource>, target: &Url) -> Scenario {
    let duration = SECONDS(10.0);
    let target = System { timeout: SECONDS(1.0), ..System::new(Target::Url(target.clone())) };
    let load = Load {
        executor: Executor::ConstantArrivalRate { rate: Rate(1.0), duration },
        arrivals: Arrivals::Even,
        warm_up: Duration::ZERO,
        graceful_stop: Duration::ZERO,
        max_connections: 1,
        threads: 1,
        seed: 1,
        sampled: 0.0,
    };
    Scenario { evidence, ..Scenario::of_requests("test", target, load, Vec::new()) }
}

#[test]
fn the_scenario_and_preflight_decide_which_collectors_there_are() {
    let target: Url = "http://127.0.0.1:1/shop".parse().expect("a URL");
    let mut on_target = source(EvidenceKind::Prometheus, target.clone());
    on_target.location = crate::scenario::Location::OnTarget("/metrics".into());
    let pprof = EvidenceKind::Pprof { cpu_window: SECONDS(5.0) };
    let all = vec![source(go_kind(), target.clone()), source(pprof, target.clone()), on_target];
    let scenario = scenario(all, &target);
    let names = |facts: &BTreeMap<String, SourceFacts>| -> Vec<String> {
        let all = collectors_for(&scenario, &target, facts, SECONDS(10.0)).expect("collectors");
        all.iter().map(|c| c.name()).collect()
    };
    let go = ["go-pprof/goroutine", "go-pprof/cpu", "go-pprof/mutex", "go-pprof/block", "go-pprof/heap"];
    let unknown = names(&BTreeMap::new());
    assert_eq!(unknown[..5], go);
    assert_eq!(unknown[5..], ["go-pprof/captures", "pprof/cpu", "prometheus"]);
    let gives = ["goroutine", "cpu", "heap"].map(str::to_owned).to_vec();
    let off = vec![SwitchedOff { what: "mutex".into(), remedy: String::new() }];
    let facts = SourceFacts { reachable: true, gives, off, problem: None };
    let known = names(&BTreeMap::from([("shop/go-pprof".to_owned(), facts)]));
    assert_eq!(known[..3], ["go-pprof/goroutine", "go-pprof/cpu", "go-pprof/heap"]);
}

#[tokio::test]
async fn a_go_service_without_and_with_contention_profiles_is_told_apart() {
    let (Some(off), Some(on)) =
        (GoService::start(&[]), GoService::start(&["-mutex=50", "-block=1000", "-workers=4"]))
    else {
        return;
    };
    tokio::time::sleep(SECONDS(0.1)).await;
    let both = [&off, &on].map(|s| source(go_kind(), s.url.clone()));
    let checks = preflight::check_all(&both, &off.url).await;
    let facts = checks.iter().map(|c| &c.facts).collect::<Vec<_>>();
    assert!(facts.iter().all(|f| f.reachable && f.problem.is_none()), "{checks:?}");
    assert_eq!(facts[0].gives, ["goroutine", "cpu", "heap"], "{checks:?}");
    let remedies: Vec<_> = facts[0].off.iter().map(|o| (o.what.as_str(), o.remedy.as_str())).collect();
    assert_eq!(
        remedies,
        [("mutex", "runtime.SetMutexProfileFraction(100)"), ("block", "runtime.SetBlockProfileRate(10000)")]
    );
    assert_eq!(facts[1].gives, ["goroutine", "cpu", "heap", "mutex", "block"], "{checks:?}");
    assert!(facts[1].off.is_empty(), "{checks:?}");
    assert!(checks[1].notes.iter().any(|n| n.contains("1 in 50 contentions")), "{checks:?}");
    assert!(checks[0].notes.iter().any(|n| n.contains("a goroutine snapshot takes")), "{checks:?}");
}

#[tokio::test]
async fn a_go_service_is_recorded_whole() {
    let Some(service) = GoService::start(&["-mutex=1", "-workers=4"]) else { return };
    let mut rig = Rig::new();
    let scenario = scenario(vec![source(go_kind(), service.url.clone())], &service.url);
    let all = collectors_for(&scenario, &service.url, &BTreeMap::new(), SECONDS(3.0)).expect("collectors");
    all.into_iter().for_each(|c| rig.start(c));
    rig.trigger(Trigger::Anomaly);
    tokio::time::sleep(SECONDS(3.1)).await;
    let took = rig.stop().await;
    assert!(took < SECONDS(3.0), "{took:?}");
    assert_eq!(rig.faults(), Vec::<String>::new());

    let profiles = |kind: &str| -> Vec<(Window, Profile)> {
        let dir = format!("profiles/shop/{kind}");
        let decode = |name: String| {
            let bytes = rig.read(&format!("{dir}/{name}"));
            (parse_stamp(&name).expect("a stamp"), Profile::decode(&bytes).expect("a profile"))
        };
        rig.files(&dir).into_iter().map(decode).collect()
    };
    let goroutines = profiles("goroutine");
    assert!((25..80).contains(&goroutines.len()), "20 a second for 3 s, not {}", goroutines.len());
    let waiting = goroutines
        .iter()
        .filter(|(_, p)| p.samples.iter().any(|s| p.functions(s).any(|f| f == "main.contend")));
    assert_eq!(waiting.count(), goroutines.len());

    let cpu = profiles("cpu");
    assert!(cpu.len() >= 2, "{}", cpu.len());
    assert!(cpu.iter().all(|(w, p)| w.nanos() == SECOND && p.value_index("cpu") == Some(1)));
    assert!(cpu.windows(2).all(|w| w[0].0.to <= w[1].0.from), "windows overlap");
    let gaps = cpu.windows(2).map(|w| w[1].0.from.since(w[0].0.to));
    assert!(gaps.max() < Some(SECOND / 2), "windows are back to back");

    let mutex = profiles("mutex");
    assert!(mutex.len() >= 4, "at once, each second, and at the end: {}", mutex.len());
    let delays: Vec<i64> = mutex.iter().map(|(_, p)| p.total(1)).collect();
    assert!(delays.is_sorted() && delays[0] < delays[delays.len() - 1], "{delays:?}");
    assert!(profiles("heap").iter().all(|(_, p)| p.value_index("inuse_space") == Some(3)));
    assert!(profiles("block").iter().all(|(_, p)| p.samples.is_empty()), "it is off");

    let captures = rig.files("captures/shop");
    assert_eq!(captures.len(), 2, "{captures:?} {:?}", rig.events());
    let dump = rig.read(&format!("captures/shop/{}", captures[0]));
    assert!(captures[0].starts_with("goroutines-") && dump.starts_with(b"goroutine "));
    let trace = rig.read(&format!("captures/shop/{}", captures[1]));
    assert!(captures[1].ends_with(".trace") && trace.starts_with(b"go 1."));
}
