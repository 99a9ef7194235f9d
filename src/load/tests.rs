//! What is refused before any load, and names.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use url::Url;

use super::testing::{OK, RUN_ID, Server, constant, request, run, scenario, with_requests};
use super::{ConnectError, LoadError, LoadPlan, StopFlag, start};
use crate::run::in_flight::InFlight;
use crate::scenario::{
    AnswerSource, AtEnd, Check, Condition, Executor, Feeder, FeederFormat, Order, Request, Scenario,
};
use crate::time::RunClock;

fn refused(scenario: &Scenario, base: &str, run_id: &str) -> LoadError {
    let base = Url::parse(base).expect("valid");
    let plan = LoadPlan { scenario, base, run_id, clock: RunClock::start(), in_flight: None };
    start(&plan, Arc::default(), |_| panic!("no period without load"))
        .map(|_| ())
        .expect_err("must be refused")
}

#[test]
fn what_cannot_work_is_refused_before_any_load() {
    let good = scenario(constant(10.0, 100));
    let error = refused(&good, "http://no-such-host.invalid/", RUN_ID);
    assert!(matches!(
        error,
        LoadError::Connect(ConnectError::Lookup { .. } | ConnectError::NoAddress { .. })
    ));
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    let error = refused(&good, "ftp://127.0.0.1/", RUN_ID);
    assert!(matches!(error, LoadError::Connect(ConnectError::Url(_))), "{error}");
    for run_id in ["", "0123", "0123456789abcdeg", "0000000000000000", "+123456789abcdef"] {
        assert!(matches!(refused(&good, "http://127.0.0.1", run_id), LoadError::RunId(_)), "{run_id}");
    }
    for executor in [
        constant(0.0, 1000),
        constant(10.0, 0),
        Executor::ConstantVus { vus: 0, duration: Duration::from_secs(1), think_time: Duration::ZERO },
    ] {
        let error = refused(&scenario(executor), "http://127.0.0.1", RUN_ID);
        assert!(matches!(error, LoadError::NoArrival), "{error}");
    }
    let weightless = with_requests(good.clone(), vec![Request { weight: 0, ..request("/") }]);
    assert!(matches!(refused(&weightless, "http://127.0.0.1", RUN_ID), LoadError::NoRequest));
    let broken = with_requests(good, vec![request("no slash")]);
    let error = refused(&broken, "http://127.0.0.1", RUN_ID);
    assert!(error.to_string().starts_with("request `no slash`: the path must begin with `/`"), "{error}");
}

#[test]
fn more_users_than_descriptors_are_refused() {
    let (duration, many) = (Duration::from_secs(1), 1 << 40);
    for executor in [
        Executor::ConstantVus { vus: many, duration, think_time: Duration::ZERO },
        Executor::ConstantConnections { connections: many, duration },
    ] {
        let error = refused(&scenario(executor), "http://127.0.0.1", RUN_ID);
        assert!(matches!(error, LoadError::TooManyUsers { users, .. } if users == many), "{error}");
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    }
}

#[test]
fn a_name_is_looked_up_once_and_its_answering_address_is_used() {
    // `localhost` may also mean ::1, where nothing listens.
    let server = Server::start(|_| Some(OK.to_vec()));
    let ran = run(&scenario(constant(100.0, 200)), &format!("http://localhost:{}", server.address.port()));
    assert_eq!(ran.passed(), 20, "{:?}", ran.details());
}

#[test]
fn one_connection_is_one_however_many_threads_there_are() {
    let duration = Duration::from_millis(300);
    for executor in [constant(100.0, 300), Executor::ConstantConnections { connections: 1, duration }] {
        let server = Server::start(|_| {
            std::thread::sleep(Duration::from_millis(5));
            Some(OK.to_vec())
        });
        let name = executor.name();
        let mut scenario = scenario(executor);
        (scenario.load.threads, scenario.load.max_connections) = (4, 1);
        let ran = run(&scenario, &server.url());
        assert!(ran.passed() >= 10 && ran.passed() == ran.done(), "{name}: {:?}", ran.details());
        assert_eq!(server.accepted.load(Ordering::Relaxed), 1, "{name}");
    }
}

#[test]
fn the_checks_of_a_request_that_is_always_the_same_know_the_time() {
    let server = Server::start(|_| {
        let now = super::stamp::wall().as_millis();
        let moments: String = (now - 50..now + 50).map(|ms| format!(",{ms}")).collect();
        Some(format!("HTTP/1.1 200 OK\r\nmoments: {moments},\r\ncontent-length: 0\r\n\r\n").into_bytes())
    });
    let (name, of) = ("now".into(), AnswerSource::Header("moments".into()));
    let checks = vec![Check { name, of, is: Condition::Contains(",${now},".into()) }];
    let asks = Request { checks, ..request("/") };
    let ran = run(&with_requests(scenario(constant(100.0, 200)), vec![asks]), &server.url());
    // Some may be sent or answered late on a busy machine.
    assert!(ran.passed() >= 10 && ran.done() == 20, "{:?}", ran.details());
}

#[test]
fn users_that_cannot_have_a_record_each_are_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "name\nann\nbob\n").expect("written");
    let feeder = |at_end| Feeder {
        name: "user".into(),
        path: file.path().into(),
        format: FeederFormat::Csv,
        order: Order::Unique,
        at_end,
    };
    let duration = Duration::from_millis(50);
    let server = Server::start(|_| Some(OK.to_vec()));
    let asking = |vus, at_end| {
        let executor = Executor::ConstantVus { vus, duration, think_time: Duration::from_millis(5) };
        let asks = with_requests(scenario(executor), vec![Request::new("GET", "/${user.name}")]);
        Scenario { feeders: vec![feeder(at_end)], ..asks }
    };
    let error = refused(&asking(3, AtEnd::Stop), &server.url(), RUN_ID);
    assert!(error.to_string().contains("`user` has 2 records for 3 users"), "{error}");
    assert_eq!(server.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_stop_ends_a_setup_that_hangs() {
    let stop = StopFlag::default();
    let asked = Arc::clone(&stop);
    let server = Server::start(move |_| {
        asked.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(3));
        Some(OK.to_vec())
    });
    let setup = vec![Request::new("POST", "/login")];
    let scenario = Scenario { setup, ..scenario(constant(100.0, 200)) };
    let begun = std::time::Instant::now();
    let base = Url::parse(&server.url()).expect("valid");
    let plan =
        LoadPlan { scenario: &scenario, base, run_id: RUN_ID, clock: RunClock::start(), in_flight: None };
    let error = start(&plan, stop, |_| ()).expect_err("stopped");
    assert!(matches!(error, LoadError::Interrupted), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn requests_in_flight_are_counted_for_others_to_see() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(200));
        Some(OK.to_vec())
    });
    let users =
        Executor::ConstantVus { vus: 10, duration: Duration::from_secs(1), think_time: Duration::ZERO };
    // 50/s of 200 ms each, by Little's law; ten users that do not think.
    for (executor, offered) in [(constant(50.0, 1_000), 50..=50), (users, 30..=60)] {
        let (in_flight, clock, name) = (InFlight::default(), RunClock::start(), executor.name());
        let plan = LoadPlan {
            scenario: &scenario(executor),
            base: Url::parse(&server.url()).expect("valid"),
            run_id: RUN_ID,
            clock,
            in_flight: Some(in_flight.clone()),
        };
        let handle = start(&plan, Arc::default(), |_| ()).expect("starts");
        // In the middle of the requests of users that begin together.
        std::thread::sleep(Duration::from_millis(500));
        let during = in_flight.look(clock.now()).expect("threads count");
        let outcome = handle.join();
        let after = in_flight.look(clock.now()).expect("threads count");
        assert!((8..=14).contains(&during.count), "{name}: {during:?}");
        assert!(after.count == 0 && offered.contains(&outcome.sent), "{name}: {after:?}, {}", outcome.sent);
        let each = after.area as f64 / outcome.sent as f64 / 1e6;
        assert!((199.0..260.0).contains(&each), "{name}: each was in flight for {each} ms");
    }
}
