//! Why a run could not be recorded.

use crate::collect::CollectError;
use crate::load::LoadError;
use crate::run::writer::RunError;

use super::preflight::Problem;

/// Why a run could not be recorded. All but [`RecordError::Run`] happen before any load is sent.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The demo target did not start.
    #[error("the demo target did not start: {0}")]
    Demo(String),
    /// The target or evidence sources cannot be used.
    #[error("{}", list(.0))]
    Preflight(Vec<Problem>),
    /// The user stopped it before any load was sent.
    #[error("interrupted before any load was sent")]
    Interrupted,
    /// No threads for the collectors.
    #[error("the collectors' threads could not be started: {0}")]
    Runtime(std::io::Error),
    /// A source cannot be recorded.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// The load cannot be sent.
    #[error(transparent)]
    Load(LoadError),
    /// The run folder cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<LoadError> for RecordError {
    fn from(e: LoadError) -> Self {
        match e {
            LoadError::Interrupted => Self::Interrupted,
            e => Self::Load(e),
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
