//! Everything that is printed, and the reports that are written.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::analysis::{Analysis, quantity};
use crate::analyze::{self, Analyzed};
use crate::gate::{self, Exit, Outcomes};
use crate::report::{self, Folded};
use crate::run::reader::Recording;

/// Prints a line to standard output; a closed pipe is no error.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a failure to standard error.
pub(super) fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr().lock(), "loadprof: {:#}", failure.error);
}

/// Prints a warning to standard error.
pub(super) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "loadprof: {text}");
}

/// Analyses a run folder, writes its reports and says the outcome. `ended` is the exit code of a run that did
/// not come to its end.
pub(super) fn report(dir: &Path, baseline: Option<&Path>, ended: Option<Exit>) -> Result<Exit, Failure> {
    let analysis = render(dir, baseline)?;
    job_summary(&analysis).map_err(Failure::unexpected)?;
    let exit = ended.unwrap_or_else(|| exit(&analysis));
    say(&conclusion(&analysis, dir, exit));
    Ok(exit)
}

/// Analyses a run folder and writes its reports.
pub(super) fn render(dir: &Path, baseline: Option<&Path>) -> Result<Analysis, Failure> {
    let baseline = baseline_of(dir, baseline);
    let analyzed = analyze::analyze(dir, baseline.as_deref()).map_err(Failure::usage)?;
    let Analyzed { analysis, folded } = analyzed;
    let folded =
        Folded { reference: folded.reference, judged: folded.judged, unit: "CPU ns per request".to_owned() };
    report::render(&analysis, &folded, dir).map_err(Failure::unexpected)?;
    Ok(analysis)
}

/// The baseline that is named, else the one that the run notes.
pub(super) fn baseline_of(dir: &Path, named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| noted_baseline(dir))
}

/// The baseline that the run was compared with when it was recorded, if it is still there.
fn noted_baseline(dir: &Path) -> Option<PathBuf> {
    let noted = PathBuf::from(Recording::open(dir).ok()?.manifest.baseline?);
    if noted.exists() {
        return Some(noted);
    }
    let _ = writeln!(
        std::io::stderr().lock(),
        "loadprof: the baseline {} of this run is gone; name it with --baseline to compare again",
        noted.display()
    );
    None
}

/// The exit code that an analysis leads to.
fn exit(analysis: &Analysis) -> Exit {
    gate::exit_code(&Outcomes {
        // Known by whoever recorded the run; an analysis of its folder is not interrupted itself.
        interrupted: false,
        validity: &analysis.validity,
        thresholds: &analysis.thresholds,
        baseline: analysis.baseline.as_ref(),
        expectation: analysis.expectation.as_ref(),
    })
}

/// Appends to the file that GitHub shows beside a job.
pub(super) fn job_summary(analysis: &Analysis) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else { return Ok(()) };
    let text = report::job_summary(analysis)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// The last lines on the terminal: the report's own first lines, and where it is.
fn conclusion(analysis: &Analysis, dir: &Path, exit: Exit) -> String {
    let total = &analysis.load.total;
    let figures = format!(
        "{} requests, {} passed, {} failed; response time p50 {}, p95 {}, p99 {}",
        quantity::count(total.done),
        quantity::rate(total.rate),
        quantity::ratio(total.error_rate),
        quantity::duration(total.response.p50 as f64),
        quantity::duration(total.response.p95 as f64),
        quantity::duration(total.response.p99 as f64),
    );
    let report = format!("report: {} (exit {})", dir.join("report.md").display(), exit.code());
    let headlines = report::headlines(analysis).join("\n");
    format!("\n{figures}\n\n{headlines}\n\n{report}")
}
