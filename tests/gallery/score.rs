//! Whether what was named is right, and how far its figures are from what was counted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cases::Case;
use crate::run::{Outcome, Times};
use crate::source::Lines;

/// What one run of a case scored.
#[derive(Clone, Serialize, Deserialize)]
pub struct Score {
    pub number: u8,
    pub name: String,
    pub dose: String,
    pub load: f64,
    pub seed: u64,
    /// Requests per second.
    pub rate: f64,
    /// How many times longer p95 was; and whether that, or errors, hurt anybody.
    pub slower: f64,
    pub hurt: bool,
    /// Whether the run was a measurement at all.
    pub valid: bool,
    pub verdict: String,
    /// Place of the right cause among those named, from 1; none if it is not there.
    pub rank: Option<usize>,
    /// Whether the first cause is of the right kind.
    pub kind: bool,
    /// What was said first.
    pub said: String,
    /// What was missing in it.
    pub wrong: Option<String>,
    /// Milliseconds per request that the right causes explain, over those that the fault added, less one; none if no right
    /// one is named.
    pub off: Option<f64>,
    /// Part of the mean that no row explains, and half of its 90 % interval.
    pub open: f64,
    #[serde(default)]
    pub doubt: f64,
    /// Whether what the scenario expects was found, by the report itself; recordings of before expect nothing.
    #[serde(default)]
    pub met: Option<bool>,
    /// The lines of code of the first cause.
    #[serde(default)]
    pub lines: Lines,
}

/// What a run was to be.
pub struct Planned<'a> {
    pub dose: &'a str,
    pub load: f64,
    pub seed: u64,
    /// Mean in ms of a run without the fault.
    pub healthy: Option<f64>,
}

/// The least growth of p95 that is a fault somebody would notice.
const NOTICED: f64 = 1.2;

impl Score {
    /// With the mean of a run without the fault in ms; else that of the run's own reference is taken.
    pub fn of(case: &Case, planned: &Planned, outcome: &Outcome) -> Self {
        let a = &outcome.analysis;
        let causes: Vec<&Value> = a["causes"].as_array().map(|c| c.iter().collect()).unwrap_or_default();
        let rank = causes.iter().position(|c| wrong(case, c).is_none()).map(|i| i + 1);
        let (slower, errors) = slower(a, outcome.times);
        let leak = case.kinds.contains(&"goroutine-leak");
        Self {
            number: case.number,
            name: case.name.into(),
            dose: planned.dose.into(),
            load: planned.load,
            seed: planned.seed,
            rate: outcome.rate,
            slower,
            valid: a["verdict"] != "generator",
            hurt: slower >= NOTICED || errors >= 0.01 || leak,
            verdict: a["verdict"].as_str().unwrap_or("none").to_owned(),
            rank,
            kind: causes.first().is_some_and(|c| case.kinds.contains(&text(c, "kind"))),
            said: causes.first().map_or("nothing".into(), |c| {
                format!("{} at {} {}", text(c, "kind"), text(c, "at"), text(c, "doing")).trim().to_owned()
            }),
            wrong: causes.first().map_or(Some("no cause".into()), |c| wrong(case, c)),
            off: off(case, a, planned.healthy),
            open: open(a, |rest| rest["value"].as_f64()),
            met: a["expectation"]["met"].as_bool(),
            lines: causes.first().map(|c| Lines::of(c, case.code)).unwrap_or_default(),
            doubt: open(a, |rest| Some((rest["high"].as_f64()? - rest["low"].as_f64()?) / 2.0)),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{:>3} {:<44} {:>5} at {:>3.0} %  p95 x{:<5.1} {:<10} {} {}{}",
            self.number,
            self.name,
            self.dose,
            100.0 * self.load,
            self.slower,
            self.verdict,
            match self.rank {
                Some(1) => "right ",
                Some(_) => "listed",
                None => "WRONG ",
            },
            self.said,
            self.wrong.as_ref().map(|w| format!(" [{w}]")).unwrap_or_default()
        )
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What is wrong with a cause; nothing if it is the case's.
pub fn wrong(case: &Case, cause: &Value) -> Option<String> {
    let named = format!("{} {}", text(cause, "at"), text(cause, "doing"));
    let whole = cause.to_string();
    if !case.kinds.contains(&text(cause, "kind")) {
        return Some(format!("not {}", case.kinds.join(" or ")));
    }
    let missing =
        |all: &[&str], within: &str| all.iter().find(|n| !within.contains(**n)).map(|n| (*n).to_owned());
    missing(case.names, &named).or_else(|| missing(case.says, &whole)).map(|m| format!("does not say {m:?}"))
}

/// Median p95 of the periods after the switch over that of those before it, and the same of the error rate as a
/// difference: by the clock, whatever was found. The first seconds after the switch are left out.
fn slower(a: &Value, times: Times) -> (f64, f64) {
    const SETTLED: f64 = 3.0;
    let points = a["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    let median_of = |key: &str, keep: &dyn Fn(f64) -> bool| {
        let at = |p: &Value| p["at"].as_f64().unwrap_or(0.0) / 1e9;
        let inside = points.iter().filter(|p| p["warm_up"] == false && keep(at(p)));
        median(inside.filter_map(|p| p[key].as_f64()).collect()).unwrap_or(0.0)
    };
    let (switch, end) = (times.switch.as_secs_f64(), times.end.as_secs_f64());
    let before = |at: f64| at <= switch;
    let after = |at: f64| at > switch + SETTLED && at <= end;
    let p95 = (median_of("p95", &before), median_of("p95", &after));
    let errors = median_of("error_rate", &after) - median_of("error_rate", &before);
    (if p95.0 > 0.0 { p95.1 / p95.0 } else { 1.0 }, errors)
}

/// How far the milliseconds of the right causes are from those that the mean grew by.
fn off(case: &Case, a: &Value, healthy: Option<f64>) -> Option<f64> {
    let mean = |of: &str| a["breakdown"][of]["mean"].as_f64();
    let before = healthy.map_or_else(|| mean("reference"), |ms| Some(1e6 * ms))?;
    let added = mean("judged")? - before;
    let right = a["causes"].as_array()?.iter().filter(|c| wrong(case, c).is_none());
    let explained: Vec<f64> = right.filter_map(|c| c["explains"]["value"].as_f64()).collect();
    (added > 0.0 && !explained.is_empty()).then(|| explained.iter().sum::<f64>() / added - 1.0)
}

fn open(a: &Value, of: impl Fn(&Value) -> Option<f64>) -> f64 {
    let mean = a["breakdown"]["judged"]["mean"].as_f64().unwrap_or(0.0);
    let rest = of(&a["breakdown"]["unattributed"]["judged"]).unwrap_or(0.0);
    if mean > 0.0 { rest / mean } else { 0.0 }
}

/// Wilson's interval of a proportion, 95 %.
pub fn wilson(hits: usize, of: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// `17 of 18 (74 to 99 %)`.
pub fn share(hits: usize, of: usize) -> String {
    let (low, high) = wilson(hits, of);
    format!("{hits} of {of} ({:.0} to {:.0} %)", 100.0 * low, 100.0 * high)
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
