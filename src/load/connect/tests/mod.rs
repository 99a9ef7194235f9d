//! Connections to real servers in this process: TLS, proxies, addresses.

mod files;
mod proxied;
mod routes;
mod secure;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use super::{Connector, OpenError, OpenTimes};
use crate::load::stream::Stream;
use crate::load::testing::{Asked, OK, constant, read_request, scenario};
use crate::run::period::Failure;
use crate::scenario::{Scenario, Transport};

/// A throw-away authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, signed by an authority, and its key.
struct Leaf {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let mut params = CertificateParams::new(vec![]).expect("valid");
        // Authorities of one name would be taken for one that changed its key.
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("signs").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, name: &str) -> Leaf {
        self.sign(CertificateParams::new(vec![name.to_owned()]).expect("valid"))
    }

    fn sign(&self, params: CertificateParams) -> Leaf {
        self.sign_key(params, KeyPair::generate().expect("key"))
    }

    fn sign_key(&self, params: CertificateParams, key: KeyPair) -> Leaf {
        let made = params.signed_by(&key, &self.issuer).expect("signs");
        Leaf { certificate: CertificateDer::from(made.der().to_vec()), pem: made.pem(), key }
    }
}

impl Leaf {
    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("key")
    }

    /// Settings of a server that shows this certificate.
    fn server(&self) -> ServerConfig {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.private_key());
        config.expect("certificate")
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What a client asked for: the name in SNI, and the head of a request.
type Seen = (Option<String>, String);

/// An HTTP/1.1 server over TLS with a thread per connection.
struct TlsServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TlsServer {
    fn start(config: ServerConfig) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), config)
    }

    fn on(listener: TcpListener, config: ServerConfig) -> Self {
        Self::serving(listener, config, Duration::ZERO, |_| OK)
    }

    /// One that begins each handshake after a `pause`.
    fn serving(
        listener: TcpListener,
        config: ServerConfig,
        pause: Duration,
        answer: fn(&Asked) -> &'static [u8],
    ) -> Self {
        let server = Self { address: listener.local_addr().expect("bound"), seen: Arc::default() };
        let (config, seen) = (Arc::new(config), Arc::clone(&server.seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("config");
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    std::thread::sleep(pause);
                    let asked = AtomicU64::new(0);
                    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                    while let Some(asked) = read_request(&mut stream, &asked) {
                        let name = stream.get_ref().conn.server_name().map(str::to_owned);
                        let text = answer(&asked);
                        seen.lock().expect("no panic").push((name, asked.head));
                        let out = stream.get_mut();
                        if out.write_all(text).and_then(|()| out.flush()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        server
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }

    fn names(&self) -> Vec<Option<String>> {
        self.seen.lock().expect("no panic").iter().map(|(name, _)| name.clone()).collect()
    }
}

/// A folder of files that vanishes.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("scratch"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Ten requests in 0.2 s.
fn ten(transport: Transport) -> Scenario {
    let mut scenario = scenario(constant(50.0, 200));
    scenario.target.transport = transport;
    scenario.target.timeout = Duration::from_secs(2);
    scenario
}

/// Every one of ten requests failed as `kind`, was not sent, and the reason is told in these words.
#[track_caller]
fn fails(scenario: &Scenario, base: &str, kind: Failure, words: &str) {
    let ran = crate::load::testing::run(scenario, base);
    assert_eq!((ran.failed(kind), ran.passed()), (10, 0), "{:?}", ran.details());
    let details = ran.details();
    assert!(details.iter().all(|d| d.contains(words)), "{words:?} is missing: {details:?}");
    assert!(!details.is_empty() && !details.iter().any(|d| d.contains("hunter2")), "{details:?}");
}

/// All ten pass.
#[track_caller]
fn passes(scenario: &Scenario, base: &str) {
    let ran = crate::load::testing::run(scenario, base);
    assert_eq!(ran.passed(), 10, "{:?}", ran.details());
}

/// One connection.
fn open(base: &str, transport: &Transport) -> Result<Stream, OpenError> {
    let connector = Connector::prepare(&Url::parse(base).expect("valid"), transport).expect("prepares");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(connector.open(&mut OpenTimes::default()))
}
