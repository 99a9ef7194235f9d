//! Requests that the service has not read yet, and answers that the generator has not read yet, for a target
//! on this machine: sockets with bytes in their receive queue, in the kernel's own table.
//!
//! A server's runtime knows nothing of a request before it reads it, so neither do its profiles; a service
//! short of CPU leaves requests in the socket. The mean number of such sockets divided by the throughput is
//! the time a request waits there (Little's law), as with goroutine snapshots.

mod eye;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::RngExt;
use rustix::time::{ClockId, clock_gettime};
use url::{Host, Url};

use eye::Eye;

use super::health::HealthSample;
use crate::run::in_flight::InFlight;
use crate::run::unread::UnreadLook;
use crate::time::RunClock;

/// Mean time between two looks, and while the sockets are known; jittered like goroutine snapshots, and for the same reason.
const INTERVAL_MICROS: u64 = 100_000;
const KNOWN_MICROS: u64 = 25_000;
/// A look takes at most this part of a core's time: the kernel walks through all places for sockets, of which large machines have
/// millions, and requests come in meanwhile that the service cannot read.
const SHARE: u32 = 50;
/// Longest time between two looks.
const SELDOM: Duration = Duration::from_secs(2);
/// Counts until dropped.
#[derive(Debug)]
pub struct UnreadSockets {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    clock: RunClock,
    in_flight: InFlight,
    stop: AtomicBool,
    looks: AtomicU64,
    service: AtomicU64,
    generator: AtomicU64,
    /// Looks that were not taken yet, as lines.
    lines: Mutex<Vec<u8>>,
}

impl UnreadSockets {
    /// Looks at the connections to a target on this machine; none for other targets, whose sockets the kernel
    /// here does not know.
    #[must_use]
    pub fn watch(target: &Url, seed: u64, clock: RunClock, in_flight: &InFlight) -> Option<Self> {
        let local = match target.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip).is_loopback(),
            Host::Ipv6(ip) => IpAddr::V6(ip).is_loopback(),
            Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        };
        let port = target.port_or_known_default().filter(|_| local)?;
        let shared = Arc::new(Shared {
            clock,
            in_flight: in_flight.clone(),
            stop: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            service: AtomicU64::new(0),
            generator: AtomicU64::new(0),
            lines: Mutex::default(),
        });
        let inner = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("sockets".into()).spawn(move || watch(&inner, port, seed));
        Some(Self { shared, thread: thread.ok() })
    }

    /// Counters so far: looks, and sockets with unread bytes summed over all looks.
    #[must_use]
    pub fn sample(&self) -> Vec<HealthSample> {
        let plain = |name, count: &AtomicU64| HealthSample::plain(name, count.load(Ordering::Relaxed) as f64);
        vec![
            plain("loadprof_socket_looks_total", &self.shared.looks),
            plain("loadprof_service_unread_sockets_total", &self.shared.service),
            plain("loadprof_generator_unread_sockets_total", &self.shared.generator),
        ]
    }

    /// The looks since the last time, as lines.
    #[must_use]
    pub fn take_lines(&self) -> Vec<u8> {
        std::mem::take(&mut *self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for UnreadSockets {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn note(&self, look: UnreadLook) {
        self.service.fetch_add(look.service, Ordering::Relaxed);
        self.generator.fetch_add(look.generator, Ordering::Relaxed);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).extend(look.line());
        // Last, so that a reader never sees a look without its sockets counted for long.
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

fn watch(shared: &Shared, port: u16, seed: u64) {
    let mut rng: rand_pcg::Pcg64Mcg = rand::SeedableRng::seed_from_u64(seed);
    let mut eye = Eye::new(port);
    while !shared.stop.load(Ordering::Relaxed) {
        let (begun, used) = (Instant::now(), cpu_time());
        let t = shared.clock.now();
        let (count, area) = shared.in_flight.look(t).map(|look| (look.count, look.area)).unzip();
        let (service, generator) = eye.look();
        shared.note(UnreadLook { t, service, generator, count, area });
        eye.learn();
        let micros = if eye.knows() { KNOWN_MICROS } else { INTERVAL_MICROS };
        let pause = Duration::from_micros(rng.random_range(micros / 2..micros * 3 / 2));
        let pause = pause.max((cpu_time() - used) * SHARE).min(SELDOM);
        while !shared.stop.load(Ordering::Relaxed) {
            let Some(left) = (begun + pause).checked_duration_since(Instant::now()) else { break };
            std::thread::park_timeout(left);
        }
    }
}

/// CPU time of this thread: one that waits for a core on a busy machine is to look no less often.
fn cpu_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;
    use crate::time::RunTime;

    #[test]
    fn a_request_nobody_reads_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address");
        let url = Url::parse(&format!("http://{address}/")).expect("a URL");
        let mut stream = TcpStream::connect(address).expect("connects");
        let (_kept, _) = listener.accept().expect("accepts");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("writes");
        let in_flight = InFlight::default();
        in_flight.join().set(1, RunTime::ZERO);
        let clock = RunClock::start();
        let watch = UnreadSockets::watch(&url, 1, clock, &in_flight).expect("a local target");
        let begin = Instant::now();
        let value = |i: usize| watch.sample()[i].value;
        while value(0) < 3.0 && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(value(0) >= 3.0 && value(1) >= 2.0, "{:?}", watch.sample());
        let lines = String::from_utf8(watch.take_lines()).expect("text");
        let looks: Vec<UnreadLook> =
            lines.lines().map(|l| serde_json::from_str(l).expect("a look")).collect();
        assert!(
            looks.len() >= 3 && looks.last().is_some_and(|l| (l.service, l.count) == (1, Some(1))),
            "{lines}"
        );
        let far = Url::parse("http://10.0.0.1/").expect("a URL");
        assert!(UnreadSockets::watch(&far, 1, clock, &in_flight).is_none());
    }
}
