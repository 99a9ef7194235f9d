//! An HTTP/1.1 client codec of our own: strict, bounded, without allocation per request.
//!
//! [`parser`] is a pure state machine over bytes (RFC 9112), [`conn`] moves bytes between it and a stream,
//! [`request`] builds a request once and patches the trace id in place, [`once`] asks outside of load. Nothing here retries, follows
//! redirects or decompresses: what the wire says is what is recorded.

pub(crate) mod body;
pub(crate) mod chunked;
pub(crate) mod conn;
pub(crate) mod error;
pub(crate) mod head;
pub(crate) mod once;
pub(crate) mod parser;
pub(crate) mod request;
#[cfg(test)]
mod tests;

/// Bytes of a head, and of the trailers, at most.
pub(crate) const HEAD_LIMIT: usize = 64 * 1024;
/// Bytes of a body at most; they are thrown away as they are read.
pub(crate) const BODY_LIMIT: u64 = 1 << 30;
/// Bytes of a body that are kept for an expectation.
pub(crate) const KEEP_LIMIT: usize = 1024 * 1024;
