//! The TLS half of a connection: what is trusted, who we are, which name and protocol are asked for.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::error::{ConnectError, OpenError};
use crate::load::socket::Socket;
use crate::scenario::{HttpVersion, Transport};

/// Largest PEM file: a system's bundle of all authorities has a quarter of a megabyte.
const MAX_FILE: u64 = 16 << 20;
const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// Makes TLS streams to one name.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    http2: bool,
}

impl Tls {
    /// Reads every file and checks that they fit together.
    pub(super) fn prepare(base: &Url, transport: &Transport) -> Result<Self, ConnectError> {
        let name = match &transport.server_name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| ConnectError::ServerName(name.chars().take(60).collect()))?,
            None => of_url(base).ok_or_else(|| ConnectError::Url(super::without_credentials(base)))?,
        };
        let http2 = matches!(transport.http, HttpVersion::Http2 { .. });
        let mut config = config(transport)?;
        config.alpn_protocols = vec![if http2 { H2 } else { HTTP11 }.to_vec()];
        // Sessions are resumed as rustls does by default: after the first connections of a run the TLS phase
        // is that of resumed handshakes if the server hands out tickets, shorter than a new client's.
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, http2 })
    }

    /// Name that is asked for and checked.
    pub(super) const fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    /// The handshake.
    pub(super) async fn open(&self, tcp: Socket) -> Result<TlsStream<Socket>, OpenError> {
        let stream = self.connector.connect(self.name.clone(), tcp).await;
        let stream = stream.map_err(|e| match self.http2 && refuses_alpn(&e) {
            true => OpenError::Alpn(None),
            false => OpenError::Tls(e),
        })?;
        match stream.get_ref().1.alpn_protocol() {
            given if self.http2 && given != Some(H2) => Err(OpenError::Alpn(given.map(<[u8]>::to_vec))),
            _ => Ok(stream),
        }
    }
}

fn refuses_alpn(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    matches!(inner, Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
}

/// An IP address is checked against the certificate, but never sent as SNI (RFC 6066, section 3).
fn of_url(base: &Url) -> Option<ServerName<'static>> {
    Some(match base.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok()?,
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(ip)),
    })
}

/// TLS 1.2 and 1.3.
fn config(transport: &Transport) -> Result<ClientConfig, ConnectError> {
    let trusting = trust(transport)?;
    let Some((certificate, key)) = &transport.identity else { return Ok(trusting.with_no_client_auth()) };
    let chain = certificates(certificate)
        .map_err(|problem| ConnectError::Certificate { path: certificate.clone(), problem })?;
    let bad_key = |problem| ConnectError::Key { path: key.clone(), problem };
    let private = private_key(key).map_err(bad_key)?;
    trusting.with_client_auth_cert(chain, private).map_err(|e| match e {
        Error::InconsistentKeys(_) => {
            bad_key(format!("is not the key of the certificate in `{}`", certificate.display()))
        }
        Error::InvalidCertificate(e) => {
            ConnectError::Certificate { path: certificate.clone(), problem: format!("is not valid ({e})") }
        }
        other => bad_key(format!("cannot be used ({other})")),
    })
}

/// Everybody, the own authority alone, or whom the machine trusts.
fn trust(transport: &Transport) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ConnectError> {
    // One provider for the whole process, whoever comes first (goose's client asks for the default).
    let _ = aws_lc_rs::default_provider().install_default();
    let builder = ClientConfig::builder();
    let roots = transport.ca.as_deref().map(roots).transpose()?;
    if transport.insecure {
        let anybody = Anybody(aws_lc_rs::default_provider().signature_verification_algorithms);
        return Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(anybody)));
    }
    match roots {
        Some(roots) => Ok(builder.with_root_certificates(roots)),
        None => builder.with_platform_verifier().map_err(ConnectError::Tls),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, ConnectError> {
    let bad = |problem: String| ConnectError::Ca { path: path.to_owned(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path).map_err(bad)? {
        roots.add(certificate).map_err(|e| bad(format!("holds a certificate that is not valid ({e})")))?;
    }
    Ok(roots)
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|e| words(&e, "certificate"))?;
    if found.is_empty() { Err("holds no certificate".into()) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read(path)?;
    if pem.windows(9).any(|word| word == b"ENCRYPTED") {
        return Err("is encrypted (decrypt it: openssl pkey -in FILE -out NEW)".into());
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| words(&e, "private key"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| format!("cannot be opened ({e})"))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match read.map_err(|e| format!("cannot be read ({e})"))? as u64 {
        0..=MAX_FILE => Ok(bytes),
        _ => Err("is larger than 16 MiB".into()),
    }
}

/// Without any piece of the file: it may hold a key.
fn words(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("holds no {wanted}"),
        pem::Error::MissingSectionEnd { .. } => "is cut off: an END line is missing".into(),
        _ => "is no valid PEM".into(),
    }
}

/// Accepts whatever certificate is shown, but only from whoever has its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
