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
mod pairs;
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
    for (_, case) in CASES.iter().enumerate().filter(|(i, c)| options.wants(*i, c.number)) {
        for load in &options.loads {
            for dose in &options.doses {
                for seed in 1..=options.seeds {
                    let attempt = std::panic::AssertUnwindSafe(|| {
                        fault(case, *load, *dose, seed, &options, &mut capacities, &mut results);
                    });
                    if std::panic::catch_unwind(attempt).is_err() {
                        results.broken.push(case.name);
                    }
                    results.save(options.json.as_deref());
                }
            }
        }
    }
    for (i, pair) in pairs::PAIRS.iter().enumerate().filter(|(i, _)| options.controls && options.has(*i)) {
        for seed in 1..=options.seeds {
            let keep = options.keep.as_ref().map(|dir| dir.join(format!("pair-{i}-{seed}")));
            let mut both = pairs::run(pair, seed, keep.as_deref());
            if both.is_wrong() {
                eprintln!("{} (once more)", both.line());
                both = pairs::run(pair, seed + 100, keep.as_deref());
            }
            eprintln!("{}", both.line());
            results.pairs.push(both);
        }
    }
    for (i, control) in
        controls::CONTROLS.iter().enumerate().filter(|(i, _)| options.controls && options.has(*i))
    {
        for seed in 1..=options.seeds {
            let keep = options.keep.as_ref().map(|dir| dir.join(format!("control-{i}-{seed}")));
            let mut passed = controls::run(control, seed, &mut capacities, keep.as_deref());
            if (passed.blamed || passed.alarmed || !passed.valid) && !options.calibrate {
                eprintln!("{} (once more)", passed.line());
                results.alarms += usize::from(passed.valid && passed.blamed);
                passed = controls::run(control, seed + 100, &mut capacities, keep.as_deref());
            }
            eprintln!("{}", passed.line());
            results.controls.push(passed);
        }
    }
    println!("{results}");
    results.save(options.json.as_deref());
    let passed = if options.lenient { results.mostly() } else { results.passed() };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
        baseline: None,
    };
    setup.rate = case.rate.unwrap_or_else(|| (load * capacities.of(&setup, options.calibrate)).round());
    setup.args = case.args.iter().map(|a| busy(a, case, setup.rate)).collect();
    let name = format!("{:02}-{}-{:.0}-{seed}", case.number, dose.name(), 100.0 * load);
    let keep = options.keep.as_ref().map(|dir| dir.join(name));
    let run = |setup: &Setup, amount| {
        run::valid_run(setup, keep.as_deref(), |stage| stage.switch(case.switch, amount))
    };
    let score = |outcome: &run::Outcome| Score::of(case, dose.name(), load, outcome);
    let calibrated = || {
        let healthy = probe::seen(&setup, None);
        eprintln!(
            "{} {} at {:.0}/s: healthy p95 {:.1} ms, mean {:.1} ms",
            case.number, case.name, setup.rate, healthy.p95, healthy.mean
        );
        run(&setup, probe::dose(&setup, case, healthy, &dose.wanted()))
    };
    let outcome = match options.calibrate {
        true => calibrated(),
        false => usual(case, &setup, &run, &score, &mut results.attempts),
    };
    let score = score(&outcome);
    eprintln!("{}", score.line());
    results.compare(clocks::check(case, &outcome));
    if score.hurt {
        results.removed.extend(removed::check(case, &outcome));
    }
    results.baselines.push(baselines::answers(case, &outcome));
    results.scores.push(score);
}

/// Runs with the usual dose; if that hurt nobody, or what is to blame was not named, once more.
fn usual(
    case: &Case,
    setup: &Setup,
    run: &impl Fn(&Setup, f64) -> run::Outcome,
    score: &impl Fn(&run::Outcome) -> Score,
    attempts: &mut Vec<Score>,
) -> run::Outcome {
    let mut amount = case.dose.unwrap_or(1.0);
    for left in (0..MORE_RUNS).rev() {
        let outcome = run(setup, amount);
        let found = score(&outcome);
        if left == 0 || (found.hurt && found.rank == Some(1)) {
            return outcome;
        }
        eprintln!("{} with a dose of {amount:.0}; once more", found.line());
        let weak = !found.hurt;
        attempts.push(found);
        if weak {
            let stronger = if case.switch.is_a_limit() { 1.0 / STRONGER } else { STRONGER };
            amount = (amount * stronger).round().clamp(1.0, case.most);
        }
    }
    unreachable!("the last run is returned")
}

/// Runs of the short set that a case may take.
const MORE_RUNS: u32 = 2;
/// What a dose that hurts nobody is multiplied by.
const STRONGER: f64 = 1.7;

/// `BUSY` stands for a job time that keeps three workers at nine tenths of what they can do.
fn busy(arg: &str, case: &Case, rate: f64) -> String {
    if arg != "BUSY" {
        return arg.to_owned();
    }
    let all: u32 = case.mix.iter().map(|(_, weight)| weight).sum();
    let orders = rate * f64::from(case.mix[0].1) / f64::from(all);
    format!("{:.1}ms", (0.9 * 3.0 * 1e3 / orders - 0.3).max(0.2))
}
