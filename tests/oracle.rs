//! What the generator says against a server that keeps its own books: response and service time each against
//! its own law, from 1/s to 20,000/s.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadprof::run::period::new_latency;
use loadprof::run::reader::Recording;

use common::oracle::{Bounds, Difference, Figures, Law, Measured, Setup, compare, measure};

/// Measurements take turns: each needs a core for the generator and one for the server.
static TURN: Mutex<()> = Mutex::new(());
/// How often a measurement is made before its differences count.
const ATTEMPTS: u32 = 3;

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Measures until a measurement does not differ. Another process or a neighbour on the host spoils one; it is
/// repeated, aloud, twice at most. If none was clean, the one that noise explains must do; what is wrong with the
/// generator is wrong each time.
fn holds(setup: Setup, differences: impl Fn(&Measured) -> Vec<Difference>) {
    let _turn = turn();
    let mut wrong = Vec::new();
    for attempt in 1..=ATTEMPTS {
        eprintln!("{:?}, {}/s for {} s, attempt {attempt}", setup.law, setup.rate, setup.secs);
        let measured = measure(setup);
        let mut off = differences(&measured);
        tell(&measured);
        if measured.drift > 20_000 {
            let row = format!("the machine's clocks moved apart by {} ns", measured.drift);
            off.push(Difference { row, noise: false });
        }
        if off.is_empty() {
            return;
        }
        let list = off.iter().map(|d| format!("\n    {}", d.row)).collect::<String>();
        eprintln!("  attempt {attempt} differs:{list}");
        wrong.push(off.iter().filter(|d| !d.noise).map(|d| d.row.clone()).collect::<Vec<_>>());
    }
    let least = wrong.into_iter().min_by_key(Vec::len).expect("attempts");
    assert!(least.is_empty(), "{:?} at {}/s:\n{}", setup.law, setup.rate, least.join("\n"));
    eprintln!("  no attempt was clean, but the machine's own noise explains the differences");
}

/// What could have spoiled a measurement.
fn tell(measured: &Measured) {
    eprintln!("  server: longest lapse {} us; generator:", measured.books.lapse / 1000);
    for check in measured.analysis["validity"]["checks"].as_array().expect("checks") {
        eprintln!("    {} = {}, {}", check["name"], check["value"], check["outcome"]);
    }
}

/// Both clocks against the server's books, with a connection for every arrival that needs one.
fn both_clocks(measured: &Measured) -> Vec<Difference> {
    all_counted(measured);
    let total = measured.total();
    let lateness = measured.lateness();
    let mut off = compare("service", &measured.service(), Figures(&total["service"]), &lateness);
    // An answer carries the kernel's stamp of its arrival: nothing that holds up the generator excuses this clock.
    let nothing = Bounds::none(measured.books.served.len());
    off.extend(compare("response", &measured.response(), Figures(&total["response"]), &nothing));
    off
}

/// Every arrival is in the histograms, passed, and was answered by the server once.
fn all_counted(measured: &Measured) {
    let (total, arrivals) = (measured.total(), measured.setup.arrivals());
    assert_eq!(total["done"], arrivals, "{total:#}");
    assert_eq!(total["passed"], arrivals, "{total:#}");
    assert_eq!(total["response"]["count"], arrivals);
    assert_eq!(total["service"]["count"], arrivals);
    let mut numbers: Vec<u64> = measured.books.served.iter().map(|s| s.n).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..arrivals), "each arrival reaches the server once");
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
    holds(Setup::new(Law::Drip { first: ms(5), last: ms(25), bytes: 11 }, 50, 3), |measured| {
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
            if !(299_700_000..=305_300_000).contains(&seen) {
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
