//! The tables of a generation: strings, stacks, CPU samples and the clock.

use std::borrow::Cow;
use std::collections::HashMap;

use super::batch::{Batch, Batches};
use super::event::{StackIndex, TextIndex};
use super::spec::{CLOCK_SNAPSHOT, CPU_SAMPLE, FREQUENCY, MAX_STRING, STACK, STRING, SYNC, Version};
use super::wire::Bytes;
use super::{GoTraceError, MAX_FRAMES};

/// Most strings, and most stacks, in one generation.
const MAX_ENTRIES: usize = 1 << 20;
/// Most CPU samples in one generation; 500 a second and core are usual.
const MAX_SAMPLES: usize = 1 << 21;
/// Goroutine number that stands for none.
const NO_GOROUTINE: u64 = 0;
const SECOND: u64 = 1_000_000_000;

/// One moment on the trace's clock and on two others. Since Go 1.25 every generation has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The moment, nanoseconds of the trace's clock.
    pub trace_nanos: u64,
    /// The same on the monotonic clock of the traced process.
    pub mono_nanos: u64,
    /// The same on its wall clock, nanoseconds since 1970 UTC.
    pub unix_nanos: u64,
}

impl Clock {
    /// Wall clock at a moment of the trace, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn unix(&self, trace_nanos: u64) -> u64 {
        let unix = i128::from(self.unix_nanos) + i128::from(trace_nanos) - i128::from(self.trace_nanos);
        u64::try_from(unix.max(0)).unwrap_or(u64::MAX)
    }
}

/// A call in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<'t> {
    /// Full name of the function; may be empty.
    pub function: &'t str,
    /// Source file; may be empty.
    pub file: &'t str,
    /// Line; 0 if not known.
    pub line: u64,
}

/// A CPU sample, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub(super) ticks: u64,
    pub(super) thread: u64,
    pub(super) proc: u64,
    pub(super) goroutine: Option<u64>,
    pub(super) stack: Option<StackIndex>,
}

/// One generation of a trace: its number, its clock and the tables that its events refer to.
#[derive(Debug)]
pub struct Generation<'t> {
    file: &'t [u8],
    number: u64,
    begin_nanos: u64,
    clock: Option<Clock>,
    ticks_per_second: u64,
    /// 0 if a tick is not a whole number of nanoseconds.
    nanos_per_tick: u64,
    text_ids: Lookup,
    texts: Vec<Cow<'t, str>>,
    stack_ids: Lookup,
    stacks: Vec<StackEntry>,
    samples: Vec<Sample>,
}

/// Where the frames of a stack lie in the file.
#[derive(Clone, Copy, Debug)]
struct StackEntry {
    begin: usize,
    end: usize,
}

impl<'t> Generation<'t> {
    /// Reads the tables of `batches` and checks that they refer to nothing that is missing.
    pub(super) fn read(file: &'t [u8], version: Version, batches: &Batches) -> Result<Self, GoTraceError> {
        let broken = |(at, what)| GoTraceError::Broken { at, generation: batches.number, what };
        let sync = Sync::read(file, version, &batches.sync).map_err(broken)?;
        let Some(ticks_per_second) = sync.ticks_per_second.filter(|&f| f > 0) else {
            return Err(broken((batches.at, "the generation has no frequency of its clock")));
        };
        let mut generation = Self {
            file,
            number: batches.number,
            begin_nanos: 0,
            clock: None,
            ticks_per_second,
            nanos_per_tick: if SECOND.is_multiple_of(ticks_per_second) {
                SECOND / ticks_per_second
            } else {
                0
            },
            text_ids: Lookup::default(),
            texts: Vec::new(),
            stack_ids: Lookup::default(),
            stacks: Vec::new(),
            samples: Vec::new(),
        };
        generation.begin_nanos = generation.nanos(batches.first_ticks);
        generation.clock = sync.snapshot.map(|(ticks, mono, unix)| Clock {
            trace_nanos: generation.nanos(ticks),
            mono_nanos: mono,
            unix_nanos: unix,
        });
        generation.read_texts(&batches.strings)?;
        generation.read_stacks(&batches.stacks)?;
        generation.read_samples(&batches.samples)?;
        Ok(generation)
    }

    /// Number of the generation; they count up within a trace.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it began, nanoseconds of the trace's clock.
    #[must_use]
    pub fn begin_nanos(&self) -> u64 {
        self.begin_nanos
    }

    /// What other clocks showed; none before Go 1.25.
    #[must_use]
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// A string of the generation.
    #[must_use]
    pub fn text(&self, index: TextIndex) -> &str {
        index.0.and_then(|i| self.texts.get(i.get() as usize - 1)).map_or("", |t| t.as_ref())
    }

    /// Frames of a stack, innermost call first, at most [`MAX_FRAMES`].
    pub fn frames(&self, index: StackIndex) -> impl Iterator<Item = Frame<'_>> {
        let mut bytes = self.stacks.get(index.0 as usize).map(|e| Bytes::new(self.file, e.begin, e.end));
        std::iter::from_fn(move || {
            let [_, function, file, line] = bytes.as_mut().and_then(raw_frame)?;
            let text = |id| self.text(self.text_index(id).unwrap_or_default());
            Some(Frame { function: text(function), file: text(file), line })
        })
    }

    /// How many stacks the generation has: one more than its largest [`StackIndex`].
    #[must_use]
    pub fn stacks(&self) -> usize {
        self.stacks.len()
    }

    /// How many strings the generation has.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Ticks as nanoseconds; saturates.
    #[inline]
    pub(super) fn nanos(&self, ticks: u64) -> u64 {
        if self.nanos_per_tick != 0 {
            return ticks.saturating_mul(self.nanos_per_tick);
        }
        let nanos = u128::from(ticks) * u128::from(SECOND) / u128::from(self.ticks_per_second);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// The string with the number that the file gives it; 0 is "".
    #[inline]
    pub(super) fn text_index(&self, id: u64) -> Option<TextIndex> {
        if id == 0 { Some(TextIndex::default()) } else { self.text_ids.get(id).map(TextIndex::new) }
    }

    /// The stack with the number that the file gives it. The inner none is no stack, number 0.
    #[inline]
    pub(super) fn stack_index(&self, id: u64) -> Option<Option<StackIndex>> {
        if id == 0 { Some(None) } else { self.stack_ids.get(id).map(|i| Some(StackIndex(i))) }
    }

    fn broken(&self, at: usize, what: &'static str) -> GoTraceError {
        GoTraceError::Broken { at, generation: self.number, what }
    }

    fn read_texts(&mut self, batches: &[Batch]) -> Result<(), GoTraceError> {
        let mut ids = Vec::new();
        for batch in batches {
            let mut bytes = batch.bytes(self.file);
            bytes.byte();
            while !bytes.is_empty() {
                let at = bytes.at();
                let (id, text) = text(&mut bytes).ok_or_else(|| self.broken(at, "not a string"))?;
                ids.push(id);
                self.texts.push(String::from_utf8_lossy(text));
                check_count(&ids, "strings in a generation")?;
            }
        }
        let first = batches.first().map_or(0, |b| b.begin);
        self.text_ids = Lookup::new(&ids).ok_or_else(|| self.broken(first, "two strings with one number"))?;
        Ok(())
    }

    fn read_stacks(&mut self, batches: &[Batch]) -> Result<(), GoTraceError> {
        let mut ids = Vec::new();
        for batch in batches {
            let mut bytes = batch.bytes(self.file);
            bytes.byte();
            while !bytes.is_empty() {
                let at = bytes.at();
                let (id, entry) = self.stack(&mut bytes).map_err(|what| self.broken(at, what))?;
                ids.push(id);
                self.stacks.push(entry);
                check_count(&ids, "stacks in a generation")?;
            }
        }
        let first = batches.first().map_or(0, |b| b.begin);
        self.stack_ids = Lookup::new(&ids).ok_or_else(|| self.broken(first, "two stacks with one number"))?;
        Ok(())
    }

    fn stack(&self, bytes: &mut Bytes<'_>) -> Result<(u64, StackEntry), &'static str> {
        const BROKEN: &str = "not a stack";
        if bytes.byte() != Some(STACK) {
            return Err(BROKEN);
        }
        let id = bytes.varint().ok_or(BROKEN)?;
        let frames = bytes.varint().filter(|&n| n <= MAX_FRAMES as u64).ok_or(BROKEN)?;
        let begin = bytes.at();
        for _ in 0..frames {
            let [_, function, file, _] = raw_frame(bytes).ok_or(BROKEN)?;
            if self.text_index(function).is_none() || self.text_index(file).is_none() {
                return Err("a stack refers to a string that is missing");
            }
        }
        Ok((id, StackEntry { begin, end: bytes.at() }))
    }

    fn read_samples(&mut self, batches: &[Batch]) -> Result<(), GoTraceError> {
        for batch in batches {
            let mut bytes = batch.bytes(self.file);
            bytes.byte();
            while !bytes.is_empty() {
                let at = bytes.at();
                let sample = self.sample(&mut bytes).ok_or_else(|| self.broken(at, "not a CPU sample"))?;
                self.samples.push(sample);
                if self.samples.len() > MAX_SAMPLES {
                    return Err(GoTraceError::TooMany {
                        what: "CPU samples in a generation",
                        limit: MAX_SAMPLES,
                    });
                }
            }
        }
        self.samples.sort_unstable();
        Ok(())
    }

    fn sample(&self, bytes: &mut Bytes<'_>) -> Option<Sample> {
        if bytes.byte() != Some(CPU_SAMPLE) {
            return None;
        }
        Some(Sample {
            ticks: bytes.varint().filter(|&t| self.nanos(t) <= i64::MAX as u64)?,
            thread: bytes.varint()?,
            proc: bytes.varint()?,
            goroutine: bytes.varint().map(|g| (g != NO_GOROUTINE).then_some(g))?,
            stack: self.stack_index(bytes.varint()?)?,
        })
    }
}

fn check_count(ids: &[u64], what: &'static str) -> Result<(), GoTraceError> {
    if ids.len() > MAX_ENTRIES { Err(GoTraceError::TooMany { what, limit: MAX_ENTRIES }) } else { Ok(()) }
}

fn text<'t>(bytes: &mut Bytes<'t>) -> Option<(u64, &'t [u8])> {
    if bytes.byte() != Some(STRING) {
        return None;
    }
    let id = bytes.varint()?;
    let length = bytes.varint().filter(|&n| n <= MAX_STRING)?;
    Some((id, bytes.take(length as usize)?))
}

/// Address, function, file and line.
fn raw_frame(bytes: &mut Bytes<'_>) -> Option<[u64; 4]> {
    let mut fields = [0; 4];
    for field in &mut fields {
        *field = bytes.varint()?;
    }
    Some(fields)
}

/// From the numbers of the file, which are nearly dense, to indices.
#[derive(Debug, Default)]
struct Lookup {
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
}

const VACANT: u32 = u32::MAX;

impl Lookup {
    /// None if a number comes twice or is 0, which stands for nothing.
    fn new(ids: &[u64]) -> Option<Self> {
        let largest = ids.iter().copied().max().unwrap_or(0);
        let mut lookup = Self::default();
        if largest <= 4 * ids.len() as u64 + 64 {
            lookup.dense = vec![VACANT; largest as usize + 1];
        }
        for (&id, index) in ids.iter().zip(0..) {
            let before = match lookup.dense.get_mut(id as usize).filter(|_| id <= largest) {
                Some(slot) => std::mem::replace(slot, index),
                None => lookup.sparse.insert(id, index).unwrap_or(VACANT),
            };
            if before != VACANT || id == 0 {
                return None;
            }
        }
        Some(lookup)
    }

    #[inline]
    fn get(&self, id: u64) -> Option<u32> {
        if self.dense.is_empty() {
            return self.sparse.get(&id).copied();
        }
        let index = *self.dense.get(usize::try_from(id).ok()?)?;
        (index != VACANT).then_some(index)
    }
}

/// What the sync batch says: ticks per second, and ticks, monotonic and wall clock of one moment.
#[derive(Debug, Default)]
struct Sync {
    ticks_per_second: Option<u64>,
    snapshot: Option<(u64, u64, u64)>,
}

impl Sync {
    fn read(file: &[u8], version: Version, batches: &[Batch]) -> Result<Self, (usize, &'static str)> {
        let mut sync = Self::default();
        for batch in batches {
            let mut bytes = batch.bytes(file);
            if version.sync_kind() == SYNC {
                bytes.byte();
            }
            while !bytes.is_empty() {
                let at = bytes.at();
                sync.record(&mut bytes, batch.ticks, version).ok_or((at, "not a record of the clock"))?;
            }
        }
        Ok(sync)
    }

    fn record(&mut self, bytes: &mut Bytes<'_>, base: u64, version: Version) -> Option<()> {
        match bytes.byte()? {
            FREQUENCY => self.ticks_per_second = Some(bytes.varint()?),
            CLOCK_SNAPSHOT if version.sync_kind() == SYNC => {
                let ticks = base.checked_add(bytes.varint()?)?;
                let mono = bytes.varint()?;
                let seconds = bytes.varint()?;
                let unix = seconds.checked_mul(SECOND)?.checked_add(bytes.varint()?)?;
                self.snapshot = Some((ticks, mono, unix));
            }
            _ => return None,
        }
        Some(())
    }
}
