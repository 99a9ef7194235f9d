//! The four wait profiles of `go tool trace -pprof`.

use std::collections::BTreeMap;

use super::super::GoState;
use super::{Stack, StateTotal, Summary};
use crate::formats::pprof;

/// Which waits a profile is about.
///
/// A profile counts what ended within the trace, by the stack of the event that began it, and leaves out
/// what was before a goroutine's first run. That is what `go tool trace` of Go 1.26 and later shows, for the
/// files of every version. Older tools pass over changes that have no stack, so that waits of theirs run into
/// each other and into what follows, and waits that begin without a stack are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// Waits for the network (`-pprof=net`).
    Net,
    /// Waits for channels, locks and `select` (`-pprof=sync`).
    Sync,
    /// System calls (`-pprof=syscall`).
    Syscall,
    /// Waits for a processor (`-pprof=sched`); the stack is the waker's where there is one.
    Sched,
}

impl WaitKind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Net, Self::Sync, Self::Syscall, Self::Sched];

    /// The name that `go tool trace -pprof=` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Sync => "sync",
            Self::Syscall => "syscall",
            Self::Sched => "sched",
        }
    }

    /// Whether a state with this reason is counted.
    #[must_use]
    pub fn counts(self, state: GoState, reason: &str) -> bool {
        match self {
            Self::Net => state == GoState::Waiting && reason == "network",
            Self::Sync => {
                state == GoState::Waiting && ["chan", "sync", "select"].iter().any(|w| reason.contains(w))
            }
            Self::Syscall => state == GoState::Syscall,
            Self::Sched => state == GoState::Runnable,
        }
    }
}

impl Summary {
    /// A wait profile of all goroutines. It opens in `go tool pprof`.
    #[must_use]
    pub fn profile(&self, kind: WaitKind) -> pprof::Profile {
        self.profile_of(kind, |_| true)
    }

    /// A wait profile of the rows of [`Summary::states`] that are wanted.
    #[must_use]
    pub fn profile_of(&self, kind: WaitKind, wanted: impl Fn(&StateTotal) -> bool) -> pprof::Profile {
        let mut stacks: BTreeMap<Stack, [i64; 2]> = BTreeMap::new();
        let counted =
            |s: &&StateTotal| s.profiled_count > 0 && kind.counts(s.state, self.text(s.reason)) && wanted(s);
        for row in self.states.iter().filter(counted) {
            let [count, nanos] = stacks.entry(row.stack).or_default();
            *count = count.saturating_add_unsigned(row.profiled_count);
            *nanos = nanos.saturating_add_unsigned(row.profiled_nanos);
        }
        let mut builder =
            pprof::ProfileBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")], 1);
        for (stack, values) in stacks {
            let frame = |f: super::super::Frame<'_>| pprof::Frame {
                function: f.function.to_owned(),
                file: f.file.to_owned(),
                line: i64::try_from(f.line).unwrap_or(i64::MAX),
            };
            builder.add(self.frames(stack).map(frame), &values);
        }
        let reading = self.reading();
        let signed = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        let begin = reading.clock.map_or(0, |c| c.unix(reading.begin_nanos));
        builder.finish(signed(begin), signed(reading.end_nanos.saturating_sub(reading.begin_nanos)))
    }
}
