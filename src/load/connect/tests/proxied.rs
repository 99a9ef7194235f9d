//! Through a real proxy in this process: tunnels, absolute-form, credentials, and proxies that will not.

use std::net::TcpStream;

use super::*;
use crate::load::testing::{Asked, Server, run};
use crate::run::period::Phase;

/// How a proxy behaves.
#[derive(Clone, Copy)]
enum Mode {
    /// Passes on what has these credentials, if any are asked for.
    Pass(Option<&'static str>),
    /// Gives these bytes and closes.
    Say(&'static [u8]),
    /// Says nothing.
    Hang,
}

/// A proxy whose own resolver knows one address for all names.
struct Proxy {
    address: SocketAddr,
    /// First lines of the requests that it was sent.
    lines: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(mode: Mode, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let proxy = Self { address: listener.local_addr().expect("bound"), lines: Arc::default() };
        let lines = Arc::clone(&proxy.lines);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let lines = Arc::clone(&lines);
                std::thread::spawn(move || serve(mode, &stream, upstream, &lines));
            }
        });
        proxy
    }

    fn transport(&self, credentials: &str) -> Transport {
        let proxy = Url::parse(&format!("http://{credentials}{}", self.address)).ok();
        Transport { proxy, ..Transport::default() }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }
}

fn serve(mode: Mode, client: &TcpStream, upstream: SocketAddr, lines: &Mutex<Vec<String>>) {
    let (mut input, mut out) = (BufReader::new(client), client);
    let (count, mut target) = (AtomicU64::new(0), None);
    while let Some(asked) = read_request(&mut input, &count) {
        let line = asked.head.lines().next().unwrap_or_default().to_owned();
        lines.lock().expect("no panic").push(line.clone());
        match mode {
            Mode::Hang => std::thread::sleep(Duration::from_secs(5)),
            Mode::Say(bytes) => {
                let _ = out.write_all(bytes);
                return;
            }
            Mode::Pass(Some(wanted)) if asked.header("proxy-authorization") != Some(wanted) => {
                let _ = out.write_all(b"HTTP/1.1 407 Who?\r\nproxy-authenticate: Basic\r\n\r\n");
                return;
            }
            Mode::Pass(_) => {
                let to = target.get_or_insert_with(|| connect(client, upstream));
                if line.starts_with("CONNECT ") {
                    return tunnel(client, to);
                }
                let _ = to.write_all(origin_form(&asked).as_bytes());
            }
        }
    }
}

/// Connects to the target and passes on whatever it answers.
fn connect(client: &TcpStream, upstream: SocketAddr) -> TcpStream {
    let target = TcpStream::connect(upstream).expect("the target listens");
    target.set_nodelay(true).expect("a socket");
    let (mut from, mut to) = (target.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    target
}

fn tunnel(client: &TcpStream, target: &TcpStream) {
    let (mut from, mut to) = (client, target);
    let established = b"HTTP/1.1 200 Connection established\r\ncontent-length: 7\r\n\r\n";
    if (&*client).write_all(established).is_ok() {
        let _ = std::io::copy(&mut from, &mut to);
    }
    let _ = target.shutdown(std::net::Shutdown::Both);
}

/// What a proxy sends on: the path alone, and nothing of its own header.
fn origin_form(asked: &Asked) -> String {
    let (line, rest) = asked.head.split_once("\r\n").expect("a head");
    let path = line.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let kept: Vec<_> = rest.lines().filter(|l| !l.starts_with("proxy-authorization")).collect();
    format!("GET {}\r\n{}\r\n", path.expect("absolute-form"), kept.join("\r\n"))
}

/// `me:hunter2 %`.
const CREDENTIALS: &str = "me:hunter2%20%25@";
const BASIC: &str = "Basic bWU6aHVudGVyMiAl";

fn allowing(mut scenario: Scenario) -> Scenario {
    scenario.target.allow = vec!["shop.invalid".into()];
    scenario
}

#[test]
fn https_goes_through_a_tunnel_and_the_proxy_finds_the_name() {
    let (files, authority) = (Files::new(), Authority::new());
    let server = TlsServer::start(authority.leaf("shop.invalid").server());
    let ca = Some(files.write("ca.pem", &authority.pem));
    for (credentials, wanted) in [("", None), (CREDENTIALS, Some(BASIC))] {
        let proxy = Proxy::start(Mode::Pass(wanted), server.address);
        let transport = Transport { ca: ca.clone(), ..proxy.transport(credentials) };
        let scenario = allowing(ten(transport));
        let ran = run(&scenario, "https://shop.invalid");
        assert_eq!(ran.passed(), 10, "{:?}", ran.details());
        assert!(!ran.all[0].phases[Phase::Connect as usize].is_empty());
        let lines = proxy.lines();
        assert!(lines.iter().all(|line| line == "CONNECT shop.invalid:443 HTTP/1.1"), "{lines:?}");
    }
    let seen = server.seen.lock().expect("no panic");
    for (name, head) in seen.iter() {
        assert_eq!(name.as_deref(), Some("shop.invalid"));
        assert!(head.starts_with("GET / HTTP/1.1\r\nhost: shop.invalid\r\n") && !head.contains("proxy-"));
    }
}

#[test]
fn http_is_asked_of_the_proxy_in_absolute_form() {
    let server = Server::start(|asked| {
        assert!(asked.head.starts_with("GET /a/b?c=1 HTTP/1.1\r\n"), "{}", asked.head);
        assert_eq!(asked.header("host"), Some("shop.invalid:81"));
        Some(OK.to_vec())
    });
    for (credentials, wanted) in [("", None), (CREDENTIALS, Some(BASIC))] {
        let proxy = Proxy::start(Mode::Pass(wanted), server.address);
        let mut scenario = allowing(ten(proxy.transport(credentials)));
        scenario.requests[0].path = "/b?c=1".into();
        passes(&scenario, "http://shop.invalid:81/a");
        let lines = proxy.lines();
        let expected = "GET http://shop.invalid:81/a/b?c=1 HTTP/1.1";
        assert!(lines.len() == 10 && lines.iter().all(|line| line == expected), "{lines:?}");
    }
}

#[test]
fn a_proxy_that_wants_other_credentials_is_a_named_failure() {
    let proxy = Proxy::start(Mode::Pass(Some("Basic nobody")), SocketAddr::from(([127, 0, 0, 1], 1)));
    let scenario = allowing(ten(proxy.transport(CREDENTIALS)));
    let words = "the proxy refused: status 407, it wants other credentials: give them in target.proxy";
    fails(&insecure(scenario.clone()), "https://shop.invalid", Failure::Connect, words);
    // To http it is an answer like any other.
    fails(&scenario, "http://shop.invalid", Failure::Status, "407");
    // Before a run it is told as what it is.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    for scheme in ["http", "https"] {
        let base = Url::parse(&format!("{scheme}://shop.invalid")).expect("valid");
        let target = &insecure(scenario.clone()).target;
        let asked = runtime.block_on(crate::load::ask(target, &base, "/", Duration::from_secs(2)));
        assert_eq!(asked.expect_err("refused").to_string(), words);
    }
}

fn insecure(mut scenario: Scenario) -> Scenario {
    scenario.target.transport.insecure = true;
    scenario
}

#[test]
fn whatever_a_proxy_answers_instead_of_a_tunnel_is_named() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let endless: &'static [u8] =
        Box::leak([b"HTTP/1.1 200 ok\r\nx: ".to_vec(), vec![b'a'; 70_000]].concat().into());
    for (said, words) in [
        (
            &b"HTTP/1.1 502 Bad Gateway\r\n\r\n"[..],
            "the proxy refused: status 502, it does not reach the target",
        ),
        (
            b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno",
            "the proxy refused: status 403, it does not let us",
        ),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n", "the proxy refused: status 302"),
        (b"HTTP/1.1 200 ok\r\n\r\nsurprise", "the proxy sent 8 bytes behind its answer"),
        (b"SOCKS?\r\n", "asking the proxy failed: the answer is no HTTP/1.x head"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "the answer switches protocols"),
        (b"", "asking the proxy failed: the connection was closed before the answer"),
        (b"HTTP/1.1 200", "asking the proxy failed: the connection was closed within the answer"),
        (endless, "head is longer than"),
    ] {
        let proxy = Proxy::start(Mode::Say(said), nowhere);
        let scenario = insecure(ten(proxy.transport(CREDENTIALS)));
        fails(&scenario, "https://127.0.0.1:9", Failure::Connect, words);
        assert_eq!(proxy.lines()[0], "CONNECT 127.0.0.1:9 HTTP/1.1");
    }
    let gone = crate::ports::nobody();
    let transport = Transport { proxy: Url::parse(&format!("http://{gone}")).ok(), ..Transport::default() };
    let words = "connecting to the proxy failed: Connection refused";
    fails(&insecure(ten(transport.clone())), "https://127.0.0.1:9", Failure::Connect, words);
    fails(&ten(transport), "http://127.0.0.1:9", Failure::Connect, words);
}

#[test]
fn a_hanging_proxy_is_cut_off_at_the_time_limit_within_the_connect_phase() {
    let proxy = Proxy::start(Mode::Hang, SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut scenario = insecure(ten(proxy.transport("")));
    scenario.target.timeout = Duration::from_millis(250);
    let ran = run(&scenario, "https://127.0.0.1:9");
    assert_eq!((ran.failed(Failure::Timeout), ran.outcome.sent), (10, 0), "{:?}", ran.details());
    let all = &ran.all[0];
    let connect = &all.phases[Phase::Connect as usize];
    assert!(connect.len() == 10 && connect.min() > 200_000_000, "{} {}", connect.len(), connect.min());
    assert_eq!(all.phases[Phase::Tls as usize].len(), 0);
}
