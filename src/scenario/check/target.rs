//! `[target]`: where the load goes, and whether it may.

use std::time::Duration;

use url::Url;

use super::super::scalar::{Checked, Placed, Span};
use super::super::{DEFAULT_TIMEOUT, DemoTarget, Endpoint, Target, Transport, is_local, wire};
use super::Check;

/// Stands for an address that came from a variable which is not set any more; never resolves (RFC 2606).
const UNFILLED: &str = "http://unknown.invalid/";

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
        let (wire, span) = wire.into_parts();
        let headers = self.headers(wire.headers);
        let timeout = self.positive(wire.timeout).unwrap_or(DEFAULT_TIMEOUT);
        let keep_alive = self.findings.take_or(wire.keep_alive, true);
        let ca = self.file(wire.ca).map(|(path, _)| path);
        let allow: Vec<String> =
            wire.allow.into_iter().flatten().filter_map(|host| self.allowed_host(host)).collect();
        let endpoint = match (wire.url, wire.demo) {
            (Some(url), None) => self.target_url(url, &allow).map(Endpoint::Url),
            (None, Some(demo)) => self.demo(demo, duration).map(Endpoint::Demo),
            (Some(url), Some(_)) => {
                self.findings.value(
                    &url.span,
                    "[target.demo] is there too: a run has one target, remove one of the two",
                );
                None
            }
            (None, None) => {
                self.findings.place(&span, "has no address: write url = \"http://127.0.0.1:8080\"");
                None
            }
        };
        let transport = Transport { ca, ..Transport::default() };
        Some(Target { endpoint: endpoint?, headers, timeout, keep_alive, transport, auth: None, allow })
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
        if may_go_to(&url, allow) {
            return Some(url);
        }
        let host = url.host_str().unwrap_or_default();
        self.findings.value(
            &span,
            format_args!(
                "{host} is neither this machine nor a private address: if you may send load there, write allow = [\"{host}\"]"
            ),
        );
        None
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
                "holds credentials: write a header such as authorization = \"Basic ${CREDENTIALS}\" instead"
                    .to_owned()
            }
            Ok(url) => return Some((url, span)),
        };
        self.findings.value(&span, problem);
        None
    }
}

/// Names other than `localhost` are looked up before the run, when their addresses can be judged.
fn may_go_to(url: &Url, allow: &[String]) -> bool {
    let local = match url.host() {
        Some(url::Host::Ipv4(ip)) => is_local(ip.into()),
        Some(url::Host::Ipv6(ip)) => is_local(ip.into()),
        Some(url::Host::Domain(_)) => true,
        None => false,
    };
    local || allow.iter().any(|host| url.host_str() == Some(host))
}
