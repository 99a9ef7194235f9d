//! TLS: what is trusted and what is not, names, client certificates, ALPN.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::*;
use crate::load::testing::{Server, run};
use crate::run::period::Phase;
use crate::scenario::HttpVersion;
use crate::time::MILLISECOND;

const H2: HttpVersion = HttpVersion::Http2 { streams: 10 };

/// An authority in a file, and what trusts it alone.
fn trusted(files: &Files) -> (Authority, Transport) {
    let authority = Authority::new();
    let ca = Some(files.write("ca.pem", &authority.pem));
    (authority, Transport { ca, ..Transport::default() })
}

#[test]
fn tls_works_with_an_own_authority_and_its_handshake_is_a_phase() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let mut config = authority.leaf("localhost").server();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = TlsServer::start(config);
    let mut scenario = scenario(constant(200.0, 500));
    scenario.target.transport = transport;
    let ran = run(&scenario, &server.url("localhost"));
    assert_eq!(ran.passed(), 100, "{:?}", ran.details());
    let all = &ran.all[0];
    let handshakes = &all.phases[Phase::Tls as usize];
    assert_eq!(handshakes.len(), all.connects);
    assert!(handshakes.min() > MILLISECOND / 100 && all.connects < 100);
}

#[test]
fn certificates_that_do_not_verify_are_named_tls_failures() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let server = TlsServer::start(authority.leaf("localhost").server());
    let ca = Some(files.write("other.pem", &Authority::new().pem));
    let other = Transport { ca, ..transport.clone() };
    let words =
        "TLS handshake failed: the certificate is signed by nobody who is trusted: name its authority";
    fails(&ten(other), &server.url("localhost"), Failure::Tls, words);
    let words = "the certificate is not for `127.0.0.1` but for localhost";
    fails(&ten(transport.clone()), &server.url("127.0.0.1"), Failure::Tls, words);
    let mut old = CertificateParams::new(vec!["localhost".into()]).expect("valid");
    old.not_after = date_time_ymd(2020, 2, 3);
    let server = TlsServer::start(authority.sign(old).server());
    let words = "the certificate has expired on 2020-02-03";
    fails(&ten(transport.clone()), &server.url("localhost"), Failure::Tls, words);
    let mut young = CertificateParams::new(vec!["localhost".into()]).expect("valid");
    young.not_before = date_time_ymd(4000, 1, 1);
    let server = TlsServer::start(authority.sign(young).server());
    let words = "the certificate is not valid before 4000-01-01";
    fails(&ten(transport), &server.url("localhost"), Failure::Tls, words);
}

#[test]
fn insecure_accepts_any_certificate_but_not_one_whose_key_the_server_lacks() {
    let made = rcgen::generate_simple_self_signed(["elsewhere".to_owned()]).expect("a certificate");
    let (pem, der) = (made.cert.pem(), made.cert.der().clone());
    let own = Leaf { certificate: der, pem, key: made.signing_key };
    let server = TlsServer::start(own.server());
    let insecure = Transport { insecure: true, ..Transport::default() };
    passes(&ten(insecure.clone()), &server.url("localhost"));
    let files = Files::new();
    let (_, strict) = trusted(&files);
    fails(&ten(strict), &server.url("localhost"), Failure::Tls, "the certificate is");
    // An impostor: somebody else's certificate, its own key.
    let key = provider().key_provider.load_private_key(Authority::new().leaf("x").private_key());
    let shown = CertifiedKey::new(vec![own.certificate.clone()], key.expect("a key"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown.clone())));
        let server = TlsServer::start(config);
        let words = "the certificate is not valid (BadSignature)";
        fails(&ten(insecure.clone()), &server.url("localhost"), Failure::Tls, words);
    }
}

#[test]
fn the_server_name_is_asked_for_and_checked_while_the_host_stays() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let server = TlsServer::start(authority.leaf("shop.example").server());
    let named = Transport { server_name: Some("shop.example".into()), ..transport.clone() };
    passes(&ten(named.clone()), &server.url("127.0.0.1"));
    assert_eq!(server.names(), vec![Some("shop.example".to_owned()); 10]);
    let host = format!("host: 127.0.0.1:{}\r\n", server.address.port());
    assert!(server.seen.lock().expect("no panic").iter().all(|(_, head)| head.contains(&host)));
    let other = Transport { server_name: Some("other.example".into()), ..transport.clone() };
    let words = "the certificate is not for `other.example` but for shop.example";
    fails(&ten(other), &server.url("127.0.0.1"), Failure::Tls, words);
    // Without it: the URL's name; an address is never sent.
    let both = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).expect("valid");
    let server = TlsServer::start(authority.sign(both).server());
    passes(&ten(transport.clone()), &server.url("localhost"));
    passes(&ten(transport), &server.url("127.0.0.1"));
    let names = server.names();
    assert!(names[..10].iter().all(|n| n.as_deref() == Some("localhost")), "{names:?}");
    assert!(names[10..].iter().all(Option::is_none), "{names:?}");
}

/// A server that lets nobody in without a certificate of `authority`.
fn mutual(authority: &Authority, version: &'static rustls::SupportedProtocolVersion) -> TlsServer {
    let mut roots = RootCertStore::empty();
    let pem = rustls_pki_types::pem::PemObject::from_pem_slice(authority.pem.as_bytes()).expect("PEM");
    roots.add(pem).expect("an authority");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let leaf = authority.leaf("localhost");
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_client_cert_verifier(clients.expect("a verifier"))
        .with_single_cert(vec![leaf.certificate.clone()], leaf.private_key());
    TlsServer::start(config.expect("certificate"))
}

#[test]
fn a_client_certificate_opens_the_door_whatever_the_form_of_its_key() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let elliptic = authority.leaf("client");
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key");
    let rsa = authority.sign_key(CertificateParams::new(vec!["client".into()]).expect("valid"), key);
    let forms = [
        (&elliptic, elliptic.key.serialize_pem()),
        (&elliptic, inner_key("EC PRIVATE KEY", &elliptic.key.serialize_der())),
        (&rsa, rsa.key.serialize_pem()),
        (&rsa, inner_key("RSA PRIVATE KEY", &rsa.key.serialize_der())),
    ];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = mutual(&authority, version);
        for (leaf, key) in &forms {
            let files = (files.write("client.pem", &leaf.pem), files.write("client.key", key));
            let identity = Some(files);
            passes(&ten(Transport { identity, ..transport.clone() }), &server.url("localhost"));
        }
    }
}

/// The SEC1 or PKCS#1 key inside of a PKCS#8 one: `SEQUENCE { version, algorithm, OCTET STRING { key } }`.
fn inner_key(label: &str, pkcs8: &[u8]) -> String {
    fn element(bytes: &[u8]) -> (&[u8], &[u8]) {
        let (at, len) = match usize::from(bytes[1]) {
            short @ ..0x80 => (2, short),
            long => {
                let digits = &bytes[2..2 + (long & 0x7f)];
                (2 + digits.len(), digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
            }
        };
        bytes[at..].split_at(len)
    }
    let (sequence, _) = element(pkcs8);
    let (_, after_version) = element(sequence);
    let (_, after_algorithm) = element(after_version);
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(element(after_algorithm).0);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("text")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn a_client_certificate_that_is_missing_or_not_accepted_is_a_tls_failure() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let stranger = Authority::new().leaf("client");
    let stranger = (files.write("s.pem", &stranger.pem), files.write("s.key", &stranger.key.serialize_pem()));
    let unknown = Transport { identity: Some(stranger), ..transport.clone() };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = mutual(&authority, version);
        let words =
            "the server wants a client certificate: give target.client-certificate and target.client-key";
        fails(&ten(transport.clone()), &server.url("localhost"), Failure::Tls, words);
        let words = "the server does not accept the client's certificate (UnknownCA)";
        fails(&ten(unknown.clone()), &server.url("localhost"), Failure::Tls, words);
    }
}

#[test]
fn http2_is_chosen_by_alpn_or_its_absence_is_named() {
    let files = Files::new();
    let (authority, transport) = trusted(&files);
    let transport = Transport { http: H2, ..transport };
    let server = |alpn: &[&[u8]]| {
        let mut config = authority.leaf("localhost").server();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsServer::start(config).url("localhost")
    };
    let both = server(&[b"http/1.1", b"h2"]);
    let stream = open(&both, &transport).expect("a connection");
    assert!(matches!(&stream, Stream::Tls(s) if s.get_ref().1.alpn_protocol() == Some(b"h2")));
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        let url = server(alpn);
        let error = open(&url, &transport).expect_err("no HTTP/2");
        assert_eq!(error.failure(), Failure::Tls);
        assert_eq!(error.to_string(), "server does not speak HTTP/2 (ALPN gave nothing)");
        fails(&ten(transport.clone()), &url, Failure::Tls, "server does not speak HTTP/2");
    }
    let other = Transport { http: HttpVersion::Http1, ..transport };
    let error = open(&server(&[b"h2"]), &other).expect_err("no HTTP/1.1").to_string();
    assert!(error.contains("does not speak the version of HTTP"), "{error}");
}

#[test]
fn plain_text_in_place_of_tls_is_a_tls_failure() {
    let files = Files::new();
    let (_, transport) = trusted(&files);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
                std::thread::sleep(Duration::from_millis(500));
            });
        }
    });
    let words = "what the server sent is no TLS: check scheme and port";
    fails(&ten(transport.clone()), &format!("https://localhost:{port}"), Failure::Tls, words);
    // One that waits for the end of a head that never comes is cut off.
    let plain = Server::start(|_| Some(OK.to_vec()));
    let mut scenario = ten(transport);
    scenario.target.timeout = Duration::from_millis(300);
    let ran = run(&scenario, &format!("https://localhost:{}", plain.address.port()));
    assert_eq!(ran.failed(Failure::Tls) + ran.failed(Failure::Timeout), 10, "{:?}", ran.details());
    assert_eq!(ran.outcome.sent, 0);
}

#[test]
fn a_handshake_behind_a_redirect_is_no_wait_for_the_answer() {
    let (files, authority) = (Files::new(), Authority::new());
    let away = |asked: &Asked| -> &'static [u8] {
        match asked.head.starts_with("GET / ") {
            true => b"HTTP/1.1 302 Found\r\nlocation: /to\r\ncontent-length: 0\r\n\r\n",
            false => OK,
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let pause = Duration::from_millis(100);
    let server = TlsServer::serving(listener, authority.leaf("localhost").server(), pause, away);
    let ca = Some(files.write("ca.pem", &authority.pem));
    let mut twice = ten(Transport { ca, redirects: 1, ..Transport::default() });
    twice.target.keep_alive = false;
    let ran = run(&twice, &server.url("localhost"));
    let all = &ran.all[0];
    assert_eq!((all.passed, all.connects), (10, 20), "{:?}", ran.details());
    let (tls, wait) = (&all.phases[Phase::Tls as usize], &all.phases[Phase::Wait as usize]);
    assert_eq!((tls.len(), wait.len()), (10, 10));
    assert!(tls.min() >= 195 * MILLISECOND, "both handshakes: {}", tls.min());
    assert!(wait.value_at_quantile(0.5) < 90 * MILLISECOND, "{}", wait.value_at_quantile(0.5));
    assert!(all.service.min() >= 95 * MILLISECOND, "the second one lies between sending and the last byte");
}

#[test]
fn a_handshake_and_the_answer_after_it_have_one_time_limit() {
    let (files, authority) = (Files::new(), Authority::new());
    let pause = Duration::from_millis(150);
    let slow = |_: &Asked| -> &'static [u8] {
        std::thread::sleep(Duration::from_millis(150));
        OK
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let server = TlsServer::serving(listener, authority.leaf("localhost").server(), pause, slow);
    let ca = Some(files.write("ca.pem", &authority.pem));
    let _alone = crate::load::vus::tests::alone();
    for executor in [constant(20.0, 300), crate::load::vus::tests::users(3, 100, 0)] {
        let mut both = scenario(executor);
        both.target.transport = Transport { ca: ca.clone(), ..Transport::default() };
        both.target.timeout = Duration::from_millis(230);
        both.target.keep_alive = false;
        let ran = run(&both, &server.url("localhost"));
        let (all, done) = (&ran.all[0], ran.done());
        assert!(done >= 3 && ran.failed(Failure::Timeout) == done, "{done}: {:?}", ran.details());
        assert_eq!(ran.outcome.sent, done, "the handshake was over");
        let (least, most) = (all.response.min() / MILLISECOND, all.response.max() / MILLISECOND);
        assert!(least >= 229 && most < 290, "{least} to {most} ms");
    }
}
