//! What is refused before any load, names, and TLS with an authority of our own.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use super::testing::{OK, RUN_ID, Server, constant, read_request, request, run, scenario};
use super::{ConnectError, LoadError, LoadPlan, start};
use crate::run::period::{Failure, Phase};
use crate::scenario::{Executor, Request, Scenario};
use crate::time::{MILLISECOND, RunClock};

fn refused(scenario: &Scenario, base: &str, run_id: &str) -> LoadError {
    let base = Url::parse(base).expect("valid");
    let plan = LoadPlan { scenario, base, run_id, clock: RunClock::start() };
    start(&plan, Arc::default(), |_| panic!("no period without load"))
        .map(|_| ())
        .expect_err("must be refused")
}

#[test]
fn what_cannot_work_is_refused_before_any_load() {
    let good = scenario(constant(10.0, 100));
    let error = refused(&good, "http://no-such-host.invalid/", RUN_ID);
    assert!(matches!(error, LoadError::Connect(ConnectError::Lookup { .. } | ConnectError::NoAddress(_))));
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    let error = refused(&good, "ftp://127.0.0.1/", RUN_ID);
    assert!(matches!(error, LoadError::Connect(ConnectError::Url(_))), "{error}");
    for run_id in ["", "0123", "0123456789abcdeg", "0000000000000000", "+123456789abcdef"] {
        assert!(matches!(refused(&good, "http://127.0.0.1", run_id), LoadError::RunId(_)), "{run_id}");
    }
    for executor in [
        constant(0.0, 1000),
        constant(10.0, 0),
        Executor::ConstantVus { vus: 0, duration: Duration::from_secs(1), think_time: Duration::ZERO },
    ] {
        let error = refused(&scenario(executor), "http://127.0.0.1", RUN_ID);
        assert!(matches!(error, LoadError::NoArrival), "{error}");
    }
    let weightless = Scenario { requests: vec![Request { weight: 0, ..request("/") }], ..good.clone() };
    assert!(matches!(refused(&weightless, "http://127.0.0.1", RUN_ID), LoadError::NoRequest));
    let broken = Scenario { requests: vec![request("no slash")], ..good };
    let error = refused(&broken, "http://127.0.0.1", RUN_ID);
    assert!(error.to_string().starts_with("request `no slash`: the path must begin with `/`"), "{error}");
}

#[test]
fn more_users_than_descriptors_are_refused() {
    let executor =
        Executor::ConstantVus { vus: 1 << 40, duration: Duration::from_secs(1), think_time: Duration::ZERO };
    let error = refused(&scenario(executor), "http://127.0.0.1", RUN_ID);
    assert!(error.to_string().contains("ulimit -n"), "{error}");
}

#[test]
fn an_authority_that_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("scratch");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate here").expect("writes");
    for path in [folder.path().join("missing.pem"), empty] {
        let mut scenario = scenario(constant(10.0, 100));
        scenario.target.transport.ca = Some(path.clone());
        let error = refused(&scenario, "https://127.0.0.1/", RUN_ID);
        assert!(matches!(error, LoadError::Connect(ConnectError::Ca { .. })), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_name_is_looked_up_once_and_its_answering_address_is_used() {
    // `localhost` may also mean ::1, where nothing listens.
    let server = Server::start(|_| Some(OK.to_vec()));
    let ran = run(&scenario(constant(100.0, 200)), &format!("http://localhost:{}", server.address.port()));
    assert_eq!(ran.passed(), 20, "{:?}", ran.details());
}

struct TlsServer {
    port: u16,
    ca: PathBuf,
    _folder: tempfile::TempDir,
}

/// A throw-away authority: its PEM, and what signs.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(vec![]).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("key");
    let pem = params.self_signed(&key).expect("signs").pem();
    (pem, Issuer::new(params, key))
}

/// A server with a certificate for `localhost`, signed by a throw-away authority.
fn tls_server() -> TlsServer {
    let (pem, issuer) = authority();
    let key = KeyPair::generate().expect("key");
    let certificate = CertificateParams::new(vec!["localhost".into()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("signs");
    let folder = tempfile::tempdir().expect("scratch");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pem).expect("writes");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.expect("certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let port = serve_tls(Arc::new(config));
    TlsServer { port, ca, _folder: folder }
}

fn serve_tls(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("config");
            std::thread::spawn(move || {
                let asked = AtomicU64::new(0);
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                while read_request(&mut stream, &asked).is_some() {
                    assert_eq!(stream.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
                    if stream.get_mut().write_all(OK).and_then(|()| stream.get_mut().flush()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

fn https(executor: Executor, ca: &Path) -> Scenario {
    let mut scenario = scenario(executor);
    scenario.target.transport.ca = Some(ca.to_owned());
    scenario
}

#[test]
fn tls_works_with_an_own_authority_and_its_handshake_is_a_phase() {
    let server = tls_server();
    let url = format!("https://localhost:{}", server.port);
    let ran = run(&https(constant(200.0, 500), &server.ca), &url);
    assert_eq!(ran.passed(), 100, "{:?}", ran.details());
    let all = &ran.all[0];
    let handshakes = &all.phases[Phase::Tls as usize];
    assert_eq!(handshakes.len(), all.connects);
    assert!(handshakes.min() > MILLISECOND / 100 && all.connects < 100);
}

#[test]
fn a_certificate_that_is_not_trusted_is_a_tls_failure() {
    let (server, folder) = (tls_server(), tempfile::tempdir().expect("scratch"));
    let other = folder.path().join("other.pem");
    std::fs::write(&other, authority().0).expect("writes");
    let ran = run(&https(constant(50.0, 200), &other), &format!("https://localhost:{}", server.port));
    assert_eq!((ran.failed(Failure::Tls), ran.outcome.sent), (10, 0), "{:?}", ran.details());
    assert!(ran.details()[0].starts_with("TLS handshake failed"), "{:?}", ran.details());
    // The name must match too.
    let ran = run(&https(constant(50.0, 200), &server.ca), &format!("https://127.0.0.1:{}", server.port));
    assert_eq!(ran.failed(Failure::Tls), 10, "{:?}", ran.details());
}

#[test]
fn plain_text_in_place_of_tls_is_a_tls_failure() {
    let tls = tls_server();
    let plain = Server::start(|_| Some(OK.to_vec()));
    let url = format!("https://localhost:{}", plain.address.port());
    let mut scenario = https(constant(50.0, 100), &tls.ca);
    scenario.target.timeout = Duration::from_millis(300);
    let ran = run(&scenario, &url);
    // The server waits for the end of a head that never comes, or answers in plain text.
    assert_eq!(ran.failed(Failure::Tls) + ran.failed(Failure::Timeout), 5, "{:?}", ran.details());
    assert_eq!(ran.outcome.sent, 0);
}
