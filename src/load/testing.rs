//! What the engine's tests share: small scenarios and real servers on loopback.

pub(crate) mod http2;
pub(crate) mod requests;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use url::Url;

use super::{LoadHandle, LoadOutcome, LoadPlan, start};
use crate::run::period::{Failure, LoadPeriod, RequestPeriod};
use crate::scenario::{Detect, Endpoint, Executor, Journey, Load, Rate, Request, Scenario, Target};
use crate::time::RunClock;

pub(crate) const RUN_ID: &str = "0123456789abcdef";

pub(crate) fn request(path: &str) -> Request {
    Request { name: path.into(), slug: "request".into(), ..Request::new("GET", path) }
}

pub(crate) fn constant(rate: f64, millis: u64) -> Executor {
    Executor::ConstantArrivalRate { rate: Rate(rate), duration: Duration::from_millis(millis) }
}

pub(crate) fn scenario(executor: Executor) -> Scenario {
    let endpoint = Endpoint::Url(Url::parse("http://127.0.0.1").expect("valid"));
    let target = Target { timeout: Duration::from_secs(5), ..Target::new(endpoint) };
    let load = Load { graceful_stop: Duration::from_secs(5), threads: 2, ..Load::new(executor) };
    let detect = Detect { period: Duration::from_millis(250), ..Detect::default() };
    Scenario { detect, ..Scenario::of_requests("test", target, load, vec![request("/")]) }
}

/// A scenario with these requests, each a journey of its own.
pub(crate) fn with_requests(scenario: Scenario, requests: Vec<Request>) -> Scenario {
    Scenario { journeys: Journey::single(&requests), requests, ..scenario }
}

/// Everything a run gave.
pub(crate) struct Ran {
    pub(crate) outcome: LoadOutcome,
    pub(crate) periods: Vec<LoadPeriod>,
    /// All periods in one.
    pub(crate) all: Vec<RequestPeriod>,
}

impl Ran {
    pub(crate) fn failed(&self, kind: Failure) -> u64 {
        self.all.iter().map(|r| r.failed[kind as usize]).sum()
    }

    pub(crate) fn done(&self) -> u64 {
        self.all.iter().map(RequestPeriod::done).sum()
    }

    pub(crate) fn passed(&self) -> u64 {
        self.all.iter().map(|r| r.passed).sum()
    }

    pub(crate) fn details(&self) -> Vec<String> {
        self.periods.iter().flat_map(|p| p.failures.iter().map(|f| f.detail.clone())).collect()
    }
}

/// A run that goes on, and what it has given so far.
pub(crate) struct Running {
    pub(crate) handle: LoadHandle,
    pub(crate) stop: Arc<AtomicBool>,
    periods: Arc<Mutex<Vec<LoadPeriod>>>,
}

pub(crate) fn begin(scenario: &Scenario, base: &str) -> Running {
    let (stop, periods) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let base = Url::parse(base).expect("valid");
    let plan = LoadPlan { scenario, base, run_id: RUN_ID, clock: RunClock::start(), in_flight: None };
    let sink = Arc::clone(&periods);
    let handle = start(&plan, Arc::clone(&stop), move |p| sink.lock().expect("no panic").push(p));
    Running { handle: handle.expect("starts"), stop, periods }
}

impl Running {
    pub(crate) fn join(self) -> Ran {
        let outcome = self.handle.join();
        let periods = std::mem::take(&mut *self.periods.lock().expect("no panic"));
        let mut all: Vec<RequestPeriod> = Vec::new();
        for period in &periods {
            all.resize_with(period.requests.len(), RequestPeriod::new);
            all.iter_mut().zip(&period.requests).for_each(|(sum, r)| add(sum, r));
        }
        Ran { outcome, periods, all }
    }
}

fn add(sum: &mut RequestPeriod, r: &RequestPeriod) {
    sum.response.add(&r.response).expect("resizes");
    sum.service.add(&r.service).expect("resizes");
    sum.phases.iter_mut().zip(&r.phases).for_each(|(s, p)| s.add(p).expect("resizes"));
    sum.add_counts(r);
}

pub(crate) fn run(scenario: &Scenario, base: &str) -> Ran {
    begin(scenario, base).join()
}

/// What a test's server makes of a request: the bytes to answer; none closes the connection at once.
pub(crate) type Answer = Arc<dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync>;

/// A request as the server read it.
pub(crate) struct Asked {
    /// Number among all requests of the server, from 0.
    pub(crate) number: u64,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| -> Option<usize> {
            line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(n, _)| n.len() + 1)
        };
        self.head.lines().find_map(|line| value(line).map(|at| line[at..].trim()))
    }
}

/// An HTTP/1.1 server with a thread per connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicU64>,
    pub(crate) asked: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let (accepted, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (stop, answer): (_, Answer) = (Arc::new(AtomicBool::new(false)), Arc::new(answer));
        let server = Self { address, accepted, asked, stop };
        let (accepted, asked) = (Arc::clone(&server.accepted), Arc::clone(&server.asked));
        let stop = Arc::clone(&server.stop);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                accepted.fetch_add(1, Ordering::Relaxed);
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                std::thread::spawn(move || serve(stream, &answer, &asked));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, answer: &Answer, asked: &AtomicU64) {
    let _ = stream.set_nodelay(true);
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some(asked) = read_request(&mut input, asked) {
        let Some(bytes) = answer(&asked) else { break };
        if out.write_all(&bytes).is_err() || asked.header("connection") == Some("close") {
            break;
        }
    }
    let _ = out.shutdown(Shutdown::Both);
}

pub(crate) fn read_request(input: &mut impl BufRead, asked: &AtomicU64) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut asked = Asked { number: asked.fetch_add(1, Ordering::Relaxed), head, body: Vec::new() };
    let length = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    input.take(length).read_to_end(&mut asked.body).ok()?;
    Some(asked)
}

/// What `work` gives, within 20 s: what never ends must fail a test, not hold up all others.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (out, given) = mpsc::channel();
    std::thread::spawn(move || out.send(work()));
    given.recv_timeout(Duration::from_secs(20)).expect("it ends")
}
