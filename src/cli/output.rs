//! Everything that is printed, and the reports that are written.

use std::io::Write;
use std::path::Path;

use super::Failure;
use crate::analysis::{Analysis, Verdict, quantity};
use crate::analyze::{self, Analyzed};
use crate::gate::{self, Exit};
use crate::report::{self, Folded};

/// Prints a line to standard output; a closed pipe is no error.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a failure to standard error.
pub(super) fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr().lock(), "loadprof: {:#}", failure.error);
}

/// Analyses a run folder, writes its reports and says the outcome.
pub(super) fn report(dir: &Path, baseline: Option<&Path>) -> Result<Exit, Failure> {
    let Analyzed { analysis, folded } = analyze::analyze(dir, baseline).map_err(Failure::usage)?;
    let folded =
        Folded { reference: folded.reference, judged: folded.judged, unit: "CPU ns per request".to_owned() };
    report::render(&analysis, &folded, dir).map_err(Failure::unexpected)?;
    job_summary(&analysis).map_err(Failure::unexpected)?;
    let exit = gate::exit(&analysis);
    say(&conclusion(&analysis, dir, exit));
    Ok(exit)
}

/// Appends to the file that GitHub shows beside a job.
fn job_summary(analysis: &Analysis) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else { return Ok(()) };
    let text = report::job_summary(analysis)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// The last lines on the terminal: verdict, cause, report.
fn conclusion(analysis: &Analysis, dir: &Path, exit: Exit) -> String {
    let total = &analysis.load.total;
    let mut lines = vec![format!(
        "{} requests, {} per second, {} failed; response time p50 {}, p95 {}, p99 {}",
        total.done,
        quantity::rate(total.rate),
        quantity::ratio(total.error_rate),
        quantity::duration(total.response.p50 as f64),
        quantity::duration(total.response.p95 as f64),
        quantity::duration(total.response.p99 as f64),
    )];
    lines.push(match (analysis.verdict, analysis.causes.first()) {
        (Verdict::Healthy, _) => "nothing went wrong".to_owned(),
        (Verdict::Generator, _) => "the run is invalid: the generator was the limit".to_owned(),
        (_, Some(cause)) => format!("cause: {}", cause.mechanism),
        (verdict, None) => format!("no cause named ({verdict:?})"),
    });
    for threshold in analysis.thresholds.iter().filter(|t| !t.passed) {
        let of = threshold.request.as_ref().map(|r| format!(" of {r}")).unwrap_or_default();
        lines.push(format!("threshold {}{of} does not hold", threshold.metric));
    }
    if analysis.baseline.as_ref().is_some_and(|b| b.regressed) {
        lines.push("regression against the baseline".to_owned());
    }
    if let Some(expected) = analysis.expectation.as_ref().filter(|e| !e.met) {
        lines.push(format!("expected the cause {} at {:?}", expected.cause, expected.at));
    }
    lines.push(format!("report: {} (exit {})", dir.join("report.md").display(), exit.code()));
    lines.join("\n")
}
