//! What the server sends: whole frames out of any pieces, each held against RFC 9113 and the limits.

use super::error::{AnswerError, Broken, Code, ConnectionError, ExchangeError};
use super::frame::{self, FrameHeader, HEADER, flag, kind, number};
use super::head::{self, BlockError, Head};
use super::limits::{
    BODY_LIMIT, CONNECTION_WINDOW, HEAD_LIMIT, MAX_CONTINUATIONS, MAX_FRAME, MAX_INTERIM, MAX_QUIET,
    STREAM_WINDOW,
};
use super::mux::Mux;
use super::streams::{Phase, Stream};
use crate::time::RunTime;

type Checked = Result<(), ConnectionError>;

/// A header block that goes on in the next frame; its bytes are in [`Mux::block`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partial {
    stream: u32,
    end_stream: bool,
    continuations: u32,
}

impl Mux {
    /// Takes what came at `now`; gives the bytes used. The rest is part of a frame and must come again with
    /// more behind it. A connection that breaks the protocol is broken off.
    pub(crate) fn feed(&mut self, input: &[u8], now: RunTime) -> usize {
        let mut at = 0;
        while self.broken.is_none() {
            match self.next(&input[at..], now) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(e) => self.break_off(Broken::Protocol(e)),
            }
        }
        at
    }

    /// One frame; gives its bytes, or 0 while it is not whole.
    fn next(&mut self, input: &[u8], now: RunTime) -> Result<usize, ConnectionError> {
        let Some(header) = FrameHeader::parse(input) else { return Ok(0) };
        if !self.peer.known {
            preface(input, header)?;
        }
        if header.len > MAX_FRAME {
            return Err(ConnectionError::FrameTooLong(header.len as u32));
        }
        let Some(payload) = input.get(HEADER..HEADER + header.len) else {
            self.begun(header, now);
            return Ok(0);
        };
        self.frame(header, payload, now)?;
        Ok(HEADER + header.len)
    }

    /// A frame has begun to come: an answer's first byte counts when it is here, not when its frame is whole.
    fn begun(&mut self, header: FrameHeader, now: RunTime) {
        if header.kind == kind::HEADERS
            && let Some(stream) = self.streams.get(header.stream)
            && stream.phase != Phase::Over
        {
            stream.progress.first_byte.get_or_insert(now);
        }
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8], now: RunTime) -> Checked {
        if let Some(partial) = self.partial
            && (header.kind != kind::CONTINUATION || header.stream != partial.stream)
        {
            return Err(ConnectionError::Continuation);
        }
        match header.kind {
            kind::DATA => self.data(header, payload, now),
            kind::HEADERS => self.headers(header, payload, now),
            kind::CONTINUATION => self.continuation(header, payload, now),
            kind::RST_STREAM => self.rst_stream(header, payload),
            kind::SETTINGS => self.settings(header, payload),
            kind::PING => self.ping(header, payload),
            kind::GOAWAY => self.go_away(header, payload),
            kind::WINDOW_UPDATE => self.window_update(header, payload),
            kind::PUSH_PROMISE => Err(ConnectionError::Push),
            kind::PRIORITY if header.stream == 0 => Err(ConnectionError::FrameStream(header.kind)),
            kind::PRIORITY if header.len != 5 => Err(ConnectionError::FrameLength(header.kind)),
            // Priorities are no business of a client's, and unknown frames are to be skipped.
            _ => self.quiet(),
        }
    }

    /// A frame came that carries no answer forward.
    pub(crate) fn quiet(&mut self) -> Checked {
        self.quiet += 1;
        if self.quiet > MAX_QUIET { Err(ConnectionError::Flood) } else { self.check_out() }
    }

    /// A stream's number must be one that we have used.
    pub(crate) fn known_stream(&self, header: FrameHeader) -> Checked {
        if self.streams.idle(header.stream) { Err(ConnectionError::FrameStream(header.kind)) } else { Ok(()) }
    }

    fn live(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.get(id).filter(|stream| stream.phase != Phase::Over)
    }

    // ---- DATA ----------------------------------------------------------------------------------------

    fn data(&mut self, header: FrameHeader, payload: &[u8], now: RunTime) -> Checked {
        self.known_stream(header)?;
        // Padding counts in the windows.
        let len = header.len as u32;
        self.window = self.window.checked_sub(len).ok_or(ConnectionError::Window)?;
        if self.window < CONNECTION_WINDOW / 2 {
            frame::window_update(&mut self.out, 0, CONNECTION_WINDOW - self.window);
            self.window = CONNECTION_WINDOW;
        }
        let data = unpadded(header, payload)?;
        let (id, end) = (header.stream, header.has(flag::END_STREAM));
        let Some(stream) = self.streams.get(id).filter(|s| s.phase != Phase::Over) else {
            self.discardable = self.discardable.checked_sub(len.into()).ok_or(ConnectionError::Window)?;
            return if len == 0 { self.quiet() } else { Ok(()) };
        };
        stream.window = stream.window.checked_sub(len).ok_or(ConnectionError::Window)?;
        stream.progress.bytes_in += (HEADER + header.len) as u64;
        stream.progress.first_byte.get_or_insert(now);
        if let Err(e) = take(stream, data, end) {
            self.fail(id, e.into(), Code::PROTOCOL_ERROR);
        } else if end {
            self.quiet = 0;
            self.finish(id, now);
        } else if data.is_empty() {
            return self.quiet();
        } else {
            self.quiet = 0;
            if stream.window < STREAM_WINDOW / 2 {
                frame::window_update(&mut self.out, id, STREAM_WINDOW - stream.window);
                stream.window = STREAM_WINDOW;
            }
        }
        self.check_out()
    }

    // ---- header blocks -------------------------------------------------------------------------------

    fn headers(&mut self, header: FrameHeader, payload: &[u8], now: RunTime) -> Checked {
        self.known_stream(header)?;
        let mut block = unpadded(header, payload)?;
        if header.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(ConnectionError::FrameLength(header.kind))?;
        }
        self.arrived(header, now);
        let (stream, end_stream) = (header.stream, header.has(flag::END_STREAM));
        if header.has(flag::END_HEADERS) {
            return self.block(stream, end_stream, block, now);
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        self.partial = Some(Partial { stream, end_stream, continuations: 0 });
        Ok(())
    }

    fn continuation(&mut self, header: FrameHeader, payload: &[u8], now: RunTime) -> Checked {
        let partial = self.partial.as_mut().ok_or(ConnectionError::Continuation)?;
        partial.continuations += 1;
        if partial.continuations > MAX_CONTINUATIONS {
            return Err(ConnectionError::TooManyContinuations);
        }
        let Partial { stream, end_stream, .. } = *partial;
        if self.block.len() + payload.len() > HEAD_LIMIT {
            return Err(ConnectionError::BlockTooLong);
        }
        self.block.extend_from_slice(payload);
        self.arrived(header, now);
        if !header.has(flag::END_HEADERS) {
            return Ok(());
        }
        self.partial = None;
        let block = std::mem::take(&mut self.block);
        let result = self.block(stream, end_stream, &block, now);
        self.block = block;
        result
    }

    /// Counts a frame of a header block.
    fn arrived(&mut self, header: FrameHeader, now: RunTime) {
        if let Some(stream) = self.live(header.stream) {
            stream.progress.bytes_in += (HEADER + header.len) as u64;
            stream.progress.first_byte.get_or_insert(now);
        }
    }

    /// A whole header block.
    fn block(&mut self, id: u32, end: bool, block: &[u8], now: RunTime) -> Checked {
        let Some(stream) = self.streams.get(id).filter(|s| s.phase != Phase::Over) else {
            // Without a dynamic table a block that nobody waits for need not be decoded.
            return self.quiet();
        };
        let read = match stream.phase {
            Phase::Head => {
                let read = head::head(block, stream.body.lines(), &mut self.scratch);
                if let (Some(lines), false) =
                    (stream.body.lines(), matches!(read, Ok(Head { status: 200.., .. })))
                {
                    lines.clear();
                }
                read.and_then(|head| begin(stream, head, end).map_err(BlockError::Answer))
            }
            _ if !end => Err(AnswerError::Trailers.into()),
            _ => head::trailers(block, &mut self.scratch),
        };
        let whole = || if end && stream.phase == Phase::Body { ended(stream) } else { Ok(()) };
        match read.and_then(|()| whole().map_err(BlockError::Answer)) {
            Err(BlockError::Hpack(e)) => return Err(ConnectionError::Compression(e)),
            Err(BlockError::Answer(e)) => self.fail(id, e.into(), Code::PROTOCOL_ERROR),
            Ok(()) if end => self.finish(id, now),
            Ok(()) => {}
        }
        self.quiet = 0;
        self.check_out()
    }

    // ---- the end of a stream, or of all ----------------------------------------------------------------

    fn rst_stream(&mut self, header: FrameHeader, payload: &[u8]) -> Checked {
        let code = exact(header, payload)?;
        self.known_stream(header)?;
        let Some(stream) = self.live(header.stream) else { return self.quiet() };
        stream.progress.bytes_in += (HEADER + header.len) as u64;
        stream.failed = Some(ExchangeError::Reset(Code(code)));
        self.ended(header.stream);
        Ok(())
    }

    fn go_away(&mut self, header: FrameHeader, payload: &[u8]) -> Checked {
        on_connection(header)?;
        let (Some(last), Some(code)) = (number(payload), payload.get(4..).and_then(number)) else {
            return Err(ConnectionError::FrameLength(header.kind));
        };
        let (last, code) = (last & frame::LAST_STREAM, Code(code));
        if self.last.is_some_and(|(before, _)| last > before) {
            return Err(ConnectionError::GoAway);
        }
        self.last = Some((last, code));
        for stream in self.streams.all().filter(|s| s.id > last && s.phase != Phase::Over) {
            stream.failed = Some(ExchangeError::GoAway(code));
            stream.phase = Phase::Over;
            stream.wake();
            self.active -= 1;
        }
        self.admit();
        self.quiet()
    }
}

/// The first frame must be SETTINGS.
fn preface(input: &[u8], header: FrameHeader) -> Checked {
    match header {
        _ if input.starts_with(b"HTTP/1.") => Err(ConnectionError::Http1),
        FrameHeader { kind: kind::SETTINGS, .. } if !header.has(flag::ACK) => Ok(()),
        _ => Err(ConnectionError::Preface),
    }
}

/// What is left of a payload without its padding.
fn unpadded(header: FrameHeader, payload: &[u8]) -> Result<&[u8], ConnectionError> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(ConnectionError::Padding)?;
    let len = rest.len().checked_sub(padding.into()).ok_or(ConnectionError::Padding)?;
    Ok(&rest[..len])
}

/// A payload that is one number.
pub(crate) fn exact(header: FrameHeader, payload: &[u8]) -> Result<u32, ConnectionError> {
    number(payload).filter(|_| payload.len() == 4).ok_or(ConnectionError::FrameLength(header.kind))
}

/// A frame that concerns the connection, not a stream.
pub(crate) fn on_connection(header: FrameHeader) -> Checked {
    if header.stream == 0 { Ok(()) } else { Err(ConnectionError::FrameStream(header.kind)) }
}

/// A head, interim or final.
fn begin(stream: &mut Stream, head: Head, end: bool) -> Result<(), AnswerError> {
    match head.status {
        101 => return Err(AnswerError::Upgrade),
        ..200 if end => return Err(AnswerError::EndsInterim),
        ..200 => {
            stream.interim += 1;
            return if stream.interim > MAX_INTERIM { Err(AnswerError::TooManyInterim) } else { Ok(()) };
        }
        204 | 304 => stream.no_body = true,
        _ => {}
    }
    stream.progress.status = head.status;
    stream.phase = Phase::Body;
    stream.length = head.length.filter(|_| !stream.no_body);
    Ok(())
}

/// Data of a body.
fn take(stream: &mut Stream, data: &[u8], end: bool) -> Result<(), AnswerError> {
    if stream.phase == Phase::Head {
        return Err(AnswerError::BodyFirst);
    }
    let after = stream.body.len() + data.len() as u64;
    if stream.no_body && after > 0 {
        return Err(AnswerError::NoBody);
    }
    if after > BODY_LIMIT {
        return Err(AnswerError::BodyTooLong);
    }
    if stream.length.is_some_and(|length| after > length) {
        return Err(AnswerError::Length);
    }
    stream.body.push(data);
    if end { ended(stream) } else { Ok(()) }
}

/// The end of an answer: its body must be as long as it was said to be.
fn ended(stream: &Stream) -> Result<(), AnswerError> {
    match stream.length {
        Some(length) if length != stream.body.len() => Err(AnswerError::Length),
        _ => Ok(()),
    }
}
