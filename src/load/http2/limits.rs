//! What bounds an answer and a connection.

pub(crate) use crate::load::http1::{BODY_LIMIT, HEAD_LIMIT};

/// Header fields of a head or of trailers, at most.
pub(crate) const MAX_FIELDS: usize = 128;
/// Interim answers (1xx) that are skipped before the final one, at most.
pub(crate) const MAX_INTERIM: u8 = 32;
/// Payload of a frame we accept: the least that RFC 9113 lets a client announce, so that the read buffer of a
/// connection stays small; a larger one saves 9 bytes in 16 KiB.
pub(crate) const MAX_FRAME: usize = 16 * 1024;
/// CONTINUATION frames of one header block, at most; [`HEAD_LIMIT`] bounds their bytes.
pub(crate) const MAX_CONTINUATIONS: u32 = 64;
/// Frames in a row that carry no answer forward (SETTINGS, PING, empty DATA, closed streams), at most. A
/// server that pings an idle connection every 10 s needs 27 hours for it.
pub(crate) const MAX_QUIET: u32 = 10_000;
/// What a stream may send before it hears from us.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
/// What a connection may send before it hears from us: as much as there can be.
pub(crate) const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// Bytes waiting to be written above which no more request bodies are added.
pub(crate) const OUT_HIGH: usize = 64 * 1024;
/// Bytes waiting to be written above which a connection is given up: only answers to a flood get so far.
pub(crate) const OUT_LIMIT: usize = 8 * 1024 * 1024;
/// Streams before the server's first SETTINGS say how many it takes.
pub(crate) const STREAMS_BEFORE_SETTINGS: u32 = 1;
