//! A way through an HTTP proxy: a CONNECT tunnel for https. Requests to http targets go to the proxy itself,
//! in absolute-form; [`crate::load::http1::request`] writes them.

use std::fmt::Write as _;

use tokio::net::TcpStream;
use url::Url;

use super::error::ConnectError;
use crate::load::http1::error::ExchangeError;
use crate::load::http1::once;
use crate::load::http1::request::basic;
use crate::scenario::Transport;

/// Why the proxy gave no tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// It answered CONNECT with another status than 2xx.
    #[error("the proxy refused: status {}{}", .0, remedy(*.0))]
    Refused(u16),
    /// It gave no answer that can be read.
    #[error("asking the proxy failed: {0}")]
    Exchange(ExchangeError),
    /// Nobody speaks first in TLS but the client.
    #[error("the proxy sent {0} bytes behind its answer, before anything was asked of the target")]
    Early(usize),
}

const fn remedy(status: u16) -> &'static str {
    match status {
        407 => ", it wants other credentials: give them in target.proxy",
        403 | 405 => ", it does not let us to this host or port",
        502..=504 => ", it does not reach the target",
        _ => "",
    }
}

/// What the proxy is asked for on a new connection.
pub(super) struct Tunnel {
    /// Carries credentials: must not be shown.
    request: Vec<u8>,
}

impl Tunnel {
    /// CONNECT to the host and port of `base`.
    pub(super) fn new(base: &Url, proxy: &Url) -> Option<Self> {
        let to = format!("{}:{}", base.host_str()?, base.port_or_known_default()?);
        let agent = concat!("loadprof/", env!("CARGO_PKG_VERSION"));
        let mut text = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\nuser-agent: {agent}\r\n");
        if let Some(credentials) = basic(proxy) {
            let _ = write!(text, "proxy-authorization: {credentials}\r\n");
        }
        text.push_str("\r\n");
        Some(Self { request: text.into_bytes() })
    }

    /// Asks for the tunnel; `tcp` leads to the target afterwards. What an answer of 2xx says about a body
    /// is void (RFC 9110, section 9.3.6).
    pub(super) async fn open(&self, tcp: &mut TcpStream) -> Result<(), ProxyError> {
        let answer = once::ask(tcp, &self.request).await.map_err(ProxyError::Exchange)?;
        match (answer.status, answer.behind) {
            (200..=299, 0) => Ok(()),
            (200..=299, bytes) => Err(ProxyError::Early(bytes)),
            (status, _) => Err(ProxyError::Refused(status)),
        }
    }
}

/// The scenario's proxy if it is one that can be spoken to. What does not go with a proxy the scenario's check has
/// refused.
pub(super) fn checked(transport: &Transport) -> Result<Option<&Url>, ConnectError> {
    let Some(proxy) = &transport.proxy else { return Ok(None) };
    if proxy.scheme() != "http" || proxy.host().is_none() {
        return Err(ConnectError::Proxy(super::without_credentials(proxy)));
    }
    Ok(Some(proxy))
}
