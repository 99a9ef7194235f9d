//! `loadprof capacity scenario.toml`.

use std::path::Path;

use super::args::CapacityArgs;
use super::run::failure;
use super::view::View;
use super::{Failure, interrupt, output};
use crate::analysis::quantity;
use crate::capacity::{self, Capacity, CapacityError, EdgeRun, Search, Step};
use crate::gate::Exit;
use crate::record;

pub(super) fn capacity(args: &CapacityArgs) -> Result<Exit, Failure> {
    let stop = interrupt::flag();
    let name =
        args.scenario.scenario.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let search = Search {
        path: args.scenario.scenario.clone(),
        overrides: args.scenario.set.clone(),
        out: args.out.clone().unwrap_or_else(|| record::default_folder(&format!("{name}-capacity"))),
        from: args.from,
        to: args.to,
        hold: args.hold,
        precision: args.precision,
    };
    in_range(args)?;
    let quiet = args.quiet;
    let folder = search.out.clone();
    let mut view: Option<View> = None;
    let watch = move |step: Step<'_>| match step {
        Step::Begins { number, rate } if !quiet => {
            output::say(&format!("run {number}: {}", quantity::rate(rate)));
        }
        Step::Period(progress) => view.get_or_insert_with(|| View::new(quiet, "capacity")).update(progress),
        Step::Ended(run) => {
            // A report that cannot be written is missed in its place; the search goes on.
            let _ = output::render(&folder.join(&run.folder), None);
            if !quiet {
                output::say(&ended(run));
            }
        }
        Step::Begins { .. } => {}
    };
    let found = capacity::find(&search, &stop, watch).map_err(wrong)?;
    if let Some(run) = &found.limiter_run {
        let held = found.held_run.as_ref().map(|r| search.out.join(r));
        output::render(&search.out.join(run), held.as_deref())?;
    }
    capacity::write(&found, &search.out).map_err(Failure::unexpected)?;
    output::say(&conclusion(&found, &search.out));
    Ok(if found.generator_bound { Exit::Invalid } else { Exit::Pass })
}

fn in_range(args: &CapacityArgs) -> Result<(), Failure> {
    let problem = if args.to < 1.0 {
        "--to must be at least 1/s"
    } else if !(0.005..=0.5).contains(&args.precision) {
        "--precision must be between 0.005 and 0.5"
    } else if args.hold.as_secs_f64() < 2.0 {
        "--hold must be at least 2s: shorter runs have no steady part"
    } else {
        return Ok(());
    };
    Err(Failure::usage(anyhow::anyhow!(problem)))
}

fn ended(run: &EdgeRun) -> String {
    format!(
        "  {}: p95 {}, {}",
        run.outcome,
        quantity::duration(run.p95 as f64),
        quantity::rate(run.passed_rate)
    )
}

fn conclusion(found: &Capacity, dir: &Path) -> String {
    format!("\n{}\nreport: {}", capacity::headline(found), dir.join("capacity.md").display())
}

fn wrong(error: CapacityError) -> Failure {
    match error {
        CapacityError::Scenario(_) | CapacityError::NoThresholds(_) => Failure::usage(error),
        CapacityError::Record(error) => failure(error),
        CapacityError::Interrupted => Failure { exit: Exit::Interrupted, error: error.into() },
        CapacityError::Analyze(_) | CapacityError::Incomplete(_) => Failure::unexpected(error),
    }
}
