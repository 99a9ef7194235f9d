//! What the generator says against a server that keeps its own books: response and service time each against
//! its own law, from 1/s to 20,000/s; in the open model and the closed ones, over TLS and HTTP/2, with a connection
//! for each request, and with long bodies.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::time::Duration;

use loadprof::run::period::new_latency;
use loadprof::run::reader::Recording;

use common::oracle::{
    Bounds, Difference, Figures, Law, Load, Manner, Measured, Setup, all_counted, both_clocks, closed_clocks,
    compare, holds,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn fixed_at_1_a_second() {
    holds(Setup::new(Law::Fixed(ms(20)), 1, 5), both_clocks);
}

#[test]
fn two_point_at_50_a_second() {
    let law = Law::TwoPoint { short: ms(1), long: ms(30), share: 0.1, seed: 7 };
    holds(Setup::new(law, 50, 3), both_clocks);
}

#[test]
fn exponential_at_1000_a_second() {
    holds(Setup::new(Law::Exponential { mean: ms(5), seed: 11 }, 1_000, 3), both_clocks);
}

#[test]
fn fixed_at_5000_a_second() {
    holds(Setup::new(Law::Fixed(ms(2)), 5_000, 3), both_clocks);
}

#[test]
fn at_once_at_20000_a_second() {
    holds(Setup::new(Law::Fixed(ms(0)), 20_000, 3), both_clocks);
}

#[test]
fn a_stall_at_1000_a_second() {
    holds(Setup::new(Law::Stall { from: ms(1000), to: ms(1700) }, 1_000, 3), |measured| {
        let total = measured.total();
        // 700 of 3,000 arrivals fall into the stall and wait for its end: p90 lies 300 ms before it.
        let p90 = Figures(&total["response"]).nanos("p90");
        assert!(p90.abs_diff(400_000_000) < 10_000_000, "p90 by hand is 400 ms, seen are {p90} ns");
        both_clocks(measured)
    });
}

#[test]
fn a_body_that_drips_at_50_a_second() {
    holds(Setup::new(Law::Drip { first: ms(5), last: ms(25), parts: 11 }, 50, 3), |measured| {
        let receive = measured.total()["phases"]["receive"].as_u64().expect("a phase");
        // Two digits are kept of a phase.
        assert!(
            receive.abs_diff(20_000_000) < 1_000_000,
            "20 ms from first to last byte, seen are {receive} ns"
        );
        both_clocks(measured)
    });
}

#[test]
fn connections_that_are_accepted_late() {
    holds(Setup::new(Law::SlowAccept(ms(800)), 50, 2), |measured| {
        all_counted(measured);
        let response = &measured.total()["response"];
        let p50 = Figures(response).nanos("p50");
        assert!(p50 < 20_000_000, "most of the arrivals come later: {p50} ns");
        // The server could not read before it accepted, so its books hold the law of the response time only.
        compare(
            "response",
            &measured.response(),
            Figures(response),
            &Bounds::none(measured.books.served.len()),
        )
    });
}

#[test]
fn few_connections_make_a_queue() {
    let setup = Setup { connections: 4, ..Setup::new(Law::Fixed(ms(20)), 250, 3) };
    holds(setup, |measured| {
        all_counted(measured);
        let total = measured.total();
        let noise = measured.turnaround();
        let mut off = compare("response", &measured.response(), Figures(&total["response"]), &noise);
        off.extend(compare("service", &measured.service(), Figures(&total["service"]), &noise));
        // Four connections answer at most 200/s: the last of 750 arrivals waits for 750 / 200 - 3 s at least.
        let max = Figures(&total["response"]).nanos("max");
        assert!(max >= 750_000_000, "the queue is in the response time: {max} ns");
        let due_in_order = |pair: &[u64]| pair[0] < pair[1] + 4;
        let order: Vec<u64> = measured.books.served.iter().map(|s| s.n).collect();
        assert!(order.windows(2).all(due_in_order), "first come, first served");
        off
    });
}

#[test]
fn a_server_that_never_answers_is_counted_at_the_time_limit() {
    let setup = Setup { timeout: ms(300), ..Setup::new(Law::Never, 50, 2) };
    holds(setup, |measured| {
        let (total, arrivals) = (measured.total(), measured.setup.arrivals());
        assert_eq!(total["done"], arrivals, "{total:#}");
        assert_eq!(total["failed"], serde_json::json!({ "timeout": arrivals }), "{total:#}");
        assert_eq!(measured.books.read, arrivals, "all were sent");
        let mut off = Vec::new();
        for (clock, key) in
            ["response", "service"].into_iter().flat_map(|c| ["min", "p50", "p999", "max"].map(|k| (c, k)))
        {
            let seen = Figures(&total[clock]).nanos(key);
            let row = format!("{clock} {key}: {:.3} ms at a limit of 300 ms", seen as f64 / 1e6);
            eprintln!("  {row}");
            // The time limit covers opening the connection, which the service time does not.
            let least = if clock == "service" { 295_000_000 } else { 299_700_000 };
            if !(least..=305_300_000).contains(&seen) {
                off.push(Difference { row, noise: false });
            }
        }
        off
    });
}

/// Share of the hits that the machine may hold up for a millisecond or more: each moves others by one place.
const HELD_UP: f64 = 0.025;

/// A known sequence: each of 500 values comes equally often. Every quantile has three exact digits.
#[test]
fn percentiles_are_exact_to_three_digits() {
    let law = Law::Sequence { first: ms(200), step: ms(1), count: 500 };
    holds(Setup::new(law, 250, 4), |measured| {
        all_counted(measured);
        let recording = Recording::open(&measured.dir.path().join("run")).expect("a whole folder");
        let mut all = new_latency();
        for period in recording.read_periods().expect("periods") {
            all.add(&period.requests[0].service).expect("equal precision");
        }
        let truth = measured.service();
        for per_mille in 1..1000_u64 {
            let q = per_mille as f64 / 1000.0;
            // By hand: of 1,000 values, the n-th is the value number (n - 1) / 2 of the sequence.
            let by_hand = (200 + (per_mille - 1) / 2) * 1_000_000;
            let seen = all.value_at_quantile(q);
            let (low, (_, high)) = (truth.at(q).0, truth.at((q + HELD_UP).min(1.0)));
            assert!(low >= by_hand, "the server never answers early: {low} ns, {by_hand} ns by hand");
            let most = high + high / 1000 + 200_000;
            assert!(seen >= low && seen <= most, "quantile {q}: {low} to {most} ns, seen {seen}");
        }
        Vec::new()
    });
}

// ---- over TLS and HTTP/2 -----------------------------------------------------------------------------

const EXPONENTIAL: Law = Law::Exponential { mean: ms(5), seed: 11 };

#[test]
fn exponential_over_tls_at_1000_a_second() {
    holds(Setup::new(EXPONENTIAL, 1_000, 2).tls(), both_clocks);
}

#[test]
fn fixed_over_tls_at_5000_a_second() {
    holds(Setup::new(Law::Fixed(ms(2)), 5_000, 2).tls(), both_clocks);
}

/// At a low rate: what one read takes of a shared connection has one stamp, and a load thread that naps reads once a
/// millisecond.
#[test]
fn exponential_over_http2_at_100_a_second() {
    let law = Law::Exponential { mean: ms(50), seed: 11 };
    holds(Setup::new(law, 100, 3).http2(2, 50), several_at_a_time);
}

#[test]
fn exponential_over_http2_at_1000_a_second() {
    holds(Setup::new(EXPONENTIAL, 1_000, 2).http2(2, 50), several_at_a_time);
}

/// Both laws make five requests at a time.
fn several_at_a_time(measured: &Measured) -> Vec<Difference> {
    let (used, streams) = (measured.books.connections(), measured.books.most_streams());
    assert!(used <= 2 && streams >= 5, "{streams} requests at a time on one of {used} connections");
    both_clocks(measured)
}

#[test]
fn at_once_over_http2_at_20000_a_second() {
    holds(Setup::new(Law::Fixed(ms(0)), 20_000, 2).http2(4, 100), both_clocks);
}

#[test]
fn few_streams_make_a_queue() {
    let setup = Setup::new(Law::Fixed(ms(20)), 250, 2).http2(1, 4);
    holds(setup, |measured| {
        all_counted(measured);
        assert_eq!((measured.books.connections(), measured.books.most_streams()), (1, 4));
        let (total, noise) = (measured.total(), measured.turnaround());
        let mut off = compare("response", &measured.response(), Figures(&total["response"]), &noise);
        off.extend(compare("service", &measured.service(), Figures(&total["service"]), &noise));
        // Four streams answer at most 200/s: the last of 500 arrivals waits for 500 / 200 - 2 s at least.
        let max = Figures(&total["response"]).nanos("max");
        assert!(max >= 500_000_000, "the queue is in the response time: {max} ns");
        off
    });
}

// ---- the closed model --------------------------------------------------------------------------------

#[test]
fn closed_connections_with_a_fixed_law() {
    let setup = Setup::of(Law::Fixed(ms(10)), Load::Connections(16), 2);
    holds(setup, |measured| {
        let done = measured.total()["done"].as_u64().expect("a count");
        assert!(done <= 16 * 200, "no connection is answered more than once in 10 ms: {done}");
        closed_clocks(measured)
    });
}

/// So many that the generator lets their answers gather.
#[test]
fn many_closed_connections() {
    holds(Setup::of(Law::Exponential { mean: ms(20), seed: 11 }, Load::Connections(256), 2), closed_clocks);
}

#[test]
fn closed_connections_over_tls() {
    holds(Setup::of(EXPONENTIAL, Load::Connections(8), 2).tls(), closed_clocks);
}

#[test]
fn closed_connections_over_http2() {
    let law = Law::Exponential { mean: ms(10), seed: 5 };
    holds(Setup::of(law, Load::Connections(2), 2).http2(2, 8), |measured| {
        assert_eq!((measured.books.connections(), measured.books.most_streams()), (2, 8));
        closed_clocks(measured)
    });
}

#[test]
fn closed_users_with_a_two_point_law() {
    let law = Law::TwoPoint { short: ms(5), long: ms(30), share: 0.1, seed: 7 };
    holds(Setup::of(law, Load::Users(20), 2), closed_clocks);
}

#[test]
fn closed_users_over_http2() {
    holds(Setup::of(EXPONENTIAL, Load::Users(8), 2).http2(8, 1), closed_clocks);
}

// ---- a connection for each request -------------------------------------------------------------------

#[test]
fn a_connection_for_each_arrival() {
    let setup = Setup { keep_alive: false, ..Setup::new(Law::Fixed(ms(5)), 200, 2) };
    holds(setup, |measured| {
        assert_eq!(measured.books.connections() as u64, measured.setup.arrivals(), "one request on each");
        let connect = measured.total()["phases"]["connect"].as_u64().expect("a phase");
        assert!(connect > 0, "each hit has a connect phase");
        both_clocks(measured)
    });
}

/// The server leaves each connection alone for 10 ms before it greets.
#[test]
fn opening_a_connection_is_in_the_response_time() {
    let setup = Setup { keep_alive: false, ..Setup::new(Law::Fixed(ms(5)), 100, 2).tls() };
    let setup = Setup { manner: Manner { hello: ms(10), ..setup.manner }, ..setup };
    holds(setup, |measured| {
        assert_eq!(measured.books.connections() as u64, measured.setup.arrivals(), "one request on each");
        let total = measured.total();
        let (response, service) = (&total["response"], &total["service"]);
        let least = |of, key, nanos| {
            let seen = Figures(of).nanos(key);
            assert!(seen >= nanos, "{key} by hand is {nanos} ns at least, seen are {seen} ns");
        };
        // Three digits are kept.
        least(response, "min", 14_950_000);
        least(service, "min", 4_950_000);
        least(&total["phases"], "tls", 9_800_000);
        let (whole, without) = (Figures(response).nanos("p50"), Figures(service).nanos("p50"));
        // Each hit's differ by 10 ms at least, so their medians do.
        assert!(
            whole >= without + 9_800_000,
            "opening is no part of the service time: {without} of {whole} ns"
        );
        both_clocks(measured)
    });
}

#[test]
fn a_connection_for_each_request_of_a_closed_one() {
    let setup = Setup { keep_alive: false, ..Setup::of(Law::Fixed(ms(5)), Load::Connections(4), 2) };
    holds(setup, |measured| {
        assert_eq!(measured.total()["done"], measured.books.connections(), "one request on each");
        closed_clocks(measured)
    });
}

// ---- long bodies -------------------------------------------------------------------------------------

const MEBIBYTE: usize = 1 << 20;

#[test]
fn a_long_body_at_once() {
    holds(Setup::new(Law::Fixed(ms(20)), 40, 2).body(MEBIBYTE, false), |measured| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".len();
        assert_eq!(measured.total()["bytes_in"], 80 * (MEBIBYTE + head), "by hand");
        both_clocks(measured)
    });
}

#[test]
fn a_long_body_in_chunks() {
    let law = Law::Drip { first: ms(5), last: ms(25), parts: 11 };
    holds(Setup::new(law, 40, 2).body(MEBIBYTE / 10, true), |measured| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".len();
        let chunks = 11 * ("19999\r\n".len() + 104_857 + "\r\n".len()) + "0\r\n\r\n".len();
        assert_eq!(measured.total()["bytes_in"], 80 * (head + chunks), "by hand");
        both_clocks(measured)
    });
}

#[test]
fn a_long_body_over_tls() {
    holds(Setup::new(Law::Fixed(ms(20)), 40, 2).body(MEBIBYTE, false).tls(), both_clocks);
}

#[test]
fn a_long_body_over_http2() {
    holds(Setup::new(Law::Fixed(ms(20)), 40, 2).body(MEBIBYTE, false).http2(2, 8), both_clocks);
}
