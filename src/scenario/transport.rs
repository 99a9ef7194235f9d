//! What the connections to a target are made of.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

/// Settings of connections.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Version of HTTP.
    pub http: HttpVersion,
    /// Addresses to connect to instead of those that the name has; not beside a proxy, which looks it up itself.
    pub resolve: Vec<SocketAddr>,
    /// Name for SNI and for the certificate's check instead of the address's host.
    pub server_name: Option<String>,
    /// PEM file of an own certificate authority.
    pub ca: Option<PathBuf>,
    /// PEM files of the client's certificate chain and of its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether a certificate that does not verify is accepted.
    pub insecure: bool,
    /// HTTP proxy: CONNECT for https, absolute-form requests for http. Credentials are sent as
    /// `proxy-authorization`.
    pub proxy: Option<Url>,
    /// Content codings that are asked for; answers are decoded only where their body is looked at.
    pub compression: Vec<Coding>,
    /// Whether a user keeps the cookies that answers set, for its own later requests.
    pub cookies: bool,
    /// Redirects that are followed within one hit at the most; 0: the redirect is the answer.
    pub redirects: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            http: HttpVersion::Http1,
            resolve: Vec::new(),
            server_name: None,
            ca: None,
            identity: None,
            insecure: false,
            proxy: None,
            compression: Vec::new(),
            cookies: true,
            redirects: 0,
        }
    }
}

/// Versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without.
    Http2 {
        /// Requests under way on one connection at the same time, at the most.
        streams: usize,
    },
}

/// Content codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// Name in `accept-encoding` and `content-encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}
