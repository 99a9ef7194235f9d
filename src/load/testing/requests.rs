//! Requests as a run prepares them: through the script, the template and the wire.

use url::Url;

use super::{constant, scenario, with_requests};
use crate::load::http1::request::RequestError;
use crate::load::script::{Script, ScriptError};
use crate::load::template::{Common, Template};
use crate::load::wire::{Prepared, Wire};
use crate::scenario::{Endpoint, HttpVersion, Request, Scenario, Target};

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

/// A target with these headers.
pub(crate) fn target(headers: &[(&str, &str)]) -> Target {
    let endpoint = Endpoint::Url(Url::parse("http://unused").expect("valid"));
    Target { headers: owned(headers), ..Target::new(endpoint) }
}

/// The same over HTTP/2.
pub(crate) fn http2_target(headers: &[(&str, &str)]) -> Target {
    let mut target = target(headers);
    target.transport.http = HttpVersion::Http2 { streams: 1 };
    target
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Request {
    Request { headers: owned(headers), body: body.map(Into::into), ..Request::new(method, path) }
}

/// A request without variables, ready to be sent.
pub(crate) struct Ready {
    wire: Wire,
    prepared: Prepared,
    /// What does not lie behind its head.
    pub(crate) body: Vec<u8>,
}

impl Ready {
    /// `0xabcd` are the first 16 hex digits of its trace id.
    pub(crate) fn new(base: &str, target: &Target, request: &Request) -> Result<Self, RequestError> {
        let base = Url::parse(base).expect("valid");
        let all = with_requests(scenario(constant(1.0, 1000)), vec![request.clone()]);
        let all = Scenario { target: target.clone(), ..all };
        let script = Script::compile(&all, &base).map_err(|e| match e {
            ScriptError::Request { source, .. } => source,
            other => panic!("{other}"),
        })?;
        let wire = Wire::of(&base, &all, 0xabcd);
        let common = Common { target, wire: &wire, heads: false };
        let template = Template::new(request, &script.steps[0], &script.values(), common);
        let body = wire.apart(template.body(&request.method, None)).to_vec();
        Ok(Self { prepared: template.fixed.expect("no variables"), wire, body })
    }

    /// Its bytes as hit `n` sends them.
    pub(crate) fn head(&self, n: u64, span: u64, sampled: bool) -> Vec<u8> {
        let mut head = self.prepared.head.clone();
        self.patch(&mut head, n, span, sampled);
        head
    }

    /// Makes the bytes of one hit those of another.
    pub(crate) fn patch(&self, head: &mut [u8], n: u64, span: u64, sampled: bool) {
        self.wire.patch(head, self.prepared.trace_at, n, span, sampled);
    }
}
