//! Puts the events of all threads of a generation in one order.
//!
//! A heap gives the earliest event of any thread. If the state of the scheduler does not allow it yet, its
//! thread is parked under the goroutine or processor whose state it waits for, and the next one is tried; a
//! thread goes back into the heap when that state changes. So an event is tried about once, however many
//! threads there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::GoTraceError;
use super::batch::{Batches, Stream};
use super::order::{Key, Order, Raw, Step};
use super::reader::Visitor;
use super::spec::Version;
use super::tables::{Generation, Sample};
use super::{Event, What};

/// Failed tries allowed per event; real traces need less than one. Keeps hostile ones from costing the
/// square of their size.
const TRIES_PER_EVENT: u64 = 64;
const TRIES_AT_LEAST: u64 = 1 << 20;

/// Where the reading of a thread's events stands.
struct Cursor<'a> {
    stream: &'a Stream,
    /// Slot of the thread in the state machine.
    slot: Option<u32>,
    /// The batch being read and the offset in it.
    batch: usize,
    at: usize,
    ticks: u64,
    next: Raw,
}

/// One generation on its way to the visitor.
pub(super) struct Merge<'a, 't> {
    file: &'t [u8],
    version: Version,
    tables: &'a Generation<'t>,
    order: &'a mut Order,
    cursors: Vec<Cursor<'a>>,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    parked: HashMap<Key, Vec<u32>>,
    tries: u64,
    failed: u64,
}

/// Time and number of the last event given out.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) nanos: u64,
    pub(super) events: u64,
}

impl<'a, 't> Merge<'a, 't> {
    pub(super) fn new(
        file: &'t [u8],
        version: Version,
        batches: &'a Batches,
        tables: &'a Generation<'t>,
        order: &'a mut Order,
    ) -> Result<Self, GoTraceError> {
        order.begin_generation(batches.number);
        let mut merge = Self {
            file,
            version,
            tables,
            order,
            cursors: Vec::with_capacity(batches.streams.len()),
            heap: BinaryHeap::with_capacity(batches.streams.len()),
            parked: HashMap::new(),
            tries: 0,
            failed: 0,
        };
        for (stream, index) in batches.streams.iter().zip(0..) {
            let slot = stream.thread.map(|t| merge.order.thread(t)).transpose()?;
            let next = Raw::default();
            merge.cursors.push(Cursor { stream, slot, batch: 0, at: 0, ticks: 0, next });
            if merge.read(index)? {
                merge.heap.push(Reverse((merge.cursors[index as usize].ticks, index)));
            }
        }
        Ok(merge)
    }

    /// Gives all events to the visitor.
    pub(super) fn run(
        mut self,
        visitor: &mut impl Visitor,
        progress: &mut Progress,
    ) -> Result<(), GoTraceError> {
        let mut samples = self.tables.samples().iter().peekable();
        while let Some(&Reverse((ticks, index))) = self.heap.peek() {
            while let Some(sample) = samples.next_if(|s| s.ticks < ticks) {
                self.give(sample_event(sample), sample.ticks, visitor, progress)?;
            }
            match self.advance(index)? {
                Step::Done => {
                    self.give_queued(ticks, visitor, progress)?;
                    self.refill(index)?;
                    self.wake();
                }
                Step::Wait(key) => {
                    self.heap.pop();
                    self.parked.entry(key).or_default().push(index);
                }
            }
        }
        if !self.parked.is_empty() {
            return Err(self.stuck());
        }
        for sample in samples {
            self.give(sample_event(sample), sample.ticks, visitor, progress)?;
        }
        Ok(())
    }

    fn advance(&mut self, index: u32) -> Result<Step, GoTraceError> {
        let cursor = &self.cursors[index as usize];
        self.tries += 1;
        let step = self
            .order
            .advance(&cursor.next, cursor.slot)
            .map_err(|fault| fault.at(cursor.next.at, self.tables.number()))?;
        if matches!(step, Step::Wait(_)) {
            self.failed += 1;
            if self.failed > TRIES_AT_LEAST && self.failed / TRIES_PER_EVENT > self.tries - self.failed {
                return Err(self.stuck());
            }
        }
        Ok(step)
    }

    fn give_queued(
        &mut self,
        ticks: u64,
        visitor: &mut impl Visitor,
        progress: &mut Progress,
    ) -> Result<(), GoTraceError> {
        for i in 0..self.order.queue.len() {
            let event = self.order.queue[i];
            self.give(event, ticks, visitor, progress)?;
        }
        self.order.queue.clear();
        Ok(())
    }

    /// Sets the time: threads' clocks may disagree, so it is moved behind the event before.
    #[inline]
    fn give(
        &self,
        event: Event,
        ticks: u64,
        visitor: &mut impl Visitor,
        progress: &mut Progress,
    ) -> Result<(), GoTraceError> {
        progress.nanos = self.tables.nanos(ticks).max(progress.nanos.saturating_add(1));
        progress.events += 1;
        visitor.event(&Event { nanos: progress.nanos, ..event }, self.tables)
    }

    /// Reads the next event of the thread on top of the heap.
    fn refill(&mut self, index: u32) -> Result<(), GoTraceError> {
        if !self.read(index)? {
            self.heap.pop();
            return Ok(());
        }
        let ticks = self.cursors[index as usize].ticks;
        if let Some(mut top) = self.heap.peek_mut() {
            top.0.0 = ticks;
        }
        Ok(())
    }

    fn wake(&mut self) {
        if !self.parked.is_empty() {
            for key in &self.order.touched {
                for index in self.parked.remove(key).into_iter().flatten() {
                    self.heap.push(Reverse((self.cursors[index as usize].ticks, index)));
                }
            }
        }
        self.order.touched.clear();
    }

    /// Reads the next event of a thread; false if there is none.
    fn read(&mut self, index: u32) -> Result<bool, GoTraceError> {
        let cursor = &mut self.cursors[index as usize];
        let Some(mut batch) = cursor.stream.batches.get(cursor.batch) else { return Ok(false) };
        if cursor.at == batch.end {
            cursor.batch += 1;
            cursor.at = 0;
            match cursor.stream.batches.get(cursor.batch) {
                Some(next) => batch = next,
                None => return Ok(false),
            }
        }
        if cursor.at == 0 {
            (cursor.at, cursor.ticks) = (batch.begin, batch.ticks);
        }
        let at = cursor.at;
        let broken = |what| GoTraceError::Broken { at, generation: self.tables.number(), what };
        let mut bytes = super::wire::Bytes::new(self.file, at, batch.end);
        let (raw, delta) = Raw::read(&mut bytes, self.version, self.tables).map_err(broken)?;
        cursor.ticks =
            cursor.ticks.checked_add(delta).ok_or_else(|| broken("a time that does not fit 64 bits"))?;
        // The rest of 64 bits is room to move events behind each other.
        if self.tables.nanos(cursor.ticks) > i64::MAX as u64 {
            return Err(broken("a time that does not fit 63 bits"));
        }
        cursor.at = bytes.at();
        cursor.next = raw;
        Ok(true)
    }

    fn stuck(&self) -> GoTraceError {
        let waiting = || self.parked.values().flatten().map(|&i| &self.cursors[i as usize]);
        GoTraceError::Stuck {
            at: waiting().min_by_key(|c| c.ticks).map_or(0, |c| c.next.at),
            generation: self.tables.number(),
            threads: waiting().count(),
        }
    }
}

fn sample_event(sample: &Sample) -> Event {
    Event {
        nanos: 0,
        thread: Some(sample.thread),
        proc: Some(sample.proc),
        goroutine: sample.goroutine,
        stack: sample.stack,
        what: What::CpuSample,
    }
}
