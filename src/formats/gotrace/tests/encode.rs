//! Writes small traces.

use super::super::spec::*;

/// Nanoseconds of a tick in these traces.
pub(super) const TICK: u64 = 64;
const FREQUENCY_OF_TICKS: u64 = 1_000_000_000 / TICK;

/// A timed event: its kind and its numbers, the first being the ticks since the one before.
pub(super) type Timed<'a> = (u8, &'a [u64]);

/// Bytes of records.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A varint of ten bytes, as the runtime writes sizes.
    pub(super) fn padded(mut self, value: u64) -> Self {
        for shift in (0..63).step_by(7) {
            self.0.push((value >> shift) as u8 | 0x80);
        }
        self.0.push((value >> 63) as u8);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        let mut bytes = self.varint(text.len() as u64);
        bytes.0.extend(text.as_bytes());
        bytes
    }

    /// A record: its kind and its numbers.
    pub(super) fn record(self, kind: u8, numbers: &[u64]) -> Self {
        numbers.iter().fold(self.byte(kind), |bytes, &n| bytes.varint(n))
    }
}

/// A generation.
#[derive(Clone, Debug)]
pub(super) struct Gen {
    number: u64,
    version: u32,
    batches: Vec<(u64, u64, Bytes)>,
    strings: Bytes,
    stacks: Bytes,
    samples: Bytes,
    clock: Option<[u64; 4]>,
    frequency: bool,
}

impl Gen {
    pub(super) fn new(version: u32, number: u64) -> Self {
        let clock = (version >= 25).then_some([0, 5000, 10, 500]);
        Self {
            number,
            version,
            batches: Vec::new(),
            strings: Bytes::default().byte(STRINGS),
            stacks: Bytes::default().byte(STACKS),
            samples: Bytes::default().byte(CPU_SAMPLES),
            clock,
            frequency: true,
        }
    }

    /// Events of a thread; the ticks of the first count from `ticks`.
    pub(super) fn thread(self, thread: u64, ticks: u64, events: &[Timed<'_>]) -> Self {
        let bytes = events.iter().fold(Bytes::default(), |b, (kind, numbers)| b.record(*kind, numbers));
        self.raw(thread, ticks, bytes)
    }

    pub(super) fn raw(mut self, thread: u64, ticks: u64, bytes: Bytes) -> Self {
        self.batches.push((thread, ticks, bytes));
        self
    }

    pub(super) fn string(mut self, id: u64, text: &str) -> Self {
        self.strings = self.strings.record(STRING, &[id]).text(text);
        self
    }

    /// A stack of frames whose functions are the strings with these numbers, innermost first.
    pub(super) fn stack(mut self, id: u64, functions: &[u64]) -> Self {
        self.stacks = self.stacks.record(STACK, &[id, functions.len() as u64]);
        for &function in functions {
            self.stacks = [4096 + function, function, 0, 12].iter().fold(self.stacks, |b, &n| b.varint(n));
        }
        self
    }

    pub(super) fn sample(mut self, ticks: u64, goroutine: u64, stack: u64) -> Self {
        self.samples = self.samples.record(CPU_SAMPLE, &[ticks, 1, 0, goroutine, stack]);
        self
    }

    pub(super) fn without_frequency(mut self) -> Self {
        self.frequency = false;
        self
    }

    fn sync(&self) -> Bytes {
        let mut bytes = Bytes::default();
        if self.version >= 25 {
            bytes = bytes.byte(SYNC);
        }
        if self.frequency {
            bytes = bytes.record(FREQUENCY, &[FREQUENCY_OF_TICKS]);
        }
        match self.clock {
            Some(clock) => bytes.record(CLOCK_SNAPSHOT, &clock),
            None => bytes,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut all = Bytes::default();
        let tables = [&self.strings, &self.stacks, &self.samples];
        let tables = tables.into_iter().filter(|t| t.0.len() > 1).cloned();
        let tables = tables.chain([self.sync()]).map(|bytes| (u64::MAX, 100, bytes));
        for (thread, ticks, bytes) in self.batches.iter().cloned().chain(tables) {
            all = all.record(EVENT_BATCH, &[self.number, thread, ticks]).padded(bytes.0.len() as u64);
            all.0.extend(bytes.0);
        }
        if self.version >= 26 { all.byte(END_OF_GENERATION).0 } else { all.0 }
    }
}

/// A file of generations.
pub(super) fn trace(generations: &[Gen]) -> Vec<u8> {
    let version = generations.first().map_or(26, |g| g.version);
    let mut bytes = format!("go 1.{version} trace\0\0\0").into_bytes();
    generations.iter().for_each(|g| bytes.extend(g.bytes()));
    bytes
}
