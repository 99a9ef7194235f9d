//! Journeys against a real server: what one step takes from an answer, the next one sends.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::LoadError;
use super::testing::http2::{self, Ends, Reply};
use super::testing::{Asked, OK, Server, begin, constant, in_time, run, scenario, with_requests};
use crate::run::period::Failure;
use crate::scenario::{
    AnswerSource, Arrivals, AtEnd, Auth, Check, Coding, Condition, Executor, Extract, Feeder, FeederFormat,
    HttpVersion, Journey, Order, Pause, Request, Scenario,
};

fn json(path: &str) -> AnswerSource {
    AnswerSource::Json(path.into())
}

fn extract(variable: &str, from: AnswerSource) -> Extract {
    Extract { variable: variable.into(), from, default: None }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut text =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    text.extend_from_slice(body);
    text
}

fn gzipped(body: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).expect("to memory");
    encoder.finish().expect("to memory")
}

/// A shop that lets nobody buy without the token of the login, the cookie of the list, and an item of the list.
fn shop(asked: &Asked) -> Option<Vec<u8>> {
    let line = asked.head.lines().next().unwrap_or_default();
    let known = asked.header("authorization") == Some("Bearer t-1");
    let cookie = asked.header("cookie").unwrap_or_default();
    Some(match line.split(' ').nth(1).unwrap_or_default() {
        "/login" => answer("200 OK", "", br#"{"token": "t-1"}"#),
        _ if !known => answer("401 Unauthorized", "", b""),
        path if path.starts_with("/items?user=") => {
            let user = &path["/items?user=".len()..];
            let body = gzipped(&format!(r#"{{"owner": "{user}", "items": [{{"id": "i-{user}"}}]}}"#));
            answer("200 OK", &format!("content-encoding: gzip\r\nset-cookie: who={user}; Path=/\r\n"), &body)
        }
        path if path.starts_with("/buy/i-") => match cookie.strip_prefix("who=") {
            Some(user) if path.ends_with(user) => answer("303 See Other", "location: /bought?x=1\r\n", b""),
            _ => answer("403 Forbidden", "", b""),
        },
        "/bought?x=1" => answer("200 OK", "", b"thanks"),
        _ => answer("404 Not Found", "", b""),
    })
}

fn journey(executor: Executor, file: &tempfile::NamedTempFile, at_end: AtEnd) -> Scenario {
    let bearer = || Some(Auth::Bearer("${token}".into()));
    let list = Request {
        name: "list".into(),
        slug: "list".into(),
        auth: bearer(),
        extract: vec![extract("id", json("$.items[0].id"))],
        checks: vec![
            Check { name: "own".into(), of: json("$.owner"), is: Condition::Equals("${user.name}".into()) },
            Check { name: "never".into(), of: json("$.nothing"), is: Condition::Exists },
        ],
        think_time: Pause { from: Duration::from_millis(5), to: Duration::from_millis(5) },
        ..Request::new("GET", "/items?user=${user.name}")
    };
    let buy = Request {
        name: "buy".into(),
        slug: "buy".into(),
        auth: bearer(),
        body: Some(br#"{"id": "${id}"}"#.to_vec()),
        body_template: true,
        ..Request::new("POST", "/buy/${id}")
    };
    let login =
        Request { extract: vec![extract("token", json("$.token"))], ..Request::new("POST", "/login") };
    let feeder = Feeder {
        name: "user".into(),
        path: file.path().into(),
        format: FeederFormat::Csv,
        order: Order::Sequential,
        at_end,
    };
    let mut all = scenario(executor);
    all.requests = vec![list, buy];
    all.journeys = vec![Journey { name: "buy".into(), steps: 0..2, weight: 1 }];
    all.setup = vec![login];
    all.teardown = vec![Request { auth: bearer(), ..Request::new("DELETE", "/gone") }];
    all.feeders = vec![feeder];
    all.target.transport.compression = vec![Coding::Gzip];
    all.target.transport.redirects = 3;
    all
}

fn users(names: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(format!("name\n{names}").as_bytes()).expect("writes");
    file
}

fn without_the_check_that_fails(mut scenario: Scenario) -> Scenario {
    scenario.requests[0].checks.pop();
    scenario
}

#[test]
fn a_journey_carries_values_cookies_and_redirects_from_step_to_step() {
    let server = Server::start(shop);
    let file = users("ann\nbob\n");
    let vus =
        Executor::ConstantVus { vus: 3, duration: Duration::from_millis(400), think_time: Duration::ZERO };
    for executor in [constant(100.0, 500), vus] {
        let name = executor.name();
        let scenario = without_the_check_that_fails(journey(executor, &file, AtEnd::Repeat));
        let ran = run(&scenario, &server.url());
        let [list, buy] = &ran.all[..] else { panic!("two requests") };
        assert!(list.passed >= 20, "{name}: {} passed", list.passed);
        assert_eq!((list.failed_total(), buy.failed_total()), (0, 0), "{name}: {:?}", ran.periods);
        assert!(list.passed - buy.passed <= 3, "{name}: all but those that the end cut off");
        assert_eq!((buy.redirects, list.redirects), (buy.passed, 0), "{name}");
        assert_eq!(ran.outcome.sent, list.passed + buy.passed, "{name}");
        let torn = &ran.outcome.teardown_failures;
        assert_eq!(torn, &[(0, "status 404 was not expected".to_owned())], "{name}");
    }
}

#[test]
fn a_check_that_does_not_hold_is_counted_by_its_place_and_ends_the_journey() {
    let server = Server::start(shop);
    let ran = run(&journey(constant(100.0, 300), &users("ann\n"), AtEnd::Repeat), &server.url());
    let [list, buy] = &ran.all[..] else { panic!("two requests") };
    assert_eq!((list.done(), list.failed[Failure::Check as usize], buy.done()), (30, 30, 0));
    assert_eq!(list.checks, [0, 30]);
    let example = ran.periods.iter().flat_map(|p| &p.failures).next().expect("an example");
    assert_eq!(example.detail, "1 of 2 checks failed, first `never`");
}

#[test]
fn a_status_comes_before_a_body_that_cannot_be_decoded_and_checks_count_all_the_same() {
    let server =
        Server::start(|_| Some(answer("503 Busy", "content-encoding: deflate\r\nx-a: 1\r\n", b"oh")));
    let check = |name: &str, of| Check { name: name.into(), of, is: Condition::Exists };
    let checks = vec![check("head", AnswerSource::Header("x-a".into())), check("body", json("$.id"))];
    let get = Request { checks, ..Request::new("GET", "/") };
    let ran = run(&with_requests(scenario(constant(50.0, 200)), vec![get]), &server.url());
    assert_eq!((ran.done(), ran.failed(Failure::Status)), (10, 10), "{:?}", ran.details());
    assert_eq!(ran.all[0].checks, [0, 10]);
}

#[test]
fn data_that_ends_fails_journeys_or_ends_the_run() {
    let server = Server::start(shop);
    let file = users("ann\nbob\ncy\n");
    let fails = without_the_check_that_fails(journey(constant(100.0, 300), &file, AtEnd::Fail));
    let ran = run(&fails, &server.url());
    assert_eq!((ran.all[0].passed, ran.all[0].failed[Failure::Data as usize]), (3, 27));
    let example = ran.periods.iter().flat_map(|p| &p.failures).next().expect("an example");
    assert_eq!(example.detail, "feeder `user` has no record left");
    let stops = without_the_check_that_fails(journey(constant(100.0, 20_000), &file, AtEnd::Stop));
    let ran = run(&stops, &server.url());
    assert_eq!((ran.all[0].passed, ran.all[0].failed_total(), ran.all[1].passed), (3, 0, 3));
    assert!(!ran.outcome.interrupted && ran.outcome.offered == 6, "{:?}", ran.outcome);
}

#[test]
fn arrivals_that_wait_when_the_data_ends_are_no_failures() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Some(OK.to_vec())
    });
    // One connection, ten answers a second, 200 arrivals: most of them wait when the third record is used up.
    let file = users("ann\nbob\ncy\n");
    let get = Request::new("GET", "/user/${user.name}");
    let mut scenario = with_requests(scenario(constant(200.0, 20_000)), vec![get]);
    scenario.load.threads = 1;
    scenario.load.max_connections = 1;
    let (name, format, path) = ("user".into(), FeederFormat::Csv, file.path().into());
    scenario.feeders = vec![Feeder { name, path, format, order: Order::Sequential, at_end: AtEnd::Stop }];
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.all[0].passed, ran.all[0].failed_total()), (3, 0), "{:?}", ran.details());
    assert!(!ran.outcome.interrupted && ran.outcome.offered == 3, "{:?}", ran.outcome);
}

#[test]
fn records_last_for_the_arrivals_that_take_one() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&paths);
    let server = Server::start(move |asked| {
        let path = asked.head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().expect("no panic").push(path);
        Some(OK.to_vec())
    });
    let file = users("a\nb\nc\nd\ne\nf\n");
    for order in [Order::Sequential, Order::Unique] {
        paths.lock().expect("no panic").clear();
        let rare = Request::new("GET", "/user/${user.name}");
        let often = Request { weight: 9, ..Request::new("GET", "/") };
        let mut scenario = with_requests(scenario(constant(400.0, 20_000)), vec![rare, often]);
        scenario.load.threads = 1;
        let path = file.path().into();
        let (name, format, at_end) = ("user".into(), FeederFormat::Csv, AtEnd::Stop);
        scenario.feeders = vec![Feeder { name, path, format, order, at_end }];
        let ran = run(&scenario, &server.url());
        let mut users = paths.lock().expect("no panic").clone();
        users.retain(|path| path != "/");
        users.sort();
        assert_eq!(users, ["a", "b", "c", "d", "e", "f"].map(|user| format!("/user/{user}")), "{order:?}");
        assert_eq!((ran.all[0].passed, ran.all[0].failed_total()), (6, 0), "{order:?}: {:?}", ran.details());
        assert!(ran.all[1].passed > 10 && ran.all[1].failed_total() == 0, "{order:?}: {:?}", ran.details());
    }
}

#[test]
fn an_extraction_that_finds_nothing_and_a_redirect_elsewhere_are_failures_by_name() {
    let server = Server::start(|asked| {
        let away = asked.head.starts_with("GET /away");
        Some(if away {
            answer("302 Found", "location: http://evil.example/?t=1\r\n", b"")
        } else {
            OK.to_vec()
        })
    });
    let mut scenario = scenario(constant(50.0, 200));
    let lost = Request { extract: vec![extract("id", json("$.id"))], ..Request::new("GET", "/lost") };
    scenario = with_requests(scenario, vec![lost, Request::new("GET", "/away")]);
    scenario.target.transport.redirects = 1;
    let ran = run(&scenario, &server.url());
    let of = |i: usize, kind: Failure| (ran.all[i].failed[kind as usize], ran.all[i].done());
    let (extracts, redirects) = (of(0, Failure::Extract), of(1, Failure::Redirect));
    assert!(extracts.0 == extracts.1 && extracts.0 > 0, "{extracts:?}");
    assert!(redirects.0 == redirects.1 && redirects.0 > 0, "{redirects:?}");
    let details: Vec<_> = ran.periods.iter().flat_map(|p| &p.failures).map(|f| f.detail.as_str()).collect();
    assert!(details.iter().any(|d| d.contains("http://evil.example") && !d.contains("t=1")), "{details:?}");
}

#[test]
fn a_setup_that_fails_sends_no_load() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |asked| {
        seen.lock().expect("no panic").push(asked.head.clone());
        Some(answer("500 Oh", "", b""))
    });
    let file = users("ann\n");
    let scenario = journey(constant(100.0, 300), &file, AtEnd::Repeat);
    let base = url::Url::parse(&server.url()).expect("valid");
    let clock = crate::time::RunClock::start();
    let plan =
        super::LoadPlan { scenario: &scenario, base, run_id: super::testing::RUN_ID, clock, in_flight: None };
    let error = super::start(&plan, Arc::default(), |_| ()).expect_err("no token");
    assert!(matches!(&error, LoadError::Setup { name, .. } if name == "POST /login"), "{error}");
    assert!(error.to_string().contains("status 500 was not expected"), "{error}");
    assert_eq!(heads.lock().expect("no panic").len(), 1);
}

#[test]
fn connections_send_again_as_soon_as_they_have_their_answer() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Some(OK.to_vec())
    });
    let executor = Executor::ConstantConnections { connections: 5, duration: Duration::from_millis(500) };
    let running = begin(&scenario(executor), &server.url());
    let ran = running.join();
    let all = &ran.all[0];
    assert_eq!((all.failed_total(), all.connects), (0, 5));
    // At most 50 in 500 ms each; the machine may be busy.
    assert!((100..=255).contains(&all.passed), "{}", all.passed);
    assert_eq!((ran.outcome.offered, ran.outcome.sent), (all.passed, all.passed));
    assert_eq!(ran.outcome.schedule_ended.since(ran.outcome.started), 500_000_000);
}

#[test]
fn poisson_arrivals_are_as_many_and_bunched() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let mut poisson = scenario(constant(400.0, 1000));
    poisson.load.arrivals = Arrivals::Poisson;
    // Seed 1 happens to give exactly 400.
    poisson.load.seed = 2;
    let ran = run(&poisson, &server.url());
    // Standard deviation of the count: 20.
    assert!((320..=480).contains(&ran.all[0].passed), "{}", ran.all[0].passed);
    assert_eq!((ran.all[0].failed_total(), ran.outcome.offered), (0, ran.all[0].passed));
    assert_ne!(ran.outcome.offered, 400, "as likely as not to be even");
}

#[test]
fn http2_shares_connections_and_outlives_those_that_the_server_closes() {
    let vus =
        Executor::ConstantVus { vus: 3, duration: Duration::from_millis(600), think_time: Duration::ZERO };
    let connections = Executor::ConstantConnections { connections: 2, duration: Duration::from_millis(600) };
    for executor in [constant(500.0, 600), connections, vus] {
        let server = http2::Server::start(Ends::After(50), |asked| {
            let traced = asked.head.headers.contains_key("traceparent");
            Reply::status(if traced { 200 } else { 400 }, "{\"id\": \"7\"}")
        });
        let name = executor.name();
        let lookup = Request { extract: vec![extract("id", json("$.id"))], ..Request::new("GET", "/lookup") };
        let mut scenario = scenario(executor);
        scenario.load.threads = 1;
        scenario.load.max_connections = 2;
        scenario = with_requests(scenario, vec![lookup]);
        scenario.target.transport.http = HttpVersion::Http2 { streams: 4 };
        let ran = run(&scenario, &server.url);
        let all = &ran.all[0];
        let examples: Vec<_> = ran.periods.iter().flat_map(|p| &p.failures).collect();
        assert!(all.passed >= 150, "{name}: {} passed", all.passed);
        assert_eq!(all.failed_total(), 0, "{name}: {examples:?}");
        let accepted = server.accepted.load(Ordering::Relaxed);
        assert!(accepted > all.passed / 60 && accepted <= all.passed / 20 + 3, "{name}: {accepted}");
        assert!(ran.periods.iter().all(|p| p.connections <= 3), "{name}");
    }
}

/// `PUT /from` with a body of so many bytes, to be followed once, with little patience.
fn redirected(http: HttpVersion, body: usize) -> Scenario {
    let put = Request { body: Some(numbered(body)), ..Request::new("PUT", "/from") };
    let mut scenario = with_requests(scenario(constant(40.0, 250)), vec![put]);
    scenario.target.timeout = Duration::from_millis(800);
    scenario.target.transport.http = http;
    scenario.target.transport.redirects = 1;
    scenario
}

fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

#[test]
fn a_redirect_that_keeps_the_method_keeps_a_body_of_any_length() {
    for len in [0, 300, 40 * 1024] {
        let server = Server::start(move |asked| {
            let whole = asked.body == numbered(len);
            Some(match asked.head.split("HTTP/1.1").next().unwrap_or_default() {
                "PUT /from " => answer("307 Temporary Redirect", "location: /to\r\n", b""),
                "PUT /to " if whole => answer("200 OK", "", b""),
                _ => answer("400 Bad Request", "", b""),
            })
        });
        let ran = run(&redirected(HttpVersion::Http1, len), &server.url());
        let followed = (ran.passed(), ran.all[0].redirects);
        assert_eq!(followed, (10, 10), "{len} bytes: {:?}", ran.details());
    }
}

#[test]
fn a_redirect_that_keeps_the_method_keeps_its_body_over_http2() {
    for len in [0, 300, 40 * 1024] {
        let server = http2::Server::start(Ends::Never, move |asked| match asked.head.uri.path() {
            _ if asked.head.method != "PUT" || asked.body != numbered(len) => Reply::status(400, ""),
            "/from" => {
                let away = http::Response::builder().status(307).header("location", "/to");
                Reply::Answer(away.body(bytes::Bytes::new()).expect("valid"))
            }
            _ => Reply::status(200, ""),
        });
        let ran = run(&redirected(HttpVersion::Http2 { streams: 4 }, len), &server.url);
        let followed = (ran.passed(), ran.all[0].redirects);
        assert_eq!(followed, (10, 10), "{len} bytes: {:?}", ran.details());
    }
}

/// Requests of one user, or of one lane, one after the other over HTTP/2.
fn one_by_one() -> [Scenario; 2] {
    let duration = Duration::from_millis(300);
    let executors = [
        Executor::ConstantConnections { connections: 1, duration },
        Executor::ConstantVus { vus: 1, duration, think_time: Duration::ZERO },
    ];
    executors.map(|executor| {
        let mut scenario = scenario(executor);
        scenario.load.threads = 1;
        scenario.target.transport.http = HttpVersion::Http2 { streams: 1 };
        scenario
    })
}

#[test]
fn what_a_closing_server_did_not_look_at_is_sent_again_over_another_connection() {
    for (refusing, failed) in [(3, 0), (4, 1)] {
        for scenario in one_by_one() {
            let name = scenario.load.executor.name();
            let server = http2::Server::start(Ends::Refusing(refusing), |_| Reply::status(200, "ok"));
            let ran = run(&scenario, &server.url);
            let all = &ran.all[0];
            let accepted = server.accepted.load(Ordering::Relaxed);
            assert!(all.passed > 5, "{name}: {} passed", all.passed);
            assert_eq!((all.failed_total(), accepted), (failed, refusing + 1), "{name}: {:?}", ran.details());
            assert_eq!((all.connects, all.resent), (accepted, 3), "{name}: also those within a hit");
            assert_eq!(all.failed[Failure::Closed as usize], failed, "{name}");
            let closes = |detail: &String| detail == "the server closes the connection: GOAWAY NO_ERROR";
            assert!(ran.details().iter().all(closes), "{name}: {:?}", ran.details());
        }
    }
}

#[test]
fn a_refused_stream_is_opened_again_a_few_times() {
    for scenario in one_by_one() {
        let name = scenario.load.executor.name();
        // The first three of every four.
        let server = http2::Server::start(Ends::Never, |asked| {
            if asked.number % 4 == 0 { Reply::status(200, "ok") } else { Reply::Refused }
        });
        let ran = run(&scenario, &server.url);
        assert!(ran.passed() > 5 && ran.done() == ran.passed(), "{name}: {:?}", ran.details());
        assert_eq!(server.accepted.load(Ordering::Relaxed), 1, "{name}: the connection goes on");
        assert_eq!(ran.outcome.sent, ran.passed(), "{name}: a hit counts once");
        assert_eq!((ran.all[0].resent, ran.all[0].connects), (3 * ran.passed(), 1), "{name}");

        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let server = http2::Server::start(Ends::Never, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Reply::Refused
        });
        let ran = run(&scenario, &server.url);
        assert!(ran.done() > 5 && ran.failed(Failure::Closed) == ran.done(), "{name}: {:?}", ran.details());
        assert_eq!(asked.load(Ordering::Relaxed), 4 * ran.done(), "{name}");
        assert_eq!(ran.all[0].resent, 3 * ran.done(), "{name}");
        assert_eq!(ran.details()[0], "the server reset the stream: REFUSED_STREAM", "{name}");
    }
}

#[test]
fn setup_is_sent_again_where_a_closing_server_did_not_look_at_it() {
    let [mut scenario, _] = one_by_one();
    scenario.setup = vec![Request::new("POST", "/login")];
    let server = http2::Server::start(Ends::Refusing(3), |_| Reply::status(200, "ok"));
    let ran = run(&scenario, &server.url);
    assert!(ran.passed() > 5 && ran.done() == ran.passed(), "{:?}", ran.details());
    // Setup's fourth connection, and the lane's.
    assert_eq!(server.accepted.load(Ordering::Relaxed), 5);
}

#[test]
fn teardown_without_a_record_is_a_failure() {
    let server = Server::start(shop);
    let file = users("ann\n");
    let executor =
        Executor::ConstantVus { vus: 1, duration: Duration::from_secs(20), think_time: Duration::ZERO };
    let mut scenario = without_the_check_that_fails(journey(executor, &file, AtEnd::Stop));
    scenario.teardown = vec![Request::new("GET", "/items?user=${user.name}")];
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.all[0].passed, ran.all[1].passed), (1, 1), "{:?}", ran.details());
    let expected = [(0, "a feeder whose columns it uses has no record left".to_owned())];
    assert_eq!(ran.outcome.teardown_failures, expected);
}

#[test]
fn a_redirect_is_relative_to_the_request_that_it_answers() {
    let server = Server::start(|asked| {
        Some(match asked.head.split(' ').nth(1).unwrap_or_default() {
            "/deep/from" => answer("302 Found", "location: to\r\n", b""),
            "/deep/to" => answer("200 OK", "", b""),
            path if path.ends_with("/to") => answer("404 Not Found", "", b""),
            _ => answer("200 OK", "", b""),
        })
    });
    // The second step has no variables and no cookies, and so nothing of its own in the user's buffers.
    let steps = vec![Request::new("GET", "/first/${seq}"), Request::new("GET", "/deep/from")];
    let mut scenario = with_requests(scenario(constant(40.0, 250)), steps);
    scenario.journeys = vec![Journey { name: "both".into(), steps: 0..2, weight: 1 }];
    scenario.target.transport.cookies = false;
    scenario.target.transport.redirects = 1;
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.all[0].passed, ran.all[1].passed), (10, 10), "{:?}", ran.details());
}

/// Executors that begin the next hit as soon as the last one is over.
fn restless(millis: u64) -> Vec<Executor> {
    let duration = Duration::from_millis(millis);
    let vus = Executor::ConstantVus { vus: 2, duration, think_time: Duration::ZERO };
    vec![Executor::ConstantConnections { connections: 2, duration }, vus]
}

/// Two users at work on one thread, hits that wait for nothing: the run must end all the same.
fn ends(mut scenario: Scenario, url: String) -> super::testing::Ran {
    scenario.load.threads = 1;
    in_time(move || run(&scenario, &url))
}

#[test]
fn data_at_its_end_stops_the_closed_model() {
    let server = Server::start(shop);
    for executor in restless(60_000) {
        let name = executor.name();
        let file = users("ann\nbob\ncy\n");
        let stops = without_the_check_that_fails(journey(executor, &file, AtEnd::Stop));
        let ran = ends(stops, server.url());
        assert_eq!((ran.all[0].failed_total(), ran.outcome.interrupted), (0, false), "{name}");
        assert!((1..=6).contains(&ran.all[0].passed), "{name}: {}", ran.all[0].passed);
        assert_eq!(ran.outcome.offered, ran.done(), "{name}");
    }
}

#[test]
fn threads_of_unlike_pace_use_every_record_once() {
    let asked = Arc::new(Mutex::new((Vec::new(), None)));
    let books = Arc::clone(&asked);
    let server = Server::start(move |asked| {
        let connection = std::thread::current().id();
        let slow = {
            let mut books = books.lock().expect("no panic");
            books.0.push(asked.head.split(' ').nth(1).unwrap_or_default().to_owned());
            *books.1.get_or_insert(connection) == connection
        };
        std::thread::sleep(Duration::from_millis(if slow { 40 } else { 1 }));
        Some(answer("200 OK", "", b""))
    });
    let names: Vec<String> = (0..60).map(|n| format!("u{n:02}")).collect();
    let file = users(&(names.join("\n") + "\n"));
    let executor = Executor::ConstantConnections { connections: 2, duration: Duration::from_secs(20) };
    let mut scenario = journey(executor, &file, AtEnd::Stop);
    scenario.requests = vec![Request::new("GET", "/${user.name}")];
    scenario.journeys = vec![Journey { name: "one".into(), steps: 0..1, weight: 1 }];
    (scenario.setup, scenario.teardown) = (Vec::new(), Vec::new());
    scenario.load.threads = 2;
    let url = server.url();
    let ran = in_time(move || run(&scenario, &url));
    let mut paths = asked.lock().expect("no panic").0.clone();
    paths.sort();
    assert_eq!(paths, names.iter().map(|n| format!("/{n}")).collect::<Vec<_>>(), "{:?}", ran.details());
    assert_eq!((ran.passed(), ran.done()), (60, 60), "{:?}", ran.details());
}

#[test]
fn hits_that_are_never_sent_do_not_take_the_thread_for_themselves() {
    let server = Server::start(shop);
    let nowhere = crate::ports::nobody();
    for executor in restless(400) {
        let name = executor.name();
        let file = users("ann\n");
        let used_up = without_the_check_that_fails(journey(executor.clone(), &file, AtEnd::Fail));
        // The second column is missing in its only row.
        let mut short = tempfile::NamedTempFile::new().expect("a file");
        short.write_all(b"name,town\nann\n").expect("writes");
        let mut lacking = journey(executor.clone(), &short, AtEnd::Repeat);
        lacking.requests = vec![Request::new("GET", "/${user.town}")];
        lacking.journeys = vec![Journey { name: "town".into(), steps: 0..1, weight: 1 }];
        (lacking.setup, lacking.teardown) = (Vec::new(), Vec::new());
        let refused = scenario(executor);
        let cases = [
            (used_up, server.url(), Failure::Data),
            (lacking, server.url(), Failure::Data),
            (refused, format!("http://{nowhere}"), Failure::Connect),
        ];
        for (scenario, url, kind) in cases {
            let ran = ends(scenario, url);
            let failed = ran.failed(kind);
            // Two users, 10 ms a hit: at most 40 each.
            assert!((2..=84).contains(&failed), "{name}: {failed} of {kind:?}, {:?}", ran.details());
            assert!(ran.outcome.ended.since(ran.outcome.schedule_ended) < 300_000_000, "{name}: {kind:?}");
        }
    }
}

#[test]
fn a_request_of_no_session_carries_nobodys_cookie() {
    let strangers = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&strangers);
    let server = Server::start(move |asked| {
        if asked.head.starts_with("GET /alone") && asked.header("cookie").is_some() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let away = asked.head.starts_with("GET /alone ");
        Some(match asked.head.starts_with("GET /login") {
            true => answer("200 OK", "set-cookie: session=somebody; Path=/\r\n", b""),
            false if away => answer("302 Found", "location: /alone-too\r\n", b""),
            false => answer("200 OK", "", b""),
        })
    });
    let paths = ["/login", "/basket", "/alone"];
    let requests = paths.iter().map(|path| Request::new("GET", path)).collect();
    let mut scenario = with_requests(scenario(constant(200.0, 500)), requests);
    let journey = |name: &str, steps| Journey { name: name.into(), steps, weight: 1 };
    scenario.journeys = vec![journey("session", 0..2), journey("alone", 2..3)];
    scenario.target.transport.cookies = true;
    scenario.target.transport.redirects = 1;
    // All arrivals through one session.
    (scenario.load.threads, scenario.load.max_connections) = (1, 1);
    let ran = run(&scenario, &server.url());
    assert!(ran.all[1].passed > 10 && ran.all[2].passed > 10, "{:?}", ran.details());
    assert_eq!(ran.passed(), ran.done(), "{:?}", ran.details());
    assert_eq!(strangers.load(Ordering::Relaxed), 0);
}
