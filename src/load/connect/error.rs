//! Why nothing can be reached at all, and why one connection failed. No text shows a secret.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::proxy::ProxyError;
use super::reason::reason;
use crate::run::period::Failure;

/// Why the target cannot be reached by any request of a run.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not http or https, or without a host.
    #[error("target `{0}`: needs `http://` or `https://` and a host")]
    Url(String),
    /// The name has no address.
    #[error("{of} host `{host}`: name look-up failed: {source}; check the name, or give an IP address")]
    Lookup {
        /// Whose name: `target` or `proxy`.
        of: &'static str,
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The look-up went on for too long.
    #[error("{of} host `{host}`: name look-up took longer than 10 s; check the resolver")]
    LookupTimeout {
        /// Whose name: `target` or `proxy`.
        of: &'static str,
        /// The name.
        host: String,
    },
    /// The name has no address.
    #[error("{of} host `{host}`: the name has no address; check the name")]
    NoAddress {
        /// Whose name: `target` or `proxy`.
        of: &'static str,
        /// The name.
        host: String,
    },
    /// An address that the scenario did not ask for.
    #[error(
        "{host} is {ip}, neither loopback nor private: load goes there only with allow = [\"{host}\"] in [target]"
    )]
    NotAllowed {
        /// The name, or the address itself.
        host: String,
        /// Where it leads.
        ip: IpAddr,
    },
    /// The proxy alone knows where the name leads.
    #[error(
        "{0} has no address here, and where the proxy finds it is unknown: load goes there only with \
         allow = [\"{0}\"] in [target]"
    )]
    Unseen(String),
    /// The file of the own certificate authority cannot be used.
    #[error("target.ca `{}`: {problem}; give a PEM file with at least one certificate", .path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file of the client's certificate cannot be used.
    #[error(
        "target.client-certificate `{}`: {problem}; give a PEM file with the client's certificate, those of \
         its issuers behind it", .path.display()
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file of the client's private key cannot be used.
    #[error(
        "target.client-key `{}`: {problem}; give a PEM file with the unencrypted key of \
         target.client-certificate (PKCS#8, PKCS#1 or SEC1)", .path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No name that a certificate could be for.
    #[error("target.server-name `{0}`: is no host name and no IP address; write e.g. `shop.example.com`")]
    ServerName(String),
    /// Not an http proxy.
    #[error("target.proxy `{0}`: needs `http://` and a host; other kinds of proxy are not supported")]
    Proxy(String),
    /// TLS cannot be set up on this machine.
    #[error(
        "TLS cannot be set up: {0}; name a PEM file in target.ca to trust it instead of the machine's store"
    )]
    Tls(rustls::Error),
}

/// Which phase of opening failed, and how.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// TCP to the target.
    Connect(io::Error),
    /// TCP to the proxy.
    ProxyConnect(io::Error),
    /// The proxy's tunnel to the target.
    Proxy(ProxyError),
    /// The TLS handshake.
    Tls(io::Error),
    /// TLS is up, but the server chose this protocol, or none, instead of HTTP/2.
    Alpn(Option<Vec<u8>>),
}

impl OpenError {
    /// The kind it counts as.
    pub(crate) const fn failure(&self) -> Failure {
        match self {
            Self::Connect(_) | Self::ProxyConnect(_) | Self::Proxy(_) => Failure::Connect,
            Self::Tls(_) | Self::Alpn(_) => Failure::Tls,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(e) => write!(f, "connecting failed: {e}"),
            Self::ProxyConnect(e) => write!(f, "connecting to the proxy failed: {e}"),
            Self::Proxy(e) => e.fmt(f),
            Self::Tls(e) => write!(f, "TLS handshake failed: {}", reason(e)),
            Self::Alpn(given) => {
                let given = given.as_deref().map_or("nothing".into(), String::from_utf8_lossy);
                write!(f, "server does not speak HTTP/2 (ALPN gave {given})")
            }
        }
    }
}
