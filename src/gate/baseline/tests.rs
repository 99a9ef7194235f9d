use rand::RngExt;
use rand_pcg::Pcg64;

use super::*;
use crate::gate::testing::{period, scenario};

/// A run of a service whose requests take about a millisecond plus an exponential tail.
struct Service {
    /// Nanoseconds added to every request.
    added: f64,
    /// Failed share.
    errors: f64,
    /// From this period on the addition is there.
    from: u64,
}

const HEALTHY: Service = Service { added: 0.0, errors: 0.0, from: 0 };

fn normal(rng: &mut Pcg64) -> f64 {
    normal_quantile(rng.random_range(1e-12..1.0))
}

impl Service {
    /// 30 periods of 200 hits at each of two requests on a noisy machine: this run is a few percent off the
    /// next, each period 6 % and its tail 10 % more, and now and then a period takes three times as long.
    fn run(&self, seed: u64) -> Vec<LoadPeriod> {
        let mut rng = rng(seed);
        let (run, run_tail) = ((0.04 * normal(&mut rng)).exp(), (0.08 * normal(&mut rng)).exp());
        let mut wander = 0.0;
        let one = |i: u64| {
            wander = 0.5 * wander + 0.05 * normal(&mut rng);
            let spike = if rng.random_bool(0.04) { 3.0 } else { 1.0 };
            let tail = run_tail * (0.1 * normal(&mut rng)).exp();
            let added = if i >= self.from { self.added } else { 0.0 };
            let mut p = period(i, &[(0, 0, 0), (0, 0, 0)]);
            for r in &mut p.requests {
                for _ in 0..200 {
                    let slow = -0.3e6 * tail * rng.random_range(1e-9..1.0_f64).ln();
                    let nanos = run * spike * f64::exp(wander) * (0.8e6 + slow) + added;
                    r.response.record(nanos as u64).expect("in range");
                    if rng.random_bool(self.errors) { r.failed[6] += 1 } else { r.passed += 1 }
                }
            }
            (p.offered, p.sent) = (400, 400);
            p
        };
        (0..30).map(one).collect()
    }
}

fn compared(now: &Service, seed: u64) -> Compared {
    let s = scenario(&["list", "buy"]);
    let (current, baseline) = (now.run(seed * 2 + 1), HEALTHY.run(seed * 2));
    let side = |periods| Side { periods, scenario: &s };
    compare("runs/a", "id", side(&current), side(&baseline), 5)
}

fn regressed(now: &Service, seed: u64) -> bool {
    compared(now, seed).comparison.regressed
}

#[test]
fn the_same_service_twice_is_the_same() {
    let different = |seed: &u64| {
        compared(&HEALTHY, *seed).comparison.rows.iter().any(|r| r.outcome != BaselineOutcome::Same)
    };
    let wrong = (0..80).filter(different).count();
    assert!(wrong <= 1, "{wrong} of 80");
}

#[test]
fn half_a_millisecond_on_one_is_a_regression() {
    let slower = Service { added: 0.5e6, ..HEALTHY };
    let missed = (0..40).filter(|&seed| !regressed(&slower, seed)).count();
    assert!(missed <= 1, "{missed} of 40");
    let got = compared(&slower, 1).comparison;
    let p50 = got.rows.iter().find(|r| r.metric == "p50" && r.request.is_none()).expect("a row");
    assert_eq!(p50.outcome, BaselineOutcome::Regressed);
    assert!(p50.change.low < 500_000 && 500_000 < p50.change.high, "{:?}", p50.change);
    let better = compare_swapped(&slower);
    assert!(!better.regressed && better.rows.iter().any(|r| r.outcome == BaselineOutcome::Improved));
}

fn compare_swapped(now: &Service) -> BaselineComparison {
    let s = scenario(&["list", "buy"]);
    let (current, baseline) = (HEALTHY.run(1), now.run(2));
    let side = |periods| Side { periods, scenario: &s };
    compare("runs/a", "id", side(&current), side(&baseline), 5).comparison
}

#[test]
fn errors_and_a_bad_second_half_are_regressions() {
    let failing = Service { errors: 0.03, ..HEALTHY };
    assert!((0..10).all(|seed| regressed(&failing, seed)));
    let half = Service { added: 5e6, from: 15, ..HEALTHY };
    assert!((0..10).all(|seed| regressed(&half, seed)));
    let few = Service { errors: 0.001, ..HEALTHY };
    assert!((0..10).all(|seed| !regressed(&few, seed)));
}

#[test]
fn rows_cover_the_run_and_each_request() {
    let got = compared(&HEALTHY, 3);
    assert_eq!(got.caveat, None);
    let rows: Vec<_> =
        got.comparison.rows.iter().map(|r| (r.request.as_deref(), r.metric.as_str())).collect();
    assert_eq!(rows.len(), 16);
    assert_eq!(rows[5], (None, "achieved"));
    assert_eq!(rows[15], (Some("buy"), "error-rate"));
}

#[test]
fn unlike_loads_and_short_runs_are_inconclusive() {
    let (s, other) = (scenario(&["list", "buy"]), scenario(&["list", "sell"]));
    let (a, b) = (Service { added: 9e6, ..HEALTHY }.run(1), HEALTHY.run(2));
    let sides = |periods, scenario| Side { periods, scenario };
    let got = compare("p", "i", sides(&a, &s), sides(&b, &other), 1);
    assert!(!got.comparison.regressed);
    assert!(got.comparison.rows.iter().all(|r| r.outcome == BaselineOutcome::Inconclusive));
    assert!(matches!(&got.caveat, Some(Caveat::UnlikeRuns { what }) if what.contains("sell")));
    let why = got.comparison.incomparable.expect("nothing was compared");
    assert_eq!(why, "the load differs: request `buy` is new; request `sell` is gone");
    let short = compare("p", "i", sides(&a[..5], &s), sides(&b, &s), 1);
    assert!(short.comparison.rows.iter().all(|r| r.outcome == BaselineOutcome::Inconclusive));
    let why = short.comparison.incomparable.expect("nothing was compared");
    assert!(why.starts_with("too few samples: "), "{why}");
    assert_eq!(compare("p", "i", sides(&a, &s), sides(&b, &s), 1).comparison.incomparable, None);
    let none = compare("p", "i", sides(&[], &s), sides(&[], &s), 1);
    assert!(!none.comparison.regressed);
}
