//! A wire between a client and a server whose length can be changed while it carries bytes: a TCP proxy with a delay
//! in each direction.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Most bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// Most reads that are under way in one direction: bounds its memory at 64 MiB.
const UNDER_WAY: usize = 4096;

/// A running proxy; it ends, with its connections, when dropped.
pub struct Wire {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

/// What all connections share.
struct Line {
    target: SocketAddr,
    delay_nanos: AtomicU64,
    ended: AtomicBool,
    /// Both ends of every connection, to be closed at the end.
    ends: Mutex<Vec<TcpStream>>,
}

/// Bytes and when they come out.
struct Parcel {
    due: Instant,
    /// None at the end of the stream.
    bytes: Option<Vec<u8>>,
}

impl Wire {
    /// Forwards a free port of loopback to an address `HOST:PORT`, at first without a delay.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let line = Arc::new(Line {
            target: target.parse().expect("an address with a port"),
            delay_nanos: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            ends: Mutex::default(),
        });
        let address = listener.local_addr().expect("an address");
        let shared = Arc::clone(&line);
        let accepting = Some(thread::spawn(move || accept(&listener, &shared)));
        Self { address, line, accepting }
    }

    /// Where to connect to, `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The delay of what is sent from now on, each way. What is under way keeps its own, and nothing overtakes it.
    pub fn set_delay(&self, one_way: Duration) {
        let nanos = u64::try_from(one_way.as_nanos()).expect("less than centuries");
        self.line.delay_nanos.store(nanos, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.line.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the one who accepts
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for end in self.line.ends.lock().expect("a lock").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for client in listener.incoming().flatten() {
        if line.ended.load(Ordering::SeqCst) {
            return;
        }
        // Nobody at the other end: the client sees its connection close.
        if let Ok(server) = TcpStream::connect(line.target) {
            join(line, &client, &server);
        }
    }
}

/// Carries bytes between two ends, both ways.
fn join(line: &Arc<Line>, client: &TcpStream, server: &TcpStream) {
    let copy = |end: &TcpStream| end.try_clone().expect("a descriptor");
    for end in [client, server] {
        let _ = end.set_nodelay(true);
    }
    let mut ends = line.ends.lock().expect("a lock");
    ends.retain(|end| end.peer_addr().is_ok()); // those of connections that are closed
    ends.extend([copy(client), copy(server)]);
    for (from, to) in [(client, server), (server, client)] {
        let (enter, leave) = sync_channel(UNDER_WAY);
        let (from, to, line) = (copy(from), copy(to), Arc::clone(line));
        thread::spawn(move || take_in(from, &line, &enter));
        thread::spawn(move || give_out(to, &leave));
    }
}

/// Reads all the time, so that a long wire carries as much as a short one.
fn take_in(mut from: TcpStream, line: &Line, enter: &SyncSender<Parcel>) {
    let mut buffer = vec![0; CHUNK];
    let mut last = Instant::now();
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(n) if n > 0 => Some(buffer[..n].to_vec()),
            _ => None,
        };
        let end = bytes.is_none();
        // Not before what was read earlier, even if the wire has become shorter.
        last = last.max(Instant::now() + Duration::from_nanos(line.delay_nanos.load(Ordering::Relaxed)));
        if enter.send(Parcel { due: last, bytes }).is_err() || end {
            return;
        }
    }
}

fn give_out(mut to: TcpStream, leave: &Receiver<Parcel>) {
    for parcel in leave {
        thread::sleep(parcel.due.saturating_duration_since(Instant::now()));
        let Some(bytes) = parcel.bytes else { break };
        if to.write_all(&bytes).is_err() {
            // The other direction ends, too: nobody takes anything any more.
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that gives back what it gets; one connection after the other.
    fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut from, mut to) = (stream.try_clone().expect("a descriptor"), stream);
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        });
        address
    }

    fn round_trip(stream: &mut TcpStream) -> Duration {
        let (began, mut byte) = (Instant::now(), [7]);
        stream.write_all(&byte).expect("sent");
        stream.read_exact(&mut byte).expect("an answer");
        began.elapsed()
    }

    #[test]
    fn the_delay_changes_under_way() {
        let wire = Wire::to(&echo());
        let mut stream = TcpStream::connect(wire.address()).expect("connects");
        for (ms, least, most) in [(0, 0, 15), (20, 40, 60), (5, 10, 30)] {
            wire.set_delay(Duration::from_millis(ms));
            let took = round_trip(&mut stream);
            assert!(
                took >= Duration::from_millis(least) && took < Duration::from_millis(most),
                "{ms}: {took:?}"
            );
        }
    }

    #[test]
    fn bytes_keep_their_order_and_come_as_fast_as_without_delay() {
        let wire = Wire::to(&echo());
        let mut stream = TcpStream::connect(wire.address()).expect("connects");
        let sent: Vec<u8> = (0..8_000_000_u32).map(|i| (i % 251) as u8).collect();
        let (mut writer, copy) = (stream.try_clone().expect("a descriptor"), sent.clone());
        wire.set_delay(Duration::from_millis(40));
        let began = Instant::now();
        let writing = thread::spawn(move || {
            for part in copy.chunks(1_000_000) {
                writer.write_all(part).expect("sent");
            }
            writer.shutdown(Shutdown::Write).expect("half closed");
        });
        thread::sleep(Duration::from_millis(10));
        wire.set_delay(Duration::from_millis(1));
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("an end");
        writing.join().expect("all sent");
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
        // A pause for each of the 500 reads would take half a second at least.
        let took = began.elapsed();
        assert!(took < Duration::from_millis(400), "{took:?}");
    }

    #[test]
    fn many_small_messages_are_under_way_at_once() {
        let wire = Wire::to(&echo());
        wire.set_delay(Duration::from_millis(100));
        let began = Instant::now();
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let mut stream = TcpStream::connect(wire.address()).expect("connects");
                thread::spawn(move || round_trip(&mut stream))
            })
            .collect();
        for client in clients {
            assert!(client.join().expect("an answer") >= Duration::from_millis(200));
        }
        assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    }

    #[test]
    fn connections_end_with_the_wire() {
        let wire = Wire::to(&echo());
        let mut stream = TcpStream::connect(wire.address()).expect("connects");
        round_trip(&mut stream);
        let address = wire.address();
        drop(wire);
        let mut rest = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        assert!(stream.read_to_end(&mut rest).is_ok_and(|n| n == 0) || rest.is_empty());
        assert!(TcpStream::connect(address).is_err());
    }
}
