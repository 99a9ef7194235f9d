//! Go execution traces (`runtime/trace`), the v2 format that every Go since 1.22 writes.
//!
//! A trace is a row of generations of about a second each. A generation holds the events of every thread,
//! in batches, and after them its own tables of strings and stacks. The events of a thread are in order;
//! those of different threads are put in order by replaying the scheduler ([`Reader`]), because clocks of
//! different cores cannot be trusted with it. Events go to a [`Visitor`] one by one, so a large trace is
//! never in memory as events. [`Summary`] is the visitor that answers what a latency analysis asks:
//! for what goroutines waited, at which stack, and who ended the wait.
//!
//! Layout and rules: `src/internal/trace` of the Go source. Times are nanoseconds of the trace's clock;
//! since Go 1.25 a trace holds what the wall clock showed ([`Clock`]).

mod batch;
mod error;
mod event;
mod hash;
mod merge;
mod order;
mod reader;
mod spec;
mod summary;
mod tables;
mod wire;

pub use error::GoTraceError;
pub use event::{Event, GoState, Id, ProcState, Range, StackIndex, TextIndex, What};
pub use reader::{Ending, Reader, Reading, Visitor};
pub use summary::{
    CpuTotal, Edge, Goroutine, Interval, LogLine, Name, Region, Stack, StateSum, StateTotal, Summary, Total,
    Wait, WaitKind,
};
pub use tables::{Clock, Frame, Generation};

/// Largest trace accepted.
pub const MAX_BYTES: usize = 256 << 20;
/// Most frames in one stack; a stack of this length may lack its outermost calls.
pub const MAX_FRAMES: usize = 128;

#[cfg(test)]
mod tests;
