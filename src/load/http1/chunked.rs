//! Chunked transfer coding (RFC 9112, section 7.1), byte by byte over lines and in bulk over data.

use super::body::Body;
use super::error::ProtocolError;
use super::{BODY_LIMIT, HEAD_LIMIT};

/// Bytes of a chunk's size line with its extensions, at most.
const LINE_LIMIT: usize = 4096;

/// Where in the coding the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size's first digit.
    Size,
    /// Further digits, an extension or the end of the line.
    MoreSize,
    /// Blanks behind the digits; only an extension or the end of the line may follow them.
    Blank,
    /// An extension, which is skipped.
    Extension,
    /// LF of a size line.
    SizeLf,
    /// So many bytes of data to come.
    Data(u64),
    DataCr,
    DataLf,
    /// The first byte of a trailer line, or CR of the empty line.
    TrailerStart,
    /// The rest of a trailer line.
    Trailer,
    TrailerLf,
    /// LF of the empty line.
    LastLf,
    Done,
}

/// Decoder of one chunked body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunked {
    state: State,
    size: u64,
    line: usize,
    trailers: usize,
    total: u64,
}

impl Chunked {
    pub(crate) const fn new() -> Self {
        Self { state: State::Size, size: 0, line: 0, trailers: 0, total: 0 }
    }

    /// Takes input up to the end of the body; gives the bytes taken and whether the body is whole.
    pub(crate) fn feed(&mut self, input: &[u8], body: &mut Body) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if let State::Data(left) = self.state {
                at += self.data(left, &input[at..], body);
            } else {
                self.state = self.byte(input[at])?;
                at += 1;
            }
        }
        Ok((at, self.state == State::Done))
    }

    fn data(&mut self, left: u64, input: &[u8], body: &mut Body) -> usize {
        let n = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        body.push(&input[..n]);
        let left = left - n as u64;
        self.state = if left == 0 { State::DataCr } else { State::Data(left) };
        n
    }

    fn byte(&mut self, byte: u8) -> Result<State, ProtocolError> {
        match (self.state, byte) {
            (State::Size, _) => {
                (self.size, self.line) = (0, 0);
                self.digit(byte)
            }
            (State::MoreSize | State::Blank | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::MoreSize | State::Blank, b' ' | b'\t') => self.long_line().map(|()| State::Blank),
            (State::MoreSize | State::Blank, b';') | (State::Extension, _) => self.extension(byte),
            (State::MoreSize, _) => self.digit(byte),
            (State::Blank, _) => Err(ProtocolError::ChunkSize),
            (State::SizeLf, b'\n') => self.sized(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::TrailerStart | State::Trailer, _) => self.trailer(byte),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::LastLf, b'\n') => Ok(State::Done),
            (State::SizeLf, _) => Err(ProtocolError::ChunkSize),
            (State::DataCr | State::DataLf, _) => Err(ProtocolError::ChunkEnd),
            _ => Err(ProtocolError::Trailer),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, ProtocolError> {
        let digit = char::from(byte).to_digit(16).ok_or(ProtocolError::ChunkSize)?;
        self.long_line()?;
        self.size = self.size.checked_mul(16).ok_or(ProtocolError::BodyTooLong)? + u64::from(digit);
        Ok(State::MoreSize)
    }

    fn extension(&mut self, byte: u8) -> Result<State, ProtocolError> {
        if byte == b'\n' {
            return Err(ProtocolError::ChunkSize);
        }
        self.long_line()?;
        Ok(State::Extension)
    }

    fn long_line(&mut self) -> Result<(), ProtocolError> {
        self.line += 1;
        if self.line > LINE_LIMIT { Err(ProtocolError::ChunkLineTooLong(LINE_LIMIT)) } else { Ok(()) }
    }

    fn sized(&mut self) -> Result<State, ProtocolError> {
        self.total = self.total.saturating_add(self.size);
        match self.size {
            _ if self.total > BODY_LIMIT => Err(ProtocolError::BodyTooLong),
            0 => Ok(State::TrailerStart),
            size => Ok(State::Data(size)),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ProtocolError> {
        self.trailers += 1;
        match byte {
            _ if self.trailers > HEAD_LIMIT => Err(ProtocolError::TrailerTooLong),
            b'\r' => Ok(State::TrailerLf),
            b'\n' => Err(ProtocolError::Trailer),
            _ => Ok(State::Trailer),
        }
    }
}
