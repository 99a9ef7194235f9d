//! Looking at the sockets of a port, one moment after the other.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;

use crate::collect::sockets::Sockets;
use crate::formats::sock_diag::{ESTABLISHED, FAMILIES, Socket};

/// Looks after which the kernel walks through all its places again, for sockets that are new.
const RELEARN: u64 = 32;
/// Such walks after which all address families are looked through.
const ALL_FAMILIES: u64 = 4;
/// Sockets up to which it is cheaper to find each by its place.
const MANY: usize = 512;
/// Part of the sockets that may be new at a walk, or gone at a look, for them to count as known: a tenth.
const NEW: usize = 10;
/// At most this much of a socket table is read: about 40,000 sockets.
const TABLE_BYTES: u64 = 8 << 20;
const ESTABLISHED_TEXT: &str = "01";
const ESTABLISHED_STATE: u8 = 1;

/// Counts established sockets with bytes to read: those of the service's port, and those connected to it.
///
/// A walk through all places takes a millisecond, in which the service may not be able to read what comes in; the sockets that
/// it found are asked for by their places then, which takes a microsecond each, as long as few are opened and closed.
pub(super) struct Eye {
    port: u16,
    /// None where the kernel is not to be asked: its text is read then.
    sockets: Option<Sockets>,
    /// Address families that such sockets were seen in.
    families: Vec<u8>,
    /// Those that the last walk met.
    known: Vec<Socket>,
    steady: bool,
    looks: u64,
    walks: u64,
    text: String,
}

/// Unread sockets of the service, and of the generator.
type Counts = (u64, u64);

impl Eye {
    pub(super) fn new(port: u16) -> Self {
        Self {
            port,
            sockets: Sockets::open().ok(),
            families: Vec::new(),
            known: Vec::new(),
            steady: false,
            looks: 0,
            walks: 0,
            text: String::new(),
        }
    }

    pub(super) fn look(&mut self) -> Counts {
        self.looks += 1;
        if self.steady
            && let Some(counts) = self.again()
        {
            return counts;
        }
        self.walk().unwrap_or_else(|| {
            self.sockets = None;
            self.read()
        })
    }

    /// Whether looks are cheap.
    pub(super) const fn knows(&self) -> bool {
        self.steady
    }

    /// To be called after a look, which a walk before it would spoil.
    pub(super) fn learn(&mut self) {
        if self.steady && self.looks.is_multiple_of(RELEARN) {
            let _ = self.walk();
        }
    }

    fn again(&mut self) -> Option<Counts> {
        let (mut counts, mut there, port) = ((0, 0), 0, self.port);
        let see = |s: Socket| {
            if s.state == ESTABLISHED_STATE {
                there += 1;
                count(&mut counts, port, &s);
            }
        };
        let asked = self.sockets.as_mut()?.again(&self.known, see);
        self.steady = asked.is_ok() && self.known.len().saturating_sub(there) * NEW <= self.known.len();
        asked.ok().map(|()| counts)
    }

    fn walk(&mut self) -> Option<Counts> {
        if self.walks.is_multiple_of(ALL_FAMILIES) || self.families.is_empty() {
            self.families = FAMILIES.to_vec();
        }
        self.walks += 1;
        let (sockets, port) = (self.sockets.as_mut()?, self.port);
        let (mut counts, mut met) = ((0, 0), Vec::new());
        for &family in &self.families {
            let see = |s: Socket| {
                if s.local == port || s.remote == port {
                    count(&mut counts, port, &s);
                    met.push(s);
                }
            };
            sockets.each(family, ESTABLISHED, see).ok()?;
        }
        // Both ends of a connection must have been met: they may be of different families.
        if met.iter().any(|s| s.local == port) && met.iter().any(|s| s.remote == port) {
            self.families.retain(|family| met.iter().any(|s| s.family == *family));
        }
        let before: HashSet<_> = self.known.iter().map(|s| s.id).collect();
        let new = met.iter().filter(|s| !before.contains(&s.id)).count();
        self.steady = !met.is_empty() && met.len() <= MANY && new * NEW <= met.len();
        self.known = met;
        Some(counts)
    }

    fn read(&mut self) -> Counts {
        let mut counts = (0, 0);
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            self.text.clear();
            if File::open(path).and_then(|f| f.take(TABLE_BYTES).read_to_string(&mut self.text)).is_ok() {
                let (service, generator) = unread(&self.text, self.port);
                counts = (counts.0 + service, counts.1 + generator);
            }
        }
        counts
    }
}

fn count(counts: &mut Counts, port: u16, socket: &Socket) {
    if socket.unread > 0 && socket.local == port {
        counts.0 += 1;
    } else if socket.unread > 0 {
        counts.1 += 1;
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
    use std::time::{Duration, Instant};

    use super::*;

    /// A connection with a request and an answer that nobody has read.
    fn unread_both(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let port = listener.local_addr().expect("an address").port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
        let (mut answers, _) = listener.accept().expect("accepts");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("writes");
        answers.write_all(b"HTTP/1.1 200 OK\r\n").expect("writes");
        (stream, answers)
    }

    fn until(eye: &mut Eye, counts: Counts) {
        let begin = Instant::now();
        while eye.look() != counts {
            assert!(begin.elapsed() < Duration::from_secs(20), "{counts:?} have come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// With sockets of both address families.
    #[test]
    fn all_ways_to_look_see_the_same() {
        // Some machines have no IPv6, or do not let anybody ask.
        let listeners = ["127.0.0.1:0", "[::]:0"].map(TcpListener::bind);
        for listener in listeners.iter().flatten() {
            let _kept = unread_both(listener);
            let mut eye = Eye::new(listener.local_addr().expect("an address").port());
            let asks = eye.sockets.is_some();
            until(&mut eye, (1, 1));
            assert_eq!((eye.walk(), eye.read()), (asks.then_some((1, 1)), (1, 1)), "{listener:?}");
            assert_eq!(eye.steady, asks, "nothing is new: {listener:?}");
            assert_eq!(eye.again(), asks.then_some((1, 1)), "{listener:?}");
            let text = Eye { sockets: None, ..Eye::new(eye.port) }.look();
            assert_eq!(text, (1, 1), "{listener:?}");
        }
    }

    #[test]
    fn what_is_new_is_learned_and_what_is_gone_forgotten() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let mut kept: Vec<_> = (0..3).map(|_| unread_both(&listener)).collect();
        let mut eye = Eye::new(listener.local_addr().expect("an address").port());
        if eye.sockets.is_none() {
            return;
        }
        until(&mut eye, (3, 3));
        eye.walk();
        assert!(eye.steady);
        kept.push(unread_both(&listener));
        for _ in 0..RELEARN {
            eye.look();
            eye.learn();
        }
        assert_eq!((eye.known.len(), eye.look()), (8, (4, 4)), "one of four is new");
        kept.truncate(2);
        until(&mut eye, (2, 2));
        eye.look();
        assert!(!eye.steady || eye.known.len() == 4, "half are gone");
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
}
