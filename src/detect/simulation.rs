//! The error rates that `docs/detection.md` states, from seeded runs with the noise of shared machines.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::*;
use crate::stats::normal_quantile;
use crate::time::SECOND;

/// Hits per period.
const HITS: u64 = 500;
/// Level in nanoseconds and deviation of the logarithm of each quantile.
const QUANTILES: [(Percentile, f64, f64); 3] =
    [(Percentile::P50, 20e6, 0.05), (Percentile::P95, 45e6, 0.10), (Percentile::P99, 80e6, 0.20)];
/// Failed share of a healthy run.
const ERRORS: f64 = 0.002;
const WARM_UP: usize = 5;

/// A kind of run.
#[derive(Clone, Copy)]
struct World {
    periods: usize,
    /// Correlation of the noise with that of the period before.
    rho: f64,
    /// Noise over the usual one.
    loud: f64,
    /// From when on latency is how many times what it was.
    step: Option<(usize, f64)>,
}

impl World {
    fn run(self, seed: u64) -> Vec<Series> {
        let mut rng = rng(seed);
        let spikes = self.spikes(&mut rng);
        let mut all: Vec<Series> = QUANTILES
            .iter()
            .map(|&(q, level, deviation)| {
                let noise = self.noise(&mut rng);
                let value =
                    |i: usize| level * self.factor(i) * spikes[i] * (self.loud * deviation * noise[i]).exp();
                Series::latency(q, None, (0..self.periods).map(|i| point(i, value(i))).collect())
            })
            .collect();
        let errors = |_| (0..HITS).filter(|_| rng.random_bool(ERRORS)).count() as f64 / HITS as f64;
        let errors: Vec<f64> = (0..self.periods).map(errors).collect();
        all.push(Series::error_rate(None, errors.iter().enumerate().map(|(i, &e)| point(i, e)).collect()));
        all
    }

    fn factor(self, i: usize) -> f64 {
        self.step.map_or(1.0, |(at, factor)| if i >= at { factor } else { 1.0 })
    }

    /// Normal AR(1) noise of deviation 1.
    fn noise(self, rng: &mut Pcg64) -> Vec<f64> {
        let mut normal = || normal_quantile(rng.random_range(1e-12..1.0));
        let mut last = normal();
        let next = |_| {
            last = self.rho * last + (1.0 - self.rho * self.rho).sqrt() * normal();
            last
        };
        (0..self.periods).map(next).collect()
    }

    /// A neighbour's burst: every 25 periods or so all quantiles are three times as high for one period or
    /// two, and then come back for one at least.
    fn spikes(self, rng: &mut Pcg64) -> Vec<f64> {
        let mut factors = Vec::with_capacity(self.periods + 3);
        while factors.len() < self.periods {
            factors.push(1.0);
            if rng.random_bool(0.04) {
                let length = rng.random_range(1..=2);
                factors.extend(std::iter::repeat_n(3.0, length));
            }
        }
        factors
    }
}

fn at(i: usize) -> RunTime {
    RunTime::from_nanos(i as u64 * SECOND)
}

fn point(i: usize, value: f64) -> Point {
    Point { window: Window::new(at(i), at(i + 1)), value: Some(value), count: HITS }
}

fn judged(series: &[Series], settings: &Detect) -> Vec<Anomaly> {
    let input = Input {
        series,
        offered: &[],
        concurrency: &[],
        settings,
        warm_up: at(WARM_UP),
        baseline: None,
        seed: 1,
    };
    detect(&input).moments
}

/// Share of healthy runs with an alarm.
fn false_alarms(world: World, runs: u64, settings: &Detect) -> f64 {
    let alarmed = (0..runs).filter(|&seed| !judged(&world.run(seed), settings).is_empty()).count();
    alarmed as f64 / runs as f64
}

/// Share of runs whose step is found within five periods, with no alarm before it.
fn found(world: World, runs: u64, settings: &Detect) -> f64 {
    let Some((step, _)) = world.step else { return 0.0 };
    let timely = |seed: &u64| {
        let moments = judged(&world.run(*seed), settings);
        moments.first().is_some_and(|m| m.window.from >= at(step - 2) && m.window.from <= at(step + 2))
    };
    (0..runs).filter(timely).count() as f64 / runs as f64
}

/// Length of a run and where its step lies.
const LENGTHS: [(usize, usize); 2] = [(60, 30), (40, 20)];
const USUAL: World = World { periods: 60, rho: 0.0, loud: 1.0, step: None };

#[expect(clippy::print_stderr, reason = "the table of docs/detection.md, seen with --nocapture")]
fn row(what: &str, world: World, figures: &[f64]) {
    let shown: Vec<String> = figures.iter().map(|f| format!("{:5.1} %", f * 100.0)).collect();
    let World { periods, rho, loud, .. } = world;
    eprintln!("{what:24} periods {periods} rho {rho} noise x{loud}: {}", shown.join(" "));
}

#[test]
fn healthy_runs_alarm_rarely() {
    for (periods, _) in LENGTHS {
        for (rho, most) in [(0.0, 0.01), (0.5, 0.02), (0.8, 0.04)] {
            let world = World { periods, rho, ..USUAL };
            let alarms = false_alarms(world, 400, &Detect::default());
            row("frozen: false alarms", world, &[alarms]);
            assert!(alarms <= most, "{periods} periods, rho {rho}: {alarms}");
        }
    }
}

#[test]
fn sustained_steps_are_found_within_five_periods() {
    for (periods, at) in LENGTHS {
        for rho in [0.0, 0.5, 0.8] {
            let worlds = [1.5, 2.0, 5.0].map(|f| World { periods, rho, step: Some((at, f)), ..USUAL });
            let shares = worlds.map(|w| found(w, 120, &Detect::default()));
            row("frozen: x1.5 x2 x5 found", worlds[0], &shares);
            assert!(shares.iter().all(|s| *s >= 0.95), "{periods} periods, rho {rho}: {shares:?}");
        }
    }
}

#[test]
fn a_machine_twice_as_noisy_costs_power_and_not_trust() {
    for (rho, most) in [(0.0, 0.02), (0.5, 0.03), (0.8, 0.06)] {
        let world = World { rho, loud: 2.0, ..USUAL };
        let alarms = false_alarms(world, 200, &Detect::default());
        let shares =
            [1.5, 2.0, 5.0].map(|f| found(World { step: Some((30, f)), ..world }, 100, &Detect::default()));
        row("frozen: alarms, found", world, &[alarms, shares[0], shares[1], shares[2]]);
        assert!(alarms <= most && shares[2] >= 0.95, "rho {rho}: {alarms} {shares:?}");
    }
}

/// What half a minute is worth: ten healthy periods, then a step out of noise that the thresholds learn it from.
#[test]
fn in_half_a_minute_a_step_that_nothing_stands_out_of_is_found_in_hindsight() {
    for (loud, rho) in [(1.0, 0.3), (2.0, 0.3), (3.0, 0.3)] {
        let world = World { periods: 28, rho, loud, ..USUAL };
        let alarms = false_alarms(world, 400, &Detect::default());
        let shares = [1.3, 1.5, 2.0, 3.0]
            .map(|f| found(World { step: Some((15, f)), ..world }, 100, &Detect::default()));
        row("half a minute: alarms, found", world, &[alarms, shares[0], shares[1], shares[2], shares[3]]);
        assert!(alarms <= 0.03 && shares[3] >= 0.8, "noise x{loud}: {alarms} {shares:?}");
    }
}

#[test]
fn twenty_series_share_one_budget_of_false_alarms() {
    let world = World { rho: 0.5, ..USUAL };
    let requests = |seed: u64| -> Vec<Series> {
        let named = |r: u64| {
            let series = world.run(seed * 5 + r).into_iter();
            series.map(move |s| Series { of: Some(format!("request-{r}")), ..s })
        };
        (0..5).flat_map(named).collect()
    };
    let runs = 200;
    let alarmed = (0..runs).filter(|&s| !judged(&requests(s), &Detect::default()).is_empty()).count();
    let share = alarmed as f64 / runs as f64;
    row("frozen, 20 series", world, &[share]);
    assert!(share <= 0.02, "{share}");
}

/// What the live detector says of a run: when it first saw a symptom begin.
fn live(series: &[Series]) -> Option<usize> {
    let mut detector = LiveDetector::new(series.to_vec(), &Detect::default(), at(WARM_UP));
    (0..series[0].points.len()).find(|&i| {
        let read = |s: &Series| Reading { value: s.points[i].value, count: s.points[i].count };
        let readings: Vec<Reading> = series.iter().map(read).collect();
        let events = detector.push(Window::new(at(i), at(i + 1)), 500.0, &readings);
        events.iter().any(|e| e.change == LiveChange::Began)
    })
}

#[test]
fn the_live_detector_is_quick_and_rarely_wrong() {
    for (rho, most) in [(0.0, 0.02), (0.5, 0.04), (0.8, 0.08)] {
        let world = World { rho, ..USUAL };
        let alarmed = (0..300).filter(|&seed| live(&world.run(seed)).is_some()).count() as f64 / 300.0;
        let shares = [1.5, 2.0, 5.0].map(|f| {
            let world = World { step: Some((30, f)), ..world };
            let timely = |seed: &u64| live(&world.run(*seed)).is_some_and(|i| (30..35).contains(&i));
            (0..100).filter(timely).count() as f64 / 100.0
        });
        row("live: alarms, found", world, &[alarmed, shares[0], shares[1], shares[2]]);
        assert!(alarmed <= most && shares.iter().all(|s| *s >= 0.85), "rho {rho}: {alarmed} {shares:?}");
    }
}

#[test]
fn the_plain_rule_misses_sustained_steps_of_any_size() {
    let plain = Detect { rule: Rule::Plain, sigma: 2.0, ..Detect::default() };
    for rho in [0.0, 0.5, 0.8] {
        let world = World { rho, ..USUAL };
        let alarms = false_alarms(world, 200, &plain);
        let shares = [1.5, 2.0, 5.0].map(|f| found(World { step: Some((30, f)), ..world }, 100, &plain));
        row("plain: alarms, found", world, &[alarms, shares[0], shares[1], shares[2]]);
        assert!(shares.iter().all(|s| *s <= 0.05), "rho {rho}: {shares:?}");
    }
}

/// The obvious repair of the plain rule, for the record: mean and deviation learn only from periods that do
/// not violate. Number of alarms in the run's latency series.
fn frozen_plain(series: &[Series]) -> usize {
    let alarms = |s: &Series| {
        let mut calm: Vec<f64> = Vec::new();
        let mut row = 0;
        let values = s.points[WARM_UP..].iter().filter_map(|p| p.value);
        let alarmed = values.map(|v| {
            let known = crate::stats::ewma(&calm.iter().copied().map(Some).collect::<Vec<_>>(), 0.3);
            let recent = &calm[calm.len().saturating_sub(PLAIN_WINDOW)..];
            let bound = known.last().copied().flatten().zip(crate::stats::std_dev(recent));
            let violated =
                calm.len() >= PLAIN_WINDOW && bound.is_some_and(|(mean, std)| v > mean + 2.0 * std);
            if !violated {
                calm.push(v);
            }
            row = if violated { row + 1 } else { 0 };
            row >= 3
        });
        alarmed.fold(false, |any, a| any | a)
    };
    series.iter().filter(|s| s.unit == crate::analysis::Unit::Nanoseconds).filter(|s| alarms(s)).count()
}

#[test]
fn the_plain_rule_frozen_alarms_in_most_healthy_runs() {
    for rho in [0.0, 0.5, 0.8] {
        let world = World { rho, ..USUAL };
        let alarmed = (0..200).filter(|&seed| frozen_plain(&world.run(seed)) > 0).count();
        row("plain, frozen: alarms", world, &[alarmed as f64 / 200.0]);
        assert!(alarmed > if rho < 0.5 { 20 } else { 100 }, "rho {rho}: {alarmed} of 200");
    }
}
