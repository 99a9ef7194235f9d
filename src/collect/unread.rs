//! Requests that the service has not read yet, and answers that the generator has not read yet, for a target
//! on this machine: sockets with bytes in their receive queue, in the kernel's own table.
//!
//! A server's runtime knows nothing of a request before it reads it, so neither do its profiles; a service
//! short of CPU leaves requests in the socket. The mean number of such sockets divided by the throughput is
//! the time a request waits there (Little's law), as with goroutine snapshots.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::RngExt;
use url::{Host, Url};

use super::health::HealthSample;

/// Mean time between two looks; jittered like goroutine snapshots, and for the same reason.
const INTERVAL_MICROS: u64 = 100_000;
/// At most this much of a socket table is read: about 40,000 sockets.
const TABLE_BYTES: u64 = 8 << 20;
const ESTABLISHED: &str = "01";

/// Counts until dropped.
#[derive(Debug)]
pub struct UnreadSockets {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    looks: AtomicU64,
    service: AtomicU64,
    generator: AtomicU64,
}

impl UnreadSockets {
    /// Looks at the connections to a target on this machine; none for other targets, whose sockets the kernel
    /// here does not know.
    #[must_use]
    pub fn watch(target: &Url, seed: u64) -> Option<Self> {
        let local = match target.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip).is_loopback(),
            Host::Ipv6(ip) => IpAddr::V6(ip).is_loopback(),
            Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        };
        let port = target.port_or_known_default().filter(|_| local)?;
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("sockets".into()).spawn(move || look(&inner, port, seed));
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
}

impl Drop for UnreadSockets {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(shared: &Shared, port: u16, seed: u64) {
    let mut rng: rand_pcg::Pcg64Mcg = rand::SeedableRng::seed_from_u64(seed);
    let mut text = String::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let (mut service, mut generator) = (0, 0);
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            text.clear();
            if File::open(path).and_then(|f| f.take(TABLE_BYTES).read_to_string(&mut text)).is_ok() {
                let (s, g) = unread(&text, port);
                service += s;
                generator += g;
            }
        }
        shared.service.fetch_add(service, Ordering::Relaxed);
        shared.generator.fetch_add(generator, Ordering::Relaxed);
        // Last, so that a reader never sees a look without its sockets counted for long.
        shared.looks.fetch_add(1, Ordering::Relaxed);
        let pause = rng.random_range(INTERVAL_MICROS / 2..INTERVAL_MICROS * 3 / 2);
        std::thread::sleep(Duration::from_micros(pause));
    }
}

/// Established sockets with bytes to read: those of the service's port, and those connected to it.
fn unread(table: &str, port: u16) -> (u64, u64) {
    let (mut service, mut generator) = (0, 0);
    for line in table.lines().skip(1) {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(ESTABLISHED), Some(queues)) =
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
        let watch = UnreadSockets::watch(&url, 1).expect("a local target");
        let begin = Instant::now();
        let value = |i: usize| watch.sample()[i].value;
        while value(0) < 3.0 && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(value(0) >= 3.0 && value(1) >= 2.0, "{:?}", watch.sample());
        assert!(UnreadSockets::watch(&Url::parse("http://10.0.0.1/").expect("a URL"), 1).is_none());
    }
}
