//! How much load a healthy stage is at ease with, and how strong a fault must be to hurt it as asked without drowning
//! it: both differ from machine to machine.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::cases::{Case, EVEN};
use crate::common::{analysis, finish, printed, scenario};
use crate::run::{Setup, generator};
use crate::stage::Part;

/// Length of a probe.
const PROBE: Duration = Duration::from_secs(5);
/// Length of the run without the fault that a fault's milliseconds are counted from.
const HEALTHY: Duration = Duration::from_secs(15);
/// p95 in ms up to which a stage is at ease.
const AT_EASE: f64 = 15.0;
const TRIES: u32 = 6;
/// Rates beyond which the generator needs a good part of the machine itself.
const MOST: f64 = 4_000.0;

/// Mean and p95 in ms.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub mean: f64,
    pub p95: f64,
    pub valid: bool,
}

/// A fresh stage under load and observed, without the fault.
pub fn healthy(setup: &Setup) -> Seen {
    seen(setup, HEALTHY, None)
}

fn seen(setup: &Setup, length: Duration, fault: Option<(&Case, f64)>) -> Seen {
    let mut stage = setup.stage();
    if let Some((case, dose)) = fault {
        stage.switch(case.switch, dose);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("run");
    let mut command = generator(setup.apart);
    let text = setup.load(&stage.shop.url, length) + &stage.evidence();
    command.arg("run").arg(scenario(dir.path(), &text)).arg("--out").arg(&out).arg("--quiet");
    let output = finish(&mut command, length + Duration::from_secs(85));
    assert!(out.join("report.md").exists(), "no report: {}", printed(&output));
    let found: Value = analysis(&out);
    let ms = |key: &str| found["load"]["total"]["response"][key].as_f64().unwrap_or(0.0) / 1e6;
    Seen { mean: ms("mean"), p95: ms("p95"), valid: found["verdict"] != "generator" }
}

/// Requests per second that a healthy stage can take at ease, searched by doubling and halving the distance.
pub fn capacity(setup: &Setup) -> f64 {
    let (mut low, mut high) = (setup.rate, MOST);
    let holds = |rate: f64| {
        // Observed, as it will be: at nearly all that it can take, that may be too much.
        let seen = seen(&Setup { rate, ..setup.clone() }, PROBE, None);
        seen.valid && seen.p95 <= AT_EASE
    };
    if holds(low) {
        while low < high && holds((2.0 * low).min(high)) {
            low *= 2.0;
        }
        if low >= high {
            return high;
        }
        high = 2.0 * low;
    } else {
        while !holds(low / 2.0) {
            low /= 2.0;
            assert!(low > 1.0, "the healthy service is not at ease at any rate");
        }
        (low, high) = (low / 2.0, low);
    }
    while high / low > 1.25 {
        let middle = (low * high).sqrt();
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// Capacities by what is started and asked, searched once each.
#[derive(Default)]
pub struct Capacities(BTreeMap<String, f64>);

impl Capacities {
    /// Exactly that of the setup, or (quicker) that of all requests alike on the same parts.
    pub fn of(&mut self, setup: &Setup, exactly: bool) -> f64 {
        let mut asked = Setup { rate: 500.0, ..setup.clone() };
        if !exactly && !setup.mix[0].0.starts_with("/account") && setup.parts.contains(&Part::Downstream) {
            let even = Setup::of(setup.name.as_str(), &[Part::Downstream], EVEN, setup.seed);
            asked = Setup { rate: asked.rate, apart: asked.apart, ..even };
        }
        let key = format!("{} {:?} {}", asked.requests(), asked.args, asked.apart);
        *self.0.entry(key).or_insert_with(|| {
            let found = capacity(&asked);
            eprintln!("  healthy capacity for {}: {found:.0}/s", setup.name);
            found
        })
    }
}

/// What is known of one case at one load: how long it takes without the fault, and what each dose that was tried does.
#[derive(Clone)]
pub struct Doses {
    pub healthy: Seen,
    /// Dose, and how many times longer p95 is with it.
    tried: Vec<(f64, f64)>,
}

impl Doses {
    pub fn of(setup: &Setup) -> Self {
        let healthy = healthy(setup);
        eprintln!(
            "{} at {:.0}/s: healthy p95 {:.1} ms, mean {:.1} ms",
            setup.name, setup.rate, healthy.p95, healthy.mean
        );
        Self { healthy, tried: Vec::new() }
    }

    /// The dose that makes p95 grow by a factor within `wanted`; the nearest that was tried if none does.
    pub fn search(&mut self, setup: &Setup, case: &Case, wanted: &RangeInclusive<f64>) -> f64 {
        let Some(start) = case.dose else { return 1.0 };
        let aim = (wanted.start() * wanted.end()).sqrt();
        for _ in 0..TRIES {
            if self.tried.iter().any(|(_, factor)| wanted.contains(factor)) {
                break;
            }
            let next = self.next(start, aim, case).round().clamp(1.0, case.most);
            if self.tried.iter().any(|(dose, _)| *dose == next) {
                break;
            }
            let factor = seen(setup, PROBE, Some((case, next))).p95 / self.healthy.p95;
            eprintln!("  a dose of {next:.0} at {:.0}/s makes p95 {factor:.1} times longer", setup.rate);
            self.tried.push((next, factor));
        }
        let far = |factor: f64| (factor / aim).ln().abs();
        self.tried.iter().min_by(|a, b| far(a.1).total_cmp(&far(b.1))).map_or(start, |t| t.0)
    }

    /// Takes what a whole run said of a dose instead of what probes said of it and of weaker ones.
    pub fn correct(&mut self, case: &Case, dose: f64, factor: f64) {
        let stronger = |other: f64| if case.switch.is_a_limit() { other < dose } else { other > dose };
        self.tried.retain(|(other, _)| stronger(*other));
        self.tried.push((dose, factor));
    }

    /// Between the two nearest doses that were tried, on logarithmic scales; beyond all of them by a factor.
    fn next(&self, start: f64, aim: f64, case: &Case) -> f64 {
        const STEP: f64 = 2.0;
        let above = self.tried.iter().filter(|t| t.1 >= aim).min_by(|a, b| a.1.total_cmp(&b.1));
        // Doses that do nothing do it more or less: the one next to those that do something counts.
        let apart = |t: &(f64, f64)| above.map_or(-t.1, |above| (t.0 / above.0).ln().abs());
        let below = self.tried.iter().filter(|t| t.1 < aim).min_by(|a, b| apart(a).total_cmp(&apart(b)));
        // Of limits less is worse.
        let worse = |dose: f64| if case.switch.is_a_limit() { dose / STEP } else { dose * STEP };
        let better = |dose: f64| if case.switch.is_a_limit() { dose * STEP } else { dose / STEP };
        match (below, above) {
            (None, None) => start,
            (Some(below), None) => worse(below.0),
            (None, Some(above)) => better(above.0),
            (Some(below), Some(above)) => {
                let part = (aim.ln() - below.1.ln()) / (above.1.ln() - below.1.ln()).max(0.1);
                // Faults begin to hurt of a sudden: not too near to either end.
                (below.0.ln() + part.clamp(0.3, 0.7) * (above.0.ln() - below.0.ln())).exp()
            }
        }
    }
}
