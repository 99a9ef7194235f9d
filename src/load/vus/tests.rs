//! Whole runs of the closed model against a real server on loopback.

use std::collections::HashMap;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::load::choice::Choice;
use crate::load::testing::http2::{self, Ends, Reply};
use crate::load::testing::{OK, RUN_ID, Server, begin, request, run, scenario, with_requests};
use crate::run::period::{Failure, Phase};
use crate::scenario::{Executor, HttpVersion, Journey, Request, Stage, TraceHeaders};
use crate::time::{MILLISECOND, SECOND};

/// goose keeps its killswitch for the whole process: one run at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(in crate::load) fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(in crate::load) fn users(vus: usize, millis: u64, think_millis: u64) -> Executor {
    let (duration, think_time) = (Duration::from_millis(millis), Duration::from_millis(think_millis));
    Executor::ConstantVus { vus, duration, think_time }
}

#[test]
fn every_user_keeps_one_connection_and_waits_for_its_answer() {
    let _alone = alone();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |asked| {
        seen.lock().expect("no panic").push(asked.head.clone());
        std::thread::sleep(Duration::from_millis(20));
        Some(OK.to_vec())
    });
    let requests = vec![Request { weight: 3, ..request("/a") }, Request { weight: 1, ..request("/b") }];
    let scenario = with_requests(scenario(users(4, 1000, 0)), requests);
    let ran = run(&scenario, &server.url());
    assert_eq!(
        (server.accepted.load(Ordering::Relaxed), ran.all.iter().map(|r| r.connects).sum::<u64>()),
        (4, 4)
    );
    // Four users, 20 ms a hit: at most 50 hits each.
    assert!((80..=204).contains(&ran.passed()), "{} hits", ran.passed());
    assert_eq!(
        (ran.done(), ran.outcome.offered, ran.outcome.sent),
        (ran.passed(), ran.passed(), ran.passed())
    );
    // Drawn with 3 : 1; standard deviation of the share: at most 0.05.
    let (a, b) = (ran.all[0].passed as f64, ran.all[1].passed as f64);
    assert!((a / (a + b) - 0.75).abs() < 0.2, "{a} to {b}");
    assert_eq!(ran.periods.iter().take(3).map(|p| p.vus).collect::<Vec<_>>(), [4, 4, 4]);
    assert!(ran.periods[1].in_flight <= 4 && ran.periods[1].connections == 4);
    assert_eq!(ran.periods.iter().map(|p| p.offered).sum::<u64>(), ran.passed());
    assert!(
        ran.all[0].response.min() >= 20 * MILLISECOND && !ran.all[0].phases[Phase::Wait as usize].is_empty()
    );
    assert!(!ran.outcome.interrupted);
    assert_eq!(ran.outcome.schedule_ended, ran.outcome.started.plus(SECOND));
    assert!(ran.outcome.ended.since(ran.outcome.schedule_ended) < 200 * MILLISECOND);
    traces_tell_the_users_apart(&heads.lock().expect("no panic"));
}

/// The number of a hit, from its trace context.
fn number(head: &str) -> u64 {
    let prefix = format!("traceparent: 00-{RUN_ID}");
    let trace = head.lines().find_map(|l| l.strip_prefix(&prefix)).expect("trace context");
    u64::from_str_radix(&trace[..16], 16).expect("hex")
}

/// Users whose journeys have a fixed step and one with a variable, and follow a redirect.
fn travellers() -> crate::scenario::Scenario {
    let steps = vec![request("/a"), request("/b?n=${seq}"), request("/away")];
    let mut scenario = with_requests(scenario(users(3, 400, 0)), steps);
    scenario.name = "buy, 100 %".into();
    scenario.journeys = vec![Journey { steps: 0..3, ..Journey::single(&scenario.requests).remove(0) }];
    scenario.target.transport.redirects = 1;
    scenario.target.trace_headers = TraceHeaders { x_trace_id: true, baggage: true };
    scenario
}

/// Whether a request's headers say the same of its trace, and who sent it.
fn tells_its_trace<'a>(header: impl Fn(&str) -> Option<&'a str>) -> bool {
    let id = header("traceparent").and_then(|t| t.get(3..35)).unwrap_or_default();
    let baggage = format!("loadprof.run={RUN_ID},loadprof.scenario=buy%2C%20100%20%25");
    id.starts_with(RUN_ID) && header("x-trace-id") == Some(id) && header("baggage") == Some(&baggage)
}

#[test]
fn every_step_of_a_user_tells_its_trace() {
    let _alone = alone();
    let server = Server::start(|asked| {
        let text: &[u8] = match &asked.head {
            _ if !tells_its_trace(|name| asked.header(name)) => {
                b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n"
            }
            head if head.starts_with("GET /away") => {
                b"HTTP/1.1 302 Found\r\nlocation: /c\r\ncontent-length: 0\r\n\r\n"
            }
            _ => OK,
        };
        Some(text.to_vec())
    });
    let ran = run(&travellers(), &server.url());
    assert!(ran.passed() > 30 && ran.done() == ran.passed(), "{:?}", ran.details());
    assert!(ran.all[2].redirects >= ran.all[2].passed, "the request behind the redirect is one of them");
}

#[test]
fn every_step_of_a_user_tells_its_trace_over_http2() {
    let _alone = alone();
    let server = http2::Server::start(Ends::Never, |asked| {
        let told = tells_its_trace(|name| asked.head.headers.get(name).and_then(|v| v.to_str().ok()));
        Reply::status(if told { 200 } else { 400 }, "ok")
    });
    let mut scenario = travellers();
    scenario.target.transport.http = HttpVersion::Http2 { streams: 4 };
    let ran = run(&scenario, &server.url);
    assert!(ran.passed() > 30 && ran.done() == ran.passed(), "{:?}", ran.details());
}

#[test]
fn every_turn_is_a_draw_by_weight_that_repeats_with_the_seed() {
    let _alone = alone();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |asked| {
        seen.lock().expect("no panic").push(asked.head.clone());
        Some(OK.to_vec())
    });
    let requests =
        vec![Request { weight: 97, ..request("/common") }, Request { weight: 3, ..request("/rare") }];
    let mut scenario = with_requests(scenario(users(3, 600, 2)), requests);
    scenario.load.seed = 11;
    run(&scenario, &server.url());
    let choice = Choice::new(11, [97, 3].into_iter(), 0.0);
    let heads = heads.lock().expect("no panic");
    let rare: Vec<u64> = heads.iter().filter(|h| h.starts_with("GET /rare ")).map(|h| number(h)).collect();
    assert!(heads.iter().all(|head| (choice.journey(number(head)) == 1) == head.starts_with("GET /rare ")));
    // Of 300 to 900 turns; a fixed list would have all of a user's at its beginning, in step with the others.
    assert!(heads.len() > 100 && rare.len() * 12 < heads.len(), "{} of {}", rare.len(), heads.len());
}

fn traces_tell_the_users_apart(heads: &[String]) {
    let mut hits: HashMap<u64, Vec<u64>> = HashMap::new();
    for n in heads.iter().map(|head| number(head)) {
        hits.entry(n >> 40).or_default().push(n & 0xff_ffff_ffff);
    }
    assert_eq!(hits.len(), 4);
    assert!(hits.values().all(|own| own.iter().copied().eq(0..own.len() as u64)));
}

#[test]
fn users_think_between_hits() {
    let _alone = alone();
    let server = Server::start(|_| Some(OK.to_vec()));
    let ran = run(&scenario(users(5, 1000, 100)), &server.url());
    // Five users, a hit about every 100 ms.
    assert!((30..=50).contains(&ran.passed()), "{} hits", ran.passed());
}

#[test]
fn users_of_few_turns_keep_the_weights() {
    let _alone = alone();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(200));
        Some(OK.to_vec())
    });
    // Their common divisor is 1 and their sum above any list: nothing is rounded.
    let requests = vec![Request { weight: 9_001, ..request("/a") }, Request { weight: 999, ..request("/b") }];
    let ran = run(&with_requests(scenario(users(60, 300, 0)), requests), &server.url());
    let (a, b) = (ran.all[0].passed, ran.all[1].passed);
    // Two turns each; b is drawn with one in ten, standard deviation 3.3.
    assert!(a + b >= 60 && a + b <= 120 && b <= 25, "{a} to {b}");
}

#[test]
fn a_pause_below_a_millisecond_is_one() {
    let _alone = alone();
    let server = Server::start(|_| Some(OK.to_vec()));
    let (duration, think_time) = (Duration::from_millis(500), Duration::from_micros(500));
    let ran = run(&scenario(Executor::ConstantVus { vus: 1, duration, think_time }), &server.url());
    assert!((20..=1000).contains(&ran.passed()), "{} hits", ran.passed());
}

#[test]
fn a_ramp_of_users_follows_its_stages() {
    let _alone = alone();
    let server = Server::start(|_| Some(OK.to_vec()));
    let stage = |ms, to, hold| Stage { duration: Duration::from_millis(ms), to, hold };
    let stages = vec![stage(1000, 4, false), stage(500, 1, true)];
    let think_time = Duration::from_millis(10);
    let ran = run(&scenario(Executor::RampingVus { start: 0, stages, think_time }), &server.url());
    let vus: Vec<_> = ran.periods.iter().map(|p| p.vus).take(5).collect();
    // Users start at 0, 250, 500 and 750 ms; a user that starts with the period's end may count in either.
    assert!((1..=2).contains(&vus[0]) && (2..=3).contains(&vus[1]) && (3..=4).contains(&vus[2]), "{vus:?}");
    assert_eq!(vus[4], 1, "{vus:?}");
    assert_eq!(server.accepted.load(Ordering::Relaxed), 4);
    assert!(ran.passed() > 50 && ran.done() == ran.passed());
}

#[test]
fn a_user_that_waits_too_long_counts_at_its_age() {
    let _alone = alone();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(30));
        None
    });
    let mut scenario = scenario(users(2, 500, 0));
    scenario.target.timeout = Duration::from_millis(200);
    scenario.load.graceful_stop = Duration::from_millis(50);
    let ran = run(&scenario, &server.url());
    // Sent at about 0, 200 and 400 ms; the last ones are cut off 50 ms after the end.
    assert_eq!((ran.done(), ran.failed(Failure::Timeout)), (6, 6), "{:?}", ran.details());
    assert!(ran.details()[0].contains("time limit"), "{:?}", ran.details());
    let response = &ran.all[0].response;
    assert!(response.max() >= 200 * MILLISECOND && response.max() < 400 * MILLISECOND);
    assert!(response.min() < 199 * MILLISECOND, "the last ones were cut off before their time limit");
    assert!(ran.outcome.ended.since(ran.outcome.schedule_ended) < 300 * MILLISECOND);
}

#[test]
fn a_stop_ends_users_and_opens_no_port_of_goose() {
    let _alone = alone();
    let server = Server::start(|_| Some(OK.to_vec()));
    let running = begin(&scenario(users(3, 60_000, 1)), &server.url());
    std::thread::sleep(Duration::from_millis(300));
    for port in [5116, 5117] {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "a controller listens on {port}");
    }
    running.stop.store(true, Ordering::Relaxed);
    let ran = running.join();
    assert!(ran.outcome.interrupted && ran.done() == ran.outcome.sent);
    assert!(ran.outcome.ended.since(ran.outcome.started) < SECOND);
    assert_eq!(ran.outcome.schedule_ended.since(ran.outcome.started) / SECOND, 0);
}

#[test]
fn a_refusing_target_fails_hits_and_not_the_run() {
    let _alone = alone();
    let address = crate::ports::nobody();
    let ran = run(&scenario(users(2, 300, 20)), &format!("http://{address}"));
    assert!(ran.done() >= 10 && ran.failed(Failure::Connect) == ran.done());
    assert_eq!(ran.outcome.sent, 0);
}

#[test]
fn goose_writes_nothing() {
    // The same test binary, with one run of users and its output as it comes.
    let test = "load::vus::tests::a_refusing_target_fails_hits_and_not_the_run";
    let binary = std::env::current_exe().expect("a test runs");
    let output = Command::new(binary).args([test, "--exact", "--nocapture"]).output().expect("runs");
    assert!(output.status.success());
    let text = [output.stdout, output.stderr].concat();
    let own = |line: &str| line.is_empty() || line.starts_with("running 1 test") || line.starts_with("test ");
    let foreign: Vec<_> =
        text.split(|b| *b == b'\n').map(String::from_utf8_lossy).filter(|l| !own(l)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}
