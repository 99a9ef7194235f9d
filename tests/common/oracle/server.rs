//! The server: one thread that never sleeps while it has a core of its own, so that it is exact to a few
//! microseconds, and knows its own lapses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{Timespec, epoll};
use socket2::{Domain, Socket, Type};

use super::law::{Due, Law};
use super::machine::{apart, bind, monotonic};

/// One answered request of the load, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Number of the arrival, from its `traceparent`.
    pub n: u64,
    /// Which connection it came on.
    pub conn: usize,
    /// The request had not come yet.
    pub unread: u64,
    /// The request was read.
    pub read: u64,
    /// The last byte of the answer was not written yet.
    pub unwritten: u64,
    /// The last byte of the answer was written.
    pub written: u64,
}

/// What a server did.
#[derive(Debug, Default)]
pub struct Books {
    /// Requests of the load that were answered, in the order of their answers.
    pub served: Vec<Served>,
    /// Requests of the load that were read.
    pub read: u64,
    /// The longest time in which the server did not look at its sockets.
    pub lapse: u64,
}

/// A running server.
pub struct Oracle {
    pub url: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Books>>,
}

impl Oracle {
    pub fn start(law: Law) -> Self {
        let listener = listen().expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || Server::new(listener, law).run(&stopped));
        Self { url, stop, thread: Some(thread) }
    }

    /// Ends the server; what it did.
    pub fn stop(mut self) -> Books {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("stops once").join().expect("the server does not panic")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A listener with room for every connection of a run: std's 128 would make the system drop the next one, which
/// comes again after a second.
fn listen() -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

struct Conn {
    stream: TcpStream,
    input: Vec<u8>,
    answer: Option<Answer>,
}

/// An answer under way on a connection.
#[derive(Clone, Copy)]
struct Answer {
    served: Served,
    /// Bytes of the body that were written.
    sent: u32,
    due: Due,
}

const LISTENER: u64 = u64::MAX;

struct Server {
    listener: TcpListener,
    law: Law,
    poll: OwnedFd,
    /// A closed connection stays as a hole: few are opened in a run.
    conns: Vec<Option<Conn>>,
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    books: Books,
    first: Option<u64>,
    /// When connections are accepted again.
    shut_until: Option<u64>,
    /// What came before this was seen by the look at the sockets that is under way, or an earlier one.
    looked: u64,
    spins: bool,
}

impl Server {
    fn new(listener: TcpListener, law: Law) -> Self {
        listener.set_nonblocking(true).expect("a socket");
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let mut server = Self {
            listener,
            law,
            poll,
            conns: Vec::new(),
            waiting: BinaryHeap::new(),
            books: Books { served: Vec::with_capacity(1 << 17), ..Books::default() },
            first: None,
            shut_until: None,
            looked: monotonic(),
            spins: apart().is_some(),
        };
        server.listen();
        server
    }

    fn listen(&mut self) {
        self.shut_until = None;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&self.poll, &self.listener, data, epoll::EventFlags::IN).expect("epoll");
    }

    fn run(mut self, stop: &AtomicBool) -> Books {
        if let Some((_, core)) = apart() {
            bind(core);
        }
        let mut events = Vec::with_capacity(1024);
        while !stop.load(Ordering::Relaxed) {
            let now = monotonic();
            if self.first.is_some() && self.spins {
                self.books.lapse = self.books.lapse.max(now - self.looked);
            }
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.poll, room, Some(&self.patience(now))).expect("epoll");
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    conn => self.read(conn as usize),
                }
            }
            self.looked = now;
            self.write_due();
            if self.shut_until.is_some_and(|until| monotonic() >= until) {
                self.listen();
            }
        }
        self.books
    }

    /// How long the next look may wait: not at all where the server has a core of its own, else until shortly
    /// before the next answer is due.
    fn patience(&self, now: u64) -> Timespec {
        let due = self.waiting.peek().map_or(u64::MAX, |Reverse((due, _))| *due);
        let nanos = match self.spins {
            true => 0,
            false => due.saturating_sub(now + 60_000).min(10_000_000),
        };
        Timespec { tv_sec: 0, tv_nsec: nanos as i64 }
    }

    fn accept(&mut self) {
        while self.shut_until.is_none() {
            let Ok((stream, _)) = self.listener.accept() else { return };
            stream.set_nonblocking(true).expect("a socket");
            stream.set_nodelay(true).expect("a socket");
            let data = epoll::EventData::new_u64(self.conns.len() as u64);
            epoll::add(&self.poll, &stream, data, epoll::EventFlags::IN).expect("epoll");
            self.conns.push(Some(Conn { stream, input: Vec::new(), answer: None }));
        }
    }

    fn read(&mut self, index: usize) {
        let Some(conn) = &mut self.conns[index] else { return };
        let mut buffer = [0; 4096];
        match conn.stream.read(&mut buffer) {
            Ok(n @ 1..) => conn.input.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
            _ => {
                self.conns[index] = None;
                return;
            }
        }
        let read = monotonic();
        if !conn.input.ends_with(b"\r\n\r\n") {
            return;
        }
        let n = number(&conn.input);
        conn.input.clear();
        match n {
            Some(n) => self.request(index, n, read),
            None => self.preflight(index),
        }
    }

    /// The question before the load is answered at once and is not in the books.
    fn preflight(&mut self, index: usize) {
        if let Some(conn) = &mut self.conns[index] {
            let _ = conn.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        if let Law::SlowAccept(time) = self.law {
            epoll::delete(&self.poll, &self.listener).expect("epoll");
            self.shut_until = Some(monotonic() + time.as_nanos() as u64);
        }
    }

    fn request(&mut self, index: usize, n: u64, read: u64) {
        self.books.read += 1;
        let since = read - *self.first.get_or_insert(read);
        let (Some(conn), Some(due)) = (&mut self.conns[index], self.law.due(n, since)) else { return };
        let served = Served { n, conn: index, unread: self.looked, read, unwritten: 0, written: 0 };
        conn.answer = Some(Answer { served, sent: 0, due });
        if due.first == 0 {
            self.write(index);
        } else {
            self.waiting.push(Reverse((read + due.first, index)));
        }
    }

    fn write_due(&mut self) {
        while let Some(Reverse((due, index))) = self.waiting.peek().copied() {
            if due > monotonic() {
                return;
            }
            self.waiting.pop();
            self.write(index);
        }
    }

    /// Writes the next part of an answer.
    fn write(&mut self, index: usize) {
        let Some(Conn { stream, answer: Some(answer), .. }) = &mut self.conns[index] else { return };
        let (due, sent) = (answer.due, answer.sent);
        answer.served.unwritten = monotonic();
        let written = match sent {
            0 => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nx", due.bytes),
            _ => stream.write_all(b"x"),
        };
        answer.served.written = monotonic();
        answer.sent += 1;
        if written.is_err() {
            self.conns[index] = None;
        } else if answer.sent < due.bytes {
            let next = answer.served.read + due.first + u64::from(answer.sent) * due.gap;
            self.waiting.push(Reverse((next, index)));
        } else {
            self.books.served.push(answer.served);
        }
    }
}

/// The arrival's number: the second half of the trace id. The preflight's question has none.
fn number(head: &[u8]) -> Option<u64> {
    let head = std::str::from_utf8(head).expect("a head of text");
    let (_, trace) = head.split_once("traceparent: 00-")?;
    Some(u64::from_str_radix(&trace[16..32], 16).expect("hex digits"))
}
