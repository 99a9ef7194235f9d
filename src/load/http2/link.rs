//! A socket and the state of its connection: moves bytes between them and takes the times.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::HEADER;
use super::limits::MAX_FRAME;
use super::mux::Mux;
use crate::load::buffer::Buffer;
use crate::load::stream::Arrivals;
use crate::time::RunClock;

/// First size of the read buffer: the answers of many small streams fit, and room for a frame behind what is left
/// of another.
const FIRST_BUFFER: usize = 2 * MAX_FRAME + HEADER;
/// Last size of the read buffer, for bodies that fill it.
const LAST_BUFFER: usize = 16 * MAX_FRAME;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link<S> {
    stream: S,
    buffer: Buffer<FIRST_BUFFER, LAST_BUFFER, MAX_FRAME>,
    clock: RunClock,
    /// Whether bytes may be held back between us and the socket, as TLS does.
    unflushed: bool,
    pub(crate) mux: Mux,
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Link<S> {
    pub(crate) fn new(stream: S, clock: RunClock) -> Self {
        Self { stream, buffer: Buffer::default(), clock, unflushed: false, mux: Mux::new() }
    }

    /// Reads what has come, until nothing more has or the connection is lost; gives the bytes.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> usize {
        let mut all = 0;
        while self.mux.broken.is_none() {
            let mut target = ReadBuf::new(self.buffer.space());
            match Pin::new(&mut self.stream).poll_read(cx, &mut target) {
                Poll::Pending => break,
                Poll::Ready(Err(e)) => self.mux.io_error("reading", e),
                Poll::Ready(Ok(())) => match target.filled().len() {
                    0 => self.mux.eof(),
                    got => {
                        // One moment for all frames of a read: they were all there at it.
                        let now = self.stream.arrived(&self.clock);
                        self.buffer.filled_by(got);
                        let used = self.mux.feed(self.buffer.filled(), now);
                        self.buffer.consume(used);
                        all += got;
                    }
                },
            }
        }
        all
    }

    /// Whether [`Link::poll_write`] has something to do.
    pub(crate) fn wants_write(&self) -> bool {
        self.unflushed || !self.mux.pending().is_empty()
    }

    /// Writes what is pending, as far as the system takes it.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) {
        while !self.mux.pending().is_empty() {
            let now = self.clock.now();
            match Pin::new(&mut self.stream).poll_write(cx, self.mux.pending()) {
                Poll::Pending => return,
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.unflushed = true;
                    self.mux.wrote(n, now);
                }
                Poll::Ready(result) => {
                    return self.failed(result.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(e)) => self.failed(e),
            }
        }
    }

    /// A write failed: what the server said before it closed says more, so that is read first.
    fn failed(&mut self, e: io::Error) {
        self.poll_read(&mut Context::from_waker(Waker::noop()));
        self.mux.io_error("writing", e);
        self.mux.discard_out();
        self.unflushed = false;
    }
}
