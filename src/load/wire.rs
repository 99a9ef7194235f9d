//! A request's head in the form of its protocol: text for HTTP/1.1, a header block for HTTP/2.

use url::Url;

use super::http1::request::{Line, Own, origin, patch_trace, write_head};
use super::http2::request::{Start, encode, patch};
use super::trace::TraceContext;
use crate::scenario::{HttpVersion, Scenario};

/// Bodies up to this length lie behind the head of HTTP/1.1 in the same buffer, so that one write sends both.
const INLINE_BODY: usize = 16 * 1024;

/// How heads are written.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) form: Form,
    trace: TraceContext,
}

/// The form of a protocol.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// RFC 9112.
    Http1 {
        /// As in [`Line::origin`].
        origin: String,
    },
    /// RFC 9113.
    Http2 {
        /// `http` or `https`.
        scheme: String,
    },
}

/// A request whose bytes are the same for every hit, save its trace context.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) head: Vec<u8>,
    pub(crate) trace_at: usize,
    pub(crate) path: Vec<u8>,
}

/// A request as the scenario means it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a [u8],
    pub(crate) body: Option<&'a [u8]>,
}

impl Wire {
    /// As a scenario's target at `base` is spoken to in run `run`, the first 16 hex digits of every trace id.
    pub(crate) fn of(base: &Url, scenario: &Scenario, run: u64) -> Self {
        let form = match scenario.target.transport.http {
            HttpVersion::Http1 => Form::Http1 { origin: origin(base, &scenario.target) },
            HttpVersion::Http2 { .. } => Form::Http2 { scheme: base.scheme().to_owned() },
        };
        Self { form, trace: TraceContext::of(scenario, run) }
    }

    /// Writes a head, and the body if it is short enough to go with it; gives where its trace begins.
    pub(crate) fn write<'h>(
        &self,
        message: Message<'_>,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
        own: Own,
        out: &mut Vec<u8>,
    ) -> usize {
        match &self.form {
            Form::Http1 { origin } => {
                let line = Line { method: message.method, origin, path: message.path };
                let trace_at = write_head(out, line, headers, own, Some(&self.trace));
                if let Some(body) = message.body.filter(|b| b.len() <= INLINE_BODY) {
                    out.extend_from_slice(body);
                }
                trace_at
            }
            Form::Http2 { scheme } => {
                block((scheme, &self.trace), message, headers, own, out);
                0
            }
        }
    }

    /// The part of a body that does not lie behind the head.
    pub(crate) fn apart<'a>(&self, body: Option<&'a [u8]>) -> &'a [u8] {
        let inline = |body: &&[u8]| matches!(self.form, Form::Http1 { .. }) && body.len() <= INLINE_BODY;
        body.filter(|body| !inline(body)).unwrap_or_default()
    }

    /// Writes the sequence number, span id and sampled flag into a head.
    pub(crate) fn patch(&self, head: &mut [u8], trace_at: usize, n: u64, span: u64, sampled: bool) {
        let twice = self.trace.x_trace_id;
        match self.form {
            Form::Http1 { .. } => patch_trace(head, trace_at, twice, n, span, sampled),
            Form::Http2 { .. } => patch(head, twice, n, span, sampled),
        }
    }
}

/// The header `host` becomes `:authority`; names are in lower case already.
fn block<'h>(
    (scheme, trace): (&str, &TraceContext),
    message: Message<'_>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    own: Own,
    out: &mut Vec<u8>,
) {
    let mut authority = &b""[..];
    let mut fields = Vec::with_capacity(12);
    for (name, value) in headers {
        match name {
            "host" => authority = value.trim_ascii(),
            _ => fields.push((name.as_bytes(), value.trim_ascii())),
        }
    }
    let start =
        Start { method: message.method.as_bytes(), scheme: scheme.as_bytes(), authority, path: message.path };
    let length = own.content_length.map(|length| length as u64);
    encode(start, fields.into_iter(), length, trace, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(form: Form) -> Wire {
        Wire { form, trace: TraceContext::default() }
    }

    fn written(wire: &Wire, body: &[u8]) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        let message = Message { method: "POST", path: b"/p", body: Some(body) };
        let own = Own { keep_alive: true, content_length: Some(body.len()) };
        let headers = [("host", &b"h"[..]), ("x-a", &b" 1 "[..])];
        wire.write(message, headers.into_iter(), own, &mut out);
        (out, wire.apart(Some(body)).len())
    }

    #[test]
    fn a_long_body_is_not_copied_behind_the_head() {
        let wire = wire(Form::Http1 { origin: String::new() });
        let (short, apart) = written(&wire, b"hi");
        assert!(short.ends_with(b"\r\n\r\nhi") && apart == 0);
        let (long, apart) = written(&wire, &[7; INLINE_BODY + 1]);
        assert!(long.ends_with(b"\r\n\r\n") && apart == INLINE_BODY + 1);
    }

    #[test]
    fn a_block_has_its_host_as_authority_and_its_body_apart() {
        let wire = wire(Form::Http2 { scheme: "https".into() });
        let (block, apart) = written(&wire, b"hi");
        assert_eq!(apart, 2);
        let find = |text: &[u8]| block.windows(text.len()).any(|w| w == text);
        assert!(!find(b"host") && find(b"x-a") && !find(b" 1 ") && find(b"traceparent"));
    }
}
