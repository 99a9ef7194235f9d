//! Requests as header blocks, built once; only the trace context differs from one sending to the next.

#[cfg(test)]
use std::sync::Arc;

#[cfg(test)]
use url::Url;

use super::hpack::encode::{Secrecy, field};
#[cfg(test)]
use crate::load::http1::conn::Outgoing;
use crate::load::http1::request::{RequestError, hex};
#[cfg(test)]
use crate::load::http1::request::{full_path, headers};
#[cfg(test)]
use crate::scenario::{Request, Target};

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

/// A request ready to be sent.
#[cfg(test)]
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) block: Vec<u8>,
    pub(crate) body: Arc<[u8]>,
    /// Whether the method is HEAD.
    pub(crate) no_body: bool,
}

#[cfg(test)]
impl Prepared {
    /// Builds a request's block; `run` are the first 16 hex digits of every trace id.
    ///
    /// # Errors
    /// [`RequestError`] for what cannot be put on the wire unambiguously, or not in HTTP/2.
    pub(crate) fn new(
        base: &Url,
        target: &Target,
        request: &Request,
        run: u64,
    ) -> Result<Self, RequestError> {
        let path = full_path(base, request)?;
        let mut fields = headers(base, target, request)?;
        for (name, value) in &mut fields {
            name.make_ascii_lowercase();
            check_field(name, value)?;
        }
        let host = fields.iter().position(|(name, _)| name == "host").map(|at| fields.remove(at).1);
        if fields.iter().any(|(name, _)| name == "host") {
            return Err(RequestError::OwnHeader("host".into()));
        }
        let body: Arc<[u8]> = request.body.as_deref().unwrap_or_default().into();
        let announced = request.body.is_some() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        let start = Start {
            method: request.method.as_bytes(),
            scheme: base.scheme().as_bytes(),
            authority: host.as_deref().unwrap_or_default().trim().as_bytes(),
            path: path.as_bytes(),
        };
        // A value in HTTP/2 neither begins nor ends with a blank.
        let fields =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.trim_matches([' ', '\t']).as_bytes()));
        let mut block = Vec::new();
        encode(start, fields, announced.then_some(body.len() as u64), run, &mut block);
        Ok(Self { block, body, no_body: request.method == "HEAD" })
    }

    /// The request with a patched copy of its block.
    pub(crate) fn outgoing<'a>(&'a self, block: &'a [u8]) -> Outgoing<'a> {
        Outgoing { head: block, body: &self.body, no_body: self.no_body }
    }
}
