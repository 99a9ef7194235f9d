//! What can be wrong with an answer.

use super::{BODY_LIMIT, HEAD_LIMIT};

/// An answer that breaks RFC 9112 or a limit. Messages carry no byte of a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("the answer is no HTTP/1.x head: {0}")]
    Head(httparse::Error),
    #[error("the answer's head is longer than {HEAD_LIMIT} bytes")]
    HeadTooLong,
    #[error("the answer has status {0}, which is no final status of HTTP")]
    Status(u16),
    #[error("more than {0} interim (1xx) answers in a row")]
    TooManyInterim(u8),
    #[error("the answer switches protocols (101), which was not asked for")]
    Upgrade,
    #[error("content-length is not a number, or differs between its values")]
    ContentLength,
    #[error("the answer has both content-length and transfer-encoding")]
    LengthAndEncoding,
    #[error("transfer-encoding is not valid here: chunked must be the last coding, once, in HTTP/1.1")]
    TransferEncoding,
    #[error("a chunk's size line is malformed")]
    ChunkSize,
    #[error("a chunk's size line is longer than {0} bytes")]
    ChunkLineTooLong(usize),
    #[error("a chunk does not end with CRLF")]
    ChunkEnd,
    #[error("the trailers are malformed")]
    Trailer,
    #[error("the trailers are longer than {HEAD_LIMIT} bytes")]
    TrailerTooLong,
    #[error("the body is longer than {BODY_LIMIT} bytes")]
    BodyTooLong,
    #[error("{0} bytes follow the end of the answer")]
    Leftover(usize),
    #[error("the answer was whole before the request was sent")]
    Early,
    #[error("{0} bytes had come before the request was sent")]
    Unasked(usize),
}

/// Why an exchange of one request and its answer failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The answer cannot be read as HTTP/1.1, or is beyond a limit.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The stream ended before the answer did.
    #[error("the connection was closed {} the answer {}", .0.place(), .0.bytes())]
    Closed(Cutoff),
    /// Reading or writing failed.
    #[error("{during} failed: {kind}")]
    Io {
        /// `reading` or `writing`.
        during: &'static str,
        /// What the system said.
        kind: std::io::Error,
    },
}

/// How far an answer had come when the stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cutoff {
    /// Bytes of the answer that had come.
    pub(crate) received: u64,
    /// Whether the connection had served a request before.
    pub(crate) reused: bool,
}

impl Cutoff {
    pub(crate) fn place(self) -> &'static str {
        if self.received == 0 { "before" } else { "within" }
    }

    pub(crate) fn bytes(self) -> String {
        let reused = if self.reused { ", on a reused connection" } else { "" };
        format!("({} bytes received{reused})", self.received)
    }
}
