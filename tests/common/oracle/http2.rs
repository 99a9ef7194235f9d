//! A connection of HTTP/2, spoken by the h2 crate, which is asked at every look instead of being woken.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{Connection, Handshake, SendResponse};
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::http1::number;
use super::machine::monotonic;
use super::wire::Wire;

/// A wire, and what passed over it.
struct Line {
    wire: Wire,
    read: Frames,
    written: Frames,
    /// Streams whose last byte the system has taken, until they are asked for: not before, and by then.
    taken: Vec<(u32, u64, u64)>,
}

impl Line {
    /// Hands over what the system takes; true if that is all.
    fn flush(&mut self, before: u64) -> io::Result<bool> {
        let all = self.wire.flush()?;
        if all {
            let now = monotonic();
            self.taken.extend(self.written.ended.drain(..).map(|id| (id, before, now)));
        }
        Ok(all)
    }
}

/// The h2 crate's end of it.
struct End(Rc<RefCell<Line>>);

enum State {
    Beginning(Handshake<End, Bytes>),
    Open(Connection<End, Bytes>),
    Over,
}

pub struct Http2 {
    line: Rc<RefCell<Line>>,
    state: State,
    /// Streams that were asked about and are not answered, with their answers' keys.
    pub open: Vec<(u32, u64)>,
}

/// A request that came, and the way to answer it.
pub type Asked = (u64, SendResponse<Bytes>);

impl Http2 {
    pub fn new(wire: Wire) -> Self {
        let line = Line { wire, read: Frames::of_client(), written: Frames::default(), taken: Vec::new() };
        let line = Rc::new(RefCell::new(line));
        let state = State::Beginning(h2::server::handshake(End(Rc::clone(&line))));
        Self { line, state, open: Vec::new() }
    }

    /// Reads and writes what can be read and written; the requests that came. None if the connection is over.
    pub fn look(&mut self) -> Option<Vec<Asked>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut asked = Vec::new();
        loop {
            match &mut self.state {
                State::Beginning(handshake) => match Pin::new(handshake).poll(&mut cx) {
                    Poll::Pending => return Some(asked),
                    Poll::Ready(connection) => self.state = connection.map_or(State::Over, State::Open),
                },
                State::Open(connection) => match connection.poll_accept(&mut cx) {
                    Poll::Pending => return Some(asked),
                    Poll::Ready(Some(Ok((request, answer)))) => {
                        let trace = request.headers()["traceparent"].to_str().expect("text");
                        asked.push((number(trace), answer));
                    }
                    Poll::Ready(_) => self.state = State::Over,
                },
                State::Over => return None,
            }
        }
    }

    pub fn with_socket<T>(&self, with: impl FnOnce(&TcpStream) -> T) -> T {
        with(self.line.borrow().wire.socket())
    }

    /// Keys of the answers whose last byte the system has taken; not before, and by then.
    pub fn written(&mut self) -> Vec<(u64, u64, u64)> {
        let taken = std::mem::take(&mut self.line.borrow_mut().taken);
        let mut keys = Vec::with_capacity(taken.len());
        for (id, before, now) in taken {
            if let Some(at) = self.open.iter().position(|(stream, _)| *stream == id) {
                keys.push((self.open.swap_remove(at).1, before, now));
            }
        }
        keys
    }

    /// Whether bytes wait for the system.
    pub fn blocked(&self) -> bool {
        !self.line.borrow().wire.idle()
    }

    /// Bytes of requests and of answers.
    pub fn bytes(&self) -> (u64, u64) {
        let line = self.line.borrow();
        (line.read.bytes, line.written.bytes)
    }
}

/// The head of an answer of so many bytes.
pub fn head(length: Option<usize>) -> Response<()> {
    let builder = Response::builder().status(200);
    let builder = length.into_iter().fold(builder, |b, length| b.header("content-length", length));
    builder.body(()).expect("valid")
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = &mut *self.0.borrow_mut();
        let space = buffer.initialize_unfilled();
        match line.wire.read(space) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(e) => return Poll::Ready(Err(e)),
            Ok(n) => {
                line.read.pass(&space[..n]);
                buffer.advance(n);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = &mut *self.0.borrow_mut();
        if !line.flush(monotonic())? {
            return Poll::Pending;
        }
        let before = monotonic();
        line.written.pass(bytes);
        line.wire.queue(bytes);
        line.flush(before)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.borrow_mut().flush(monotonic())? { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
