//! TLS with a throw-away authority, and certificates with flaws.

use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection's TLS session on the server's side.
pub type Session = StreamOwned<ServerConnection, TcpStream>;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Signed by an authority that nobody trusts.
    Stranger,
    /// For another name.
    Name,
    /// Was valid until 2001.
    Expired,
    /// Valid from 2090 on.
    Future,
}

const FLAWS: [Flaw; 5] = [Flaw::None, Flaw::Stranger, Flaw::Name, Flaw::Expired, Flaw::Future];

struct Certificates {
    authority: String,
    configs: Vec<Arc<ServerConfig>>,
}

/// A certificate without flaws, for a server that speaks one protocol.
pub fn server_config(protocol: &str) -> Arc<ServerConfig> {
    let index = index(Flaw::None);
    let mut config = (*certificates().configs[index]).clone();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(config)
}

fn index(flaw: Flaw) -> usize {
    FLAWS.iter().position(|f| *f == flaw).expect("all flaws are listed")
}

fn certificates() -> &'static Certificates {
    static ALL: OnceLock<Certificates> = OnceLock::new();
    ALL.get_or_init(|| {
        let (authority, trusted) = new_authority("trusted");
        let (_, stranger) = new_authority("stranger");
        let config = |flaw| config(flaw, if flaw == Flaw::Stranger { &stranger } else { &trusted });
        Certificates { authority, configs: FLAWS.into_iter().map(config).collect() }
    })
}

fn new_authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("key");
    let pem = params.self_signed(&key).expect("signs").pem();
    (pem, Issuer::new(params, key))
}

fn config(flaw: Flaw, issuer: &Issuer<'static, KeyPair>) -> Arc<ServerConfig> {
    let name = if flaw == Flaw::Name { "elsewhere.test" } else { "127.0.0.1" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    match flaw {
        Flaw::Expired => {
            (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        }
        Flaw::Future => {
            (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
        }
        Flaw::None | Flaw::Stranger | Flaw::Name => {}
    }
    let key = KeyPair::generate().expect("key");
    let certificate = params.signed_by(&key, issuer).expect("signs");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.expect("a certificate and its key"))
}

/// The trusted authority, in PEM.
pub fn authority() -> &'static str {
    &certificates().authority
}

/// A session with a certificate; the handshake takes place with the first byte read or written.
pub fn session(stream: TcpStream, flaw: Flaw) -> Session {
    let config = Arc::clone(&certificates().configs[index(flaw)]);
    StreamOwned::new(ServerConnection::new(config).expect("a session"), stream)
}
