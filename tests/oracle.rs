//! What the generator says against a server that keeps its own books: response and service time each against
//! its own law, from 1/s to 20,000/s.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::oracle::{Figures, Law, Measured, Setup, compare, measure};

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

/// Measures until `differences` finds none. Another process on the generator's core spoils a measurement, so it
/// is repeated, aloud, twice at most; what is wrong with the generator is wrong each time.
fn holds(setup: Setup, differences: impl Fn(&Measured) -> Vec<String>) {
    let _turn = turn();
    let mut off = Vec::new();
    for attempt in 1..=ATTEMPTS {
        eprintln!("{:?}, {}/s for {} s, attempt {attempt}", setup.law, setup.rate, setup.secs);
        let measured = measure(setup);
        off = differences(&measured);
        tell(&measured);
        if measured.drift > 20_000 {
            off.push(format!("the machine's clocks moved apart by {} ns", measured.drift));
        }
        if off.is_empty() {
            return;
        }
        eprintln!("  attempt {attempt} differs:\n    {}", off.join("\n    "));
    }
    panic!("{:?} at {}/s differs {ATTEMPTS} times; the last time:\n{}", setup.law, setup.rate, off.join("\n"));
}

/// What could have spoiled a measurement.
fn tell(measured: &Measured) {
    eprintln!("  server: longest lapse {} us; generator:", measured.books.lapse / 1000);
    for check in measured.analysis["validity"]["checks"].as_array().expect("checks") {
        eprintln!("    {} = {}, {}", check["name"], check["value"], check["outcome"]);
    }
}

/// Both clocks against the server's books, with a connection for every arrival that needs one.
fn both_clocks(measured: &Measured) -> Vec<String> {
    all_counted(measured);
    let total = measured.total();
    let mut off = compare("service", &measured.service(), Figures(&total["service"]));
    off.extend(compare("response", &measured.response(), Figures(&total["response"])));
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
    holds(Setup::new(Law::Fixed(ms(20)), 1, 6), both_clocks);
}

#[test]
fn two_point_at_50_a_second() {
    let law = Law::TwoPoint { short: ms(1), long: ms(30), share: 0.1, seed: 7 };
    holds(Setup::new(law, 50, 4), both_clocks);
}

#[test]
fn exponential_at_1000_a_second() {
    holds(Setup::new(Law::Exponential { mean: ms(5), seed: 11 }, 1_000, 4), both_clocks);
}

#[test]
fn fixed_at_5000_a_second() {
    holds(Setup::new(Law::Fixed(ms(2)), 5_000, 4), both_clocks);
}

#[test]
fn at_once_at_20000_a_second() {
    holds(Setup::new(Law::Fixed(ms(0)), 20_000, 4), both_clocks);
}
