//! Answers of Prometheus servers in a run folder.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use super::layout;
use super::writer::RunError;
use crate::time::{RunTime, Window};

/// Longest line accepted.
const MAX_LINE: usize = 64 << 10;
/// Most answers of one service.
const MAX_ANSWERS: usize = 1_000_000;

/// Seconds since 1970 that no clock shows: the year 5138.
const LATEST: f64 = 1e11;

/// A line of `asked.jsonl`: what the answer of the same query and window is to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// When it was asked.
    pub t: RunTime,
    /// Name of the query.
    pub name: String,
    /// The expression.
    pub query: String,
    /// First and last moment that was asked about.
    pub window: Window,
    /// Time between two moments.
    pub step_nanos: u64,
    /// How far the server's clock is ahead of that of the generator; zero within the doubt.
    pub clock_ahead_nanos: i64,
}

/// How far a moment may be off by being told in milliseconds, nanoseconds.
const ROUNDED: i128 = 1_000_000;

impl Asked {
    /// A moment of the answer on the clock of the run; none for one before its start.
    pub(super) fn run_time(&self, unix_seconds: f64, started_unix_nanos: u64) -> Option<RunTime> {
        if !(0.0..LATEST).contains(&unix_seconds) {
            return None;
        }
        // Whole seconds apart: as one number nanoseconds since 1970 do not fit.
        let whole = unix_seconds.trunc();
        let nanos = whole as i128 * 1_000_000_000 + ((unix_seconds - whole) * 1e9).round() as i128;
        let since = nanos - i128::from(self.clock_ahead_nanos) - i128::from(started_unix_nanos);
        // Servers know milliseconds: the start itself may come back as a moment just before it.
        let since = if (-ROUNDED..0).contains(&since) { 0 } else { since };
        u64::try_from(since).ok().map(RunTime::from_nanos)
    }
}

/// What was asked of a service's server, in order; lines that cannot be read are passed over.
pub(super) fn asked(dir: &Path, service: &str) -> Result<Vec<Asked>, RunError> {
    let Some(path) = files::inside(dir, &layout::asked(service)) else { return Ok(Vec::new()) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunError::io(path)(e)),
    };
    let mut all: Vec<Asked> = Vec::new();
    files::lines(&mut BufReader::new(file), MAX_LINE, |_, line| {
        if let Some(asked) = serde_json::from_slice(line).ok().filter(|_| all.len() < MAX_ANSWERS) {
            all.push(asked);
        }
    })
    .map_err(RunError::io(&path))?;
    all.sort_by_key(|a| a.window.from);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_generator() {
        let asked = Asked {
            t: RunTime::ZERO,
            name: "up".into(),
            query: "up".into(),
            window: Window::new(RunTime::ZERO, RunTime::ZERO),
            step_nanos: 1,
            clock_ahead_nanos: 2_500_000_000,
        };
        let started = 1_700_000_000_250_000_000;
        let at = |seconds| asked.run_time(seconds, started).map(RunTime::as_nanos);
        assert_eq!(at(1_700_000_004.0), Some(1_250_000_000));
        assert_eq!(at(1_700_000_002.749_7), Some(0), "the start, told in milliseconds");
        assert_eq!(at(1_700_000_002.0), None, "before the start");
        assert_eq!(at(f64::INFINITY), None);
    }
}
