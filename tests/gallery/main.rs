//! Runs against the Go service: the gallery of faults. Each is switched on in mid-run on a real service with real
//! databases behind it, as strong as it takes on this machine to make p95 longer by a given factor, and must be named:
//! its kind, and the function, statement or limit. Healthy runs beside them must name nobody.
//!
//! Without arguments, the short set: every fault once, at one dose and one load. See `--help`.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a program of its own, and its tables are what it is for"
)]

mod baselines;
mod cases;
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod controls;
mod options;
mod probe;
mod removed;
mod run;
mod score;
#[path = "../common/databases.rs"]
mod servers;
mod stage;
mod table;

use std::process::ExitCode;

use cases::{CASES, Case};
use options::{Dose, Options};
use probe::Capacities;
use run::Setup;
use score::Score;
use table::Results;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            println!("{text}");
            return ExitCode::from(2);
        }
    };
    let mut capacities = Capacities::default();
    let mut results = Results::default();
    for case in CASES.iter().filter(|c| options.wants(c.number)) {
        for load in &options.loads {
            for dose in &options.doses {
                for seed in 1..=options.seeds {
                    fault(case, *load, *dose, seed, &options, &mut capacities, &mut results);
                }
            }
        }
    }
    for (i, control) in controls::CONTROLS.iter().enumerate().filter(|_| options.controls) {
        for seed in 1..=options.seeds {
            let keep = options.keep.as_ref().map(|dir| dir.join(format!("control-{i}-{seed}")));
            let passed = controls::run(control, seed, &mut capacities, keep.as_deref());
            eprintln!("{}", passed.line());
            results.controls.push(passed);
        }
    }
    println!("{results}");
    if let Some(path) = &options.json {
        std::fs::write(path, results.json()).expect("the results are written");
    }
    if results.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fault(
    case: &Case,
    load: f64,
    dose: Dose,
    seed: u64,
    options: &Options,
    capacities: &mut Capacities,
    results: &mut Results,
) {
    let mut setup = Setup {
        name: case.name.into(),
        parts: case.parts,
        args: Vec::new(),
        prepare: case.prepare,
        memory: case.memory,
        mix: case.mix.iter().map(|(p, w)| ((*p).to_owned(), *w)).collect(),
        rate: 0.0,
        seed,
        apart: case.apart,
        change: None,
    };
    setup.rate = (load * capacities.of(&setup, options.calibrate)).round();
    setup.args = case.args.iter().map(|a| busy(a, case, setup.rate)).collect();
    let name = format!("{:02}-{}-{:.0}-{seed}", case.number, dose.name(), 100.0 * load);
    let keep = options.keep.as_ref().map(|dir| dir.join(name));
    let run = |setup: &Setup, amount| {
        run::valid_run(setup, keep.as_deref(), |stage| stage.switch(case.switch, amount))
    };
    let first = (!options.calibrate).then(|| run(&setup, case.dose.unwrap_or(1.0)));
    let outcome = match first.filter(|o| Score::of(case, dose.name(), load, o).hurt) {
        Some(outcome) => outcome,
        None => {
            let healthy = probe::seen(&setup, None);
            eprintln!(
                "{} {} at {:.0}/s: healthy p95 {:.1} ms, mean {:.1} ms",
                case.number, case.name, setup.rate, healthy.p95, healthy.mean
            );
            run(&setup, probe::dose(&setup, case, healthy, &dose.wanted()))
        }
    };
    let score = Score::of(case, dose.name(), load, &outcome);
    eprintln!("{}", score.line());
    results.clocks.extend(clocks::check(case, &outcome));
    results.removed.extend(removed::check(case, &outcome));
    results.baselines.push(baselines::answers(case, &outcome));
    results.scores.push(score);
}

/// `BUSY` stands for a job time that keeps three workers at nine tenths of what they can do.
fn busy(arg: &str, case: &Case, rate: f64) -> String {
    if arg != "BUSY" {
        return arg.to_owned();
    }
    let all: u32 = case.mix.iter().map(|(_, weight)| weight).sum();
    let orders = rate * f64::from(case.mix[0].1) / f64::from(all);
    format!("{:.1}ms", (0.9 * 3.0 * 1e3 / orders - 0.3).max(0.2))
}
