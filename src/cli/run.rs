//! `loadprof run scenario.toml`.

use super::args::RunArgs;
use super::view::View;
use super::{Failure, interrupt, output};
use crate::gate::Exit;
use crate::record::{self, Plan, RecordError};
use crate::run::reader::Recording;
use crate::scenario::{EnvPolicy, Scenario};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let stop = interrupt::flag();
    let overrides = args.scenario.set.clone();
    let (scenario, text) =
        Scenario::load(&args.scenario.scenario, &overrides, EnvPolicy::Require).map_err(Failure::usage)?;
    if let Some(baseline) = &args.baseline {
        // A baseline that cannot be read must not cost a whole run.
        Recording::open(baseline).map_err(Failure::usage)?;
    }
    let out = args.out.clone().unwrap_or_else(|| record::default_folder(&scenario.name));
    let plan = Plan { scenario, text, overrides, out };
    let view = View::new(args.quiet, &plan.scenario.name);
    let shown = view.clone();
    let recorded = record::record(&plan, &stop, move |progress| shown.update(progress));
    view.finish();
    let recorded = recorded.map_err(failure)?;
    let exit = output::report(&recorded.dir, args.baseline.as_deref())?;
    Ok(if recorded.interrupted.is_some() && exit != Exit::Unexpected { Exit::Interrupted } else { exit })
}

/// What could be known before any load was sent is the user's to mend.
pub(super) fn failure(error: RecordError) -> Failure {
    match error {
        RecordError::Runtime(_) => Failure::unexpected(error),
        _ => Failure::usage(error),
    }
}
