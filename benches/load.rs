//! What a request costs the generator: CPU of the load threads per request, and how late they are.
//!
//! `cargo bench --bench load [SECONDS]`. The server is a small one in the same process, on threads of its
//! own; only threads named `load-*` are counted. For figures to compare with other tools pin the generator
//! and a real server to cores of their own.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use loadprof::load::{LoadPlan, start};
use loadprof::run::period::{LoadPeriod, new_latency};
use loadprof::scenario::{Endpoint, Executor, Load, Rate, Request, Scenario, Target};
use loadprof::time::RunClock;
use url::Url;

const ANSWER_BODY: usize = 612;

fn main() {
    let seconds = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let address = serve();
    println!(
        "{:<28} {:>10} {:>12} {:>12} {:>12} {:>12}",
        "load", "requests/s", "CPU us/req", "late p50 us", "late p99 us", "p50 us"
    );
    for rate in [1_000.0, 5_000.0, 20_000.0] {
        let executor = Executor::ConstantArrivalRate { rate: Rate(rate), duration };
        measure(&format!("paced, {rate}/s"), executor, address);
    }
    // Far more arrivals than can be served: every connection sends again as soon as it has its answer.
    let executor = Executor::ConstantArrivalRate { rate: Rate(300_000.0), duration };
    measure("saturated, 64 connections", executor, address);
    let executor = Executor::ConstantVus { vus: 64, duration, think_time: Duration::ZERO };
    measure("64 users", executor, address);
}

fn measure(name: &str, executor: Executor, address: SocketAddr) {
    let scenario = scenario(executor);
    let base = Url::parse(&format!("http://{address}")).expect("valid");
    let plan = LoadPlan {
        scenario: &scenario,
        base,
        run_id: "0123456789abcdef",
        clock: RunClock::start(),
        in_flight: None,
    };
    let (out, periods) = channel::<LoadPeriod>();
    let handle = start(&plan, Arc::default(), move |p| drop(out.send(p))).expect("starts");
    let mut cpu = 0;
    while !handle.is_finished() {
        cpu = cpu.max(load_cpu_nanos());
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = handle.join();
    let (mut late, mut service, mut done) = (new_latency(), new_latency(), 0);
    for period in periods {
        late.add(&period.lateness).expect("resizes");
        service.add(&period.requests[0].service).expect("resizes");
        done += period.requests[0].passed;
    }
    let seconds = outcome.schedule_ended.since(outcome.started) as f64 / 1e9;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    println!(
        "{name:<28} {:>10.0} {:>12.2} {:>12.1} {:>12.1} {:>12.1}",
        done as f64 / seconds,
        micros(cpu) / done.max(1) as f64,
        micros(late.value_at_quantile(0.5)),
        micros(late.value_at_quantile(0.99)),
        micros(service.value_at_quantile(0.5)),
    );
}

/// CPU time of the threads named `load-` and a number; threads that have ended are gone from it.
fn load_cpu_nanos() -> u64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let nanos = |task: &Path| -> Option<u64> {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let digits = name.trim().strip_prefix("load-")?;
        let load = digits.bytes().all(|b| b.is_ascii_digit());
        let spent = std::fs::read_to_string(task.join("schedstat")).ok()?;
        spent.split(' ').next()?.parse().ok().filter(|_| load)
    };
    tasks.flatten().filter_map(|task| nanos(&task.path())).sum()
}

fn scenario(executor: Executor) -> Scenario {
    let endpoint = Endpoint::Url(Url::parse("http://127.0.0.1").expect("valid"));
    let target = Target { timeout: Duration::from_secs(5), ..Target::new(endpoint) };
    Scenario::of_requests("bench", target, Load::new(executor), vec![Request::new("GET", "/file")])
}

/// A server with a thread per connection that answers every read as one request.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER_BODY}\r\nserver: bench\r\n\r\n");
    let answer = [head.into_bytes(), vec![b'x'; ANSWER_BODY]].concat();
    let mut buffer = [0; 4096];
    let _ = stream.set_nodelay(true);
    while matches!(stream.read(&mut buffer), Ok(n) if n > 0) {
        if stream.write_all(&answer).is_err() {
            break;
        }
    }
}
