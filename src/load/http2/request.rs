//! Requests as header blocks, built once; only the trace context differs from one sending to the next.

use super::hpack::encode::{Secrecy, field};
use crate::load::http1::request::{RequestError, hex};

/// Headers of connections of HTTP/1, besides those that the engine refuses everywhere.
const CONNECTION_HEADERS: [&str; 3] = ["keep-alive", "proxy-connection", "http2-settings"];
/// Bytes of a `traceparent`.
const TRACE: usize = 55;

/// What a block begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) method: &'a [u8],
    /// `http` or `https`.
    pub(crate) scheme: &'a [u8],
    /// Host and port.
    pub(crate) authority: &'a [u8],
    pub(crate) path: &'a [u8],
}

/// Whether HTTP/2 allows a header, whose name is in lower case.
///
/// # Errors
/// [`RequestError::ConnectionHeader`].
pub(crate) fn check_field(name: &str, value: &str) -> Result<(), RequestError> {
    let te = name == "te" && !value.trim().eq_ignore_ascii_case("trailers");
    if te || CONNECTION_HEADERS.contains(&name) {
        return Err(RequestError::ConnectionHeader(name.to_owned()));
    }
    Ok(())
}

/// Appends a request's block. Names are in lower case; values may be secrets. `body` is the length of the body
/// if one is announced, `run` are the first 16 hex digits of every trace id. The block ends with the trace
/// context, so that [`patch`] finds it.
pub(crate) fn encode<'a>(
    start: Start<'_>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: Option<u64>,
    run: u64,
    out: &mut Vec<u8>,
) {
    field(out, b":method", start.method, Secrecy::Open);
    field(out, b":scheme", start.scheme, Secrecy::Open);
    field(out, b":authority", start.authority, Secrecy::Open);
    // A query may hold a token.
    let path = if start.path.contains(&b'?') { Secrecy::Secret } else { Secrecy::Open };
    field(out, b":path", start.path, path);
    for (name, value) in headers {
        field(out, name, value, Secrecy::Secret);
    }
    if let Some(length) = body {
        let (mut digits, mut at, mut rest) = ([0; 20], 20, length);
        while rest > 0 || at == 20 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        field(out, b"content-length", &digits[at..], Secrecy::Open);
    }
    let mut trace = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex(&mut trace[3..19], run);
    field(out, b"traceparent", &trace, Secrecy::Open);
}

/// Writes the sequence number, span id and sampled flag into a block of [`encode`].
pub(crate) fn patch(block: &mut [u8], n: u64, span: u64, sampled: bool) {
    let at = block.len().saturating_sub(TRACE);
    let Some(trace) = block[at..].first_chunk_mut::<TRACE>() else { return };
    hex(&mut trace[19..35], n);
    hex(&mut trace[36..52], span);
    trace[54] = if sampled { b'1' } else { b'0' };
}
