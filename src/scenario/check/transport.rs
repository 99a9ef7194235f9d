//! The keys of `[target]` that say what connections are made of.

use std::net::SocketAddr;
use std::path::PathBuf;

use rustls_pki_types::ServerName;
use url::Url;

use super::super::scalar::{Checked, Span};
use super::super::units::Count;
use super::super::{Coding, Endpoint, HttpVersion, Transport, is_local, wire};
use super::Check;
use super::target::UNFILLED;

/// Streams of a connection unless the scenario says otherwise: what most servers allow at least.
const STREAMS: usize = 100;
/// Most streams of a connection.
const MAX_STREAMS: u64 = 1000;
/// Most redirects that are followed.
const MAX_REDIRECTS: u64 = 20;
/// Most addresses that one name stands for.
const MAX_ADDRESSES: usize = 100;

impl Check<'_, '_> {
    pub(super) fn transport(
        &mut self,
        wire: wire::Target,
        endpoint: Option<&Endpoint>,
        allow: &[String],
    ) -> Transport {
        let http = self.http_version(wire.http_version, wire.streams);
        let proxy_at = wire.proxy.as_ref().map(|proxy| proxy.span.clone());
        let proxy = self.proxy(wire.proxy, allow);
        let plain = match endpoint {
            Some(Endpoint::Url(url)) => url.scheme() == "http",
            Some(Endpoint::Demo(_)) => true,
            None => false,
        };
        let resolved = wire.resolve.as_ref().is_some_and(|addresses| !addresses.0.is_empty());
        if let Some(at) = proxy_at {
            if plain && matches!(http, HttpVersion::Http2 { .. }) {
                self.findings
                    .value(&at, "takes no HTTP/2 without TLS: use https, http-version = \"1.1\" or no proxy");
            }
            if resolved {
                self.findings.value(
                    &at,
                    "looks the host up itself, so that `resolve` does nothing: remove one of the two",
                );
            }
        }
        Transport {
            http,
            resolve: self.resolve(wire.resolve, endpoint, allow),
            server_name: self.server_name(wire.server_name),
            ca: self.file(wire.ca).map(|(path, _)| path),
            identity: self.identity(wire.client_certificate, wire.client_key),
            insecure: self.findings.take_or(wire.insecure, false),
            proxy,
            compression: self.compression(wire.compression),
            cookies: self.findings.take_or(wire.cookies, true),
            redirects: self.count_in(wire.redirects, 0, MAX_REDIRECTS).unwrap_or(0),
        }
    }

    fn http_version(
        &mut self,
        version: Option<Checked<String>>,
        streams: Option<Checked<Count>>,
    ) -> HttpVersion {
        let streams_at = streams.as_ref().map(|streams| streams.span.clone());
        let streams = self.count_in(streams, 1, MAX_STREAMS).unwrap_or(STREAMS);
        let known = [("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2 { streams })];
        let http = self.one_of(version, &known).unwrap_or(HttpVersion::Http1);
        if let (HttpVersion::Http1, Some(at)) = (http, streams_at) {
            self.findings.value(&at, "HTTP/1.1 has no streams: write http-version = \"2\", or remove it");
        }
        http
    }

    fn resolve(
        &mut self,
        wire: Option<wire::OneOrMany>,
        endpoint: Option<&Endpoint>,
        allow: &[String],
    ) -> Vec<SocketAddr> {
        let Some(wire) = wire else { return Vec::new() };
        if let Some(beyond) = wire.0.get(MAX_ADDRESSES) {
            self.findings
                .value(&beyond.span, format_args!("more than {MAX_ADDRESSES} addresses: remove some"));
        }
        let host = match endpoint {
            Some(Endpoint::Url(url)) => url.host_str().map(str::to_owned),
            _ => None,
        };
        let allowed = host.is_some_and(|host| allow.contains(&host));
        let mut addresses = Vec::new();
        for address in wire.0 {
            let Some((text, span)) = self.findings.take(Some(address)) else { continue };
            if matches!(endpoint, Some(Endpoint::Demo(_))) {
                self.findings.value(&span, "the demo target has an address of its own: remove it");
                continue;
            }
            match text.parse::<SocketAddr>() {
                Ok(address) if allowed || is_local(address.ip()) => addresses.push(address),
                Ok(address) => self.findings.value(
                    &span,
                    format_args!(
                        "{} is neither this machine nor a private address: if you may send load there, put the host of url into allow",
                        address.ip()
                    ),
                ),
                Err(_) => self.findings.value(
                    &span,
                    "is no address with a port: write e.g. \"127.0.0.1:8443\" or \"[::1]:8443\"",
                ),
            }
        }
        addresses
    }

    fn server_name(&mut self, name: Option<Checked<String>>) -> Option<String> {
        let (name, span) = self.findings.take(name)?;
        if ServerName::try_from(name.as_str()).is_ok() {
            return Some(name);
        }
        self.findings
            .value(&span, "is no host name: write e.g. \"shop.example.com\", without scheme and port");
        None
    }

    /// Both files or none.
    fn identity(
        &mut self,
        certificate: Option<Checked<String>>,
        key: Option<Checked<String>>,
    ) -> Option<(PathBuf, PathBuf)> {
        let alone = match (&certificate, &key) {
            (Some(only), None) => Some((&only.span, "client-key")),
            (None, Some(only)) => Some((&only.span, "client-certificate")),
            _ => None,
        };
        if let Some((span, other)) = alone {
            self.findings
                .value(span, format_args!("needs `{other}` beside it: write both, PEM files, or none"));
        }
        let certificate = self.file(certificate).map(|(path, _)| path);
        let key = self.file(key).map(|(path, _)| path);
        certificate.zip(key)
    }

    fn compression(&mut self, wire: Option<Vec<Checked<String>>>) -> Vec<Coding> {
        let known = Coding::ALL.map(|coding| (coding.name(), coding));
        let mut codings = Vec::new();
        for coding in wire.into_iter().flatten() {
            let span = coding.span.clone();
            match self.one_of(Some(coding), &known) {
                Some(coding) if codings.contains(&coding) => {
                    self.findings.value(&span, "is there already: remove one");
                }
                coding => codings.extend(coding),
            }
        }
        codings
    }

    /// Credentials are allowed here: a proxy knows no other way, and they are masked wherever they are kept.
    fn proxy(&mut self, proxy: Option<Checked<String>>, allow: &[String]) -> Option<Url> {
        let (text, span) = self.findings.take(proxy)?;
        if self.is_unfilled(&text) {
            return Url::parse(UNFILLED).ok();
        }
        let (url, problem) = match Url::parse(&text) {
            Err(e) => (None, format!("is no address ({e}): write e.g. \"http://127.0.0.1:3128\"")),
            Ok(url) if url.scheme() != "http" => {
                (None, "only proxies that are spoken to by http are supported: write http://host:port".into())
            }
            Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
                (None, "has a path: write only http://host:port".into())
            }
            Ok(url) => (Some(url), String::new()),
        };
        match url {
            Some(url) => self.proxy_host(url, &span, allow),
            None => {
                self.findings.value(&span, problem);
                None
            }
        }
    }

    fn proxy_host(&mut self, url: Url, span: &Span, allow: &[String]) -> Option<Url> {
        self.may_go_to(&url, span, allow).then_some(url)
    }
}
