//! Requests as bytes, built once; only the trace context differs from one sending to the next.

use std::io::Write as _;

use base64::Engine as _;
use url::Url;

use crate::load::trace::TraceContext;
use crate::scenario::{Request, Target};

/// Headers that the engine sets itself.
const OWN_HEADERS: [&str; 5] =
    ["connection", "content-length", "traceparent", "transfer-encoding", "upgrade"];

/// Why a request cannot be written as HTTP/1.1. Values are not shown: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method is no token.
    #[error("the method is not a valid HTTP token")]
    Method,
    /// The path has blanks or control characters, or does not begin with a slash.
    #[error("the path must begin with `/` and hold no blanks, control or non-ASCII characters")]
    Path,
    /// A header's name is no token.
    #[error("header name `{0}` is not a valid HTTP token")]
    HeaderName(String),
    /// A header's value holds control characters.
    #[error("the value of header `{0}` holds control characters")]
    HeaderValue(String),
    /// A server must refuse a request with two of them (RFC 9112, section 3.2).
    #[error("there is more than one header `host`, in whatever case it is written: keep one")]
    Hosts,
    /// The engine sets this header itself.
    #[error("header `{0}` is set by loadprof itself; remove it from the scenario")]
    OwnHeader(String),
    /// HTTP/2 has no such header.
    #[error("header `{0}` belongs to HTTP/1 connections; remove it, or ask for HTTP/1.1")]
    ConnectionHeader(String),
}

/// What a request says before its headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'a str,
    /// Scheme and authority where a proxy must be told the whole address; else empty.
    pub(crate) origin: &'a str,
    /// Path and query.
    pub(crate) path: &'a [u8],
}

/// What the engine itself adds to every head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// Whether the connection is used again.
    pub(crate) keep_alive: bool,
    /// Length of the body, where there is one or the method wants one.
    pub(crate) content_length: Option<usize>,
}

/// From the changing part of a `traceparent` to that of the `x-trace-id` behind it.
const TO_X_TRACE_ID: usize = "0123456789abcdef-0123456789abcdef-00\r\nx-trace-id: 0123456789abcdef".len();

/// Writes a head; gives where the changing part of its trace id begins.
pub(crate) fn write_head<'h>(
    out: &mut Vec<u8>,
    line: Line<'_>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    own: Own,
    trace: Option<&TraceContext>,
) -> usize {
    for part in [line.method.as_bytes(), b" ", line.origin.as_bytes(), line.path, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    for (name, value) in headers {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    if !own.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if let Some(length) = own.content_length {
        // Writing to a vector cannot fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    let trace_at = trace.map_or(out.len(), |trace| write_trace(out, trace));
    out.extend_from_slice(b"\r\n");
    trace_at
}

fn write_trace(out: &mut Vec<u8>, trace: &TraceContext) -> usize {
    if !trace.baggage.is_empty() {
        for part in [&b"baggage: "[..], &trace.baggage, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    let trace_at = out.len() + "traceparent: 00-".len() + 16;
    let run = trace.run;
    // Writing to a vector cannot fail.
    let _ = write!(out, "traceparent: 00-{run:016x}{:016x}-{:016x}-00\r\n", 0, 0);
    if trace.x_trace_id {
        let _ = write!(out, "x-trace-id: {run:016x}{:016x}\r\n", 0);
    }
    trace_at
}

/// Length to be told of a body: where there is one, or where the method means one.
pub(crate) fn content_length(method: &str, body: Option<&[u8]>) -> Option<usize> {
    let wanted = body.is_some() || matches!(method, "POST" | "PUT" | "PATCH");
    wanted.then(|| body.map_or(0, <[u8]>::len))
}

/// Writes the sequence number, span id and sampled flag into a head whose trace begins at `at`; `twice` if the trace
/// id is in an `x-trace-id` too.
pub(crate) fn patch_trace(head: &mut [u8], at: usize, twice: bool, n: u64, span: u64, sampled: bool) {
    hex(&mut head[at..at + 16], n);
    if twice {
        hex(&mut head[at + TO_X_TRACE_ID..][..16], n);
    }
    hex(&mut head[at + 17..at + 33], span);
    head[at + 35] = if sampled { b'1' } else { b'0' };
}

/// A whole head of a request without variables, body and trace.
///
/// # Errors
/// [`RequestError`] for what cannot be put on the wire unambiguously.
pub(crate) fn plain_head(base: &Url, target: &Target, request: &Request) -> Result<Vec<u8>, RequestError> {
    check_line(request)?;
    let path = format!("{}{}", base.path().trim_end_matches('/'), request.path);
    let origin = origin(base, target);
    let line = Line { method: &request.method, origin: &origin, path: path.as_bytes() };
    let headers = headers(base, target, request)?;
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let content_length = content_length(&request.method, request.body.as_deref());
    let mut head = Vec::new();
    let own = Own { keep_alive: target.keep_alive, content_length };
    write_head(&mut head, line, headers, own, None);
    Ok(head)
}

/// Writes `value` as 16 hex digits.
pub(crate) fn hex(out: &mut [u8], value: u64) {
    for (i, digit) in out.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (60 - 4 * i)) as usize & 15];
    }
}

/// The proxy that requests are sent to; with https they go through its tunnel, and it never sees them.
fn proxy<'a>(base: &Url, target: &'a Target) -> Option<&'a Url> {
    target.transport.proxy.as_ref().filter(|_| base.scheme() == "http")
}

/// What a request line says before the path: a proxy is told the whole address (RFC 9112, section 3.2.2).
pub(crate) fn origin(base: &Url, target: &Target) -> String {
    proxy(base, target).map(|_| format!("http://{}", authority(base))).unwrap_or_default()
}

/// Whether method and path can stand in a request line.
pub(crate) fn check_line(request: &Request) -> Result<(), RequestError> {
    if request.method.is_empty() || !request.method.bytes().all(is_token) {
        return Err(RequestError::Method);
    }
    if !request.path.starts_with('/') || !request.path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(RequestError::Path);
    }
    Ok(())
}

/// All headers in order: defaults that nobody set, the target's unless the request sets them too, and the
/// request's.
pub(crate) fn headers(
    base: &Url,
    target: &Target,
    request: &Request,
) -> Result<Vec<(String, String)>, RequestError> {
    let given = |name: &str| {
        let mut all = target.headers.iter().chain(&request.headers);
        all.any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    let mut out: Vec<_> = defaults(base, target)
        .into_iter()
        .filter(|(n, _)| !given(n))
        .map(|(n, v)| (n.to_owned(), v))
        .collect();
    let replaced = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    out.extend(target.headers.iter().filter(|(n, _)| !replaced(n)).cloned());
    out.extend(request.headers.iter().cloned());
    out.iter().try_for_each(|(name, value)| check_header(name, value))?;
    if let Some((name, _)) = out.iter().find(|(name, _)| target.trace_headers.sends(name)) {
        return Err(RequestError::OwnHeader(name.clone()));
    }
    let hosts = out.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    if hosts > 1 { Err(RequestError::Hosts) } else { Ok(out) }
}

fn defaults(base: &Url, target: &Target) -> Vec<(&'static str, String)> {
    let agent = concat!("loadprof/", env!("CARGO_PKG_VERSION")).to_owned();
    let mut out = vec![("host", authority(base)), ("user-agent", agent), ("accept", "*/*".to_owned())];
    out.extend(basic(base).map(|value| ("authorization", value)));
    out.extend(proxy(base, target).and_then(basic).map(|value| ("proxy-authorization", value)));
    out
}

/// Host, in brackets if it is an IPv6 address, and port unless it is the scheme's own.
fn authority(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A URL's user and password as a header's value (RFC 7617); none if it has no user.
pub(crate) fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = percent_decoded(url.username());
    pair.push(b':');
    pair.extend(percent_decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// The bytes that a part of a URL stands for.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let coded = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match coded.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn check_header(name: &str, value: &str) -> Result<(), RequestError> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(RequestError::HeaderName(name.chars().take(60).collect()));
    }
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(RequestError::OwnHeader(name.to_owned()));
    }
    if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err(RequestError::HeaderValue(name.to_owned()));
    }
    Ok(())
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::testing::requests::{Ready, request, target};
    use crate::scenario::TraceHeaders;

    #[test]
    fn a_get_is_written_in_full() {
        let t = target(&[("X-A", "1")]);
        let ready = Ready::new("http://h:81/api/", &t, &request("GET", "/p?q=1", &[], None)).expect("valid");
        let expected = format!(
            "GET /api/p?q=1 HTTP/1.1\r\nhost: h:81\r\nuser-agent: loadprof/{}\r\naccept: */*\r\nX-A: 1\r\n\
             traceparent: 00-000000000000abcd0000000000000012-000000000000feed-01\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(String::from_utf8(ready.head(0x12, 0xfeed, true)).expect("ascii"), expected);
        assert!(ready.body.is_empty());
    }

    #[test]
    fn trace_headers_follow_the_trace_from_hit_to_hit() {
        let t = Target { trace_headers: TraceHeaders { x_trace_id: true, baggage: true }, ..target(&[]) };
        let ready = Ready::new("http://h", &t, &request("POST", "/p", &[], Some(b"hi"))).expect("valid");
        let mut head = ready.head(1, 1, false);
        ready.patch(&mut head, 0x12, 0xfeed, true);
        let expected = format!(
            "POST /p HTTP/1.1\r\nhost: h\r\nuser-agent: loadprof/{}\r\naccept: */*\r\ncontent-length: 2\r\n\
             baggage: loadprof.run=000000000000abcd,loadprof.scenario=test\r\n\
             traceparent: 00-000000000000abcd0000000000000012-000000000000feed-01\r\n\
             x-trace-id: 000000000000abcd0000000000000012\r\n\r\nhi",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(String::from_utf8(head).expect("ascii"), expected);
        for own in ["X-Trace-Id", "Baggage"] {
            let made = Ready::new("http://h", &t, &request("GET", "/", &[(own, "a")], None));
            assert_eq!(made.err(), Some(RequestError::OwnHeader(own.into())));
            let plain = Ready::new("http://h", &target(&[(own, "a")]), &request("GET", "/", &[], None));
            let head = plain.expect("the scenario's own").head(1, 2, false);
            assert!(String::from_utf8(head).expect("ascii").contains(&format!("{own}: a\r\n")));
        }
    }

    #[test]
    fn own_headers_win_over_the_targets_and_defaults() {
        let t = Target { keep_alive: false, ..target(&[("Accept", "a/b"), ("X-A", "1")]) };
        let r = request("POST", "/", &[("x-a", "2")], Some(b"hi"));
        let ready = Ready::new("http://u:p%40@[::1]/", &t, &r).expect("valid");
        let text = String::from_utf8(ready.head(1, 2, false)).expect("ascii");
        for line in [
            "host: [::1]\r\n",
            "Accept: a/b\r\n",
            "x-a: 2\r\n",
            "content-length: 2\r\n",
            "connection: close\r\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert!(!text.contains("X-A: 1") && !text.contains("*/*") && text.ends_with("\r\n\r\nhi"));
        assert!(text.contains("authorization: Basic dTpwQA==\r\n"), "{text}");
    }

    #[test]
    fn what_would_split_a_request_is_refused() {
        let t = target(&[]);
        let bad = |r: Request| Ready::new("http://h", &t, &r).err().expect("must be refused");
        assert_eq!(bad(request("GE T", "/", &[], None)), RequestError::Method);
        assert_eq!(bad(request("GET", "/a b", &[], None)), RequestError::Path);
        assert_eq!(bad(request("GET", "a", &[], None)), RequestError::Path);
        assert_eq!(bad(request("GET", "/\r\nx: y", &[], None)), RequestError::Path);
        assert_eq!(bad(request("GET", "/", &[("a:b", "c")], None)), RequestError::HeaderName("a:b".into()));
        assert_eq!(
            bad(request("GET", "/", &[("a", "b\r\nc: d")], None)),
            RequestError::HeaderValue("a".into())
        );
        assert_eq!(
            bad(request("GET", "/", &[("Content-Length", "3")], None)),
            RequestError::OwnHeader("Content-Length".into())
        );
        assert_eq!(bad(request("GET", "/", &[("host", "a"), ("Host", "b")], None)), RequestError::Hosts);
    }
}
