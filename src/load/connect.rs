//! From a URL to an open stream: name look-up once before the run, then TCP and TLS, each timed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::socket::Socket;
use super::stream::Stream;
use crate::time::nanos;

/// How long the name look-up before the run may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);

/// Why the target cannot be reached by any request of a run.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not http or https, or without a host.
    #[error("target `{0}`: needs `http://` or `https://` and a host")]
    Url(String),
    /// The name has no address.
    #[error("target host `{host}`: name look-up failed: {source}; check the name, or give an IP address")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The look-up went on for too long.
    #[error("target host `{0}`: name look-up took longer than 10 s; check the resolver")]
    LookupTimeout(String),
    /// The name has no address.
    #[error("target host `{0}`: the name has no address")]
    NoAddress(String),
    /// The file of the own certificate authority cannot be used.
    #[error("target.ca `{}`: {problem}; give a PEM file with at least one certificate", .path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up on this machine.
    #[error(
        "TLS cannot be set up: {0}; name a PEM file in target.ca to trust it instead of the machine's store"
    )]
    Tls(rustls::Error),
}

/// Opens connections to the one target of a run.
pub(crate) struct Connector {
    addresses: Vec<SocketAddr>,
    /// Index of the address that answered last: tried first.
    preferred: AtomicUsize,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    lookup: Duration,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.tls.as_ref().map(|(_, name)| name);
        f.debug_struct("Connector").field("addresses", &self.addresses).field("tls", &tls).finish()
    }
}

/// What opening a connection took, in nanoseconds; a phase that did not take place is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenTimes {
    pub(crate) connect: Option<u64>,
    pub(crate) tls: Option<u64>,
}

/// Which phase of opening failed, and how.
#[derive(Debug)]
pub(crate) enum OpenError {
    Connect(io::Error),
    Tls(io::Error),
}

impl Connector {
    /// Resolves the host and reads what TLS needs; blocks for the look-up.
    ///
    /// # Errors
    /// [`ConnectError`], before any load is sent.
    pub(crate) fn prepare(base: &Url, ca: Option<&Path>) -> Result<Self, ConnectError> {
        let refused = || ConnectError::Url(base.to_string());
        let tls = match base.scheme() {
            "http" => None,
            "https" => Some((tls_connector(ca)?, server_name(base).ok_or_else(refused)?)),
            _ => return Err(refused()),
        };
        let port = base.port_or_known_default().ok_or_else(refused)?;
        let begun = Instant::now();
        let addresses = match base.host().ok_or_else(refused)? {
            Host::Ipv4(ip) => vec![SocketAddr::new(IpAddr::V4(ip), port)],
            Host::Ipv6(ip) => vec![SocketAddr::new(IpAddr::V6(ip), port)],
            Host::Domain(name) => look_up(name, port)?,
        };
        let is_name = matches!(base.host(), Some(Host::Domain(_)));
        let lookup = if is_name { begun.elapsed() } else { Duration::ZERO };
        Ok(Self { addresses, preferred: AtomicUsize::new(0), tls, lookup })
    }

    /// How long the look-up took; zero for an IP address.
    pub(crate) const fn lookup(&self) -> Duration {
        self.lookup
    }

    /// Opens a connection; `times` says how long each phase took, also when the next one fails.
    pub(crate) async fn open(&self, times: &mut OpenTimes) -> Result<Stream, OpenError> {
        let begun = Instant::now();
        let tcp = self.tcp().await;
        let connected = Instant::now();
        times.connect = Some(nanos(connected - begun));
        let tcp = tcp.and_then(Socket::new).map_err(OpenError::Connect)?;
        let Some((connector, name)) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let stream = connector.connect(name.clone(), tcp).await;
        times.tls = Some(nanos(connected.elapsed()));
        Ok(Stream::Tls(Box::new(stream.map_err(OpenError::Tls)?)))
    }

    /// TCP to the first address that accepts, beginning with the one that did so last.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for i in 0..self.addresses.len() {
            let index = (first + i) % self.addresses.len();
            result = TcpStream::connect(self.addresses[index]).await;
            if let Ok(stream) = &result {
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

/// The resolver of the system, on a thread and a runtime of their own so that callers may be anywhere.
fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |source| ConnectError::Lookup { host: name.to_owned(), source };
    let found = std::thread::scope(|scope| {
        let look_up = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let found = runtime.block_on(async {
                tokio::time::timeout(LOOKUP_LIMIT, tokio::net::lookup_host((name, port)))
                    .await
                    .map(|found| found.map(Iterator::collect::<Vec<_>>))
            });
            runtime.shutdown_background();
            Ok(found)
        };
        scope.spawn(look_up).join().unwrap_or_else(|_| Err(io::Error::other("the look-up panicked")))
    });
    let found = found.map_err(failed)?.map_err(|_| ConnectError::LookupTimeout(name.to_owned()))?;
    let addresses = found.map_err(failed)?;
    if addresses.is_empty() { Err(ConnectError::NoAddress(name.to_owned())) } else { Ok(addresses) }
}

fn server_name(base: &Url) -> Option<ServerName<'static>> {
    Some(match base.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok()?,
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(ip)),
    })
}

/// TLS 1.2 and 1.3, trusting the machine's store or only the given authority; ALPN `http/1.1`.
fn tls_connector(ca: Option<&Path>) -> Result<TlsConnector, ConnectError> {
    // One provider for the whole process, whoever comes first (goose's client asks for the default).
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = ClientConfig::builder();
    let mut config = match ca {
        None => builder.with_platform_verifier().map_err(ConnectError::Tls)?.with_no_client_auth(),
        Some(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(path: &Path) -> Result<rustls::RootCertStore, ConnectError> {
    let bad = |problem: String| ConnectError::Ca { path: path.to_owned(), problem };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    if roots.is_empty() { Err(bad("holds no certificate".into())) } else { Ok(roots) }
}
