//! The state machine of one answer: takes bytes in pieces of any size, touches no socket.

use super::body::Body;
use super::chunked::Chunked;
use super::error::ProtocolError;
use super::head::{self, Framing};
use super::{BODY_LIMIT, HEAD_LIMIT};

/// Interim answers (1xx) that are skipped before the final one, at most.
const MAX_INTERIM: u8 = 32;

#[derive(Clone, Copy, Debug)]
enum State {
    /// Waiting for a whole head; so many bytes of it were looked through for its end.
    Head(usize),
    Length(u64),
    Chunked(Chunked),
    /// So many bytes were read.
    UntilClose(u64),
    Done,
}

/// What a piece of input did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes that were used; the rest must come again, with more behind it, or follows the answer.
    pub(crate) consumed: usize,
    /// Whether the answer is whole.
    pub(crate) done: bool,
}

/// Reads one answer after the other; [`Parser::begin`] starts the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parser {
    state: State,
    no_body: bool,
    interim: u8,
    status: u16,
    keep_alive: bool,
}

impl Parser {
    pub(crate) const fn new() -> Self {
        Self { state: State::Done, no_body: false, interim: 0, status: 0, keep_alive: false }
    }

    /// Expects an answer; `no_body` if the request is a HEAD.
    pub(crate) const fn begin(&mut self, no_body: bool) {
        *self = Self { state: State::Head(0), no_body, ..Self::new() };
    }

    /// Status of the final answer, 0 before its head is whole.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the server lets the connection be used again; known once the head is whole.
    pub(crate) const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Takes the next bytes. What is not consumed of an unfinished head must be fed again with more.
    pub(crate) fn feed(&mut self, input: &[u8], body: &mut Body) -> Result<Step, ProtocolError> {
        let mut at = 0;
        while let State::Head(seen) = self.state {
            let Some(len) = self.head(&input[at..], seen, body)? else {
                return Ok(Step { consumed: at, done: false });
            };
            at += len;
        }
        let consumed = at + self.body(&input[at..], body)?;
        Ok(Step { consumed, done: matches!(self.state, State::Done) })
    }

    /// The stream ended: whether that was the end of the answer.
    pub(crate) const fn at_eof(&mut self) -> bool {
        if matches!(self.state, State::UntilClose(_)) {
            self.state = State::Done;
        }
        matches!(self.state, State::Done)
    }

    /// One head, interim or final; gives its length, or none while it is not whole.
    fn head(&mut self, input: &[u8], seen: usize, body: &mut Body) -> Result<Option<usize>, ProtocolError> {
        // The first look parses at once; later ones wait for the end of the head, so that a head that
        // comes byte by byte is not parsed again for each byte.
        if seen > 0 && input.len() < HEAD_LIMIT && !ends_head(&input[seen.saturating_sub(3)..]) {
            self.state = State::Head(input.len());
            return Ok(None);
        }
        let Some(head) = head::parse(input, self.no_body)? else {
            self.state = State::Head(input.len());
            return Ok(None);
        };
        if head.status == 101 {
            return Err(ProtocolError::Upgrade);
        }
        if head.status < 200 {
            self.interim += 1;
            self.state = State::Head(0);
            return if self.interim > MAX_INTERIM {
                Err(ProtocolError::TooManyInterim(MAX_INTERIM))
            } else {
                Ok(Some(head.len))
            };
        }
        body.push_head(&input[..head.len]);
        (self.status, self.keep_alive) = (head.status, head.keep_alive);
        self.state = match head.framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(n) => State::Length(n),
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => State::UntilClose(0),
        };
        Ok(Some(head.len))
    }

    fn body(&mut self, input: &[u8], body: &mut Body) -> Result<usize, ProtocolError> {
        match &mut self.state {
            State::Length(left) => {
                let n = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                body.push(&input[..n]);
                *left -= n as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(n)
            }
            State::Chunked(chunked) => {
                let (n, done) = chunked.feed(input, body)?;
                if done {
                    self.state = State::Done;
                }
                Ok(n)
            }
            State::UntilClose(read) => {
                *read += input.len() as u64;
                if *read > BODY_LIMIT {
                    return Err(ProtocolError::BodyTooLong);
                }
                body.push(input);
                Ok(input.len())
            }
            State::Head(_) | State::Done => Ok(0),
        }
    }
}

/// Whether an empty line, and so the end of a head, lies in `bytes`.
fn ends_head(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b == b'\n') {
        rest = &rest[at + 1..];
        if rest.first() == Some(&b'\n') || rest.starts_with(b"\r\n") {
            return true;
        }
    }
    false
}
