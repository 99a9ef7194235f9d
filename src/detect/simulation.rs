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

const LENGTHS: [(usize, usize); 2] = [(60, 30), (40, 20)];

#[test]
fn table_of_error_rates() {
    for loud in [1.0, 2.0, 3.0] {
        for (periods, step) in [(60, 30), (40, 20), (30, 15)] {
            for rho in [0.0, 0.5, 0.8] {
                let healthy = World { periods, rho, loud, step: None };
                let settings = Detect::default();
                let alarms = false_alarms(healthy, 1000, &settings);
                let steps = [1.5, 2.0, 5.0].map(|f| {
                    let world = World { step: Some((step, f)), ..healthy };
                    found(world, 200, &settings)
                });
                eprintln!("loud {loud} {periods} rho {rho}: alarms {alarms:.3} found {steps:?}");
            }
        }
    }
}

#[test]
fn where_alarms() {
    for loud in [1.0, 2.0] {
        let mut hist = vec![0; 60];
        let (mut ended, mut by) = (0, std::collections::BTreeMap::new());
        for seed in 0..1500 {
            let w = World { periods: 60, rho: 0.5, loud, step: None };
            for m in judged(&w.run(seed), &Detect::default()) {
                hist[(m.window.from.as_secs_f64()) as usize] += 1;
                if !m.ongoing {
                    ended += 1;
                }
                *by.entry(m.series.clone()).or_insert(0) += 1;
            }
        }
        eprintln!("loud {loud} {hist:?} ended {ended} {by:?}");
    }
}
