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

/// A fresh stage under load, with a fault from the start if there is one.
pub fn seen(setup: &Setup, fault: Option<(&Case, f64)>) -> Seen {
    let mut stage = setup.stage();
    if let Some((case, dose)) = fault {
        stage.switch(case.switch, dose);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("run");
    let mut command = generator(setup.apart);
    let text = setup.load(&stage.shop.url, PROBE);
    command.arg("run").arg(scenario(dir.path(), &text)).arg("--out").arg(&out).arg("--quiet");
    let output = finish(&mut command, Duration::from_secs(90));
    assert!(out.join("report.md").exists(), "no report: {}", printed(&output));
    let found: Value = analysis(&out);
    let ms = |key: &str| found["load"]["total"]["response"][key].as_f64().unwrap_or(0.0) / 1e6;
    Seen { mean: ms("mean"), p95: ms("p95"), valid: found["verdict"] != "generator" }
}

/// Requests per second that a healthy stage can take at ease, searched by doubling and halving the distance.
pub fn capacity(setup: &Setup) -> f64 {
    let (mut low, mut high) = (setup.rate, MOST);
    let holds = |rate: f64| {
        let seen = seen(&Setup { rate, ..setup.clone() }, None);
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
            asked.mix = EVEN.iter().map(|(p, w)| ((*p).to_owned(), *w)).collect();
            asked.parts = &[Part::Downstream];
            (asked.args, asked.prepare, asked.memory) = (Vec::new(), &[], None);
        }
        let key = format!("{} {:?} {}", asked.requests(), asked.args, asked.apart);
        *self.0.entry(key).or_insert_with(|| {
            let found = capacity(&asked);
            eprintln!("  healthy capacity for {}: {found:.0}/s", setup.name);
            found
        })
    }
}

/// The dose that makes p95 grow by a factor within `wanted`; the last tried if none does.
pub fn dose(setup: &Setup, case: &Case, healthy: Seen, wanted: &RangeInclusive<f64>) -> f64 {
    let Some(start) = case.dose else { return 1.0 };
    let (mut amount, mut step) = (start, 2.0_f64);
    let mut grew = None;
    for _ in 0..TRIES {
        let factor = seen(setup, Some((case, amount))).p95 / healthy.p95;
        eprintln!("  a dose of {amount:.0} at {:.0}/s makes p95 {factor:.1} times longer", setup.rate);
        if wanted.contains(&factor) {
            break;
        }
        // Of limits less is worse.
        let grow = (factor < *wanted.start()) != case.switch.is_a_limit();
        if grew.is_some_and(|before| before != grow) {
            step = step.sqrt();
        }
        grew = Some(grow);
        let next = (amount * if grow { step } else { 1.0 / step }).round().clamp(1.0, case.most);
        if next == amount.round() {
            break;
        }
        amount = next;
    }
    amount
}
