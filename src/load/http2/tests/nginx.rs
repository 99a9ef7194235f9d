//! nginx over HTTP/2 without TLS, and what a request costs against it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

use super::rig::{GET, Owner};
use crate::load::http1::body::Keep;
use crate::load::http1::conn::Outgoing;
use crate::load::http2::error::ExchangeError;
use crate::load::http2::shared::Shared;
use crate::load::testing::requests::{Ready, http2_target, request};
use crate::time::RunClock;

const NGINX: &str = "/usr/sbin/nginx";
const BODY: usize = 612;

struct Nginx {
    process: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Nginx {
    /// Starts one worker; none, said aloud, where there is no nginx.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn start(requests: u32) -> Option<Self> {
        if !Path::new(NGINX).exists() {
            eprintln!("SKIPPED: {NGINX} is not on this machine");
            return None;
        }
        let dir = tempfile::tempdir().expect("a scratch folder");
        let address = SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()));
        let at = dir.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {at}/{name};"))
            .concat();
        let conf = format!(
            "worker_processes 1; daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
             events {{ worker_connections 512; }}
             http {{ access_log off; root {at}; {temporary}
               server {{ listen {address} http2; keepalive_requests {requests}; }} }}"
        );
        fs::write(dir.path().join("nginx.conf"), conf).expect("written");
        fs::write(dir.path().join("index.html"), vec![b'x'; BODY]).expect("written");
        let log = dir.path().join("error.log");
        let mut command = Command::new("taskset");
        command.args(["-c", "1", NGINX, "-e"]).arg(&log).arg("-c").arg(dir.path().join("nginx.conf"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let mut nginx = Self { process, address, dir };
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let ended = nginx.process.try_wait().expect("asked");
            let log = || fs::read_to_string(nginx.dir.path().join("error.log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(10), "{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(nginx)
    }

    fn ready(&self, path: &str) -> Ready {
        let get = request("GET", path, &[], None);
        Ready::new(&format!("http://{}", self.address), &http2_target(&[]), &get).expect("valid")
    }

    async fn connect(&self) -> Shared<TcpStream> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        stream.set_nodelay(true).expect("open");
        let link = Shared::new(stream, RunClock::start());
        spawn_local(link.clone().drive());
        link
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Requests one after the other until there were `each` or `until` has come.
async fn lane(link: Shared<TcpStream>, ready: Rc<Ready>, each: u64, until: Instant) -> (u64, u64) {
    let (mut block, mut owner) = (ready.head(0, 0, false), Owner::default());
    let (mut passed, mut refused) = (0, 0);
    for n in 0..each {
        if n % 64 == 0 && Instant::now() >= until {
            break;
        }
        ready.patch(&mut block, n, n, false);
        owner.body.reset(Keep::default());
        match link.exchange(Outgoing { head: &block, ..GET }, owner.answer()).await {
            Ok(()) => {
                assert_eq!((owner.progress.status, owner.body.len()), (200, BODY as u64));
                passed += 1;
            }
            Err(e) => {
                assert!(e.unprocessed(), "{e}");
                refused += 1;
            }
        }
    }
    (passed, refused)
}

/// Sums over `lanes` tasks on each of `connections` connections.
async fn load(nginx: &Nginx, connections: usize, lanes: usize, each: u64, until: Instant) -> (u64, u64) {
    let ready = Rc::new(nginx.ready("/index.html"));
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let link = nginx.connect().await;
        tasks.extend((0..lanes).map(|_| spawn_local(lane(link.clone(), Rc::clone(&ready), each, until))));
    }
    let mut sum = (0, 0);
    for task in tasks {
        let (passed, refused) = task.await.expect("no panic");
        sum = (sum.0 + passed, sum.1 + refused);
    }
    sum
}

fn local<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    LocalSet::new().block_on(&runtime, work)
}

#[test]
fn nginx_answers_many_streams() {
    let Some(nginx) = Nginx::start(1_000_000) else { return };
    let until = Instant::now() + Duration::from_secs(20);
    assert_eq!(local(load(&nginx, 2, 50, 100, until)), (10_000, 0));
    let missing = nginx.ready("/none").head(1, 2, false);
    local(async {
        let (link, mut owner) = (nginx.connect().await, Owner::default());
        owner.body.reset(Keep { head: true, body: true });
        link.exchange(Outgoing { head: &missing, ..GET }, owner.answer()).await.expect("an answer");
        let head = String::from_utf8_lossy(owner.body.head()).into_owned();
        assert_eq!(owner.progress.status, 404);
        assert!(head.contains("content-type: text/html\r\n") && head.contains("server: nginx"), "{head}");
    });
}

#[test]
fn nginx_closes_its_connections_without_losing_an_answer() {
    let Some(nginx) = Nginx::start(100) else { return };
    let until = Instant::now() + Duration::from_secs(20);
    let (passed, refused) = local(load(&nginx, 1, 10, 50, until));
    assert!(passed >= 99 && passed + refused == 500, "{passed} {refused}");
    let error = ExchangeError::Spent;
    assert!(error.unprocessed());
}

/// `taskset -c 0 cargo test --release --lib http2_cost -- --ignored --nocapture`: CPU of this process per
/// request beside that of h2load, in turns.
#[test]
#[ignore = "a measurement: needs two quiet cores, nginx, h2load and an optimized build"]
#[expect(clippy::print_stdout, reason = "a measurement prints its figures")]
fn http2_cost() {
    let Some(nginx) = Nginx::start(1_000_000_000) else { return };
    for turn in 1..=5 {
        let (before, begun) = (cpu(), Instant::now());
        let (passed, _) = local(load(&nginx, 8, 8, u64::MAX, begun + Duration::from_secs(4)));
        let ours = (cpu() - before).as_secs_f64() * 1e6 / passed as f64;
        let rate = passed as f64 / begun.elapsed().as_secs_f64();
        let (peer, peer_rate) = h2load(nginx.address);
        println!(
            "turn {turn}: ours {ours:.2} us ({rate:.0}/s), h2load {peer:.2} us ({peer_rate:.0}/s), \
             ratio {:.2}",
            ours / peer
        );
    }
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let main: u64 = stat.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    // The test runs on a thread of its own: the sum over all threads.
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let nanos = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum::<u64>().max(main))
}

/// CPU microseconds per request and requests per second of h2load with the same load.
fn h2load(address: SocketAddr) -> (f64, f64) {
    let url = format!("http://{address}/index.html");
    let script = format!("TIMEFORMAT='%U %S'; time taskset -c 0 h2load -c 8 -m 8 -t 1 -D 4 {url}");
    let out = Command::new("bash").args(["-c", &script]).output().expect("bash");
    let text = String::from_utf8_lossy(&out.stdout);
    let number = |line: &str, at: usize| -> Option<f64> { line.split_whitespace().nth(at)?.parse().ok() };
    let done = text.lines().find(|l| l.starts_with("requests:")).and_then(|l| number(l, 5));
    let spent = String::from_utf8_lossy(&out.stderr);
    let spent = spent.lines().last().and_then(|l| Some(number(l, 0)? + number(l, 1)?));
    let (done, spent) = (done.expect("h2load runs"), spent.expect("bash tells"));
    (spent * 1e6 / done, done / 4.0)
}
