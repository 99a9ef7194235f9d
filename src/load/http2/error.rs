//! What can be wrong with an answer, or with the connection it came on.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::limits::{
    BODY_LIMIT, HEAD_LIMIT, MAX_CONTINUATIONS, MAX_FIELDS, MAX_FRAME, MAX_INTERIM, MAX_QUIET,
};
use crate::load::http1::error::Cutoff;
use crate::run::period::Failure;

/// An error code of RFC 9113, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    #[cfg(test)]
    pub(crate) const NO_ERROR: Self = Self(0);
    pub(crate) const PROTOCOL_ERROR: Self = Self(1);
    pub(crate) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(crate) const FRAME_SIZE_ERROR: Self = Self(6);
    pub(crate) const REFUSED_STREAM: Self = Self(7);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const COMPRESSION_ERROR: Self = Self(9);
    pub(crate) const ENHANCE_YOUR_CALM: Self = Self(11);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "code {:#x}", self.0),
        }
    }
}

/// An answer that breaks RFC 9113 or a limit. Messages carry no byte of a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the answer has status {0}, which is no final status of HTTP")]
    Status(u16),
    #[error("the answer's head has no single valid :status before its other fields")]
    Pseudo,
    #[error("the answer's head or trailers are longer than {HEAD_LIMIT} bytes")]
    HeadTooLong,
    #[error("the answer's head or trailers have more than {MAX_FIELDS} fields")]
    TooManyFields,
    #[error("a header of the answer has a name that HTTP/2 does not allow")]
    FieldName,
    #[error("a header of the answer holds control characters")]
    FieldValue,
    #[error("more than {MAX_INTERIM} interim (1xx) answers in a row")]
    TooManyInterim,
    #[error("the answer ends with an interim (1xx) head")]
    EndsInterim,
    #[error("the answer switches protocols (101), which HTTP/2 does not have")]
    Upgrade,
    #[error("content-length is not a number, or differs between its values")]
    ContentLength,
    #[error("the body's length is not the one that content-length gives")]
    Length,
    #[error("the answer has a body where none may be")]
    NoBody,
    #[error("the body is longer than {BODY_LIMIT} bytes")]
    BodyTooLong,
    #[error("a body came before its head")]
    BodyFirst,
    #[error("the trailers do not end the answer")]
    Trailers,
    #[error("a window was enlarged by 0")]
    WindowByZero,
    #[error("the window for the request's body was enlarged beyond 2^31-1")]
    WindowTooLarge,
}

/// A connection that breaks RFC 9113 or a limit: every answer under way on it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the server answered in HTTP/1, not in HTTP/2")]
    Http1,
    #[error("the server did not begin with a SETTINGS frame: it does not speak HTTP/2")]
    Preface,
    #[error("a frame of {0} bytes came, longer than the {MAX_FRAME} announced")]
    FrameTooLong(u32),
    #[error("a frame of type {0} has a length that its type does not allow")]
    FrameLength(u8),
    #[error("a frame of type {0} came on a stream where it may not be")]
    FrameStream(u8),
    #[error("a frame's padding is longer than the frame")]
    Padding,
    #[error("a header block was interrupted, or went on without having begun")]
    Continuation,
    #[error("a header block has more than {MAX_CONTINUATIONS} CONTINUATION frames")]
    TooManyContinuations,
    #[error("the answer's head or trailers are longer than {HEAD_LIMIT} bytes")]
    BlockTooLong,
    #[error("a header block cannot be decoded (HPACK): {0}")]
    Compression(HpackError),
    #[error("the server pushed an answer, which was switched off")]
    Push,
    #[error("setting {0} has a value that is not allowed")]
    Setting(u16),
    #[error("more data came than the window allows")]
    Window,
    #[error("a window was enlarged beyond 2^31-1, or by 0")]
    WindowUpdate,
    #[error("a GOAWAY names a higher stream than the one before")]
    GoAway,
    #[error("{MAX_QUIET} frames in a row carried no answer forward")]
    Flood,
    #[error("the server does not read what its own frames make us answer")]
    NotReading,
}

impl ConnectionError {
    /// What a GOAWAY tells the server.
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::FrameTooLong(_) | Self::FrameLength(_) => Code::FRAME_SIZE_ERROR,
            Self::Compression(_) => Code::COMPRESSION_ERROR,
            Self::Window | Self::WindowUpdate => Code::FLOW_CONTROL_ERROR,
            Self::Flood | Self::TooManyContinuations | Self::BlockTooLong | Self::NotReading => {
                Code::ENHANCE_YOUR_CALM
            }
            _ => Code::PROTOCOL_ERROR,
        }
    }
}

/// What is wrong with a header block (RFC 7541).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HpackError {
    #[error("it ends within a field")]
    Truncated,
    #[error("a number is too large")]
    Integer,
    #[error("an index is not in the static table, and the dynamic one is switched off")]
    Index,
    #[error("the dynamic table is enlarged beyond the 0 announced, or within a block")]
    TableSize,
    #[error("a Huffman code is not valid")]
    Huffman,
}

/// Why a connection can no longer be used.
#[derive(Clone, Debug)]
pub(crate) enum Broken {
    Protocol(ConnectionError),
    /// The stream ended.
    Closed,
    Io {
        during: &'static str,
        kind: Arc<io::Error>,
    },
}

/// Why an exchange of one request and its answer failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The answer cannot be read as HTTP/2, or is beyond a limit. The connection goes on.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The connection cannot be read as HTTP/2, or is beyond a limit.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server reset the stream.
    #[error("the server reset the stream: {0}")]
    Reset(Code),
    /// The server takes no more streams on this connection, and did not look at this one.
    #[error("the server closes the connection: GOAWAY {0}")]
    GoAway(Code),
    /// The connection has used up its stream numbers, or was not usable when the exchange began.
    #[error("the connection takes no more requests")]
    Spent,
    /// The stream ended before the answer did.
    #[error("the connection was closed {} the answer {}", .0.place(), .0.bytes())]
    Closed(Cutoff),
    /// Reading or writing failed.
    #[error("{during} failed: {kind}")]
    Io {
        /// `reading` or `writing`.
        during: &'static str,
        /// What the system said; shared by all exchanges of the connection.
        kind: Arc<io::Error>,
    },
}

impl ExchangeError {
    /// The kind it counts as.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Answer(_) | Self::Connection(_) => Failure::Protocol,
            // rustls reports broken records this way; a plain socket never does.
            Self::Io { kind, .. } if kind.kind() == io::ErrorKind::InvalidData => Failure::Tls,
            Self::Reset(_) | Self::GoAway(_) | Self::Spent | Self::Closed(_) | Self::Io { .. } => {
                Failure::Closed
            }
        }
    }

    /// Whether the server says that it has not looked at the request (RFC 9113, section 8.7): it may be sent
    /// again on another connection, whatever its method.
    pub(crate) const fn unprocessed(&self) -> bool {
        matches!(self, Self::GoAway(_) | Self::Spent | Self::Reset(Code::REFUSED_STREAM))
    }
}
