//! Which values grow for as long as a process lives, and which show a moment.

use super::{Profile, ValueType};

/// Profiles of Go's `net/http/pprof` whose values count from the start of the process: what happened in a
/// window is the [`super::delta`] of two of them. All others but `profile` (CPU) are snapshots, custom ones
/// too. `heap` and `allocs` also hold values that are snapshots: see [`ValueType::nature`].
pub const CUMULATIVE_PROFILES: [&str; 4] = ["allocs", "block", "heap", "mutex"];

/// How a value relates to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Happened while the profile was taken, e.g. `cpu`.
    Window,
    /// Happened since the process started: only the difference of two profiles belongs to a window.
    Cumulative,
    /// Was so when the profile was taken, e.g. `inuse_space`, `goroutine`; adding two up means nothing.
    Snapshot,
}

impl ValueType {
    /// How values of this type relate to time in profiles of Go as the process hands them out. In a profile
    /// that was taken with `seconds=`, and in a [`super::delta`], cumulative ones belong to that window.
    #[must_use]
    pub fn nature(&self) -> Nature {
        match (self.kind.as_str(), self.unit.as_str()) {
            ("alloc_objects" | "contentions", "count")
            | ("alloc_space", "bytes")
            | ("delay", "nanoseconds") => Nature::Cumulative,
            ("samples", "count") | ("cpu" | "wall", _) => Nature::Window,
            _ => Nature::Snapshot,
        }
    }
}

/// Whether a cumulative value fell in this [`super::delta`]: its profiles are of two processes, or of one
/// that started again in between, and the difference means nothing.
#[must_use]
pub fn went_back(delta: &Profile) -> bool {
    let cumulative: Vec<usize> = delta
        .sample_types
        .iter()
        .enumerate()
        .filter(|(_, t)| t.nature() == Nature::Cumulative)
        .map(|(i, _)| i)
        .collect();
    delta.samples.iter().any(|s| cumulative.iter().any(|&i| s.values[i] < 0))
}
