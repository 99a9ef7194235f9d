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
    let quiet = args.quiet;
    let mut view: Option<View> = None;
    let watch = move |step: Step<'_>| match step {
        Step::Begins { number, rate } if !quiet => {
            output::say(&format!("run {number}: {}", quantity::rate(rate)));
        }
        Step::Period(progress) => view.get_or_insert_with(|| View::new(quiet, "capacity")).update(progress),
        Step::Ended(run) if !quiet => output::say(&ended(run)),
        _ => {}
    };
    let found = capacity::find(&search, &stop, watch).map_err(wrong)?;
    capacity::write(&found, &search.out).map_err(Failure::unexpected)?;
    output::say(&conclusion(&found, &search.out));
    Ok(if found.generator_bound { Exit::Invalid } else { Exit::Pass })
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
        CapacityError::Analyze(_) => Failure::unexpected(error),
    }
}
