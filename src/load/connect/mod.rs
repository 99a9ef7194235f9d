//! From a URL to an open stream: names are looked up once before the run; then TCP, a proxy's tunnel and TLS,
//! each timed.

mod error;
mod lookup;
mod proxy;
mod reason;
#[cfg(test)]
mod tests;
mod times;
mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use url::{Host, Url};

use super::socket::Socket;
use super::stream::Stream;
use crate::scenario::{Target, Transport};

pub use error::ConnectError;
pub(crate) use error::OpenError;
pub(crate) use proxy::ProxyError;
pub(crate) use reason::reason;
pub(crate) use times::OpenTimes;

use proxy::Tunnel;
use tls::Tls;

/// Opens connections to the one target of a run.
pub(crate) struct Connector {
    /// Whom the addresses belong to: the target or its proxy.
    host: String,
    addresses: Vec<SocketAddr>,
    /// Index of the address that is tried first: the one that answered last, unless it has kept silent since.
    preferred: AtomicUsize,
    /// How often any of them answered.
    answers: AtomicU64,
    /// Whether the addresses are a proxy's.
    proxied: bool,
    tunnel: Option<Tunnel>,
    tls: Option<Tls>,
    lookup: Duration,
}

impl fmt::Debug for Connector {
    /// Without the tunnel's request, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Connector");
        out.field("addresses", &self.addresses).field("proxied", &self.proxied);
        out.field("tls", &self.tls.as_ref().map(Tls::name)).finish_non_exhaustive()
    }
}

impl Connector {
    /// Resolves the host (or the proxy's) and reads what TLS needs; blocks for the look-up.
    ///
    /// # Errors
    /// [`ConnectError`], before any load is sent.
    pub(crate) fn prepare(base: &Url, transport: &Transport) -> Result<Self, ConnectError> {
        let refused = || ConnectError::Url(without_credentials(base));
        if base.host().is_none() {
            return Err(refused());
        }
        let tls = match base.scheme() {
            "http" => None,
            "https" => Some(Tls::prepare(base, transport)?),
            _ => return Err(refused()),
        };
        let proxy = proxy::checked(transport)?;
        let tunnel = proxy.filter(|_| tls.is_some()).and_then(|proxy| Tunnel::new(base, proxy));
        let begun = Instant::now();
        let (of, to) = proxy.map_or(("target", base), |proxy| ("proxy", proxy));
        let looked_up = transport.resolve.is_empty() && matches!(to.host(), Some(Host::Domain(_)));
        let addresses = match transport.resolve.is_empty() {
            true => lookup::addresses(of, to)?.ok_or_else(refused)?,
            false => transport.resolve.clone(),
        };
        Ok(Self {
            host: lookup::host(to).to_owned(),
            addresses,
            preferred: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            proxied: proxy.is_some(),
            tunnel,
            tls,
            lookup: if looked_up { begun.elapsed() } else { Duration::ZERO },
        })
    }

    /// Whether load may go where this connects to: a name may lead to a public address, and that needs the
    /// scenario's word. Behind a proxy the target's own name is looked up here as well; may block for that.
    ///
    /// # Errors
    /// [`ConnectError::NotAllowed`], [`ConnectError::Unseen`].
    pub(crate) fn allowed(&self, base: &Url, target: &Target) -> Result<(), ConnectError> {
        all_allowed(target, &self.host, &self.addresses)?;
        let host = lookup::host(base);
        if !self.proxied || target.allow.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        let Ok(Some(addresses)) = lookup::addresses("target", base) else {
            return Err(ConnectError::Unseen(host.to_owned()));
        };
        all_allowed(target, host, &addresses)
    }

    /// How long the look-up took; zero for an IP address.
    pub(crate) const fn lookup(&self) -> Duration {
        self.lookup
    }

    /// Opens a connection; adds to `times` how long each phase took, also when the next one fails.
    pub(crate) async fn open(&self, times: &mut OpenTimes) -> Result<Stream, OpenError> {
        times.begin_connect();
        let tcp = self.way().await;
        times.end();
        let tcp = Socket::new(tcp?).map_err(OpenError::Connect)?;
        times.opened = times.opened.saturating_add(1);
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        times.begin_tls();
        let stream = tls.open(tcp).await;
        times.end();
        Ok(Stream::Tls(Box::new(stream?)))
    }

    /// Bytes written to it reach the target, or the proxy that is asked to pass requests on.
    async fn way(&self) -> Result<TcpStream, OpenError> {
        let mut tcp = self.tcp().await.map_err(|e| match self.proxied {
            true => OpenError::ProxyConnect(e),
            false => OpenError::Connect(e),
        })?;
        if let Some(tunnel) = &self.tunnel {
            tunnel.open(&mut tcp).await.map_err(OpenError::Proxy)?;
        }
        Ok(tcp)
    }

    /// TCP to the first address that accepts, beginning with the one that did so last. An address that does not
    /// answer at all takes the rest of the hit's time limit; the next hit begins with another one.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for i in 0..self.addresses.len() {
            let index = (first + i) % self.addresses.len();
            let answers = self.answers.load(Ordering::Relaxed);
            let mut trying = Trying { connector: self, first, index, answers, over: false };
            result = TcpStream::connect(self.addresses[index]).await;
            trying.over = true;
            if let Ok(stream) = &result {
                self.answers.fetch_add(1, Ordering::Relaxed);
                if i > 0 {
                    self.preferred.store(index, Ordering::Relaxed);
                }
                stream.set_nodelay(true)?;
                break;
            }
        }
        result
    }
}

/// An address that is being tried; dropped before that is over when a time limit has passed.
struct Trying<'a> {
    connector: &'a Connector,
    /// Index of the address that was tried first, and of this one.
    first: usize,
    index: usize,
    /// What had been answered when it began.
    answers: u64,
    over: bool,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        let Connector { addresses, preferred, answers, .. } = self.connector;
        // An address that answers others is not dead but busy; leaving it for a dead one would fail them all.
        if self.over || answers.load(Ordering::Relaxed) != self.answers {
            return;
        }
        let next = (self.index + 1) % addresses.len();
        // Of many attempts that end together, one moves it on.
        let _ = preferred.compare_exchange(self.first, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn all_allowed(target: &Target, host: &str, addresses: &[SocketAddr]) -> Result<(), ConnectError> {
    match addresses.iter().find(|address| !target.allows(host, address.ip())) {
        Some(address) => Err(ConnectError::NotAllowed { host: host.to_owned(), ip: address.ip() }),
        None => Ok(()),
    }
}

/// A URL as messages may show it.
fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Refused only for URLs without a host, which have no credentials either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}
