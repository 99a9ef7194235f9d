//! Whole runs of the open model against a real server on loopback.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load::testing::{OK, RUN_ID, Server, begin, constant, request, run, scenario, with_requests};
use crate::run::period::{Failure, Phase};
use crate::scenario::{Executor, Expectation, Rate, Request, Stage};
use crate::time::{MILLISECOND, SECOND};

#[test]
fn a_constant_rate_sends_exactly_the_planned_count() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let ran = run(&scenario(constant(500.0, 1000)), &server.url());
    assert_eq!((ran.outcome.offered, ran.outcome.sent, ran.passed()), (500, 500, 500));
    assert_eq!(server.asked.load(Ordering::Relaxed), 500);
    assert!(!ran.outcome.interrupted);
    assert_eq!(ran.outcome.schedule_ended, ran.outcome.started.plus(SECOND));
    assert!(ran.outcome.ended >= ran.outcome.schedule_ended);
    // Periods follow each other without a gap, and each asks for its share.
    let mut at = ran.outcome.started;
    for period in &ran.periods {
        assert_eq!(period.window.from, at);
        at = period.window.to;
    }
    assert_eq!(at, ran.outcome.ended);
    assert!(ran.periods[..4].iter().all(|p| p.offered == 125 && p.window.nanos() == 250 * MILLISECOND));
    let all = &ran.all[0];
    assert_eq!((all.response.len(), all.service.len(), all.status), (500, 500, [0, 500, 0, 0, 0]));
    assert_eq!(all.bytes_in, 500 * OK.len() as u64);
    assert_eq!(all.connects, server.accepted.load(Ordering::Relaxed));
    assert_eq!(all.phases[Phase::Wait as usize].len(), 500);
    assert_eq!(all.phases[Phase::Dns as usize].len(), 0);
    assert_eq!(ran.periods.iter().map(|p| p.lateness.len()).sum::<u64>(), 500);
}

#[test]
fn a_stalled_server_is_seen_by_every_arrival_that_waits() {
    // 200/s for 3 s; everything between 1 s and 2 s is answered at 2 s.
    let begun = Mutex::new(None::<Instant>);
    let server = Server::start(move |_| {
        let first = *begun.lock().expect("no panic").get_or_insert_with(Instant::now);
        let stalled = Duration::from_secs(1)..Duration::from_secs(2);
        if stalled.contains(&first.elapsed()) {
            std::thread::sleep(stalled.end.saturating_sub(first.elapsed()));
        }
        Some(OK.to_vec())
    });
    let mut scenario = scenario(constant(200.0, 3000));
    scenario.load.max_connections = 8;
    let ran = run(&scenario, &server.url());
    assert_eq!(ran.passed(), 600);
    // By hand: arrival n is due at 5 n ms and answered at once, or at 2 s if it is due in [1 s, 2 s).
    let mut expected: Vec<u64> = (0..600_u64)
        .map(|n| n * 5 * MILLISECOND)
        .map(|due| if (SECOND..2 * SECOND).contains(&due) { 2 * SECOND - due } else { 0 })
        .collect();
    expected.sort_unstable();
    for q in [0.8, 0.85, 0.9, 0.95, 0.99, 0.999] {
        let by_hand = expected[(q * 600.0_f64).ceil() as usize - 1] as f64;
        let measured = ran.all[0].response.value_at_quantile(q) as f64;
        assert!((measured / by_hand - 1.0).abs() < 0.02, "p{}: {measured} against {by_hand}", q * 100.0);
    }
    // Only the eight requests under way took a second of service.
    let service = &ran.all[0].service;
    assert!(service.value_at_quantile(0.95) < 100 * MILLISECOND, "service time hides the stall");
    assert!(service.max() > 900 * MILLISECOND);
    assert!(ran.periods.iter().any(|p| p.backlog > 100));
    assert!(
        ran.periods.iter().any(|p| p.slowest.first().is_some_and(|s| s.response_nanos > 900 * MILLISECOND))
    );
}

#[test]
fn ramps_follow_their_stages() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let stage = |ms, to, hold| Stage { duration: Duration::from_millis(ms), to: Rate(to), hold };
    let stages = vec![stage(500, 400.0, false), stage(500, 100.0, true)];
    let ran = run(&scenario(Executor::RampingArrivalRate { start: Rate(0.0), stages }), &server.url());
    assert_eq!((ran.outcome.sent, ran.passed()), (150, 150));
    let offered: Vec<_> = ran.periods.iter().map(|p| p.offered).take(4).collect();
    assert_eq!(offered, [25, 75, 25, 25]);
}

#[test]
fn a_timeout_counts_at_its_age() {
    let server = Server::start(|asked| {
        if asked.number % 4 == 3 {
            std::thread::sleep(Duration::from_secs(2));
        }
        Some(OK.to_vec())
    });
    let mut scenario = scenario(constant(100.0, 600));
    scenario.requests[0].timeout = Some(Duration::from_millis(150));
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.done(), ran.failed(Failure::Timeout)), (60, 15));
    let age = ran.all[0].response.max();
    assert!((150 * MILLISECOND..350 * MILLISECOND).contains(&age), "oldest is {age} ns");
    assert!(ran.details()[0].contains("time limit"));
    assert!(ran.outcome.ended.since(ran.outcome.schedule_ended) < 500 * MILLISECOND);
}

#[test]
fn what_cannot_be_sent_before_the_end_counts_at_its_age() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(400));
        Some(OK.to_vec())
    });
    let mut scenario = scenario(constant(100.0, 500));
    (scenario.load.max_connections, scenario.load.threads) = (2, 2);
    scenario.load.graceful_stop = Duration::from_millis(500);
    let ran = run(&scenario, &server.url());
    // Two connections, 400 ms each: sent at 0, 400 and 800 ms; the last two are cut off at 1000 ms.
    assert_eq!((ran.outcome.offered, ran.outcome.sent), (50, 6));
    assert_eq!((ran.passed(), ran.failed(Failure::Timeout), ran.failed(Failure::Unsent)), (4, 2, 44));
    let all = &ran.all[0];
    assert_eq!((all.response.len(), all.service.len()), (50, 6));
    // The last arrival was due at 490 ms: the youngest age is 510 ms.
    assert!(all.response.min() >= 400 * MILLISECOND && all.response.max() <= 1_100 * MILLISECOND);
    assert!(all.response.value_at_quantile(0.2) >= 500 * MILLISECOND);
    assert_eq!(ran.periods[1].backlog, 50 - 4);
    assert_eq!(ran.outcome.ended.since(ran.outcome.schedule_ended) / (100 * MILLISECOND), 5);
}

#[test]
fn broken_servers_are_counted_and_the_run_ends_in_time() {
    type Answer = fn() -> Option<Vec<u8>>;
    let cases: [(Failure, Answer); 5] = [
        (Failure::Closed, || None),
        (Failure::Closed, || {
            Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nx".to_vec())
        }),
        (Failure::Protocol, || Some(b"\x00\xff\x00garbage".to_vec())),
        (Failure::Protocol, || Some([b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(20_000)].concat())),
        (Failure::Protocol, || Some([OK, OK].concat())),
    ];
    for (i, (kind, answer)) in cases.into_iter().enumerate() {
        let server = Server::start(move |asked| {
            let answer = answer();
            // The second case promises more than it sends.
            if i == 1 && asked.number < 1_000 {
                return answer.map(|a| [a, vec![]].concat());
            }
            answer
        });
        let mut scenario = scenario(constant(100.0, 300));
        scenario.requests[0].timeout = Some(Duration::from_millis(200));
        let ran = run(&scenario, &server.url());
        let expected = if i == 1 { Failure::Timeout } else { kind };
        assert_eq!((ran.done(), ran.failed(expected)), (30, 30), "case {i}: {:?}", ran.details());
        assert!(ran.outcome.ended.since(ran.outcome.schedule_ended) < SECOND, "case {i}");
        assert!(ran.details().len() <= 6, "three examples a thread");
    }
}

#[test]
fn a_reset_counts_as_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Closing with a request unread, and no time to linger, resets the connection.
            std::thread::sleep(Duration::from_millis(5));
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    let ran = run(&scenario(constant(50.0, 200)), &format!("http://{address}"));
    assert_eq!((ran.done(), ran.failed(Failure::Closed)), (10, 10), "{:?}", ran.details());
}

#[test]
fn a_refused_connection_is_a_failure_that_was_never_sent() {
    let closed = crate::ports::nobody();
    let ran = run(&scenario(constant(100.0, 200)), &format!("http://{closed}"));
    assert_eq!((ran.failed(Failure::Connect), ran.outcome.sent), (20, 0));
    assert_eq!((ran.all[0].response.len(), ran.all[0].service.len()), (20, 0));
    assert_eq!(ran.all[0].phases[Phase::Connect as usize].len(), 20);
    assert!(ran.details()[0].contains("refused"), "{:?}", ran.details());
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_not_used_again() {
    // Every answer is followed by a close that it did not announce.
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let _ = std::io::Read::read(&mut stream, &mut buffer);
                let _ = stream.write_all(OK);
            });
        }
    });
    let mut scenario = scenario(constant(50.0, 500));
    scenario.load.threads = 1;
    let ran = run(&scenario, &format!("http://{address}"));
    assert_eq!(ran.passed(), 25, "{:?}", ran.details());
    assert_eq!(ran.all[0].connects, 25);
}

#[test]
fn keep_alive_off_opens_a_connection_for_every_request() {
    let closing = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&closing);
    let server = Server::start(move |asked| {
        *seen.lock().expect("no panic") += u64::from(asked.header("connection") == Some("close"));
        Some(OK.to_vec())
    });
    let mut scenario = scenario(constant(100.0, 400));
    scenario.target.keep_alive = false;
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.passed(), server.accepted.load(Ordering::Relaxed)), (40, 40));
    assert_eq!((ran.all[0].connects, *closing.lock().expect("no panic")), (40, 40));
    assert_eq!(ran.all[0].phases[Phase::Connect as usize].len(), 40);
    assert!(ran.periods.last().is_some_and(|p| p.connections == 0));
}

#[test]
fn requests_are_drawn_by_weight_and_judged_by_their_expectation() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |asked| {
        seen.lock().expect("no panic").push(asked.head.clone());
        let text: &[u8] = match &asked.head {
            head if head.starts_with("HEAD") => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            head if head.starts_with("GET /missing") => b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n",
            _ => OK,
        };
        Some(text.to_vec())
    });
    let with = |path: &str, weight, expect| Request { weight, expect, ..request(path) };
    let contains = |text: &str| Expectation { body_contains: Some(text.into()), ..Expectation::default() };
    let mut scenario = scenario(constant(400.0, 500));
    scenario.load.sampled = 0.5;
    let requests = vec![
        with("/a", 3, contains("ok")),
        with("/b", 1, contains("never")),
        with("/missing", 1, Expectation { status: vec![404], ..Expectation::default() }),
        Request { method: "HEAD".into(), ..with("/head", 1, Expectation::default()) },
    ];
    let scenario = with_requests(scenario, requests);
    let ran = run(&scenario, &server.url());
    let done: Vec<_> = ran.all.iter().map(|r| r.done()).collect();
    assert_eq!(done.iter().sum::<u64>(), 200);
    assert!((60..140).contains(&done[0]), "{done:?}");
    assert_eq!((ran.all[0].passed, ran.all[1].failed[Failure::Body as usize]), (done[0], done[1]));
    assert_eq!((ran.all[2].passed, ran.all[3].passed), (done[2], done[3]));
    let heads = heads.lock().expect("no panic");
    let traces: HashSet<_> = heads
        .iter()
        .filter_map(|h| h.lines().find_map(|l| l.strip_prefix(&format!("traceparent: 00-{RUN_ID}"))))
        .collect();
    assert_eq!(traces.len(), 200, "every request has a trace id of its own");
    let numbers: HashSet<_> =
        traces.iter().map(|t| u64::from_str_radix(&t[..16], 16).expect("hex")).collect();
    assert_eq!(numbers, (0..200).collect());
    let sampled = traces.iter().filter(|t| t.ends_with("-01")).count();
    assert!((60..140).contains(&sampled), "{sampled} of 200 are sampled");
}

#[test]
fn a_stop_ends_the_run_early_and_in_order() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let running = begin(&scenario(constant(100.0, 60_000)), &server.url());
    std::thread::sleep(Duration::from_millis(300));
    running.stop.store(true, Ordering::Relaxed);
    let ran = running.join();
    let length = ran.outcome.ended.since(ran.outcome.started);
    assert!(ran.outcome.interrupted && length < 2 * SECOND, "{length} ns");
    assert_eq!((ran.done(), ran.outcome.sent), (ran.outcome.offered, ran.outcome.offered));
    assert!(ran.outcome.offered >= 25 && ran.outcome.schedule_ended <= ran.outcome.ended);
}

#[test]
fn a_connect_that_hangs_is_a_timeout_at_its_age() {
    // A listener with a full accept queue answers no further connect.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().expect("address").into()).expect("loopback");
    socket.listen(0).expect("listens");
    let address = socket.local_addr().expect("bound").as_socket().expect("inet");
    let fillers: Vec<_> = (0..4)
        .map(|_| {
            let filler =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
            filler.set_nonblocking(true).expect("sets");
            let _ = filler.connect(&address.into());
            filler
        })
        .collect();
    let mut scenario = scenario(constant(50.0, 200));
    scenario.target.timeout = Duration::from_millis(200);
    let ran = run(&scenario, &format!("http://{address}"));
    drop(fillers);
    assert_eq!(
        (ran.done(), ran.failed(Failure::Timeout), ran.outcome.sent),
        (10, 10, 0),
        "{:?}",
        ran.details()
    );
    let response = &ran.all[0].response;
    assert!(response.min() >= 199 * MILLISECOND && response.max() < 400 * MILLISECOND);
}

#[test]
fn bytes_on_an_idle_connection_are_counted_and_it_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // The client gives it up: one request each.
            let mut head = [0; 1024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(OK);
            std::thread::sleep(Duration::from_millis(10));
            let _ = stream.write_all(OK);
        }
    });
    let mut scenario = scenario(constant(20.0, 1000));
    scenario.load.max_connections = 1;
    let ran = run(&scenario, &url);
    assert_eq!((ran.passed(), ran.all[0].connects), (20, 20));
    // The last has no hit after it to be counted with.
    assert_eq!(ran.all[0].unasked, 19);
}
