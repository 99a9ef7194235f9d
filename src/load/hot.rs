//! The parts of the hot path, each alone, for `benches/hot.rs`.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::hit::Hit;
use super::http1::body::Body;
use super::http1::conn::Progress;
use super::http1::parser::Parser;
use super::recorder::{Finished, Gauges, Recorder, Share};
use super::schedule::{Cursor, Schedule};
use crate::time::{RunTime, SECOND};

/// Times of the arrivals of a schedule, one after the other.
#[derive(Debug)]
pub struct Arrivals {
    schedule: Schedule,
    cursor: Cursor,
    next: u64,
}

impl Arrivals {
    /// From the first arrival on.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, cursor: Cursor::default(), next: 0 }
    }
}

impl Iterator for Arrivals {
    type Item = RunTime;

    fn next(&mut self) -> Option<RunTime> {
        let due = self.schedule.due_from(&mut self.cursor, self.next)?;
        self.next += 1;
        Some(due)
    }
}

/// The parser of HTTP/1.1 answers.
#[derive(Debug)]
pub struct Answers {
    parser: Parser,
    body: Body,
}

impl Default for Answers {
    fn default() -> Self {
        Self { parser: Parser::new(), body: Body::default() }
    }
}

impl Answers {
    /// Reads one whole answer; its status, or 0 if that is not what the bytes are.
    pub fn read(&mut self, bytes: &[u8]) -> u16 {
        self.parser.begin(false);
        match self.parser.feed(bytes, &mut self.body) {
            Ok(step) if step.done && step.consumed == bytes.len() => self.parser.status(),
            _ => 0,
        }
    }
}

/// The recorder of one load thread.
#[derive(Debug)]
pub struct Hits {
    recorder: Recorder,
    finished: Receiver<Finished>,
    back: Sender<Box<Share>>,
}

impl Default for Hits {
    fn default() -> Self {
        let ((out, finished), (back, emptied)) = (channel(), channel());
        let recorder = Recorder::new(0, 1, (RunTime::ZERO, SECOND), out, emptied);
        Self { recorder, finished, back }
    }
}

impl Hits {
    /// Records hit `n`, which was due at `intended` and took `nanos`, as the engine does.
    pub fn record(&mut self, n: u64, intended: RunTime, nanos: u64) {
        let at = |parts: u64| intended.plus(nanos * parts / 4);
        let progress = Progress {
            begun: intended,
            written: Some(at(1)),
            first_byte: Some(at(3)),
            done: Some(at(4)),
            status: 200,
            bytes_in: 850,
            bytes_out: 120,
        };
        self.recorder.offered(nanos / 8);
        self.recorder.sent();
        let (start, sent) = (Some(intended), Some(intended));
        self.recorder
            .record(&Hit { n, intended, start, sent, progress, done: at(4), ..Hit::default() }, None);
    }

    /// Ends a period: its histograms are handed over, and emptied ones taken. Gives the hits of the period.
    pub fn roll(&mut self) -> u64 {
        self.recorder.roll(Gauges::default());
        let Ok(mut finished) = self.finished.recv() else { return 0 };
        let hits = finished.share.requests[0].done();
        finished.share.clear();
        // Fails only if the recorder is gone.
        let _ = self.back.send(finished.share);
        hits
    }
}
