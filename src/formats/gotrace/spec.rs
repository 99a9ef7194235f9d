//! Versions of the format, kinds of records and the arguments of timed events.

use super::GoTraceError;

/// Bytes of the header, `go 1.NN trace` and three zeros.
pub(super) const HEADER: usize = 16;
/// Largest batch and longest string.
pub(super) const MAX_BATCH: u64 = 65536;
pub(super) const MAX_STRING: u64 = 1024;

/// Records that are not timed events.
pub(super) const EVENT_BATCH: u8 = 1;
pub(super) const STACKS: u8 = 2;
pub(super) const STACK: u8 = 3;
pub(super) const STRINGS: u8 = 4;
pub(super) const STRING: u8 = 5;
pub(super) const CPU_SAMPLES: u8 = 6;
pub(super) const CPU_SAMPLE: u8 = 7;
pub(super) const FREQUENCY: u8 = 8;
pub(super) const EXPERIMENTAL_BATCH: u8 = 49;
pub(super) const SYNC: u8 = 50;
pub(super) const CLOCK_SNAPSHOT: u8 = 51;
pub(super) const END_OF_GENERATION: u8 = 52;

/// Timed events.
pub(super) const PROCS_CHANGE: u8 = 9;
pub(super) const PROC_START: u8 = 10;
pub(super) const PROC_STOP: u8 = 11;
pub(super) const PROC_STEAL: u8 = 12;
pub(super) const PROC_STATUS: u8 = 13;
pub(super) const GO_CREATE: u8 = 14;
pub(super) const GO_CREATE_SYSCALL: u8 = 15;
pub(super) const GO_START: u8 = 16;
pub(super) const GO_DESTROY: u8 = 17;
pub(super) const GO_DESTROY_SYSCALL: u8 = 18;
pub(super) const GO_STOP: u8 = 19;
pub(super) const GO_BLOCK: u8 = 20;
pub(super) const GO_UNBLOCK: u8 = 21;
pub(super) const GO_SYSCALL_BEGIN: u8 = 22;
pub(super) const GO_SYSCALL_END: u8 = 23;
pub(super) const GO_SYSCALL_END_BLOCKED: u8 = 24;
pub(super) const GO_STATUS: u8 = 25;
pub(super) const STW_BEGIN: u8 = 26;
pub(super) const STW_END: u8 = 27;
pub(super) const GC_ACTIVE: u8 = 28;
pub(super) const GC_BEGIN: u8 = 29;
pub(super) const GC_END: u8 = 30;
pub(super) const SWEEP_ACTIVE: u8 = 31;
pub(super) const SWEEP_BEGIN: u8 = 32;
pub(super) const SWEEP_END: u8 = 33;
pub(super) const ASSIST_ACTIVE: u8 = 34;
pub(super) const ASSIST_BEGIN: u8 = 35;
pub(super) const ASSIST_END: u8 = 36;
pub(super) const HEAP_ALLOC: u8 = 37;
pub(super) const HEAP_GOAL: u8 = 38;
pub(super) const GO_LABEL: u8 = 39;
pub(super) const TASK_BEGIN: u8 = 40;
pub(super) const TASK_END: u8 = 41;
pub(super) const REGION_BEGIN: u8 = 42;
pub(super) const REGION_END: u8 = 43;
pub(super) const USER_LOG: u8 = 44;
pub(super) const GO_SWITCH: u8 = 45;
pub(super) const GO_SWITCH_DESTROY: u8 = 46;
pub(super) const GO_CREATE_BLOCKED: u8 = 47;
pub(super) const GO_STATUS_STACK: u8 = 48;

/// First and last event of the allocation experiment, which are read over.
const EXPERIMENT: std::ops::RangeInclusive<u8> = 128..=136;

/// Arguments of a timed event after its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// How many.
    pub(super) args: usize,
    /// Bit n: argument n is a stack.
    pub(super) stacks: u8,
    /// Bit n: argument n is a string.
    pub(super) texts: u8,
}

const fn spec(args: usize, stacks: u8, texts: u8) -> Option<Spec> {
    Some(Spec { args, stacks, texts })
}

/// The arguments of timed events; none for anything else.
pub(super) static SPECS: [Option<Spec>; 256] = specs();

const fn specs() -> [Option<Spec>; 256] {
    let mut all = [None; 256];
    let mut kind = 0;
    while kind < all.len() {
        all[kind] = match kind as u8 {
            PROC_STOP
            | GO_DESTROY
            | GO_DESTROY_SYSCALL
            | GO_SYSCALL_END
            | GO_SYSCALL_END_BLOCKED
            | STW_END
            | ASSIST_END => spec(0, 0, 0),
            GO_CREATE_SYSCALL | GC_ACTIVE | GC_END | SWEEP_ACTIVE | ASSIST_ACTIVE | HEAP_ALLOC
            | HEAP_GOAL => spec(1, 0, 0),
            SWEEP_BEGIN | ASSIST_BEGIN => spec(1, 0b1, 0),
            GO_LABEL => spec(1, 0, 0b1),
            PROC_START | PROC_STATUS | GO_START | SWEEP_END | GO_SWITCH | GO_SWITCH_DESTROY => spec(2, 0, 0),
            PROCS_CHANGE | GO_SYSCALL_BEGIN | GC_BEGIN | TASK_END => spec(2, 0b10, 0),
            GO_STOP | GO_BLOCK | STW_BEGIN => spec(2, 0b10, 0b1),
            PROC_STEAL | GO_STATUS => spec(3, 0, 0),
            GO_CREATE | GO_CREATE_BLOCKED => spec(3, 0b110, 0),
            GO_UNBLOCK => spec(3, 0b100, 0),
            REGION_BEGIN | REGION_END => spec(3, 0b100, 0b10),
            TASK_BEGIN => spec(4, 0b1000, 0b100),
            USER_LOG => spec(4, 0b1000, 0b110),
            GO_STATUS_STACK => spec(4, 0b1000, 0),
            128 | 129 => spec(3, 0, 0),
            131 | 132 | 134 | 135 => spec(2, 0, 0),
            130 | 133 | 136 => spec(1, 0, 0),
            _ => None,
        };
        kind += 1;
    }
    all
}

/// A version of the format, by the minor number of the Go release that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32);

impl Version {
    /// Reads the header.
    pub(super) fn of(file: &[u8]) -> Result<Self, GoTraceError> {
        let digits = file
            .get(..HEADER)
            .and_then(|h| h.strip_prefix(b"go 1."))
            .and_then(|h| h.strip_suffix(b" trace\0\0\0"))
            .filter(|d| d.iter().all(u8::is_ascii_digit))
            .ok_or(GoTraceError::NotATrace)?;
        let number = digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
        match number {
            22 | 23 | 25 | 26 => Ok(Self(number)),
            11 | 19 | 21 => Err(GoTraceError::OldFormat(number)),
            _ => Err(GoTraceError::UnknownFormat(number)),
        }
    }

    /// Whether a generation ends with a record of its own.
    pub(super) fn marks_ends(self) -> bool {
        self.0 >= 26
    }

    /// Kind of the first record in a batch that holds the clock.
    pub(super) fn sync_kind(self) -> u8 {
        if self.0 >= 25 { SYNC } else { FREQUENCY }
    }

    /// Arguments of a timed event, if this version has it.
    #[inline]
    pub(super) fn timed(self, kind: u8) -> Option<Spec> {
        let known = match self.0 {
            22 => kind <= USER_LOG,
            _ => kind <= GO_STATUS_STACK || is_experiment(kind),
        };
        SPECS[usize::from(kind)].filter(|_| known)
    }
}

/// Whether a timed event belongs to the allocation experiment.
pub(super) fn is_experiment(kind: u8) -> bool {
    EXPERIMENT.contains(&kind)
}
