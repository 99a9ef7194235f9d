//! `confirmations.jsonl`: interventions that were tried after the run, one JSON object a line.
//!
//! Lines hold what was measured; what it means is decided when the folder is analysed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use super::layout;
use super::writer::RunError;
use crate::time::Window;

/// Longest line accepted.
const MAX_LINE: usize = 1 << 20;
/// Most trials kept: the last ones.
const MAX_TRIALS: usize = 100;
/// Most windows of a trial kept.
const MAX_WINDOWS: usize = 400;

/// An intervention and what was measured with and without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Version of loadprof that measured.
    pub tool_version: String,
    /// Id of the run with the windows.
    pub run_id: String,
    /// Folder of that run, as it was named.
    pub path: String,
    /// Wall clock of its start, nanoseconds since 1970 UTC.
    pub started_unix_nanos: u64,
    /// The cause that was tried.
    pub cause: TriedCause,
    /// Command that applies the intervention, secrets masked.
    pub apply: String,
    /// Command that takes it back, secrets masked.
    pub revert: String,
    /// Checks of the generator that failed, in words; empty if the measurement is valid.
    pub failed_checks: Vec<String>,
    /// Every window in order.
    pub windows: Vec<TrialWindow>,
}

/// A cause as the analysis named it when it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedCause {
    /// Kind, as in `[expect]`.
    pub kind: String,
    /// Function (or pool, endpoint, setting) to blame.
    pub at: String,
    /// Service.
    pub service: String,
    /// Time per request that it explains, nanoseconds.
    pub explains: i64,
    /// Lower end of the 90 % interval.
    pub explains_low: i64,
    /// Upper end of the 90 % interval.
    pub explains_high: i64,
    /// Mean response time of the window that was explained.
    pub judged_mean: Option<i64>,
    /// Mean response time of the healthy window; none if the level was explained.
    pub reference_mean: Option<i64>,
}

/// A stretch of the run in one state of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialWindow {
    /// Number of its pair, from 1.
    pub pair: u64,
    /// Whether the intervention was applied.
    pub applied: bool,
    /// The window, in run time of the run of `run_id`.
    pub window: Window,
    /// Hits that ended in it.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Their mean response time, nanoseconds.
    pub mean: u64,
    /// Their 95 % response time, nanoseconds.
    pub p95: u64,
    /// Why it does not count; none if it does.
    pub left_out: Option<String>,
}

/// Adds a trial to a run folder; one call is one write.
///
/// # Errors
/// If the system refuses.
pub fn append(dir: &Path, trial: &Trial) -> Result<(), RunError> {
    let mut line = serde_json::to_vec(trial).expect("trials have string keys");
    line.push(b'\n');
    let path = dir.join(layout::CONFIRMATIONS);
    open(&path).and_then(|mut file| file.write_all(&line)).map_err(RunError::io(path))
}

/// Whether a trial could be added to a run folder: better known before a minute of load than after it.
///
/// # Errors
/// If the system refuses.
pub fn check_writable(dir: &Path) -> Result<(), RunError> {
    let path = dir.join(layout::CONFIRMATIONS);
    let empty = open(&path).and_then(|file| Ok(file.metadata()?.len() == 0)).map_err(RunError::io(&path))?;
    if empty {
        // It was not there before; one that stays empty holds no trial either.
        let _ = std::fs::remove_file(&path);
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The trials of a run folder in order; none if there is no such file. Lines that are no trials (a newer
/// version wrote them, a writer was killed) are passed over.
///
/// # Errors
/// If the system refuses.
pub fn read(dir: &Path) -> Result<Vec<Trial>, RunError> {
    let path = dir.join(layout::CONFIRMATIONS);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunError::io(path)(e)),
    };
    let mut trials = Vec::new();
    files::lines(&mut BufReader::new(file), MAX_LINE, |_, line| {
        let Ok(mut trial) = serde_json::from_slice::<Trial>(line) else { return };
        trial.windows.truncate(MAX_WINDOWS);
        if trials.len() == MAX_TRIALS {
            trials.remove(0);
        }
        trials.push(trial);
    })
    .map_err(RunError::io(path))?;
    Ok(trials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    fn trial(apply: &str) -> Trial {
        let cause = TriedCause {
            kind: "lock".into(),
            at: "catalogue.(*Store).Reload".into(),
            service: "shop".into(),
            explains: 5_000_000,
            explains_low: 4_000_000,
            explains_high: 6_000_000,
            judged_mean: Some(7_000_000),
            reference_mean: None,
        };
        let window = TrialWindow {
            pair: 1,
            applied: false,
            window: Window::new(RunTime::from_nanos(3), RunTime::from_nanos(9)),
            requests: 40,
            failed: 1,
            mean: 7_100_000,
            p95: 9_000_000,
            left_out: None,
        };
        Trial {
            tool_version: "0.1.0".into(),
            run_id: "00".into(),
            path: "runs/x".into(),
            started_unix_nanos: 1,
            cause,
            apply: apply.into(),
            revert: "false".into(),
            failed_checks: Vec::new(),
            windows: vec![window],
        }
    }

    #[test]
    fn trials_are_added_and_read_back_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(read(dir.path()).expect("none"), []);
        check_writable(dir.path()).expect("writable");
        assert!(!dir.path().join(layout::CONFIRMATIONS).exists(), "looking leaves nothing");
        append(dir.path(), &trial("one")).expect("written");
        check_writable(dir.path()).expect("writable");
        append(dir.path(), &trial("two")).expect("written");
        assert_eq!(read(dir.path()).expect("two"), [trial("one"), trial("two")]);
    }

    #[test]
    fn a_folder_from_anywhere_stays_small() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut large = trial("0");
        large.windows = vec![large.windows[0].clone(); 1_000];
        for n in 0..=MAX_TRIALS {
            append(dir.path(), &Trial { apply: n.to_string(), ..large.clone() }).expect("written");
        }
        let trials = read(dir.path()).expect("trials");
        assert_eq!((trials.len(), trials[0].windows.len()), (MAX_TRIALS, MAX_WINDOWS));
        assert_eq!((trials[0].apply.as_str(), trials[99].apply.as_str()), ("1", "100"), "the last ones");
    }

    #[test]
    fn foreign_and_cut_lines_are_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        append(dir.path(), &trial("one")).expect("written");
        let path = dir.path().join(layout::CONFIRMATIONS);
        let mut text = std::fs::read_to_string(&path).expect("a text");
        text.push_str("{\"later\": 1}\nno json\n");
        text.push_str(text.clone().lines().next().expect("a line").get(..50).expect("longer"));
        std::fs::write(&path, text).expect("written");
        assert_eq!(read(dir.path()).expect("one").len(), 1);
        assert!(check_writable(&dir.path().join("absent")).is_err_and(|e| e.to_string().contains("absent")));
    }
}
