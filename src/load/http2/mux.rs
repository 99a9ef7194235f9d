//! One connection without its socket: requests and frames in, answers and bytes to write out.
//!
//! This half keeps what we send: opening streams within the server's limits, bodies within its windows, the
//! bytes that wait to be written and the moment at which they were. `receive` reads what the server sends.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::error::{Broken, Code, ConnectionError, ExchangeError};
use super::frame::{self, PREFACE, setting};
use super::head::Scratch;
use super::limits::{
    CONNECTION_WINDOW, HEAD_LIMIT, MAX_FRAME, OUT_HIGH, OUT_LIMIT, STREAM_WINDOW, STREAMS_BEFORE_SETTINGS,
};
use super::receive::Partial;
use super::streams::{Phase, Stream, Streams};
use crate::load::http1::body::Body;
use crate::load::http1::conn::{Outgoing, Progress};
use crate::load::http1::error::Cutoff;
use crate::time::RunTime;

/// What every window is before SETTINGS say otherwise.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// What the owner of a stream gets of its answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) progress: &'a mut Progress,
    pub(crate) body: &'a mut Body,
}

/// What the server has announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Whether it has announced anything.
    pub(crate) known: bool,
    pub(crate) max_streams: u32,
    pub(crate) initial_window: u32,
    pub(crate) max_frame: usize,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Mux {
    pub(crate) peer: Peer,
    pub(crate) streams: Streams,
    /// Streams that the server counts as open.
    pub(crate) active: u32,
    /// What the server may still send on all streams, and what we may.
    pub(crate) window: u32,
    pub(crate) send_window: i64,
    /// Bytes that may still come for streams that we gave up.
    pub(crate) discardable: u64,
    pub(crate) quiet: u32,
    /// A header block that goes on in the next frame.
    pub(crate) partial: Option<Partial>,
    pub(crate) block: Vec<u8>,
    pub(crate) scratch: Scratch,
    /// The last stream that the server looks at, and why it closes the connection.
    pub(crate) last: Option<(u32, Code)>,
    pub(crate) broken: Option<Broken>,
    pub(crate) out: Vec<u8>,
    /// So many bytes of `out` are written.
    out_at: usize,
    /// Bytes written before those in `out`.
    out_before: u64,
    /// Where requests end that are not written to their last byte, and their streams.
    marks: VecDeque<(u64, u32)>,
    /// Those who wait for a stream, in their order.
    waiting: VecDeque<(u64, Waker)>,
    tickets: u64,
    served: u64,
}

impl Mux {
    pub(crate) fn new() -> Self {
        let mut out = PREFACE.to_vec();
        frame::settings(
            &mut out,
            &[
                (setting::HEADER_TABLE_SIZE, 0),
                (setting::ENABLE_PUSH, 0),
                (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
                (setting::MAX_FRAME_SIZE, MAX_FRAME as u32),
                (setting::MAX_HEADER_LIST_SIZE, HEAD_LIMIT as u32),
            ],
        );
        frame::window_update(&mut out, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        Self {
            peer: Peer {
                known: false,
                max_streams: STREAMS_BEFORE_SETTINGS,
                initial_window: DEFAULT_WINDOW,
                max_frame: MAX_FRAME,
            },
            streams: Streams::new(),
            active: 0,
            window: CONNECTION_WINDOW,
            send_window: DEFAULT_WINDOW.into(),
            discardable: 0,
            quiet: 0,
            partial: None,
            block: Vec::new(),
            scratch: Scratch::default(),
            last: None,
            broken: None,
            out,
            out_at: 0,
            out_before: 0,
            marks: VecDeque::new(),
            waiting: VecDeque::new(),
            tickets: 0,
            served: 0,
        }
    }

    /// Whether another request may be begun.
    pub(crate) fn reusable(&self) -> bool {
        self.broken.is_none() && self.last.is_none() && self.streams.left()
    }

    /// Whether nothing more will come of this connection.
    pub(crate) fn over(&self) -> bool {
        self.broken.is_some() || (!self.reusable() && self.active == 0)
    }

    // ---- opening -------------------------------------------------------------------------------------

    /// Waits while the server has as many streams as it takes. `ticket` is the place in the queue; it keeps the
    /// stream for its holder until it is opened or given up.
    pub(crate) fn poll_room(
        &mut self,
        cx: &Context<'_>,
        ticket: &mut Option<u64>,
    ) -> Poll<Result<(), ExchangeError>> {
        if !self.reusable() {
            return Poll::Ready(Err(self.refusal()));
        }
        let room = self.peer.max_streams.saturating_sub(self.active) as usize;
        let place = self.place(*ticket);
        if place.unwrap_or(self.waiting.len()) >= room {
            match place {
                Some(place) => self.waiting[place].1.clone_from(cx.waker()),
                None => {
                    self.tickets += 1;
                    *ticket = Some(self.tickets);
                    self.waiting.push_back((self.tickets, cx.waker().clone()));
                }
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn place(&self, ticket: Option<u64>) -> Option<usize> {
        ticket.and_then(|ticket| self.waiting.iter().position(|(other, _)| *other == ticket))
    }

    /// Opens a stream and sends its head, as soon as there is room for it.
    pub(crate) fn poll_open(
        &mut self,
        cx: &Context<'_>,
        ticket: &mut Option<u64>,
        request: &Outgoing<'_>,
        answer: &mut Answer<'_>,
    ) -> Poll<Result<u32, ExchangeError>> {
        ready!(self.poll_room(cx, ticket))?;
        if let Some(place) = self.place(ticket.take()) {
            self.waiting.remove(place);
        }
        Poll::Ready(Ok(self.open(request, answer)))
    }

    /// Somebody who waited for a stream waits no more; the next one may have it.
    pub(crate) fn give_up(&mut self, ticket: Option<u64>) {
        if let Some(place) = self.place(ticket) {
            self.waiting.remove(place);
            self.admit();
        }
    }

    fn open(&mut self, request: &Outgoing<'_>, answer: &mut Answer<'_>) -> u32 {
        self.active += 1;
        let stream = self.streams.open(self.peer.initial_window.into());
        let id = stream.id;
        std::mem::swap(&mut stream.body, answer.body);
        stream.no_body = request.no_body;
        stream.unsent = !request.body.is_empty();
        let before = self.out.len();
        frame::headers(&mut self.out, id, request.head, request.body.is_empty(), self.peer.max_frame);
        stream.progress.bytes_out = (self.out.len() - before) as u64;
        if request.body.is_empty() {
            self.mark(id);
        }
        id
    }

    /// Sends what the windows allow of a body of which `sent` bytes were taken.
    pub(crate) fn pump(&mut self, id: u32, body: &[u8], sent: &mut usize) {
        let Some(stream) = self.streams.get(id).filter(|s| s.unsent && s.phase != Phase::Over) else {
            return;
        };
        while self.out.len() - self.out_at < OUT_HIGH {
            let window = usize::try_from(self.send_window.min(stream.send_window)).unwrap_or(0);
            let n = (body.len() - *sent).min(window).min(self.peer.max_frame);
            if n == 0 {
                return;
            }
            let end = *sent + n == body.len();
            frame::data(&mut self.out, id, &body[*sent..*sent + n], end);
            *sent += n;
            self.send_window -= n as i64;
            stream.send_window -= n as i64;
            stream.progress.bytes_out += (frame::HEADER + n) as u64;
            self.quiet = 0;
            if end {
                stream.unsent = false;
                return self.mark(id);
            }
        }
    }

    fn mark(&mut self, id: u32) {
        self.marks.push_back((self.out_before + self.out.len() as u64, id));
    }

    /// Whether somebody waits for a stream.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a request is sent, or an answer read, in part.
    pub(crate) fn half_way(&mut self) -> bool {
        let half = |s: &mut Stream| s.unsent || s.progress.first_byte.is_some();
        self.streams.all().filter(|s| s.phase != Phase::Over).any(half)
    }

    // ---- ending --------------------------------------------------------------------------------------

    /// Ready when the answer is whole, or will never be.
    pub(crate) fn poll_over(&mut self, id: u32, cx: &Context<'_>) -> Poll<Result<(), ExchangeError>> {
        let Some(stream) = self.streams.get(id) else { return Poll::Ready(Err(ExchangeError::Spent)) };
        if stream.phase == Phase::Over {
            return Poll::Ready(stream.failed.take().map_or(Ok(()), Err));
        }
        match &mut stream.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The owner leaves, with what it has got: a stream that is not over is cancelled.
    pub(crate) fn leave(&mut self, id: u32, ticket: Option<u64>, answer: &mut Answer<'_>) {
        self.give_up(ticket);
        let Some(stream) = self.streams.get(id) else { return };
        *answer.progress = stream.progress;
        std::mem::swap(&mut stream.body, answer.body);
        if stream.phase != Phase::Over {
            self.reset(id, Code::CANCEL);
        }
        self.streams.close(id);
    }

    /// The answer of a stream is whole.
    pub(crate) fn finish(&mut self, id: u32, now: RunTime) {
        let Some(stream) = self.streams.get(id) else { return };
        stream.progress.done = Some(now);
        self.served += 1;
        if stream.unsent {
            // The server has decided without the rest of the body.
            return self.reset(id, Code::CANCEL);
        }
        self.ended(id);
    }

    /// The answer of a stream cannot be used.
    pub(crate) fn fail(&mut self, id: u32, why: ExchangeError, code: Code) {
        if let Some(stream) = self.streams.get(id) {
            stream.failed = Some(why);
        }
        self.reset(id, code);
    }

    /// Tells the server that we give a stream up.
    fn reset(&mut self, id: u32, code: Code) {
        let Some(stream) = self.streams.get(id) else { return };
        self.discardable += u64::from(stream.window);
        if self.broken.is_none() {
            frame::rst_stream(&mut self.out, id, code);
        }
        self.ended(id);
    }

    /// The server counts a stream as closed.
    pub(crate) fn ended(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        stream.phase = Phase::Over;
        stream.wake();
        self.active -= 1;
        self.admit();
    }

    /// Wakes as many of those who wait as there is room for.
    pub(crate) fn admit(&mut self) {
        if !self.waiting.is_empty() {
            let room = self.peer.max_streams.saturating_sub(self.active) as usize;
            let room = if self.reusable() { room } else { usize::MAX };
            self.waiting.iter().take(room).for_each(|(_, waker)| waker.wake_by_ref());
        }
    }

    /// Wakes everyone who waits: there may be more room elsewhere.
    pub(crate) fn wake_waiting(&self) {
        self.waiting.iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Every stream and everyone who waits is told that the connection is lost.
    pub(crate) fn break_off(&mut self, why: Broken) {
        if self.broken.is_some() {
            return;
        }
        if let Broken::Protocol(e) = why {
            frame::go_away(&mut self.out, e.code());
        }
        let reused = self.served > 0;
        for stream in self.streams.all().filter(|s| s.phase != Phase::Over) {
            stream.failed = Some(lost(&why, stream, reused));
            stream.phase = Phase::Over;
            stream.wake();
        }
        self.broken = Some(why);
        self.active = 0;
        self.admit();
    }

    /// The server has closed its half.
    pub(crate) fn eof(&mut self) {
        self.break_off(Broken::Closed);
    }

    pub(crate) fn io_error(&mut self, during: &'static str, kind: io::Error) {
        self.break_off(Broken::Io { during, kind: Arc::new(kind) });
    }

    fn refusal(&self) -> ExchangeError {
        match (self.last, &self.broken) {
            // What a server closes after its GOAWAY was closed by it.
            (Some((_, code)), _) => ExchangeError::GoAway(code),
            (None, Some(why)) => lost(why, &Stream::default(), self.served > 0),
            (None, None) => ExchangeError::Spent,
        }
    }

    // ---- writing -------------------------------------------------------------------------------------

    /// What is to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.out[self.out_at..]
    }

    /// So many bytes were handed to the system by a call that began at `now`.
    pub(crate) fn wrote(&mut self, n: usize, now: RunTime) {
        let high = self.out.len() - self.out_at >= OUT_HIGH;
        self.out_at += n;
        let written = self.out_before + self.out_at as u64;
        while let Some((_, id)) = self.marks.pop_front_if(|(mark, _)| *mark <= written) {
            if let Some(stream) = self.streams.get(id) {
                stream.progress.written = Some(now);
            }
        }
        if self.out_at == self.out.len() || self.out_at > OUT_HIGH {
            self.out.drain(..self.out_at);
            (self.out_before, self.out_at) = (written, 0);
        }
        if high && self.out.len() - self.out_at < OUT_HIGH {
            self.wake_senders();
        }
    }

    /// Nothing more can be written.
    pub(crate) fn discard_out(&mut self) {
        self.out.clear();
        self.out_at = 0;
        self.marks.clear();
    }

    /// There may be room for bodies again.
    pub(crate) fn wake_senders(&mut self) {
        self.streams.all().filter(|s| s.unsent).for_each(Stream::wake);
    }

    /// A server that asks for answers without reading them must not make us keep them.
    pub(crate) fn check_out(&self) -> Result<(), ConnectionError> {
        if self.out.len() - self.out_at > OUT_LIMIT { Err(ConnectionError::NotReading) } else { Ok(()) }
    }
}

/// What the loss of a connection means for one of its streams.
fn lost(why: &Broken, stream: &Stream, reused: bool) -> ExchangeError {
    match why {
        Broken::Protocol(e) => (*e).into(),
        Broken::Closed => ExchangeError::Closed(Cutoff { received: stream.progress.bytes_in, reused }),
        Broken::Io { during, kind } => ExchangeError::Io { during, kind: Arc::clone(kind) },
    }
}
