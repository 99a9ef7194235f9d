//! Requests as header blocks, built once; only the trace context differs from one sending to the next.

use super::hpack::encode::{Secrecy, field};
use crate::load::http1::request::{RequestError, hex};
use crate::load::trace::TraceContext;

/// Headers of connections of HTTP/1, besides those that the engine refuses everywhere.
const CONNECTION_HEADERS: [&str; 3] = ["keep-alive", "proxy-connection", "http2-settings"];
/// Bytes of a `traceparent`.
const TRACE: usize = 55;
/// Bytes from the changing part of an `x-trace-id` to the end of the `traceparent` behind it, whose field has two
/// lengths and a first byte besides.
const X_TRACE_ID: usize = 16 + 3 + "traceparent".len() + TRACE;

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
/// if one is announced. The block ends with the trace context, so that [`patch`] finds it.
pub(crate) fn encode<'a>(
    start: Start<'_>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: Option<u64>,
    trace: &TraceContext,
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
    encode_trace(trace, out);
}

fn encode_trace(trace: &TraceContext, out: &mut Vec<u8>) {
    if !trace.baggage.is_empty() {
        field(out, b"baggage", &trace.baggage, Secrecy::Open);
    }
    let mut parent = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex(&mut parent[3..19], trace.run);
    if trace.x_trace_id {
        field(out, b"x-trace-id", &parent[3..35], Secrecy::Open);
    }
    field(out, b"traceparent", &parent, Secrecy::Open);
}

/// Writes the sequence number, span id and sampled flag into a block of [`encode`]; `twice` if the trace id is in an
/// `x-trace-id` too.
pub(crate) fn patch(block: &mut [u8], twice: bool, n: u64, span: u64, sampled: bool) {
    let also = block.len().checked_sub(X_TRACE_ID).filter(|_| twice);
    if let Some(id) = also.and_then(|at| block[at..].first_chunk_mut::<16>()) {
        hex(id, n);
    }
    let at = block.len().saturating_sub(TRACE);
    let Some(trace) = block[at..].first_chunk_mut::<TRACE>() else { return };
    hex(&mut trace[19..35], n);
    hex(&mut trace[36..52], span);
    trace[54] = if sampled { b'1' } else { b'0' };
}
