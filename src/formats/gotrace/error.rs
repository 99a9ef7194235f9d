//! What can be wrong with a trace.

use super::MAX_BYTES;

/// Why bytes are not a usable trace.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum GoTraceError {
    /// The first bytes are not those of a trace.
    #[error("this is not a Go execution trace")]
    NotATrace,
    /// Written by a Go before 1.22.
    #[error("a trace in the v1 format (go 1.{0}); traces are read from Go 1.22 on")]
    OldFormat(u32),
    /// A version of the format that is not known here.
    #[error("a trace in the format of go 1.{0}, which this version does not know")]
    UnknownFormat(u32),
    /// Larger than [`MAX_BYTES`].
    #[error("the trace is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Cut off before its first generation is whole.
    #[error("the trace ends before its first generation is whole")]
    NoGeneration,
    /// Bytes or events that the format does not allow.
    #[error("broken at byte {at} (generation {generation}): {what}")]
    Broken {
        /// Offset in the file; of the generation's first byte where no event is to blame.
        at: usize,
        /// Number of the generation.
        generation: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Events that wait for each other.
    #[error(
        "generation {generation}: {threads} threads wait for events that never come, the first at byte {at}"
    )]
    Stuck {
        /// Offset of the earliest event that waits.
        at: usize,
        /// Number of the generation.
        generation: u64,
        /// How many threads wait.
        threads: usize,
    },
    /// More of something than any real trace has.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are accepted.
        limit: usize,
    },
}
