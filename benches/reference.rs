//! The exact reference that paced runs are compared with: it never sleeps.
//!
//! One thread, plain non-blocking sockets, no event loop. It looks at the clock and at one answer under way
//! in turn, for ever, so that nothing but the kernel and the server lies between the moment a request is
//! due and its last byte. That costs a whole core; a load generator may not pay this price, but must come
//! near these times. Every value is kept and sorted at the end, so percentiles are exact.
//!
//! `reference ADDRESS RATE SECONDS CONNECTIONS`, only std: `rustc -O` builds it (see `benches/peers`).
//! Prints one JSON object; times are microseconds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Head and body of the answer must fit; the server of the bench sends below 1 KiB.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Answers may take this long after the last request was due.
const GRACE_NANOS: u64 = 1_000_000_000;

struct Plan {
    address: String,
    rate: f64,
    seconds: f64,
    connections: usize,
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    filled: usize,
    intended: u64,
    sent: u64,
}

/// All times in nanoseconds, one entry per request.
#[derive(Default)]
struct Times {
    response: Vec<u64>,
    service: Vec<u64>,
    lateness: Vec<u64>,
    errors: u64,
}

enum Progress {
    Waiting,
    Done,
    Failed,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = plan(&arguments) else {
        // `cargo bench` starts every bench without a server; that is no failure.
        eprintln!("usage: reference ADDRESS RATE SECONDS CONNECTIONS (benches/peers starts it)");
        return ExitCode::SUCCESS;
    };
    match run(&plan) {
        Ok(times) => print(&plan, times),
        Err(error) => {
            eprintln!("reference: {}: {error}", plan.address);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn plan(arguments: &[String]) -> Option<Plan> {
    let [address, rate, seconds, connections] = arguments else { return None };
    let plan = Plan {
        address: address.clone(),
        rate: rate.parse().ok()?,
        seconds: seconds.parse().ok()?,
        connections: connections.parse().ok()?,
    };
    (plan.rate > 0.0 && plan.seconds > 0.0 && plan.connections > 0).then_some(plan)
}

impl Plan {
    fn total(&self) -> u64 {
        (self.rate * self.seconds) as u64
    }

    /// When request `n` is due, in nanoseconds since the start: absolute, so that delays do not add up.
    fn due(&self, n: u64) -> u64 {
        (n as f64 * 1e9 / self.rate) as u64
    }
}

fn run(plan: &Plan) -> std::io::Result<Times> {
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", plan.address);
    let mut idle =
        (0..plan.connections).map(|_| Connection::open(&plan.address)).collect::<Result<Vec<_>, _>>()?;
    let mut busy: Vec<Connection> = Vec::with_capacity(plan.connections);
    let mut times = Times::for_requests(plan.total() as usize);
    let (mut sent, mut turn) = (0, 0);
    let start = Instant::now();
    let clock = || start.elapsed().as_nanos() as u64;
    while sent < plan.total() || !busy.is_empty() {
        let now = clock();
        if now > plan.due(plan.total()) + GRACE_NANOS {
            break;
        }
        let due = plan.due(sent);
        if sent < plan.total()
            && now >= due
            && let Some(mut connection) = idle.pop()
        {
            times.lateness.push(now - due);
            sent += 1;
            match connection.send(request.as_bytes(), due, now) {
                Ok(()) => busy.push(connection),
                Err(_) => times.failed(due, now),
            }
        }
        if busy.is_empty() {
            continue;
        }
        turn = (turn + 1) % busy.len();
        match busy[turn].receive() {
            Progress::Waiting => {}
            Progress::Done => {
                let connection = busy.swap_remove(turn);
                let done = clock();
                times.response.push(done - connection.intended);
                times.service.push(done - connection.sent);
                idle.push(connection);
            }
            Progress::Failed => {
                let connection = busy.swap_remove(turn);
                times.failed(connection.intended, clock());
            }
        }
    }
    // What never came counts at its age, as everywhere else.
    let now = clock();
    busy.iter().for_each(|c| times.failed(c.intended, now));
    (sent..plan.total()).for_each(|n| times.failed(plan.due(n), now));
    Ok(times)
}

impl Connection {
    fn open(address: &str) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, answer: vec![0; ANSWER_LIMIT], filled: 0, intended: 0, sent: 0 })
    }

    fn send(&mut self, request: &[u8], intended: u64, now: u64) -> std::io::Result<()> {
        (self.filled, self.intended, self.sent) = (0, intended, now);
        // The socket is empty, so a short request goes out whole or not at all.
        self.stream.write_all(request)
    }

    fn receive(&mut self) -> Progress {
        match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) => return Progress::Failed,
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
            Err(_) => return Progress::Failed,
        }
        let answer = &self.answer[..self.filled];
        match answer_length(answer) {
            None if self.filled < ANSWER_LIMIT => Progress::Waiting,
            Some(length) if self.filled < length => Progress::Waiting,
            Some(length) if self.filled == length && answer.starts_with(b"HTTP/1.1 200") => Progress::Done,
            _ => Progress::Failed,
        }
    }
}

/// Length of head and body, once the head is complete.
fn answer_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let lines = std::str::from_utf8(&answer[..head]).ok()?;
    let length = lines.lines().filter_map(|line| line.split_once(": "));
    let length = length.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Some(head + length.map_or(Some(0), |(_, value)| value.parse().ok())?)
}

impl Times {
    fn for_requests(count: usize) -> Times {
        // Written once before the start, so that no page fault falls into the run.
        let room = || {
            let mut room = vec![1; count];
            room.clear();
            room
        };
        Times { response: room(), service: room(), lateness: room(), errors: 0 }
    }

    fn failed(&mut self, intended: u64, now: u64) {
        self.errors += 1;
        self.response.push(now.saturating_sub(intended));
    }
}

fn print(plan: &Plan, mut times: Times) {
    for values in [&mut times.response, &mut times.service, &mut times.lateness] {
        values.sort_unstable();
    }
    let micros = |values: &[u64], share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values
            .get(rank.saturating_sub(1))
            .map_or(0.0, |nanos| Duration::from_nanos(*nanos).as_secs_f64() * 1e6)
    };
    println!(
        "{{\"asked\": {}, \"count\": {}, \"errors\": {}, \"p50\": {:.1}, \"p99\": {:.1}, \"max\": {:.1}, \
         \"service_p50\": {:.1}, \"service_p99\": {:.1}, \"lateness_p99\": {:.1}}}",
        plan.total(),
        times.service.len(),
        times.errors,
        micros(&times.response, 0.5),
        micros(&times.response, 0.99),
        micros(&times.response, 1.0),
        micros(&times.service, 0.5),
        micros(&times.service, 0.99),
        micros(&times.lateness, 0.99),
    );
}
