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
mod journal;
mod options;
mod pairs;
mod probe;
mod removed;
mod run;
mod score;
#[path = "../common/databases.rs"]
mod servers;
mod source;
mod stage;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;

use cases::{CASES, Case};
use common::go::ports;
use journal::{Journal, Line, Tried};
use options::{Dose, Options};
use probe::{Capacities, Doses};
use run::Setup;
use score::{Planned, Score};
use table::Results;

/// What is known of this machine, and what was run.
struct Gallery {
    options: Options,
    capacities: Capacities,
    /// By case and percent of the capacity.
    doses: BTreeMap<(u8, u64), Doses>,
    journal: Journal,
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            println!("{text}");
            return ExitCode::from(2);
        }
    };
    source::prove();
    let journal = Journal::open(options.json.clone());
    let mut gallery = Gallery { options, capacities: Capacities::default(), doses: BTreeMap::new(), journal };
    gallery.faults();
    if gallery.options.controls {
        gallery.pairs();
        gallery.controls();
    }
    let results = Results(&gallery.journal);
    println!("{results}");
    let passed = if gallery.options.lenient { results.mostly() } else { results.passed() };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Gallery {
    /// All faults at one dose and load before the next one: what ends early has seen all of them.
    fn faults(&mut self) {
        let wanted = |(i, case): &(usize, &Case)| self.options.wants(*i, case.number);
        let cases: Vec<_> = CASES.iter().enumerate().filter(wanted).map(|(_, case)| case).collect();
        for load in self.options.loads.clone() {
            for dose in self.options.doses.clone() {
                for case in &cases {
                    for seed in 1..=self.options.seeds {
                        let attempt = std::panic::AssertUnwindSafe(|| fault(self, case, load, dose, seed));
                        if std::panic::catch_unwind(attempt).is_err() {
                            self.journal.add(Line::Broken(case.name.into()));
                        }
                    }
                }
            }
        }
    }

    fn pairs(&mut self) {
        for (i, pair) in pairs::PAIRS.iter().enumerate().filter(|(i, _)| self.options.has(*i)) {
            for seed in 1..=self.options.seeds {
                if self.journal.pairs().any(|p| p.name == pair.name && p.seed == seed) {
                    continue;
                }
                let keep = self.options.keep.as_ref().map(|dir| dir.join(format!("pair-{i}-{seed}")));
                if let Some(keep) = keep.as_ref().filter(|_| self.options.again) {
                    note(&mut self.journal, pairs::again(pair, seed, keep), pairs::Both::line, Line::Pair);
                    continue;
                }
                let mut both = pairs::run(pair, seed, keep.as_deref());
                if both.is_wrong() {
                    eprintln!("{} (once more)", both.line());
                    keep_first(keep.as_deref());
                    both = pairs::run(pair, seed + 100, keep.as_deref());
                    both.seed = seed;
                }
                note(&mut self.journal, Some(both), pairs::Both::line, Line::Pair);
            }
        }
    }

    fn controls(&mut self) {
        for seed in 1..=self.options.seeds {
            for (i, control) in controls::CONTROLS.iter().enumerate().filter(|(i, _)| self.options.has(*i)) {
                if self.journal.has_control(control.name, seed) {
                    continue;
                }
                let keep = self.options.keep.as_ref().map(|dir| dir.join(format!("control-{i}-{seed}")));
                if let Some(keep) = keep.as_ref().filter(|_| self.options.again) {
                    note(
                        &mut self.journal,
                        controls::again(control, seed, keep),
                        controls::Passed::line,
                        Line::Control,
                    );
                    continue;
                }
                let mut passed = controls::run(control, seed, &mut self.capacities, keep.as_deref());
                if (passed.blamed || passed.alarmed || !passed.valid) && self.options.may_repeat() {
                    eprintln!("{} (once more)", passed.line());
                    if passed.valid && passed.blamed {
                        self.journal.add(Line::Alarm(passed));
                    }
                    keep_first(keep.as_deref());
                    passed = controls::run(control, seed + 100, &mut self.capacities, keep.as_deref());
                    passed.seed = seed;
                }
                note(&mut self.journal, Some(passed), controls::Passed::line, Line::Control);
            }
        }
    }
}

/// What is run once more is kept beside, not instead.
fn keep_first(folder: Option<&std::path::Path>) {
    if let Some(folder) = folder {
        std::fs::rename(folder, format!("{}-first", folder.display())).expect("it was kept");
    }
}

/// Says what came out, if anything did, and keeps it.
fn note<T>(journal: &mut Journal, outcome: Option<T>, line: fn(&T) -> String, kept: fn(T) -> Line) {
    let Some(outcome) = outcome else { return };
    eprintln!("{}", line(&outcome));
    journal.add(kept(outcome));
}

fn fault(gallery: &mut Gallery, case: &'static Case, load: f64, dose: Dose, seed: u64) {
    let Gallery { options, capacities, doses, journal } = gallery;
    let name = match options.calibrate {
        // Of no size.
        _ if case.dose.is_none() => "own",
        true => dose.name(),
        false => "usual",
    };
    if journal.has_fault(case.number, name, load, seed) {
        return;
    }
    let folder = format!("{:02}-{name}-{:.0}-{seed}", case.number, 100.0 * load);
    let keep = options.keep.as_ref().map(|dir| dir.join(folder));
    let mut planned = Planned { dose: name, load, seed, healthy: None };
    let outcome = match &keep {
        Some(folder) if options.again => {
            let Some((outcome, healthy)) = run::again(folder) else { return };
            planned.healthy = healthy;
            outcome
        }
        _ => {
            let setup = setup(case, load, seed, options, capacities);
            let run = |amount: f64| {
                run::valid_run(&setup, keep.as_deref(), |stage| stage.switch(case.switch, amount))
            };
            let outcome = if options.calibrate {
                let place = (case.number, (100.0 * load) as u64);
                let doses = doses.entry(place).or_insert_with(|| Doses::of(&setup));
                planned.healthy = Some(doses.healthy.mean);
                sized((case, &setup), doses, dose, &run, &|outcome| Score::of(case, &planned, outcome))
            } else {
                usual(case, &run, &|outcome| Score::of(case, &planned, outcome), journal)
            };
            outcome.keep(planned.healthy);
            outcome
        }
    };
    let score = Score::of(case, &planned, &outcome);
    eprintln!("{}", score.line());
    journal.add(Line::Fault(Box::new(Tried {
        removed: if score.hurt { removed::check(case, &outcome) } else { Vec::new() },
        baselines: baselines::answers(case, &outcome),
        clocks: clocks::check(case, &outcome),
        score,
    })));
}

/// Runs with the dose that probes found, and with another if that hurt nobody: a whole run says more of a dose than a probe.
fn sized(
    (case, setup): (&Case, &Setup),
    doses: &mut Doses,
    dose: Dose,
    run: &impl Fn(f64) -> run::Outcome,
    score: &impl Fn(&run::Outcome) -> Score,
) -> run::Outcome {
    let amount = doses.search(setup, case, &dose.wanted());
    let outcome = run(amount);
    let found = score(&outcome);
    if found.hurt || case.dose.is_none() {
        return outcome;
    }
    eprintln!("{} with a dose of {amount:.0}; once more", found.line());
    doses.correct(case, amount, found.slower);
    run(doses.search(setup, case, &dose.wanted()))
}

fn setup(case: &Case, load: f64, seed: u64, options: &Options, capacities: &mut Capacities) -> Setup {
    let mut setup = Setup {
        prepare: case.prepare,
        memory: case.memory,
        apart: case.apart,
        expect: case.expect(),
        ..Setup::of(case.name, case.parts, case.mix, seed)
    };
    setup.rate = match case.rate {
        Some(usual) if options.calibrate => usual * load / USUAL_LOAD,
        Some(usual) => usual,
        None => load * capacities.of(&setup, options.calibrate),
    };
    setup.rate = setup.rate.round();
    setup.args = case.args.iter().map(|a| busy(a, case, setup.rate)).collect();
    setup
}

/// The part of what they can take that cases with a rate of their own are taken to run at.
const USUAL_LOAD: f64 = 0.6;

/// Runs with the usual dose; if that hurt nobody, or what is to blame was not named, once more.
fn usual(
    case: &Case,
    run: &impl Fn(f64) -> run::Outcome,
    score: &impl Fn(&run::Outcome) -> Score,
    journal: &mut Journal,
) -> run::Outcome {
    let mut amount = case.dose.unwrap_or(1.0);
    for left in (0..MORE_RUNS).rev() {
        let outcome = run(amount);
        let found = score(&outcome);
        if left == 0 || (found.hurt && found.rank == Some(1)) {
            return outcome;
        }
        eprintln!("{} with a dose of {amount:.0}; once more", found.line());
        let weak = !found.hurt;
        journal.add(Line::Again(found));
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
