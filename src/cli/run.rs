//! `loadprof run scenario.toml`.

use super::args::RunArgs;
use super::view::View;
use super::{Failure, interrupt, output};
use crate::analysis::CauseKind;
use crate::gate::Exit;
use crate::record::{self, Plan, RecordError};
use crate::run::reader::Recording;
use crate::scenario::{EnvPolicy, Scenario};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let stop = interrupt::flag();
    let overrides = args.scenario.set.clone();
    let (scenario, text) =
        Scenario::load(&args.scenario.scenario, &overrides, EnvPolicy::Require).map_err(Failure::usage)?;
    known_cause(&scenario)?;
    if let Some(baseline) = &args.baseline {
        // A baseline that cannot be read must not cost a whole run.
        Recording::open(baseline).map_err(Failure::usage)?;
    }
    let out = args.out.clone().unwrap_or_else(|| record::default_folder(&scenario.name));
    let (baseline, enough) = (args.baseline.clone(), record::StopFlag::default());
    let plan = Plan { scenario, text, overrides, out, baseline, enough };
    let view = View::new(args.quiet, &plan.scenario.name);
    let shown = view.clone();
    let recorded = record::record(&plan, &stop, move |progress| shown.update(progress));
    view.finish();
    let recorded = recorded.map_err(failure)?;
    if let (Some(why), true) = (&recorded.interrupted, recorded.incomplete) {
        output::warn(&format!("{why}; what was written is kept: make room and run again for a whole record"));
    }
    let ended = match (&recorded.interrupted, recorded.incomplete) {
        // What is missing could have failed: such a run passes nothing.
        (_, true) => Some(Exit::Invalid),
        (Some(_), false) => Some(Exit::Interrupted),
        (None, false) => None,
    };
    output::report(&recorded.dir, args.baseline.as_deref(), ended)
}

/// A demonstration must expect a cause that exists.
fn known_cause(scenario: &Scenario) -> Result<(), Failure> {
    let Some(expect) = &scenario.expect else { return Ok(()) };
    let word = serde_json::Value::String(expect.cause.clone());
    match serde_json::from_value::<CauseKind>(word) {
        Ok(_) => Ok(()),
        Err(e) => Err(Failure::usage(anyhow::anyhow!("expect.cause = {:?}: {e}", expect.cause))),
    }
}

/// What could be known before any load was sent is the user's to mend.
pub(super) fn failure(error: RecordError) -> Failure {
    match error {
        RecordError::Runtime(_) => Failure::unexpected(error),
        RecordError::Interrupted => Failure { exit: Exit::Interrupted, error: error.into() },
        _ => Failure::usage(error),
    }
}
