//! Writes a run folder: whole files by rename, logs by append, the manifest first and last.
//!
//! A killed run leaves what was written: logs end at most in one cut line, files are whole or absent.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event::{Event, EventKind};
use super::layout;
use super::manifest::{Manifest, RunState};
use crate::time::{RunClock, RunTime};

/// Bytes that are kept free while recording, so that manifest and report still find room on a full disk.
const RESERVE: usize = 1 << 20;

/// Why a run folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder for a new run holds something already.
    #[error("{0} is not empty: name another folder with --out, or remove it")]
    NotEmpty(PathBuf),
    /// No run folder.
    #[error("{0} is no run folder: it has no readable run.json ({1})")]
    NoManifest(PathBuf, String),
    /// Recorded by a newer loadprof.
    #[error(
        "{path} has format {major}.{minor}, this loadprof reads {}.x: analyse it with loadprof {tool} or newer",
        super::manifest::FORMAT_MAJOR
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
        /// The version that wrote it.
        tool: String,
    },
    /// A file of the folder is not what it must be.
    #[error("{path}: {problem}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl RunError {
    /// An error of the system about `path`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Files written into one folder so far, for the live view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Folder in the run folder, e.g. `profiles/shop/cpu`.
    pub folder: String,
    /// Files.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// When the last one was written.
    pub last: RunTime,
}

/// Handle on a run folder being written; clones share it.
#[derive(Clone, Debug)]
pub struct RunWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    clock: RunClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    manifest: Manifest,
    logs: HashMap<String, File>,
    stopped: Option<String>,
    tally: BTreeMap<String, Tally>,
}

impl RunWriter {
    /// Makes the folder, writes manifest and scenario.
    ///
    /// # Errors
    /// If the folder holds files already, or the system refuses.
    pub fn create(
        dir: &Path,
        clock: RunClock,
        manifest: Manifest,
        scenario_text: &str,
    ) -> Result<Self, RunError> {
        fs::create_dir_all(dir).map_err(RunError::io(dir))?;
        if fs::read_dir(dir).map_err(RunError::io(dir))?.next().is_some() {
            return Err(RunError::NotEmpty(dir.to_owned()));
        }
        let state = State { manifest, logs: HashMap::new(), stopped: None, tally: BTreeMap::new() };
        let writer = Self(Arc::new(Inner { dir: dir.to_owned(), clock, state: Mutex::new(state) }));
        writer.put(layout::SCENARIO, scenario_text.as_bytes())?;
        writer.write_manifest()?;
        let reserve = dir.join(layout::RESERVE);
        fs::write(&reserve, vec![0; RESERVE]).map_err(RunError::io(reserve))?;
        Ok(writer)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The run's clock.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        self.0.clock
    }

    /// Why recording stopped; none while it goes on.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.state().stopped.clone()
    }

    /// Writes a whole file: under another name first, then renamed.
    ///
    /// # Errors
    /// If the system refuses; a full disk also stops all further recording.
    pub fn put(&self, rel: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.check_going()?;
        let path = self.0.dir.join(rel);
        write_whole(&path, bytes).map_err(|e| self.note(e, path))?;
        self.count(rel, bytes.len() as u64);
        Ok(())
    }

    /// Files written so far, by folder, in order of their names.
    #[must_use]
    pub fn tally(&self) -> Vec<Tally> {
        self.state().tally.values().cloned().collect()
    }

    fn count(&self, rel: &str, bytes: u64) {
        let Some((folder, _)) = rel.rsplit_once('/') else { return };
        let mut state = self.state();
        let tally = state.tally.entry(folder.to_owned()).or_insert_with(|| Tally {
            folder: folder.to_owned(),
            files: 0,
            bytes: 0,
            last: RunTime::ZERO,
        });
        tally.files += 1;
        tally.bytes += bytes;
        tally.last = self.0.clock.now();
    }

    /// Appends to a log file; one call is one write.
    ///
    /// # Errors
    /// If the system refuses; a full disk also stops all further recording.
    pub fn append(&self, rel: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.check_going()?;
        let path = self.0.dir.join(rel);
        let mut state = self.state();
        let written = match state.logs.get_mut(rel) {
            Some(log) => log.write_all(bytes),
            None => open_log(&path).and_then(|mut log| {
                log.write_all(bytes)?;
                state.logs.insert(rel.to_owned(), log);
                Ok(())
            }),
        };
        drop(state);
        written.map_err(|e| self.note(e, path))
    }

    /// Appends an event at the present moment. A refused write is remembered, see [`Self::stopped`].
    pub fn event(&self, kind: EventKind) {
        self.event_at(self.0.clock.now(), kind);
    }

    /// Appends an event of an earlier moment; a log's lines are in the order of writing, not of `at`.
    pub fn event_at(&self, at: RunTime, kind: EventKind) {
        let event = Event { at, kind };
        let mut line = serde_json::to_vec(&event).expect("events have string keys");
        line.push(b'\n');
        // The outcome is kept by `note`; an event must never stop the load.
        let _ = self.append(layout::EVENTS, &line);
    }

    /// Changes the manifest and writes it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<(), RunError> {
        change(&mut self.state().manifest);
        self.write_manifest()
    }

    /// Seals the folder: final state, and the state of each part.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn seal(&self, outcome: RunState) -> Result<(), RunError> {
        self.give_up_reserve();
        let parts = super::parts::survey(&self.0.dir, self.stopped().as_deref());
        self.state().stopped = None;
        self.update(|m| {
            m.state = outcome;
            m.parts = parts;
        })
    }

    fn write_manifest(&self) -> Result<(), RunError> {
        let mut text = serde_json::to_vec_pretty(&self.state().manifest).expect("string keys");
        text.push(b'\n');
        let path = self.0.dir.join(layout::MANIFEST);
        write_whole(&path, &text).map_err(|e| self.note(e, path))
    }

    fn check_going(&self) -> Result<(), RunError> {
        match self.stopped() {
            Some(problem) => Err(RunError::Broken { path: self.0.dir.clone(), problem }),
            None => Ok(()),
        }
    }

    /// A full disk ends recording once and for all: half of the later files would be worse than none.
    fn note(&self, source: io::Error, path: PathBuf) -> RunError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            self.stop(format!("{}: {source}", path.display()));
        }
        RunError::Io { path, source }
    }

    /// The first reason counts; from then on nothing but the end of the record is written.
    fn stop(&self, why: String) {
        let mut state = self.state();
        if state.stopped.is_some() {
            return;
        }
        state.stopped = Some(why.clone());
        drop(state);
        self.give_up_reserve();
        self.tell_stopped(why);
    }

    fn give_up_reserve(&self) {
        // Gone already if recording stopped before.
        let _ = fs::remove_file(self.0.dir.join(layout::RESERVE));
    }

    /// The last event of a record that stopped, on a line of its own whatever was cut off before it.
    fn tell_stopped(&self, why: String) {
        let event = Event { at: self.0.clock.now(), kind: EventKind::RecordingStopped { why } };
        let line = serde_json::to_string(&event).expect("events have string keys");
        let path = self.0.dir.join(layout::EVENTS);
        // The manifest says the same if even this does not find room.
        let _ = ends_within_a_line(&path).and_then(|cut| {
            let text = format!("{}{line}\n", if cut { "\n" } else { "" });
            open_log(&path)?.write_all(text.as_bytes())
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
