//! `[target]`: where the load goes, and whether it may.

use std::time::Duration;

use url::Url;

use super::super::scalar::{Checked, Placed, Span};
use super::super::{
    DEFAULT_TIMEOUT, DemoTarget, Endpoint, HttpVersion, Target, TraceHeaders, is_local, wire,
};
use super::{Check, TargetSends};

/// Stands for an address that came from a variable which is not set any more; never resolves (RFC 2606).
pub(super) const UNFILLED: &str = "http://unknown.invalid/";

impl Check<'_, '_> {
    /// `duration` is that of the load, if it is known.
    pub(super) fn target(
        &mut self,
        wire: Option<Placed<wire::Target>>,
        duration: Option<Duration>,
    ) -> Option<Target> {
        let Some(wire) = wire else {
            self.findings.file("[target] is missing: write [target] with url = \"http://127.0.0.1:8080\"");
            return None;
        };
        let (mut wire, span) = wire.into_parts();
        self.texts.clear();
        let trace_headers = self.trace_headers(wire.trace_headers.take());
        self.target_sends.trace_headers = trace_headers;
        let headers = self.headers(wire.headers.take());
        let header_texts = std::mem::take(&mut self.texts);
        let auth = self.auth(wire.auth.take());
        let auth_texts = std::mem::take(&mut self.texts);
        let authorization = super::has_authorization(&headers);
        if let (true, Some((_, at))) = (authorization, &auth) {
            self.findings
                .place(at, "the target's headers have an `authorization` as well: remove one of the two");
        }
        let has_auth = auth.is_some();
        self.target_sends =
            TargetSends { trace_headers, authorization, auth: has_auth, header_texts, auth_texts };
        let timeout = self.positive(wire.timeout.take()).unwrap_or(DEFAULT_TIMEOUT);
        let keep_alive = self.findings.take(wire.keep_alive.take());
        let allow: Vec<String> =
            wire.allow.take().into_iter().flatten().filter_map(|host| self.allowed_host(host)).collect();
        let endpoint = self.endpoint(wire.url.take(), wire.demo.take(), &span, &allow, duration);
        let transport = self.transport(wire, endpoint.as_ref(), &allow);
        if let (HttpVersion::Http2 { .. }, Some((false, at))) = (transport.http, &keep_alive) {
            self.findings.value(
                at,
                "HTTP/2 keeps its connections for many requests: write http-version = \"1.1\", or remove it",
            );
        }
        let keep_alive = keep_alive.is_none_or(|(keep_alive, _)| keep_alive);
        let auth = auth.map(|(auth, _)| auth);
        Some(Target {
            endpoint: endpoint?,
            headers,
            timeout,
            keep_alive,
            transport,
            auth,
            trace_headers,
            allow,
        })
    }

    fn trace_headers(&mut self, wire: Option<Vec<Checked<String>>>) -> TraceHeaders {
        let mut sent = TraceHeaders::default();
        for name in wire.into_iter().flatten() {
            let span = name.span.clone();
            let known = TraceHeaders::KNOWN.map(|name| (name, name));
            if self.one_of(Some(name), &known).is_some_and(|name| !sent.add(name)) {
                self.findings.value(&span, "is there already: remove one");
            }
        }
        sent
    }

    fn endpoint(
        &mut self,
        url: Option<Checked<String>>,
        demo: Option<Placed<wire::Demo>>,
        span: &Span,
        allow: &[String],
        duration: Option<Duration>,
    ) -> Option<Endpoint> {
        match (url, demo) {
            (Some(url), None) => self.target_url(url, allow).map(Endpoint::Url),
            (None, Some(demo)) => self.demo(demo, duration).map(Endpoint::Demo),
            (Some(url), Some(_)) => {
                self.findings.value(
                    &url.span,
                    "[target.demo] is there too: a run has one target, remove one of the two",
                );
                None
            }
            (None, None) => {
                self.findings.place(span, "has no address: write url = \"http://127.0.0.1:8080\"");
                None
            }
        }
    }

    fn demo(&mut self, wire: Placed<wire::Demo>, duration: Option<Duration>) -> Option<DemoTarget> {
        let (wire, _) = wire.into_parts();
        let known = [("reprice", "reprice"), ("stock-audit", "stock-audit")];
        let switch = self.one_of(wire.switch, &known).map(str::to_owned);
        let half = duration.unwrap_or_default() / 2;
        let Some((at, span)) = self.findings.take(wire.at) else {
            return Some(DemoTarget { switch, at: half });
        };
        if duration.is_some_and(|duration| at.0 >= duration) {
            self.findings.value(&span, "is not before the end of the load: choose an earlier time");
        }
        Some(DemoTarget { switch, at: at.0 })
    }

    /// A host name or address without scheme, port and path.
    fn allowed_host(&mut self, host: Checked<String>) -> Option<String> {
        let (host, span) = self.findings.take(Some(host))?;
        let plain = !host.is_empty() && !host.contains(['/', '*', '@', ' ']);
        let parsed =
            Url::parse(&format!("http://{host}/")).or_else(|_| Url::parse(&format!("http://[{host}]/")));
        match parsed {
            Ok(url) if plain && url.port().is_none() => url.host_str().map(str::to_owned),
            _ => {
                self.findings
                    .value(&span, "is no host: write a host name or address without scheme, port and path");
                None
            }
        }
    }

    fn target_url(&mut self, url: Checked<String>, allow: &[String]) -> Option<Url> {
        let (url, span) = self.url(url)?;
        if url.path() != "/" || url.query().is_some() {
            self.findings
                .value(&span, "has a path: write only scheme, host and port; paths belong to the requests");
            return None;
        }
        self.may_go_to(&url, &span, allow).then_some(url)
    }

    /// Names other than `localhost` are looked up before the run, when their addresses can be judged.
    pub(super) fn may_go_to(&mut self, url: &Url, span: &Span, allow: &[String]) -> bool {
        let local = match url.host() {
            Some(url::Host::Ipv4(ip)) => is_local(ip.into()),
            Some(url::Host::Ipv6(ip)) => is_local(ip.into()),
            Some(url::Host::Domain(_)) => true,
            None => false,
        };
        let host = url.host_str().unwrap_or_default();
        let may = local || allow.iter().any(|allowed| allowed == host);
        if !may {
            self.findings.value(
                span,
                format_args!(
                    "{host} is neither this machine nor a private address: if you may send load there, write allow = [\"{host}\"]"
                ),
            );
        }
        may
    }

    /// An absolute `http` or `https` address without credentials.
    pub(super) fn url(&mut self, url: Checked<String>) -> Option<(Url, Span)> {
        let (text, span) = self.findings.take(Some(url))?;
        let problem = match Url::parse(&text) {
            _ if self.is_unfilled(&text) => return Url::parse(UNFILLED).ok().map(|url| (url, span)),
            Err(e) => format!("is no address ({e}): write e.g. \"http://127.0.0.1:8080\""),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!(
                    "has the scheme {}: only http and https are supported, write e.g. \"http://..\"",
                    url.scheme()
                )
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "holds credentials: write auth = { basic = { user = \"..\", password = \"${PASSWORD}\" } } instead"
                    .to_owned()
            }
            Ok(url) => return Some((url, span)),
        };
        self.findings.value(&span, problem);
        None
    }
}
