//! Two faults at once: both are to be named, each with its share.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cases::{CASES, Case};
use crate::run::{Setup, judged, valid_run};
use crate::score::wrong;
use crate::stage::Part;

/// Two faults of the list, by number, switched on together, with their doses.
pub struct Pair {
    pub name: &'static str,
    faults: [(u8, f64); 2],
    parts: &'static [Part],
    mix: &'static [(&'static str, u32)],
    rate: f64,
}

pub const PAIRS: &[Pair] = &[
    Pair {
        name: "a document parsed under a mutex, and an index gone",
        faults: [(2, 60.0), (8, 1.0)],
        parts: &[Part::Database, Part::Cache],
        mix: &[("/catalogue?page=2", 1), ("/account", 1)],
        rate: 120.0,
    },
    Pair {
        name: "few workers, and a slow called service",
        faults: [(4, 1.0), (26, 8_000.0)],
        parts: &[Part::Downstream],
        mix: &[("/order", 1), ("/recommend", 1)],
        rate: 400.0,
    },
];

/// What was said of a pair.
#[derive(Serialize, Deserialize)]
pub struct Both {
    pub name: String,
    pub seed: u64,
    pub valid: bool,
    pub verdict: String,
    /// How many of the two are among the causes, and whether one of them is the first.
    pub named: usize,
    pub first: bool,
    pub said: Vec<String>,
}

pub fn run(pair: &Pair, seed: u64, keep: Option<&Path>) -> Both {
    let setup = Setup {
        // Three workers are nine tenths busy with half of the requests.
        args: vec!["-job-time".into(), format!("{:.1}ms", 0.9 * 3.0 * 1e3 / (pair.rate / 2.0) - 0.3)],
        rate: pair.rate,
        ..Setup::of(pair.name, pair.parts, pair.mix, seed)
    };
    let outcome = valid_run(&setup, keep, |stage| {
        pair.faults.iter().for_each(|(number, dose)| stage.switch(case(*number).switch, *dose));
    });
    both(pair, seed, &outcome.analysis)
}

/// A kept run as it is judged now; none if it is not there.
pub fn again(pair: &Pair, seed: u64, folder: &Path) -> Option<Both> {
    judged(folder, None).map(|a| both(pair, seed, &a))
}

fn both(pair: &Pair, seed: u64, a: &Value) -> Both {
    let cases = pair.faults.map(|(number, _)| case(number));
    let causes: &[Value] = a["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is = |cause: &Value| cases.iter().position(|case| wrong(case, cause).is_none());
    let mut found: Vec<usize> = causes.iter().filter_map(is).collect();
    found.sort_unstable();
    found.dedup();
    Both {
        name: pair.name.to_owned(),
        seed,
        valid: a["verdict"] != "generator",
        verdict: a["verdict"].as_str().unwrap_or("none").to_owned(),
        named: found.len(),
        first: causes.first().is_some_and(|c| is(c).is_some()),
        said: causes
            .iter()
            .map(|c| {
                let share = 100.0 * c["share"].as_f64().unwrap_or(0.0);
                format!("{} at {} {share:.0} %", word(c, "kind"), word(c, "at"))
            })
            .collect(),
    }
}

fn case(number: u8) -> &'static Case {
    CASES.iter().find(|c| c.number == number).expect("a fault of the list")
}

fn word<'a>(cause: &'a Value, key: &str) -> &'a str {
    cause[key].as_str().unwrap_or_default()
}

impl Both {
    /// Whether the first cause is none of the two, or the run no measurement.
    pub fn is_wrong(&self) -> bool {
        !self.valid || !self.first
    }

    pub fn line(&self) -> String {
        let outcome = match (self.valid, self.named) {
            (false, _) => "no measurement",
            (true, 2) => "both named",
            (true, 1) => "one named",
            (true, _) => "NONE NAMED",
        };
        format!("    {:<52} {:<10} {outcome}: {}", self.name, self.verdict, self.said.join("; "))
    }
}
