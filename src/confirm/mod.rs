//! Confirming a cause: the same load once more, with an intervention of the user's switched on and off.
//!
//! Attribution names what requests waited for. Only taking it away shows that it was the cause (`docs/confirm.md`).
//! One run holds all windows, so that both states have the same process, the same caches and the same minute; the
//! windows and what was predicted are kept in the folder of the run that is looked into
//! ([`crate::run::trials`]), and what they mean is decided whenever that folder is analysed.

mod command;
mod conductor;
mod scenario;
#[cfg(test)]
mod testing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use crate::analysis::{Analysis, Cause, CheckOutcome, Confirmation, Verdict, quantity};
use crate::analyze::{self, AnalyzeError};
use crate::gate::{self, MIN_PAIRS};
use crate::record::{self, Plan, Progress, RecordError, StopFlag};
use crate::run::reader::Recording;
use crate::run::trials::{self, Trial, TrialWindow, TriedCause};
use crate::run::writer::RunError;
use crate::scenario::mask_command;

use command::Command;
use conductor::{Conducted, Conductor, Failed, Mark, Shared, Tick, Timing};
use scenario::Again;

/// Most pairs of windows.
const MOST_PAIRS: u64 = 200;
/// Longest window and longest time limit of a command.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What to try on which cause.
#[derive(Clone, Debug)]
pub struct Intervention {
    /// Folder of the run that names the cause.
    pub run: PathBuf,
    /// The run it was compared with, if any.
    pub baseline: Option<PathBuf>,
    /// Number of the cause in its report, from 1.
    pub cause: usize,
    /// Command that applies the intervention.
    pub apply: String,
    /// Command that takes it back.
    pub revert: String,
    /// Time limit of a command.
    pub limit: Duration,
    /// Pairs of windows, one without and one with the intervention.
    pub pairs: u64,
    /// Length of a window.
    pub hold: Duration,
    /// Pause after a switch.
    pub settle: Duration,
    /// The scenario file; none takes the copy in the run folder.
    pub scenario: Option<PathBuf>,
    /// `--set` overrides, after those of the run.
    pub overrides: Vec<String>,
    /// Folder of the run with the windows; none makes a default.
    pub out: Option<PathBuf>,
}

/// How the target was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The intervention was not applied.
    AsFound,
    /// It was taken back.
    TakenBack,
    /// It could not be taken back.
    Unknown,
}

/// Why an intervention could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The request itself is wrong.
    #[error("{0}")]
    Usage(String),
    /// The scenario cannot be used again.
    #[error(
        "{0}\n(the run folder keeps a copy of the scenario, but not the files it names: --scenario FILE takes the file)"
    )]
    Scenario(String),
    /// The copy of the scenario lacks secrets.
    #[error(
        "the run folder keeps no secrets, and the scenario has some written out ({0}): name the scenario file with \
         --scenario FILE, or give each with --set KEY=VALUE"
    )]
    Masked(String),
    /// The run folder cannot be analysed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// The run with the windows could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A run folder could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// One of the user's commands failed.
    #[error("the {name} command failed ({why}): {command}{}\n{}", printed(.said), how_left(*.left, .revert))]
    Command {
        /// `apply` or `revert`.
        name: &'static str,
        /// The command, secrets masked.
        command: String,
        /// How.
        why: String,
        /// The last line it printed.
        said: String,
        /// How the target was left.
        left: Left,
        /// The command that takes the intervention back, secrets masked.
        revert: String,
    },
    /// The load ended before all windows were had.
    #[error("the load ended before all windows were had, so nothing is decided\n{}", how_left(*.0, .1))]
    Ended(Left, String),
    /// The folder could not take everything.
    #[error("{0}: the run could not be recorded whole (full disk?), so nothing is decided")]
    Incomplete(PathBuf),
    /// The user stopped it.
    #[error("interrupted: nothing is decided\n{}", how_left(*.0, .1))]
    Interrupted(Left, String),
}

fn printed(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("\nit printed: {said}") }
}

fn how_left(left: Left, revert: &str) -> String {
    match left {
        Left::AsFound => "the intervention is not applied: the target is as it was found".into(),
        Left::TakenBack => "the intervention was taken back: the target is as it was found".into(),
        Left::Unknown => {
            format!("the target may still have the intervention applied; take it back by hand: {revert}")
        }
    }
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Step<'a> {
    /// The load is about to begin.
    Begins {
        /// The cause that is tried.
        cause: &'a Cause,
        /// Folder of the run with the windows.
        out: &'a Path,
        /// How long it takes if the commands take no time.
        lasts: Duration,
    },
    /// A period of the load.
    Period {
        /// The period.
        progress: &'a Progress<'a>,
        /// What the windows are at.
        doing: &'a str,
        /// How long all takes if the commands take no time.
        lasts: Duration,
    },
}

/// Tries an intervention, notes the trial in the run folder and says what it showed.
///
/// # Errors
/// If the run names no such cause, its load cannot be sent again, or a command fails. After the first window the
/// intervention is taken back whatever happens, and the error says how the target was left.
pub fn confirm(
    wish: &Intervention,
    stop: &StopFlag,
    mut watch: impl FnMut(Step<'_>) + Send + 'static,
) -> Result<Confirmation, ConfirmError> {
    in_range(wish)?;
    let analysis = analyze::analyze(&wish.run, wish.baseline.as_deref())?.analysis;
    let cause = named(&analysis, wish.cause)?;
    let recording = Recording::open(&wish.run)?;
    trials::check_writable(&wish.run)?;
    let again = Again::read(wish, &recording, analysis.breakdown.as_ref().map(|b| b.judged.window))?;
    let timing = timing(wish, &again)?;
    let out =
        wish.out.clone().unwrap_or_else(|| record::default_folder(&format!("{}-confirm", again.name())));
    watch(Step::Begins { cause, out: &out, lasts: timing.shortest() });
    let marks = windows(wish, &again, timing, &out, stop, watch)?;
    let trial = measured(wish, &analysis, cause, &out, &marks)?;
    trials::append(&wish.run, &trial)?;
    let confirmation = gate::confirmation(&trial);
    confirmation.ok_or_else(|| ConfirmError::Usage("the cause is of a kind that cannot be tried".into()))
}

fn in_range(wish: &Intervention) -> Result<(), ConfirmError> {
    let least = MIN_PAIRS as u64;
    let problem = if wish.apply.trim().is_empty() || wish.revert.trim().is_empty() {
        "--apply and --revert each need a command; `true` does nothing".to_owned()
    } else if !(least..=MOST_PAIRS).contains(&wish.pairs) {
        format!("--windows must be between {least} and {MOST_PAIRS} pairs")
    } else if wish.hold > LONGEST || wish.settle > LONGEST || wish.limit > LONGEST {
        "--hold, --settle and --limit must be at most an hour".to_owned()
    } else if wish.limit.is_zero() {
        "--limit must be above 0: a command needs some time".to_owned()
    } else {
        return Ok(());
    };
    Err(ConfirmError::Usage(problem))
}

/// The cause that is to be tried.
fn named(analysis: &Analysis, number: usize) -> Result<&Cause, ConfirmError> {
    let tried = matches!(analysis.verdict, Verdict::Confirmed | Verdict::Refuted);
    let can_be_tried = tried || analysis.verdict.names_by_evidence();
    let causes = if can_be_tried { &analysis.causes[..] } else { &[] };
    let problem = match causes.get(number.wrapping_sub(1)) {
        Some(cause) if cause.explains.value > 0 => return Ok(cause),
        Some(_) => {
            "this cause explains no time per request, so there is nothing that could go away".to_owned()
        }
        None if causes.is_empty() => format!(
            "the run names no cause that could be tried (its report says why): confirm needs a verdict of STRONG or \
             LIKELY, and this one is {}",
            verdict_word(analysis.verdict)
        ),
        None => format!("--cause {number}: the report names causes 1 to {}", causes.len()),
    };
    Err(ConfirmError::Usage(problem))
}

fn verdict_word(verdict: Verdict) -> String {
    let word = serde_json::to_value(verdict).ok();
    word.and_then(|w| w.as_str().map(|w| w.replace('-', " ").to_uppercase())).unwrap_or_default()
}

fn timing(wish: &Intervention, again: &Again) -> Result<Timing, ConfirmError> {
    if wish.hold < again.period() * 2 {
        let least = again.period() * 2;
        return Err(ConfirmError::Usage(format!(
            "--hold must be at least two periods of the detector, {least:?}"
        )));
    }
    let (pairs, hold, settle) = (wish.pairs, wish.hold, wish.settle);
    Ok(Timing { pairs, hold, settle, warm_up: again.warm_up() })
}

/// The load with all windows in it.
fn windows(
    wish: &Intervention,
    again: &Again,
    timing: Timing,
    out: &Path,
    stop: &StopFlag,
    mut watch: impl FnMut(Step<'_>) + Send + 'static,
) -> Result<Vec<Mark>, ConfirmError> {
    let shared = Shared {
        stop: Arc::clone(stop),
        end: StopFlag::default(),
        enough: StopFlag::default(),
        doing: Arc::default(),
    };
    let (scenario, text) = again.lasting(timing.longest(wish.limit, again.period()));
    let plan = Plan {
        scenario,
        text,
        overrides: again.overrides(),
        out: out.to_owned(),
        baseline: None,
        enough: Arc::clone(&shared.enough),
    };
    let command = |name, text: &String| Command { name, text: text.clone(), limit: wish.limit };
    let commands = (command("apply", &wish.apply), command("revert", &wish.revert));
    let (ticks, to_come) = mpsc::channel();
    let conductor = Conductor::start(timing, commands, shared.clone(), to_come);
    let (doing, lasts) = (Arc::clone(&shared.doing), timing.shortest());
    let recorded = record::record(&plan, &shared.end, move |progress| {
        let slowest = progress.period.response().max();
        // Once all windows are had nobody listens any more.
        let _ = ticks.send(Tick { window: progress.period.window, slowest, out: progress.out.clone() });
        let doing = doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watch(Step::Period { progress, doing: &doing, lasts });
    });
    // Its sender is gone with the load, so it comes to its end.
    let conducted = conductor.join().unwrap_or_else(|_| Conducted::lost());
    let revert = mask_command(&wish.revert);
    match (conducted.marks, recorded) {
        // The load never began.
        (Err(Failed::Ended), Err(e)) if conducted.left == Left::AsFound => Err(e.into()),
        (Err(failed), _) => Err(failed.told(conducted.left, revert)),
        (Ok(_), Err(e)) => Err(e.into()),
        (Ok(_), Ok(recorded)) if recorded.incomplete => Err(ConfirmError::Incomplete(out.to_owned())),
        (Ok(marks), Ok(_)) => Ok(marks),
    }
}

impl Failed {
    fn told(self, left: Left, revert: String) -> ConfirmError {
        match self {
            Self::Interrupted => ConfirmError::Interrupted(left, revert),
            Self::Ended => ConfirmError::Ended(left, revert),
            Self::Command { name, command, why, said } => {
                ConfirmError::Command { name, command, why, said, left, revert }
            }
        }
    }
}

/// What the windows of the recorded run hold, beside what was predicted.
fn measured(
    wish: &Intervention,
    analysis: &Analysis,
    cause: &Cause,
    out: &Path,
    marks: &[Mark],
) -> Result<Trial, ConfirmError> {
    let recording = Recording::open(out)?;
    let periods = recording.read_periods()?;
    let validity = analyze::analyze(out, None)?.analysis.validity;
    let failed = validity.checks.iter().filter(|c| c.outcome == CheckOutcome::Failed);
    let figures = |mark: &Mark| {
        let s = gate::stretch(&periods, mark.window);
        let (pair, applied, window, left_out) = (mark.pair, mark.applied, mark.window, mark.left_out.clone());
        let (requests, failed, mean, p95) = (s.requests, s.failed, s.mean, s.p95);
        TrialWindow { pair, applied, window, requests, failed, mean, p95, left_out }
    };
    Ok(Trial {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: recording.manifest.run_id.clone(),
        path: out.display().to_string(),
        started_unix_nanos: recording.manifest.started_unix_nanos,
        cause: tried(analysis, cause),
        apply: mask_command(&wish.apply),
        revert: mask_command(&wish.revert),
        failed_checks: failed
            .map(|c| {
                let value = c.value.map_or_else(|| "unknown".into(), |v| quantity::value(v, c.unit));
                format!("{} = {value} (limit {})", c.name, quantity::value(c.limit, c.unit))
            })
            .collect(),
        windows: marks.iter().map(figures).collect(),
    })
}

fn tried(analysis: &Analysis, cause: &Cause) -> TriedCause {
    let breakdown = analysis.breakdown.as_ref();
    TriedCause {
        kind: cause.kind.word().to_owned(),
        at: cause.at.clone(),
        service: cause.service.clone(),
        explains: cause.explains.value,
        explains_low: cause.explains.low,
        explains_high: cause.explains.high,
        judged_mean: breakdown.map(|b| b.judged.mean),
        reference_mean: breakdown.and_then(|b| b.reference.as_ref()).map(|r| r.mean),
    }
}

#[cfg(test)]
mod tests {
    use super::testing::intervention;
    use super::*;

    #[test]
    fn wishes_out_of_range_are_refused_with_the_remedy() {
        let refused = |change: &dyn Fn(&mut Intervention), part: &str| {
            let mut wish = intervention(Path::new("run"));
            change(&mut wish);
            let error = in_range(&wish).expect_err("out of range").to_string();
            assert!(error.contains(part), "{error}");
        };
        assert!(in_range(&intervention(Path::new("run"))).is_ok());
        refused(&|w| w.apply = "  ".into(), "--apply and --revert");
        refused(&|w| w.revert = String::new(), "--apply and --revert");
        refused(&|w| w.pairs = 2, "between 3 and 200");
        refused(&|w| w.pairs = 201, "between 3 and 200");
        refused(&|w| w.hold = Duration::from_secs(3_601), "an hour");
        refused(&|w| w.limit = Duration::ZERO, "--limit");
    }

    #[test]
    fn errors_say_how_the_target_was_left() {
        let told = |left| Failed::Interrupted.told(left, "mend it".into()).to_string();
        assert!(told(Left::AsFound).ends_with("is not applied: the target is as it was found"));
        assert!(told(Left::TakenBack).ends_with("was taken back: the target is as it was found"));
        assert!(told(Left::Unknown).ends_with("take it back by hand: mend it"));
        let (command, why, said) = ("break it".into(), "exit status: 1".into(), String::new());
        let failed = Failed::Command { name: "revert", command, why, said };
        let text = failed.told(Left::Unknown, "mend it".into()).to_string();
        assert!(text.starts_with("the revert command failed (exit status: 1): break it\n"), "{text}");
    }
}
