//! Takes a file apart into generations, and a generation into batches by kind. Nothing is copied.

use std::collections::HashMap;

use super::GoTraceError;
use super::spec::{
    CPU_SAMPLES, END_OF_GENERATION, EVENT_BATCH, EXPERIMENTAL_BATCH, HEADER, MAX_BATCH, STACKS, STRINGS,
    Version,
};
use super::wire::Bytes;

/// Most batches in one generation; real ones are about 64 KB each.
const MAX_BATCHES: usize = 1 << 20;
/// Thread number that stands for none.
const NO_THREAD: u64 = u64::MAX;

/// Where a batch's records lie in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Time in ticks that the first event counts from.
    pub(super) ticks: u64,
}

impl Batch {
    pub(super) fn bytes<'a>(&self, file: &'a [u8]) -> Bytes<'a> {
        Bytes::new(file, self.begin, self.end)
    }
}

/// The events of one thread, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Number of the thread; none for events that happened outside of any.
    pub(super) thread: Option<u64>,
    pub(super) batches: Vec<Batch>,
}

/// The batches of one generation.
#[derive(Clone, Debug, Default)]
pub(super) struct Batches {
    pub(super) number: u64,
    /// Offset of the first batch.
    pub(super) at: usize,
    pub(super) streams: Vec<Stream>,
    pub(super) strings: Vec<Batch>,
    pub(super) stacks: Vec<Batch>,
    pub(super) samples: Vec<Batch>,
    pub(super) sync: Vec<Batch>,
    /// Ticks of the earliest batch.
    pub(super) first_ticks: u64,
    /// Whether its end was seen. The last generation of a file before Go 1.26 never shows one.
    pub(super) closed: bool,
    count: usize,
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Next {
    Generation(Batches),
    End,
    /// The file is cut off at this offset.
    Cut(usize),
}

/// Walks over the batches of a file.
#[derive(Debug)]
pub(super) struct Splitter<'a> {
    file: &'a [u8],
    version: Version,
    at: usize,
}

enum Record {
    Batch {
        generation: u64,
        thread: u64,
        batch: Batch,
        experimental: bool,
    },
    EndOfGeneration,
    /// The file ends within a batch, of this generation if that much is there.
    Partial(Option<u64>),
}

impl<'a> Splitter<'a> {
    pub(super) fn new(file: &'a [u8], version: Version) -> Self {
        Self { file, version, at: HEADER }
    }

    /// The batches of the next generation.
    pub(super) fn next(&mut self) -> Result<Next, GoTraceError> {
        let mut found = Batches { at: self.at, first_ticks: u64::MAX, ..Batches::default() };
        let mut threads = HashMap::new();
        while self.at < self.file.len() {
            let (record, after) = self.record(found.number)?;
            let closes = match &record {
                Record::EndOfGeneration => {
                    self.at = after;
                    true
                }
                // The batch that shows the end is read again as the next generation's first.
                Record::Batch { generation, .. } | Record::Partial(Some(generation)) => {
                    !self.version.marks_ends()
                        && found.number != 0
                        && *generation == found.number.wrapping_add(1)
                }
                Record::Partial(None) => false,
            };
            if closes {
                found.closed = true;
                return Ok(Next::Generation(found));
            }
            if let Record::Partial(generation) = record {
                let may_be_whole = generation.is_none() && self.may_be_whole(&found);
                return Ok(if may_be_whole { Next::Generation(found) } else { Next::Cut(self.at) });
            }
            self.add(&mut found, &mut threads, record)?;
            self.at = after;
        }
        Ok(match found.number {
            0 => Next::End,
            _ if self.may_be_whole(&found) => Next::Generation(found),
            _ => Next::Cut(self.at),
        })
    }

    /// Whether a generation that shows no end may still have all its batches.
    fn may_be_whole(&self, found: &Batches) -> bool {
        !self.version.marks_ends() && !found.sync.is_empty()
    }

    /// The record at the current offset and the offset behind it.
    fn record(&self, generation: u64) -> Result<(Record, usize), GoTraceError> {
        let broken = |what| GoTraceError::Broken { at: self.at, generation, what };
        let mut bytes = Bytes::new(self.file, self.at, self.file.len());
        let experimental = match bytes.byte() {
            Some(EVENT_BATCH) => false,
            Some(EXPERIMENTAL_BATCH) if self.version.0 >= 23 => true,
            Some(END_OF_GENERATION) if self.version.marks_ends() => {
                return Ok((Record::EndOfGeneration, bytes.at()));
            }
            _ => return Err(broken("not the start of a batch")),
        };
        if experimental && bytes.byte().is_none() {
            return Ok((Record::Partial(None), bytes.at()));
        }
        let mut head = [0; 4];
        for i in 0..head.len() {
            let before = bytes.at();
            match bytes.varint() {
                Some(value) => head[i] = value,
                None if bytes.at() - before < 10 && bytes.is_empty() => {
                    return Ok((Record::Partial((i > 0).then_some(head[0])), bytes.at()));
                }
                None => return Err(broken("a number in a batch's head is too long")),
            }
        }
        let [generation, thread, ticks, size] = head;
        if size > MAX_BATCH {
            return Err(broken("a batch is larger than the format allows"));
        }
        let begin = bytes.at();
        if bytes.take(size as usize).is_none() {
            return Ok((Record::Partial(Some(generation)), bytes.at()));
        }
        let batch = Batch { begin, end: bytes.at(), ticks };
        Ok((Record::Batch { generation, thread, batch, experimental }, bytes.at()))
    }

    fn add(
        &self,
        found: &mut Batches,
        threads: &mut HashMap<u64, usize>,
        record: Record,
    ) -> Result<(), GoTraceError> {
        let Record::Batch { generation, thread, batch, experimental } = record else { return Ok(()) };
        let broken = |what| GoTraceError::Broken { at: self.at, generation, what };
        if generation == 0 {
            return Err(broken("generation 0"));
        }
        if found.number == 0 {
            found.number = generation;
        } else if found.number != generation {
            return Err(broken("generations are mixed"));
        }
        found.first_ticks = found.first_ticks.min(batch.ticks);
        if experimental || batch.begin == batch.end {
            return Ok(());
        }
        found.count += 1;
        if found.count > MAX_BATCHES {
            return Err(GoTraceError::TooMany { what: "batches in a generation", limit: MAX_BATCHES });
        }
        match self.file[batch.begin] {
            STRINGS => found.strings.push(batch),
            STACKS => found.stacks.push(batch),
            CPU_SAMPLES => found.samples.push(batch),
            kind if kind == self.version.sync_kind() => found.sync.push(batch),
            _ => {
                let stream = *threads.entry(thread).or_insert_with(|| {
                    let thread = (thread != NO_THREAD).then_some(thread);
                    found.streams.push(Stream { thread, batches: Vec::new() });
                    found.streams.len() - 1
                });
                found.streams[stream].batches.push(batch);
            }
        }
        Ok(())
    }
}
