//! One connection: moves bytes between a stream and the parser, and takes the times.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::HEAD_LIMIT;
use super::body::Body;
use super::error::{Cutoff, ExchangeError, ProtocolError};
use super::parser::Parser;
use crate::load::attention::Watch;
use crate::load::buffer::Buffer;
use crate::load::stream::Arrivals;
use crate::time::{RunClock, RunTime};

/// First size of the read buffer; it grows for long heads and for bodies that fill it.
const FIRST_BUFFER: usize = 16 * 1024;
/// Last size of the read buffer; a whole head fits.
const LAST_BUFFER: usize = 4 * HEAD_LIMIT;

/// A request as it goes on the wire: head (in HTTP/2 its header block), and body unless it is part of the head's
/// bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
    /// Whether the answer has no body whatever its head says (HEAD).
    pub(crate) no_body: bool,
}

/// What an exchange has come to; holds even when it is cut off half-way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Nothing of the request was written before this moment; zero if that is not known.
    pub(crate) begun: RunTime,
    /// The call that handed the last byte of the request to the system began: the server may have it at any moment of
    /// that call, and answer before it returns.
    pub(crate) written: Option<RunTime>,
    /// The first byte of the answer came.
    pub(crate) first_byte: Option<RunTime>,
    /// The last byte of the answer came.
    pub(crate) done: Option<RunTime>,
    /// Status, 0 before the head was whole.
    pub(crate) status: u16,
    /// Bytes of the answer.
    pub(crate) bytes_in: u64,
    /// Bytes of the request.
    pub(crate) bytes_out: u64,
}

/// Why an idle connection must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// The server closed or broke it.
    Closed,
    /// It sent something that no request asked for.
    Unasked,
}

/// A connection that serves one request after the other.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    buffer: Buffer<FIRST_BUFFER, LAST_BUFFER, 1>,
    parser: Parser,
    served: u64,
    reusable: bool,
    watch: Watch,
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        let watch = Watch::default();
        Self { stream, buffer: Buffer::default(), parser: Parser::new(), served: 0, reusable: true, watch }
    }

    /// Tells `watch` when it needs its thread.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Whether another request may be sent.
    pub(crate) const fn reusable(&self) -> bool {
        self.reusable
    }

    /// Watches an idle connection: ready when the server closed it, broke it, or sent something that no
    /// request asked for. It must not be used then.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Stale> {
        let read = ready!(self.poll_fill(cx));
        self.reusable = false;
        Poll::Ready(if matches!(read, Ok(1..)) { Stale::Unasked } else { Stale::Closed })
    }

    /// Sends a request and reads its answer; `progress` says how far it came, whatever happens.
    ///
    /// # Errors
    /// [`ExchangeError`]; the connection is not reusable afterwards.
    pub(crate) async fn exchange(
        &mut self,
        request: Outgoing<'_>,
        clock: &RunClock,
        progress: &mut Progress,
        body: &mut Body,
    ) -> Result<(), ExchangeError> {
        // Not reusable until the answer is whole: a future dropped half-way leaves it so.
        self.reusable = false;
        self.parser.begin(request.no_body);
        let mut writing = Writing::default();
        std::future::poll_fn(|cx| {
            let polled = self.poll_exchange(cx, request, clock, progress, body, &mut writing);
            let half_way = progress.written.is_none() || progress.first_byte.is_some();
            self.watch.set(polled.is_pending() && half_way);
            polled
        })
        .await?;
        self.served += 1;
        Ok(())
    }

    /// Writes as long as there is something to write, and reads at the same time: a server may answer
    /// before it has read the whole request.
    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        request: Outgoing<'_>,
        clock: &RunClock,
        progress: &mut Progress,
        body: &mut Body,
        writing: &mut Writing,
    ) -> Poll<Result<(), ExchangeError>> {
        if progress.written.is_none() && writing.failed.is_none() {
            match writing.poll(&mut self.stream, cx, request, clock, &mut progress.bytes_out) {
                Poll::Ready(Ok(())) => progress.written = Some(writing.last),
                Poll::Ready(Err(e)) => writing.failed = Some(e),
                Poll::Pending => {}
            }
        }
        loop {
            let got = match ready!(self.poll_fill(cx)) {
                Ok(got) => got,
                Err(e) => {
                    // What TLS says of the end explains more than the write that failed for it.
                    let told = e.kind() == io::ErrorKind::InvalidData;
                    let read = ExchangeError::Io { during: "reading", kind: e };
                    return Poll::Ready(Err(writing.error().filter(|_| !told).unwrap_or(read)));
                }
            };
            if got == 0 {
                return Poll::Ready(self.ended(clock, progress, writing));
            }
            let arrived = self.stream.arrived(clock);
            if progress.first_byte.is_none()
                && arrived < progress.begun
                && self.stream.came_before(clock, progress.begun)
            {
                progress.bytes_in += got as u64;
                return Poll::Ready(Err(ProtocolError::Unasked(got).into()));
            }
            // Not before the request was on its way: an answer may come while it is still being written.
            let arrived = arrived.max(progress.written.unwrap_or_default());
            progress.first_byte.get_or_insert(arrived);
            progress.bytes_in += got as u64;
            let done = self.parse(progress, body)?;
            if done {
                progress.done = Some(arrived);
                return Poll::Ready(self.finish(progress.written.is_some()));
            }
        }
    }

    /// Feeds what is buffered to the parser.
    fn parse(&mut self, progress: &mut Progress, body: &mut Body) -> Result<bool, ProtocolError> {
        let step = self.parser.feed(self.buffer.filled(), body);
        progress.status = self.parser.status();
        let step = step?;
        self.buffer.consume(step.consumed);
        Ok(step.done)
    }

    /// The answer is whole: nothing may follow it on a connection that goes on, and a request that was not
    /// sent may be refused early but not granted.
    fn finish(&mut self, written: bool) -> Result<(), ExchangeError> {
        if !written && self.parser.status() < 400 {
            return Err(ProtocolError::Early.into());
        }
        let keep = self.parser.keep_alive() && written;
        match self.buffer.filled().len() {
            extra if keep && extra > 0 => Err(ProtocolError::Leftover(extra).into()),
            _ => {
                self.reusable = keep;
                Ok(())
            }
        }
    }

    fn ended(
        &mut self,
        clock: &RunClock,
        progress: &mut Progress,
        writing: &mut Writing,
    ) -> Result<(), ExchangeError> {
        progress.done = Some(clock.now());
        if self.parser.at_eof() {
            return Ok(());
        }
        let cutoff = Cutoff { received: progress.bytes_in, reused: self.served > 0 };
        Err(writing.error().unwrap_or(ExchangeError::Closed(cutoff)))
    }

    /// Reads once into the buffer; 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut target = ReadBuf::new(self.buffer.space());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut target))?;
        let got = target.filled().len();
        self.buffer.filled_by(got);
        Poll::Ready(Ok(got))
    }
}

/// The writing half of an exchange.
#[derive(Debug, Default)]
struct Writing {
    sent: usize,
    /// When the last call began.
    last: RunTime,
    /// Whether all is taken and a part of it, encrypted, is not with the system yet.
    held: bool,
    failed: Option<io::Error>,
}

impl Writing {
    fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        request: Outgoing<'_>,
        clock: &RunClock,
        bytes_out: &mut u64,
    ) -> Poll<io::Result<()>> {
        loop {
            let rest = match self.sent.checked_sub(request.head.len()) {
                None => &request.head[self.sent..],
                Some(sent) => &request.body[sent..],
            };
            if rest.is_empty() {
                if self.held {
                    self.last = clock.now();
                }
                let flushed = Pin::new(stream).poll_flush(cx);
                self.held = flushed.is_pending();
                return flushed;
            }
            self.last = clock.now();
            let n = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
            *bytes_out += n as u64;
        }
    }

    /// A failed write explains a failed exchange better than the read that failed after it.
    fn error(&mut self) -> Option<ExchangeError> {
        self.failed.take().map(|kind| ExchangeError::Io { during: "writing", kind })
    }
}
