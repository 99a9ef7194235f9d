//! The streams of a connection, each in the cell that its number falls on.
//!
//! Stream 2k+1 lives in cell k modulo the number of cells, so a frame finds its stream without a search. A
//! new stream takes the next number whose cell is free: numbers may be skipped (RFC 9113, section 5.1.1), so a
//! stream that lasts long costs the others nothing. There are at least twice as many cells as streams.

use std::task::Waker;

use super::error::ExchangeError;
use super::frame::LAST_STREAM;
use super::limits::STREAM_WINDOW;
use crate::load::http1::body::Body;
use crate::load::http1::conn::Progress;

/// Cells of a new connection.
const FIRST_CELLS: usize = 4;

/// How far an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No final head yet.
    #[default]
    Head,
    Body,
    /// Over, one way or the other; waits for its owner.
    Over,
}

/// One request and its answer.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// 0 if the cell is free.
    pub(crate) id: u32,
    pub(crate) phase: Phase,
    /// Whether the answer has no body whatever its head says.
    pub(crate) no_body: bool,
    pub(crate) interim: u8,
    /// What content-length says, if it counts.
    pub(crate) length: Option<u64>,
    /// What the server may still send.
    pub(crate) window: u32,
    /// What we may still send; negative after the server made its windows smaller.
    pub(crate) send_window: i64,
    /// Whether a part of the request's body was not taken yet.
    pub(crate) unsent: bool,
    pub(crate) failed: Option<ExchangeError>,
    pub(crate) waker: Option<Waker>,
    pub(crate) progress: Progress,
    /// The owner's, while the stream is open.
    pub(crate) body: Body,
}

impl Stream {
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All streams of a connection.
#[derive(Debug)]
pub(crate) struct Streams {
    cells: Vec<Stream>,
    /// The lowest number that was not used yet.
    next: u32,
    taken: usize,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self { cells: std::iter::repeat_with(Stream::default).take(FIRST_CELLS).collect(), next: 1, taken: 0 }
    }

    fn cell(&self, id: u32) -> usize {
        // The number of cells is a power of two.
        (id >> 1) as usize & (self.cells.len() - 1)
    }

    /// Whether the connection has numbers left for at least one more stream.
    pub(crate) fn left(&self) -> bool {
        self.next <= LAST_STREAM - 2 * self.cells.len() as u32 * 2
    }

    /// Opens a stream; ask [`Streams::left`] before.
    pub(crate) fn open(&mut self, send_window: i64) -> &mut Stream {
        if (self.taken + 1) * 2 > self.cells.len() {
            self.grow();
        }
        while self.cells[self.cell(self.next)].id != 0 {
            self.next += 2;
        }
        let id = self.next;
        self.next += 2;
        self.taken += 1;
        let at = self.cell(id);
        self.cells[at] = Stream { id, window: STREAM_WINDOW, send_window, ..Stream::default() };
        &mut self.cells[at]
    }

    /// Streams in different cells are in different cells of twice as many, too.
    fn grow(&mut self) {
        let cells = std::iter::repeat_with(Stream::default).take(self.cells.len() * 2).collect();
        for stream in std::mem::replace(&mut self.cells, cells) {
            if stream.id != 0 {
                let at = self.cell(stream.id);
                self.cells[at] = stream;
            }
        }
    }

    /// Gives a stream's cell back.
    pub(crate) fn close(&mut self, id: u32) {
        let at = self.cell(id);
        if id != 0 && self.cells[at].id == id {
            self.cells[at].id = 0;
            self.taken -= 1;
        }
    }

    /// A stream whose owner still waits for it or has not seen its end.
    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.cell(id);
        self.cells.get_mut(at).filter(|stream| stream.id == id && id != 0)
    }

    /// Whether this number cannot be one of ours: the server's, or not used yet.
    pub(crate) const fn idle(&self, id: u32) -> bool {
        id.is_multiple_of(2) || id >= self.next
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.cells.iter_mut().filter(|stream| stream.id != 0)
    }
}
