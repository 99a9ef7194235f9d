//! How strong a fault has to be to hurt a service on the machine at hand without drowning it.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::{Pair, analysis, finish, loadprof, printed, scenario};

/// Length of a probe.
const PROBE: &str = "4s";
/// A healthy service's p95 in ms: as in the search for its capacity.
const HEALTHY_P95: f64 = 15.0;
const TRIES: u32 = 5;

/// The number in a fault's setting.
#[derive(Clone, Copy)]
pub struct Dose {
    /// What is tried first.
    pub start: f64,
    /// By which factor the mean response time must grow.
    pub slower: (f64, f64),
}

/// What is put on the pair: the requests as TOML, and which instance the setting goes to.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    pub requests: &'a str,
    pub downstream: bool,
}

impl Probe<'_> {
    /// Mean and p95 in ms of a fresh pair under `rate` with a setting.
    fn seen(self, rate: f64, set: Option<&str>) -> (f64, f64) {
        let pair = Pair::start(&[]);
        if let Some(set) = set {
            if self.downstream { pair.downstream.set(set) } else { pair.shop.set(set) }
        }
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "name = \"probe\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"1s\"\n\
             [load.constant-arrival-rate]\nrate = \"{rate:.0}/s\"\nfor = \"{PROBE}\"\n{}",
            pair.shop.url, self.requests
        );
        mean_and_p95(dir.path(), &text)
    }

    /// A rate at which the healthy service is at ease with these requests, and its mean there: what the whole mix
    /// can take says little of a mix with much of one endpoint.
    pub fn rate(self, first: f64) -> (f64, f64) {
        let mut rate = first;
        for _ in 0..TRIES {
            let (mean, p95) = self.seen(rate, None);
            if p95 <= HEALTHY_P95 {
                return (rate, mean);
            }
            rate *= 0.8;
        }
        panic!("the healthy service has a p95 of more than {HEALTHY_P95} ms even at {rate:.0}/s");
    }

    /// The setting with a dose that slows the service by the factor asked for; the last tried if none does.
    pub fn setting(self, template: &str, dose: Dose, rate: f64, healthy: f64) -> String {
        let wanted: RangeInclusive<f64> = dose.slower.0..=dose.slower.1;
        let (mut amount, mut step) = (dose.start, 1.5_f64);
        let mut grew = None;
        let mut tries = 0;
        loop {
            let set = template.replace("{}", &format!("{amount:.0}"));
            let factor = self.seen(rate, Some(&set)).0 / healthy;
            eprintln!("at {rate:.0}/s {set} makes it {factor:.1} times slower");
            tries += 1;
            if wanted.contains(&factor) || tries == TRIES {
                return set;
            }
            let grow = factor < *wanted.start();
            if grew.is_some_and(|before| before != grow) {
                step = step.sqrt();
            }
            grew = Some(grow);
            amount *= if grow { step } else { 1.0 / step };
        }
    }
}

fn mean_and_p95(dir: &Path, text: &str) -> (f64, f64) {
    let out = dir.join("run");
    let mut command = loadprof();
    command.arg("run").arg(scenario(dir, text)).arg("--out").arg(&out).arg("--quiet");
    let output = finish(&mut command, Duration::from_secs(60));
    assert!(out.join("report.md").exists(), "no report: {}", printed(&output));
    let response = &analysis(&out)["load"]["total"]["response"];
    let ms = |key: &str| response[key].as_f64().expect("a number") / 1e6;
    (ms("mean"), ms("p95"))
}
