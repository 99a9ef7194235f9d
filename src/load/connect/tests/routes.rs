//! Where connections go: addresses given instead of names, IPv6, and where they may not go.

use std::net::Ipv6Addr;

use super::*;
use crate::load::testing::Server;
use crate::load::{ConnectError, ask};
use crate::scenario::{Endpoint, Target};

#[test]
fn given_addresses_are_connected_to_and_the_name_stays() {
    let server = Server::start(|asked| {
        assert_eq!(asked.header("host"), Some("shop.invalid"));
        Some(OK.to_vec())
    });
    // The first is no answer: nobody listens there.
    let nobody = crate::ports::nobody();
    let resolve = vec![nobody, server.address];
    passes(&ten(Transport { resolve: resolve.clone(), ..Transport::default() }), "http://shop.invalid");
    let (files, authority) = (Files::new(), Authority::new());
    let tls = TlsServer::start(authority.leaf("shop.invalid").server());
    let ca = Some(files.write("ca.pem", &authority.pem));
    let transport = Transport { resolve: vec![tls.address], ca, ..Transport::default() };
    passes(&ten(transport.clone()), "https://shop.invalid");
    assert_eq!(tls.names(), vec![Some("shop.invalid".to_owned()); 10]);
    let words = "the certificate is not for `else.invalid` but for shop.invalid";
    fails(&ten(transport), "https://else.invalid", Failure::Tls, words);
    let none = Transport { resolve: vec![nobody], ..Transport::default() };
    fails(&ten(none), "http://shop.invalid", Failure::Connect, "connecting failed: Connection refused");
}

/// An address that never answers: its listener's queue is full, so the kernel drops what comes. Both must live.
fn silent() -> (SocketAddr, (socket2::Socket, Vec<std::net::TcpStream>)) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("loopback");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound").as_socket().expect("an address");
    let wait = Duration::from_millis(300);
    let queued = (0..8).map_while(|_| std::net::TcpStream::connect_timeout(&address, wait).ok()).collect();
    let error = std::net::TcpStream::connect_timeout(&address, wait).expect_err("the queue is full");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    (address, (listener, queued))
}

#[test]
fn an_address_that_never_answers_costs_one_time_limit_and_not_every_hit() {
    let (dead, _held) = silent();
    let server = Server::start(|_| Some(OK.to_vec()));
    for resolve in [vec![dead, server.address], vec![server.address, dead], vec![dead, dead, server.address]]
    {
        let transport = Transport { resolve: resolve.clone(), ..Transport::default() };
        let mut scenario = scenario(constant(20.0, 2_000));
        (scenario.target.transport, scenario.target.timeout) = (transport, Duration::from_millis(300));
        scenario.target.keep_alive = false;
        let ran = crate::load::testing::run(&scenario, "http://shop.invalid");
        let (late, all) = (ran.failed(Failure::Timeout), ran.done());
        let dead_first = resolve.iter().take_while(|address| **address == dead).count() as u64;
        // At each dead address those that came within its time limit, and one limit more for a busy machine.
        assert!(
            late <= dead_first * 12 && ran.passed() == all - late,
            "{late} of {all}: {:?}",
            ran.details()
        );
        assert_eq!(late > 0, dead_first > 0, "{late} of {all}");
        let connected: u64 = ran.all.iter().map(|r| r.connects).sum();
        assert_eq!(connected, ran.passed(), "what was given up was not opened");
    }
}

/// A listener on `::1`, if the machine has it.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn ipv6() -> Option<TcpListener> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    if let Err(e) = &listener {
        eprintln!("SKIPPED: this machine has no ::1 ({e})");
    }
    listener.ok()
}

#[test]
fn ipv6_works_with_and_without_tls() {
    let (Some(plain), Some(tls)) = (ipv6(), ipv6()) else { return };
    let port = plain.local_addr().expect("bound").port();
    let host = format!("[::1]:{port}");
    let expected = host.clone();
    let _server = Server::on(plain, move |asked| {
        assert_eq!(asked.header("host"), Some(expected.as_str()));
        Some(OK.to_vec())
    });
    passes(&ten(Transport::default()), &format!("http://{host}"));
    let (files, authority) = (Files::new(), Authority::new());
    let server = TlsServer::on(tls, authority.leaf("::1").server());
    let ca = Some(files.write("ca.pem", &authority.pem));
    passes(&ten(Transport { ca, ..Transport::default() }), &server.url("[::1]"));
    assert_eq!(server.names(), vec![None; 10], "an address is never sent as SNI");
}

fn target(transport: Transport, allow: &[&str]) -> Target {
    let endpoint = Endpoint::Url(Url::parse("http://unused").expect("valid"));
    let allow = allow.iter().map(|&host| host.to_owned()).collect();
    Target { transport, allow, ..Target::new(endpoint) }
}

fn allowed(base: &str, target: &Target) -> Result<(), ConnectError> {
    let base = Url::parse(base).expect("valid");
    Connector::prepare(&base, &target.transport).expect("prepares").allowed(&base, target)
}

#[test]
fn public_addresses_need_the_scenarios_word_wherever_they_come_from() {
    // 192.0.2.0/24 is for documentation: nothing is sent in this test.
    let public = SocketAddr::from(([192, 0, 2, 1], 80));
    let resolved = Transport { resolve: vec![public], ..Transport::default() };
    let proxy = |url: &str| Transport { proxy: Url::parse(url).ok(), ..Transport::default() };
    let (far, near) = (proxy("http://192.0.2.9:3128"), proxy("http://127.0.0.1:3128"));
    let plain = Transport::default();
    let cases: [(&str, &Transport, &[&str], Option<&str>); 11] = [
        ("http://127.0.0.1", &plain, &[], None),
        ("http://192.0.2.1", &plain, &[], Some("192.0.2.1 is 192.0.2.1")),
        ("http://192.0.2.1", &plain, &["192.0.2.1"], None),
        ("http://shop.invalid", &resolved, &[], Some("shop.invalid is 192.0.2.1")),
        ("http://shop.invalid", &resolved, &["shop.invalid"], None),
        ("http://127.0.0.1", &far, &[], Some("192.0.2.9 is 192.0.2.9")),
        ("http://127.0.0.1", &far, &["192.0.2.9"], None),
        ("http://127.0.0.1", &near, &[], None),
        ("http://192.0.2.1", &near, &[], Some("192.0.2.1 is 192.0.2.1")),
        ("http://shop.invalid", &near, &[], Some("shop.invalid has no address here")),
        ("http://shop.invalid", &near, &["shop.invalid"], None),
    ];
    for (base, transport, allow, problem) in cases {
        let got = allowed(base, &target(transport.clone(), allow)).err().map(|e| e.to_string());
        match (&got, problem) {
            (None, None) => {}
            (Some(got), Some(problem)) => assert!(got.starts_with(problem) && got.contains("allow = [")),
            _ => panic!("{base} with {transport:?} and {allow:?}: {got:?}"),
        }
    }
    // The load itself refuses too, not only the question before it.
    let plan = crate::load::LoadPlan {
        scenario: &ten(resolved),
        base: Url::parse("http://shop.invalid").expect("valid"),
        run_id: crate::load::testing::RUN_ID,
        clock: crate::time::RunClock::start(),
        in_flight: None,
    };
    let error = crate::load::start(&plan, Arc::default(), |_| {}).expect_err("refused").to_string();
    assert!(error.contains("allow = [\"shop.invalid\"]"), "{error}");
}

const SOON: Duration = Duration::from_millis(300);

async fn asked(base: &str, transport: Transport) -> Result<Option<u16>, String> {
    let base = Url::parse(base).expect("valid");
    let answer = ask(&target(transport, &["shop.invalid"]), &base, "/a?b=1", SOON).await;
    answer.map(|answer| answer.status).map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_status_is_an_answer_and_silence_is_none() {
    let answer = |text: &'static str| Server::start(move |_| Some(text.as_bytes().to_vec()));
    for (text, status) in [
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno", 401),
        ("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", 302),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 99999999\r\n\r\nbegins", 503),
    ] {
        assert_eq!(asked(&answer(text).url(), Transport::default()).await, Ok(Some(status)));
    }
    let garbage = asked(&answer("SSH-2.0-OpenSSH_9.9\r\n").url(), Transport::default()).await;
    assert!(garbage.expect_err("no HTTP").contains("the answer is no HTTP/1.x head"));
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let error = asked(&url, Transport::default()).await.expect_err("silence");
    assert_eq!(error, "no answer within 0.3 s: see whether the service hangs or is overloaded");
    drop(silent);
    let error = asked(&url, Transport::default()).await.expect_err("nobody");
    assert!(error.contains("refused") && error.contains("start the service"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_takes_the_loads_own_way() {
    let (files, authority) = (Files::new(), Authority::new());
    let server = TlsServer::start(authority.leaf("shop.example").server());
    let transport = Transport {
        resolve: vec![server.address],
        server_name: Some("shop.example".into()),
        ca: Some(files.write("ca.pem", &authority.pem)),
        ..Transport::default()
    };
    assert_eq!(asked("https://shop.invalid", transport.clone()).await, Ok(Some(200)));
    let (name, head) = server.seen.lock().expect("no panic")[0].clone();
    assert_eq!(name.as_deref(), Some("shop.example"));
    assert!(head.starts_with("GET /a?b=1 HTTP/1.1\r\nhost: shop.invalid\r\n"), "{head}");
    let stranger = Transport { server_name: None, ..transport };
    let error = asked("https://shop.invalid", stranger).await.expect_err("another name");
    assert!(error.contains("the certificate is not for `shop.invalid` but for shop.example"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_asked_for_its_settings() {
    let http2 =
        || Transport { http: crate::scenario::HttpVersion::Http2 { streams: 1 }, ..Transport::default() };
    let answering = |bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut preface = [0; 33];
                std::io::Read::read_exact(&mut stream, &mut preface).expect("a preface");
                assert!(preface.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
                let _ = stream.write_all(bytes);
            }
        });
        url
    };
    // SETTINGS with MAX_CONCURRENT_STREAMS = 100.
    let settings = answering(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64");
    assert_eq!(asked(&settings, http2()).await, Ok(None));
    for other in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"short"] {
        let error = asked(&answering(other), http2()).await.expect_err("no HTTP/2");
        assert!(error.starts_with("the server does not speak HTTP/2"), "{error}");
    }
}

#[test]
fn the_look_up_is_timed_for_names_alone() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let prepared = |url: &str, resolve: &[SocketAddr]| {
        let transport = Transport { resolve: resolve.to_vec(), ..Transport::default() };
        Connector::prepare(&Url::parse(url).expect("valid"), &transport).expect("prepares").lookup()
    };
    assert!(prepared("http://localhost", &[]) > Duration::ZERO);
    assert_eq!(prepared("http://127.0.0.1", &[]), Duration::ZERO);
    assert_eq!(prepared("http://shop.invalid", &[server.address]), Duration::ZERO);
}
