//! `run.json`: what a run folder is, of which version, and in what state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::Arrivals;

/// Major version of the run folder; a newer one is refused.
pub const FORMAT_MAJOR: u32 = 1;
/// Minor version: additions that older readers may ignore.
pub const FORMAT_MINOR: u32 = 0;

/// The manifest of a run folder. Valid from the first moment of a run, sealed at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's format.
    pub format: FormatVersion,
    /// Version of loadprof that recorded.
    pub tool_version: String,
    /// Sixteen random hex digits; also the first half of every trace id.
    pub run_id: String,
    /// Name of the scenario.
    pub scenario: String,
    /// SHA-256 of the scenario file as it was read, hex.
    pub scenario_sha256: String,
    /// `--set` overrides in order, secrets masked.
    pub overrides: Vec<String>,
    /// Address of the target as it was used.
    pub target: String,
    /// Connections that could be open at the same time, as far as file descriptors allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<usize>,
    /// How the arrivals of the open model were spaced; none in the closed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// Earlier run that this one was compared with, as it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Wall clock of the run's start, nanoseconds since 1970 UTC.
    pub started_unix_nanos: u64,
    /// Whether recording came to its end.
    pub state: RunState,
    /// The generator's machine.
    pub host: Host,
    /// Facts that preflight found per evidence source, keyed `service/kind`.
    pub sources: BTreeMap<String, SourceFacts>,
    /// State of each part of the folder, keyed by path; filled when sealed.
    pub parts: BTreeMap<String, Part>,
}

/// `major.minor` of the folder's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatVersion {
    /// Readers refuse a newer major.
    pub major: u32,
    /// Readers accept a newer minor.
    pub minor: u32,
}

/// How far recording came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Under way, or cut off: an analysis of it is partial.
    Recording,
    /// Came to its planned end; length in nanoseconds.
    Complete {
        /// Length of the load part.
        load_nanos: u64,
    },
    /// Stopped early but in order.
    Interrupted {
        /// Why, for people.
        why: String,
        /// Length of the load part.
        load_nanos: u64,
    },
}

/// Facts of the generator's machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Cores this process may run on.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// What preflight learned of an evidence source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Whether it answered.
    pub reachable: bool,
    /// What it gives, e.g. `cpu`, `goroutine`, `mutex`.
    pub gives: Vec<String>,
    /// What is switched off, with the line that switches it on.
    pub off: Vec<SwitchedOff>,
    /// What went wrong, if it did not answer.
    pub problem: Option<String>,
}

/// A part of an evidence source that is switched off in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedOff {
    /// Name of the part, e.g. `mutex`.
    pub what: String,
    /// The line that switches it on.
    pub remedy: String,
}

/// State of a part of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Complete, partial or absent.
    pub state: PartState,
    /// Number of files.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Why it is not complete.
    pub why: Option<String>,
}

/// State of a part of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// Everything that was to be recorded is there.
    Complete,
    /// Some is missing.
    Partial,
    /// Nothing is there.
    Absent,
}

#[cfg(test)]
impl Manifest {
    /// Of a run that is being recorded, for tests.
    pub(crate) fn for_tests() -> Self {
        Self {
            format: FormatVersion { major: FORMAT_MAJOR, minor: 0 },
            tool_version: "0.1.0".into(),
            run_id: "00".into(),
            scenario: "test".into(),
            scenario_sha256: String::new(),
            overrides: Vec::new(),
            target: "http://127.0.0.1:1/".into(),
            baseline: None,
            max_connections: None,
            arrivals: None,
            started_unix_nanos: 0,
            state: RunState::Recording,
            host: Host::default(),
            sources: Default::default(),
            parts: Default::default(),
        }
    }
}
