//! Reads a run folder: complete, interrupted or cut off.

mod logs;
mod otlp;
mod otlp_series;

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::event::{Event, EventKind};
use super::files::{self, TimedFile};
use super::history::MetricHistory;
use super::layout;
use super::manifest::{FORMAT_MAJOR, FormatVersion, Manifest, PartState, RunState};
use super::period::LoadPeriod;
use super::periods::{Index, Periods};
use super::writer::RunError;
use crate::formats::openmetrics::{Family, Sample};
use crate::formats::pprof::{self, Profile};
use crate::time::{RunTime, Window};

pub use super::files::TimedFile as ProfileFile;
pub use logs::{KeptLine, UnreadLines};
pub use otlp::OtlpLines;

/// Largest manifest accepted, and largest scenario.
const MAX_TEXT: u64 = 16 << 20;
/// Longest line of `events.jsonl` accepted.
const MAX_EVENT: usize = 1 << 20;
/// Most events kept.
const MAX_EVENTS: usize = 1_000_000;
/// Bytes of a capture.
const MAX_CAPTURE: u64 = 256 << 20;

/// A run folder that was opened. Histograms, profiles and metrics are read when asked for.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The folder.
    pub dir: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
    /// `scenario.toml` as it was read; the manifest has the overrides.
    pub scenario_text: String,
    /// What happened, in order of time.
    pub events: Vec<Event>,
    /// Lines of `events.jsonl` that could not be read; a newer minor version may have written them.
    pub skipped_events: usize,
    /// Why the record is not whole; none if it is.
    pub partial: Option<String>,
    index: Index,
}

/// Evidence taken on a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFile {
    /// Service it speaks of.
    pub service: String,
    /// `goroutines` or `trace`.
    pub what: String,
    /// `healthy` or `anomaly`.
    pub why: String,
    /// From asking to the last byte.
    pub window: Window,
    /// The file, or why there is none.
    pub file: Result<PathBuf, String>,
}

impl Recording {
    /// Opens a folder.
    ///
    /// # Errors
    /// [`RunError::NoManifest`] if it is no run folder, [`RunError::Newer`] if a newer loadprof recorded it,
    /// [`RunError::Broken`] or [`RunError::Io`] if a file that every run has is not readable.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let manifest = read_manifest(dir)?;
        let scenario_text = files::read_text(&dir.join(layout::SCENARIO), MAX_TEXT)?;
        let (events, skipped_events) = read_events(&dir.join(layout::EVENTS))?;
        let index = Index::read(dir, &events)?;
        let partial = why_partial(&manifest, &events, &index);
        let recording =
            Self { dir: dir.to_owned(), manifest, scenario_text, events, skipped_events, partial, index };
        recording.check_valid()?;
        Ok(recording)
    }

    /// What every reader relies on: windows of periods are in order, not empty, and do not overlap.
    ///
    /// # Errors
    /// [`RunError::Broken`] names the first window that is not so.
    pub fn check_valid(&self) -> Result<(), RunError> {
        let mut last = RunTime::ZERO;
        for window in self.windows() {
            if window.from < last || window.nanos() == 0 {
                let problem = format!("the period {} to {} is out of order or empty", window.from, window.to);
                return Err(RunError::Broken { path: self.dir.join(layout::LATENCY_LOG), problem });
            }
            last = window.to;
        }
        Ok(())
    }

    /// Windows of the recorded periods, in order.
    pub fn windows(&self) -> impl ExactSizeIterator<Item = Window> {
        self.index.periods.iter().map(|p| p.window)
    }

    /// Periods in order, read from disk one at a time: histograms of a long run do not fit into memory.
    #[must_use]
    pub fn periods(&self) -> Periods<'_> {
        self.index.iter()
    }

    /// All periods at once. One of five requests takes about 2 MB of memory; prefer [`Self::periods`].
    ///
    /// # Errors
    /// If a log cannot be read or a histogram in it is broken.
    pub fn read_periods(&self) -> Result<Vec<LoadPeriod>, RunError> {
        self.periods().collect()
    }

    /// Services with evidence, sorted; the generator itself ([`layout::GENERATOR`]) is none of them.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        let tops = ["profiles", "metrics", "expvar", "promql", "captures", "host", "logs"];
        let names: BTreeSet<String> = tops.iter().flat_map(|t| files::folders(&self.dir.join(t))).collect();
        names.into_iter().filter(|n| n != layout::GENERATOR).collect()
    }

    /// Kinds of profiles recorded of a service, sorted, e.g. `cpu`, `goroutine`.
    #[must_use]
    pub fn profile_kinds(&self, service: &str) -> Vec<String> {
        self.below("profiles", &[service]).map(|dir| files::folders(&dir)).unwrap_or_default()
    }

    /// Profiles of one kind in order of time; snapshots have empty windows.
    #[must_use]
    pub fn profiles(&self, service: &str, kind: &str) -> Vec<ProfileFile> {
        self.timed("profiles", &[service, kind], ".pb.gz")
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// If the system refuses, or the file is no profile.
    pub fn read_profile(&self, file: &ProfileFile) -> Result<Profile, RunError> {
        let bytes = files::read(&file.path, pprof::MAX_BYTES)?;
        Profile::decode(&bytes)
            .map_err(|e| RunError::Broken { path: file.path.clone(), problem: e.to_string() })
    }

    /// Scrapes of a service in order of time, text or protobuf.
    #[must_use]
    pub fn metrics(&self, service: &str) -> Vec<TimedFile> {
        let mut all = self.timed("metrics", &[service], ".om");
        all.extend(self.timed("metrics", &[service], ".pb"));
        all.sort_by_key(|f| f.window.to);
        all
    }

    /// Pages of a service's `expvar` in order of time.
    #[must_use]
    pub fn expvar(&self, service: &str) -> Vec<TimedFile> {
        self.timed("expvar", &[service], ".json")
    }

    /// Loads the metrics of a service that `keep` asks for: of its scrapes, of its `expvar`, and of what a
    /// Prometheus server said of it. Where two of them call a series alike, the first of these stands.
    ///
    /// # Errors
    /// If the system refuses. Pages that are no metrics are told in [`MetricHistory::problems`].
    pub fn series(
        &self,
        service: &str,
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<MetricHistory, RunError> {
        let mut history = self.scraped_series(service, &keep)?;
        history.extend(&self.expvar(service), &keep)?;
        history.add_answers(&self.dir, service, self.manifest.started_unix_nanos, &keep)?;
        Ok(history)
    }

    /// The same of its scrapes alone.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn scraped_series(
        &self,
        service: &str,
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<MetricHistory, RunError> {
        MetricHistory::read(&self.metrics(service), keep)
    }

    /// All of `expvar` and the answers of a Prometheus server, without the scrapes.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn told_series(&self, service: &str) -> Result<MetricHistory, RunError> {
        let mut history = MetricHistory::read(&self.expvar(service), |_, _| true)?;
        history.add_answers(&self.dir, service, self.manifest.started_unix_nanos, |_, _| true)?;
        Ok(history)
    }

    /// Looks at the processes of a service on the generator's machine, in order of time.
    #[must_use]
    pub fn host(&self, service: &str) -> Vec<TimedFile> {
        self.timed("host", &[service], ".om")
    }

    /// Loads what was read of a service's processes.
    ///
    /// # Errors
    /// If the system refuses. Pages that are no metrics are told in [`MetricHistory::problems`].
    pub fn host_series(&self, service: &str) -> Result<MetricHistory, RunError> {
        MetricHistory::read(&self.host(service), |_, _| true)
    }

    /// Captures in order of time.
    #[must_use]
    pub fn captures(&self) -> Vec<CaptureFile> {
        self.events.iter().filter_map(|e| self.capture(&e.kind)).collect()
    }

    /// Reads a capture.
    ///
    /// # Errors
    /// If the system refuses, or it is larger than any that a run keeps.
    pub fn read_capture(&self, path: &Path) -> Result<Vec<u8>, RunError> {
        files::read(path, MAX_CAPTURE)
    }

    fn capture(&self, kind: &EventKind) -> Option<CaptureFile> {
        let EventKind::Capture { service, what, why, window, path, problem } = kind else { return None };
        let file = match (path, problem) {
            (Some(rel), _) => match files::inside(&self.dir, rel) {
                Some(path) if path.is_file() => Ok(path),
                Some(_) => Err(format!("{rel} is not in the folder")),
                None => Err(format!("{rel:?} leads out of the folder")),
            },
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => Err("nothing was captured".to_owned()),
        };
        let (service, what, why) = (service.clone(), what.clone(), why.clone());
        Some(CaptureFile { service, what, why, window: *window, file })
    }

    fn timed(&self, top: &str, names: &[&str], suffix: &str) -> Vec<TimedFile> {
        self.below(top, names).map(|dir| files::timed(&dir, suffix)).unwrap_or_default()
    }

    /// A folder below one of the top folders; none for a name that leads elsewhere.
    fn below(&self, top: &str, names: &[&str]) -> Option<PathBuf> {
        names.iter().try_fold(self.dir.join(top), |dir, name| files::inside(&dir, name))
    }
}

/// What is read of a manifest of any version.
#[derive(Deserialize)]
struct Versions {
    format: FormatVersion,
    tool_version: String,
}

fn read_manifest(dir: &Path) -> Result<Manifest, RunError> {
    let none = |why: String| RunError::NoManifest(dir.to_owned(), why);
    let text = match files::read_text(&dir.join(layout::MANIFEST), MAX_TEXT) {
        Ok(text) => text,
        Err(RunError::Io { source, .. }) => return Err(none(source.to_string())),
        Err(RunError::Broken { problem, .. }) => return Err(none(problem)),
        Err(e) => return Err(e),
    };
    let versions: Versions = serde_json::from_str(&text).map_err(|e| none(e.to_string()))?;
    let FormatVersion { major, minor } = versions.format;
    if major > FORMAT_MAJOR {
        return Err(RunError::Newer { path: dir.to_owned(), major, minor, tool: versions.tool_version });
    }
    serde_json::from_str(&text).map_err(|e| none(e.to_string()))
}

/// Events in order of time, and how many lines were not understood.
fn read_events(path: &Path) -> Result<(Vec<Event>, usize), RunError> {
    let (mut events, mut skipped) = (Vec::new(), 0);
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((events, 0)),
        Err(e) => return Err(RunError::io(path)(e)),
    };
    files::lines(&mut BufReader::new(file), MAX_EVENT, |_, line| {
        match serde_json::from_slice(line).ok().filter(|_| events.len() < MAX_EVENTS) {
            Some(event) => events.push(event),
            None => skipped += 1,
        }
    })
    .map_err(RunError::io(path))?;
    events.sort_by_key(|e: &Event| e.at);
    Ok((events, skipped))
}

fn why_partial(manifest: &Manifest, events: &[Event], index: &Index) -> Option<String> {
    let mut reasons = Vec::new();
    match &manifest.state {
        RunState::Recording => {
            let end = index.periods.last().map_or_else(
                || "before the first period was recorded".to_owned(),
                |p| format!("after {}", p.window.to),
            );
            reasons.push(format!("the recording was cut off {end}"));
        }
        RunState::Interrupted { why, .. } => reasons.push(format!("the run was interrupted: {why}")),
        RunState::Complete { .. } => {}
    }
    let stopped = events.iter().find_map(|e| match &e.kind {
        EventKind::RecordingStopped { why } => Some(format!("recording stopped at {}: {why}", e.at)),
        _ => None,
    });
    let part = manifest.parts.iter().find(|(_, p)| p.state == PartState::Partial);
    let part = part.map(|(name, p)| {
        let why = p.why.as_deref().unwrap_or("no reason given");
        format!("recording stopped, {name} is partial: {why}")
    });
    reasons.extend(stopped.or(part));
    if index.dropped > 0 {
        let why = index.problem.as_deref().unwrap_or_default();
        let noun = if index.dropped == 1 { "period is" } else { "periods are" };
        reasons.push(format!("{} {noun} incomplete and left out ({why})", index.dropped));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

#[cfg(test)]
mod tests;
