//! Where requests of both protocols come together: bounded work, bounded memory, bounded files.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::counters::{Counters, Counts, add};
use crate::collect::mask::mask_value;
use crate::formats::otlp::{Batch, Encoding, MAX_BYTES, OtlpError, Partial, Signal};

/// Requests that are read at the same time; others wait a moment, then come again.
const AT_ONCE: usize = 8;
/// How long a request may wait for its turn to be read.
const PATIENCE: Duration = Duration::from_secs(1);
/// Lines that wait for the disk.
const QUEUE_LINES: usize = 1024;
/// Bytes that wait for the disk, in KiB; one line may be larger, then it waits alone.
const QUEUE_KIB: u32 = 64 << 10;

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No request, or one beyond the bounds: the same bytes will never be taken.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Broken compression.
    #[error("the gzip stream is broken: {0}")]
    Gzip(String),
    /// The sender did not come to its end.
    #[error("the request did not come to its end in time")]
    Slow,
    /// Too much at once: the same bytes may be taken later.
    #[error("{0}: try again")]
    Busy(&'static str),
}

/// A line on its way to the disk.
pub(super) struct Job {
    pub(super) signal: Signal,
    pub(super) line: Vec<u8>,
    pub(super) items: u64,
    /// Room in the queue, given back when the line is written.
    _room: Option<OwnedSemaphorePermit>,
}

/// Takes requests in.
pub(super) struct Intake {
    pub(super) counters: Arc<Counters>,
    /// Most bytes per file.
    budget: u64,
    spent: [AtomicU64; 3],
    told: [AtomicBool; 3],
    readers: Arc<Semaphore>,
    /// One request at a time is decoded: the load needs the other cores.
    turn: Semaphore,
    room: Arc<Semaphore>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// Tells that a file is full.
    tell: Box<dyn Fn(String) + Send + Sync>,
}

/// How a request came in.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) signal: Signal,
    pub(super) encoding: Encoding,
    pub(super) grpc: bool,
    pub(super) gzip: bool,
}

impl Intake {
    /// An intake, and the end of its queue. `tell` is told once per file that it is full.
    pub(super) fn new(
        budget: u64,
        counters: Arc<Counters>,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> (Self, mpsc::Receiver<Job>) {
        let (sender, jobs) = mpsc::channel(QUEUE_LINES);
        let intake = Self {
            counters,
            budget,
            spent: Default::default(),
            told: Default::default(),
            readers: Arc::new(Semaphore::new(AT_ONCE)),
            turn: Semaphore::new(1),
            room: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
            queue: Mutex::new(Some(sender)),
            tell: Box::new(tell),
        };
        (intake, jobs)
    }

    /// Leave to read a request's body.
    pub(super) async fn reader(&self, signal: Signal) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.readers).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| self.busy(signal, "too many requests at once"))
    }

    /// Takes a request in; what it answers is for the sender.
    pub(super) async fn accept(&self, call: Call, body: Bytes) -> Result<Partial, Refusal> {
        let counts = self.counters.of(call.signal);
        if self.room.available_permits() == 0 {
            return Err(self.busy(call.signal, "the disk is behind"));
        }
        let prepared = {
            let _turn = self.turn.acquire().await;
            tokio::task::spawn_blocking(move || prepare(call, &body)).await
        };
        add(&counts.requests, 1);
        add(&counts.grpc, u64::from(call.grpc));
        // A request that made the decoder panic is garbage to the sender, too.
        let prepared = prepared.unwrap_or_else(|e| Err(OtlpError::Protobuf(e.to_string()).into()));
        match prepared {
            Ok(prepared) => self.keep(call.signal, counts, prepared),
            Err(refusal) => {
                add(&counts.malformed, 1);
                Err(refusal)
            }
        }
    }

    fn keep(&self, signal: Signal, counts: &Counts, prepared: Prepared) -> Result<Partial, Refusal> {
        let Prepared { line, items, invalid } = prepared;
        let count = |refused| {
            add(&counts.received, items + invalid);
            add(&counts.invalid, invalid);
            add(&counts.refused, refused);
        };
        if !self.reserve(signal, line.len() as u64) {
            count(items);
            return Ok(Partial { rejected: items + invalid, message: self.full(signal) });
        }
        if items > 0
            && let Err(refusal) = self.push(signal, line, items)
        {
            // Not counted as received: it comes again.
            return Err(refusal);
        }
        count(0);
        let message = match invalid {
            0 => String::new(),
            _ => "some have ids of a wrong length or an end before the start".to_owned(),
        };
        Ok(Partial { rejected: invalid, message })
    }

    fn push(&self, signal: Signal, line: Vec<u8>, items: u64) -> Result<(), Refusal> {
        let bytes = line.len() as u64;
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB).min(QUEUE_KIB);
        let room = Arc::clone(&self.room).try_acquire_many_owned(kib).ok();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = room.and_then(|room| {
            let job = Job { signal, line, items, _room: Some(room) };
            queue.as_ref()?.try_send(job).ok()
        });
        sent.ok_or_else(|| {
            self.spent(signal).fetch_sub(bytes, Ordering::Relaxed);
            self.busy(signal, "the disk is behind")
        })
    }

    /// Counts bytes against the file's budget; false if they do not fit.
    fn reserve(&self, signal: Signal, bytes: u64) -> bool {
        let more = |spent: u64| Some(spent + bytes).filter(|sum| *sum <= self.budget);
        self.spent(signal).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn full(&self, signal: Signal) -> String {
        let (name, things) = (signal.name(), signal.items());
        let message = format!(
            "otlp/{name}.jsonl has reached its budget of {} bytes: later {things} are refused; raise `budget` in \
             [[evidence.otlp]], or sample fewer requests",
            self.budget
        );
        if !self.told[signal as usize].swap(true, Ordering::Relaxed) {
            (self.tell)(message.clone());
        }
        message
    }

    pub(super) fn busy(&self, signal: Signal, why: &'static str) -> Refusal {
        add(&self.counters.of(signal).busy, 1);
        Refusal::Busy(why)
    }

    fn spent(&self, signal: Signal) -> &AtomicU64 {
        &self.spent[signal as usize]
    }

    /// Takes nothing more; the queue ends after what is in it.
    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A request ready to be written.
struct Prepared {
    line: Vec<u8>,
    items: u64,
    invalid: u64,
}

fn prepare(call: Call, body: &[u8]) -> Result<Prepared, Refusal> {
    let plain;
    let body = if call.gzip {
        plain = unzip(body)?;
        &plain
    } else {
        body
    };
    let mut batch = Batch::decode(call.signal, call.encoding, body)?;
    let invalid = batch.drop_invalid();
    batch.scrub(mask_value);
    Ok(Prepared { line: batch.line()?, items: batch.items(), invalid })
}

fn unzip(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|e| Refusal::Gzip(e.to_string()))?;
    if plain.len() > MAX_BYTES { Err(OtlpError::TooLarge.into()) } else { Ok(plain) }
}
