//! `loadprof confirm RUN`.

use super::args::ConfirmArgs;
use super::run::failure;
use super::view::View;
use super::{Failure, interrupt, output};
use crate::analysis::quantity;
use crate::confirm::{self, ConfirmError, Intervention, Step};
use crate::gate::{Exit, confirmation_exit};
use crate::report;

pub(super) fn confirm(args: &ConfirmArgs) -> Result<Exit, Failure> {
    let stop = interrupt::flag_and(|| {
        output::warn(
            "interrupted: the load ends and the intervention is taken back; wait for it, a second interrupt would not",
        );
    });
    let baseline = output::baseline_of(&args.run, args.baseline.as_deref());
    let wish = Intervention {
        run: args.run.clone(),
        baseline: baseline.clone(),
        cause: args.cause,
        apply: args.apply.clone(),
        revert: args.revert.clone(),
        limit: args.limit,
        pairs: args.windows,
        hold: args.hold,
        settle: args.settle,
        scenario: args.scenario.clone(),
        overrides: args.set.clone(),
        out: args.out.clone(),
    };
    let (quiet, revert) = (args.quiet, args.revert.clone());
    let view = View::new(quiet, "confirm");
    let shown = view.clone();
    let confirmed = confirm::confirm(&wish, &stop, move |step| match step {
        Step::Begins { .. } if quiet => {}
        step @ Step::Begins { .. } => output::say(&begins(&step, &revert)),
        Step::Period { progress, doing, lasts } => shown.update_at(progress, doing, lasts),
    });
    view.finish();
    let confirmation = confirmed.map_err(wrong)?;
    let analysis = output::render(&args.run, baseline.as_deref())?;
    output::job_summary(&analysis).map_err(Failure::unexpected)?;
    let exit = confirmation_exit(confirmation.outcome);
    let headlines = report::headlines(&analysis).join("\n");
    output::say(&format!(
        "\n{}\n\n{headlines}\n\nreport: {} (exit {})",
        report::confirmation_line(&confirmation),
        args.run.join("report.md").display(),
        exit.code()
    ));
    Ok(exit)
}

/// What is going to happen, and how to put the target back if this process is killed half-way.
fn begins(step: &Step<'_>, revert: &str) -> String {
    let Step::Begins { cause, out, lasts } = step else { return String::new() };
    format!(
        "trying {} {}: {} were predicted to go away\nabout {} and what the commands take, recorded in {}\n\
         if this process is killed, the target may be left with the intervention; take it back with: {revert}",
        cause.kind.word(),
        report::one_line(&cause.at),
        quantity::estimate(cause.explains),
        quantity::duration(lasts.as_secs_f64() * 1e9),
        out.display()
    )
}

fn wrong(error: ConfirmError) -> Failure {
    match error {
        ConfirmError::Usage(_)
        | ConfirmError::Scenario(_)
        | ConfirmError::Masked(_)
        | ConfirmError::Analyze(_)
        | ConfirmError::Run(_) => Failure::usage(error),
        ConfirmError::Record(error) => failure(error),
        ConfirmError::Interrupted(..) => Failure { exit: Exit::Interrupted, error: error.into() },
        ConfirmError::Command { .. } | ConfirmError::Ended(..) | ConfirmError::Incomplete(_) => {
            Failure::unexpected(error)
        }
    }
}
