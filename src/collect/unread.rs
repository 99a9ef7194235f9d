//! Requests that the service has not read yet, and answers that the generator has not read yet, for a target
//! on this machine: sockets with bytes in their receive queue, in the kernel's own table.
//!
//! A server's runtime knows nothing of a request before it reads it, so neither do its profiles; a service
//! short of CPU leaves requests in the socket. The mean number of such sockets divided by the throughput is
//! the time a request waits there (Little's law), as with goroutine snapshots.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::RngExt;
use url::{Host, Url};

use super::health::HealthSample;
use super::sockets::Sockets;
use crate::formats::sock_diag::{ESTABLISHED, FAMILIES};
use crate::run::in_flight::InFlight;
use crate::run::unread::UnreadLook;
use crate::time::RunClock;

/// Mean time between two looks; jittered like goroutine snapshots, and for the same reason.
const INTERVAL_MICROS: u64 = 100_000;
/// A look takes at most this part of the time: the kernel walks through all places for sockets, of which large machines have
/// millions, and requests come in meanwhile that the service cannot read.
const SHARE: u32 = 50;
/// Looks after which all address families are looked through again.
const RELEARN: u64 = 32;
/// At most this much of a socket table is read: about 40,000 sockets.
const TABLE_BYTES: u64 = 8 << 20;
const ESTABLISHED_TEXT: &str = "01";

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
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn note(&self, look: UnreadLook) {
        self.service.fetch_add(look.service, Ordering::Relaxed);
        self.generator.fetch_add(look.generator, Ordering::Relaxed);
        // Last, so that a reader never sees a look without its sockets counted for long.
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).extend(look.line());
    }
}

fn watch(shared: &Shared, port: u16, seed: u64) {
    let mut rng: rand_pcg::Pcg64Mcg = rand::SeedableRng::seed_from_u64(seed);
    let mut eye = Eye::new(port);
    while !shared.stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let t = shared.clock.now();
        let (count, area) = shared.in_flight.look(t).map(|look| (look.count, look.area)).unzip();
        let (service, generator) = eye.look();
        shared.note(UnreadLook { t, service, generator, count, area });
        let pause = Duration::from_micros(rng.random_range(INTERVAL_MICROS / 2..INTERVAL_MICROS * 3 / 2));
        std::thread::sleep(pause.max(begun.elapsed() * SHARE));
    }
}

/// Counts established sockets with bytes to read: those of the service's port, and those connected to it.
struct Eye {
    port: u16,
    /// None where the kernel is not to be asked: its text is read then.
    sockets: Option<Sockets>,
    /// Address families that such sockets were seen in.
    families: Vec<u8>,
    looks: u64,
    text: String,
}

impl Eye {
    fn new(port: u16) -> Self {
        Self { port, sockets: Sockets::open().ok(), families: Vec::new(), looks: 0, text: String::new() }
    }

    fn look(&mut self) -> (u64, u64) {
        if self.looks.is_multiple_of(RELEARN) || self.families.is_empty() {
            self.families = FAMILIES.to_vec();
        }
        self.looks += 1;
        self.asked().unwrap_or_else(|| {
            self.sockets = None;
            self.read()
        })
    }

    fn asked(&mut self) -> Option<(u64, u64)> {
        let (sockets, port) = (self.sockets.as_mut()?, self.port);
        let (mut service, mut generator) = (0, 0);
        let mut met = Vec::new();
        for &family in &self.families {
            let mut any = false;
            let see = |s: crate::formats::sock_diag::Socket| {
                any |= s.local == port || s.remote == port;
                service += u64::from(s.unread > 0 && s.local == port);
                generator += u64::from(s.unread > 0 && s.local != port && s.remote == port);
            };
            sockets.each(family, ESTABLISHED, see).ok()?;
            if any {
                met.push(family);
            }
        }
        self.families = met;
        Some((service, generator))
    }

    fn read(&mut self) -> (u64, u64) {
        let (mut service, mut generator) = (0, 0);
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            self.text.clear();
            if File::open(path).and_then(|f| f.take(TABLE_BYTES).read_to_string(&mut self.text)).is_ok() {
                let (s, g) = unread(&self.text, self.port);
                service += s;
                generator += g;
            }
        }
        (service, generator)
    }
}

/// Established sockets with bytes to read: those of the service's port, and those connected to it.
fn unread(table: &str, port: u16) -> (u64, u64) {
    let (mut service, mut generator) = (0, 0);
    for line in table.lines().skip(1) {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(ESTABLISHED_TEXT), Some(queues)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let waits = queues.split_once(':').is_some_and(|(_, rx)| rx.bytes().any(|b| b != b'0'));
        if waits && port_of(local) == Some(port) {
            service += 1;
        } else if waits && port_of(remote) == Some(port) {
            generator += 1;
        }
    }
    (service, generator)
}

fn port_of(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;
    use crate::time::RunTime;

    /// The kernel's text says what its answer says, with sockets of both address families.
    #[test]
    fn both_ways_to_look_see_the_same() {
        let listeners = ["127.0.0.1:0", "[::]:0"].map(|at| TcpListener::bind(at).expect("binds"));
        for listener in &listeners {
            let port = listener.local_addr().expect("an address").port();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
            let (mut answers, _) = listener.accept().expect("accepts");
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("writes");
            answers.write_all(b"HTTP/1.1 200 OK\r\n").expect("writes");
            let mut eye = Eye::new(port);
            let begin = Instant::now();
            while eye.look() != (1, 1) {
                assert!(begin.elapsed() < Duration::from_secs(5), "both have come");
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!((eye.asked(), eye.read()), (Some((1, 1)), (1, 1)), "{listener:?}");
            assert!(!eye.families.is_empty(), "{listener:?}");
        }
    }

    #[test]
    fn only_sockets_with_bytes_to_read_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000005 00:0\n\
             1: 0100007F:1F90 0100007F:C001 01 00000000:00000057 00:0\n\
             2: 0100007F:1F90 0100007F:C002 01 00000000:00000000 00:0\n\
             3: 0100007F:C002 0100007F:1F90 01 00000000:000000A0 00:0\n\
             4: 0100007F:C003 0100007F:1F91 01 00000000:000000A0 00:0\n\
             5: cut off";
        assert_eq!(unread(table, 8080), (1, 1));
    }

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
        while value(0) < 3.0 && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(value(0) >= 3.0 && value(1) >= 2.0, "{:?}", watch.sample());
        let lines = String::from_utf8(watch.take_lines()).expect("text");
        let looks: Vec<UnreadLook> =
            lines.lines().map(|l| serde_json::from_str(l).expect("a look")).collect();
        assert!(looks.len() >= 3 && looks[0].service == 1 && looks[0].count == Some(1), "{lines}");
        let far = Url::parse("http://10.0.0.1/").expect("a URL");
        assert!(UnreadSockets::watch(&far, 1, clock, &in_flight).is_none());
    }
}
