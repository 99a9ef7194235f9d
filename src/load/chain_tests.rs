//! Hits of several exchanges, and hits that wait for a stream: what counts as what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::testing::http2::{self, Ends, Reply};
use super::testing::{OK, Ran, Server, constant, run, scenario, with_requests};
use crate::run::period::{Failure, Phase};
use crate::scenario::{HttpVersion, Request, Scenario};
use crate::time::MILLISECOND;

/// Arrivals of one thread over HTTP/2, at most eight at the same time on a connection.
fn wide(rate: f64, millis: u64, connections: usize) -> Scenario {
    let mut scenario = scenario(constant(rate, millis));
    (scenario.load.threads, scenario.load.max_connections) = (1, connections);
    scenario.target.transport.http = HttpVersion::Http2 { streams: 8 };
    scenario
}

fn longest(ran: &Ran, phase: Phase) -> u64 {
    ran.all[0].phases[phase as usize].max() / MILLISECOND
}

#[test]
fn the_wait_for_a_stream_is_in_the_response_time_and_not_in_the_service_time() {
    let server = http2::Server::narrow(2, |_| Reply::Late(100));
    // Eight arrivals in 20 ms, two at a time: the last ones wait for three others.
    let ran = run(&wide(400.0, 20, 1), &server.url);
    let all = &ran.all[0];
    assert_eq!((all.passed, all.failed_total(), all.resent), (8, 0, 0), "{:?}", ran.details());
    let (response, service) = (all.response.max() / MILLISECOND, all.service.max() / MILLISECOND);
    assert!(response >= 350 && (99..200).contains(&service), "{response} ms, {service} ms");
    let (queue, wait) = (longest(&ran, Phase::Queue), longest(&ran, Phase::Wait));
    assert!(queue >= 250 && wait < 200 && longest(&ran, Phase::Send) < 100, "{queue} ms, {wait} ms");
    assert!(ran.periods.iter().all(|p| p.streams <= 2), "what waits is not under way");
    assert_eq!((server.accepted.load(Ordering::Relaxed), all.connects), (1, 1));
}

#[test]
fn lanes_go_where_the_server_allows_another_stream() {
    let server = http2::Server::narrow(2, |_| Reply::Late(100));
    let ran = run(&wide(400.0, 20, 4), &server.url);
    let all = &ran.all[0];
    assert_eq!((all.passed, all.connects), (8, 4), "{:?}", ran.details());
    assert_eq!(server.accepted.load(Ordering::Relaxed), 4);
    assert!(all.response.max() < 200 * MILLISECOND, "{}", all.response.max());
}

#[test]
fn what_still_waits_for_a_stream_at_the_end_was_never_sent() {
    let server = http2::Server::narrow(1, |_| Reply::Late(10_000));
    let mut ends = wide(200.0, 20, 1);
    ends.load.graceful_stop = Duration::from_millis(200);
    let ran = run(&ends, &server.url);
    assert_eq!((ran.failed(Failure::Timeout), ran.failed(Failure::Unsent)), (1, 3), "{:?}", ran.details());
    assert_eq!((ran.outcome.offered, ran.outcome.sent, ran.all[0].service.len()), (4, 1, 1));
}

#[test]
fn one_time_limit_covers_the_wait_for_a_stream_and_the_answer() {
    let server = http2::Server::narrow(1, |_| Reply::Late(10_000));
    let mut impatient = wide(50.0, 80, 1);
    impatient.target.timeout = Duration::from_millis(200);
    let ran = run(&impatient, &server.url);
    assert_eq!((ran.done(), ran.failed(Failure::Timeout)), (4, 4), "{:?}", ran.details());
    let (response, service) = (&ran.all[0].response, &ran.all[0].service);
    assert!(response.min() >= 199 * MILLISECOND && response.max() < 300 * MILLISECOND, "{}", response.max());
    assert!(service.min() < 150 * MILLISECOND, "the later ones had less of it left: {}", service.min());
}

#[test]
fn who_waits_in_vain_for_a_stream_is_told_so() {
    let server = http2::Server::narrow(1, |_| Reply::Late(10_000));
    let limited =
        |path, millis| Request { timeout: Some(Duration::from_millis(millis)), ..Request::new("GET", path) };
    // As many as there are places in line, so that nobody waits for one of these.
    let hogged = with_requests(wide(100.0, 80, 1), vec![limited("/", 100), limited("/hog", 2000)]);
    let ran = run(&hogged, &server.url);
    let words = "no connection with a free stream within the time limit";
    assert!(ran.details().iter().any(|d| d == words), "{:?}", ran.details());
    assert_eq!((ran.done(), ran.failed(Failure::Timeout)), (8, 8), "{:?}", ran.details());
    assert!(ran.all[0].response.max() < 250 * MILLISECOND, "{}", ran.all[0].response.max());
    assert!((1..8).contains(&ran.outcome.sent), "{}", ran.outcome.sent);
}

/// `GET /from`, to be followed once.
fn followed(http: HttpVersion) -> Scenario {
    let mut scenario = with_requests(scenario(constant(40.0, 100)), vec![Request::new("GET", "/from")]);
    scenario.target.timeout = Duration::from_millis(300);
    scenario.target.transport.http = http;
    scenario.target.transport.redirects = 1;
    scenario
}

const AWAY: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: /to\r\ncontent-length: 300\r\n\r\n";

fn away() -> Vec<u8> {
    [AWAY, &[b'.'; 300]].concat()
}

#[test]
fn a_connection_opened_behind_a_redirect_counts_as_opened() {
    let server =
        Server::start(|asked| Some(if asked.head.starts_with("GET /from") { away() } else { OK.to_vec() }));
    for keep_alive in [true, false] {
        let mut scenario = followed(HttpVersion::Http1);
        scenario.target.keep_alive = keep_alive;
        let before = server.accepted.load(Ordering::Relaxed);
        let ran = run(&scenario, &server.url());
        let all = &ran.all[0];
        assert_eq!((all.passed, all.redirects), (4, 4), "{:?}", ran.details());
        let accepted = server.accepted.load(Ordering::Relaxed) - before;
        assert_eq!(all.connects, accepted);
        assert_eq!(accepted == 8, !keep_alive, "{accepted}");
    }
}

#[test]
fn a_hit_that_fails_behind_a_redirect_keeps_the_bytes_before_it() {
    // Cut off at the time limit, or closed.
    for hangs in [true, false] {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let server = Server::start(move |asked| {
            count.fetch_add(asked.head.len() as u64, Ordering::Relaxed);
            let first = asked.head.starts_with("GET /from");
            if !first && hangs {
                std::thread::sleep(Duration::from_millis(900));
            }
            first.then(away)
        });
        let ran = run(&followed(HttpVersion::Http1), &server.url());
        let kind = if hangs { Failure::Timeout } else { Failure::Closed };
        let all = &ran.all[0];
        assert_eq!((ran.failed(kind), all.redirects), (4, 4), "{:?}", ran.details());
        assert_eq!(all.bytes_in, 4 * away().len() as u64, "{kind:?}");
        assert_eq!(all.bytes_out, sent.load(Ordering::Relaxed), "{kind:?}");
    }
}

#[test]
fn a_hit_cut_off_behind_a_redirect_keeps_its_bytes_over_http2_too() {
    let run_with = |millis: u64| {
        let server = http2::Server::start(Ends::Never, move |asked| match asked.head.uri.path() {
            "/from" => {
                let away = http::Response::builder().status(302).header("location", "/to");
                Reply::Answer(away.body(vec![b'.'; 5_000].into()).expect("valid"))
            }
            _ => Reply::Late(millis),
        });
        run(&followed(HttpVersion::Http2 { streams: 4 }), &server.url)
    };
    let (whole, cut) = (run_with(1), run_with(10_000));
    assert_eq!((whole.passed(), cut.failed(Failure::Timeout)), (4, 4), "{:?}", cut.details());
    let (whole, cut) = (&whole.all[0], &cut.all[0]);
    assert_eq!((whole.bytes_out, whole.redirects), (cut.bytes_out, cut.redirects));
    // All but the heads of the last answers.
    assert!(cut.bytes_in > 20_000 && cut.bytes_in < whole.bytes_in, "{} {}", cut.bytes_in, whole.bytes_in);
}
