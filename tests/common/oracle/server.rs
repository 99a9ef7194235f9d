//! The server: one thread that never sleeps while it has a core of its own, so that it is exact to a few
//! microseconds, and knows its own lapses.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::event::{Timespec, epoll};
use rustls::ServerConfig;

use super::books::{Books, Served};
use super::conn::{Conn, News, Reply};
use super::law::{Due, Law};
use super::machine::{apart, bind, monotonic};
use super::setup::Manner;
use super::wire::Wire;
use crate::common::hostile::server_config;

/// An answer under way.
struct Answer {
    served: Served,
    /// Parts of the body that were written.
    sent: u32,
    due: Due,
    reply: Reply,
}

/// What is to be done at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// The next part of an answer is written.
    Write(u64),
    /// A connection is looked at from now on.
    Greet(usize),
}

const LISTENER: u64 = u64::MAX;

pub struct Server {
    listener: TcpListener,
    law: Law,
    manner: Manner,
    tls: Option<Arc<ServerConfig>>,
    body: Bytes,
    poll: OwnedFd,
    /// A closed connection stays as a hole: few are opened in a run.
    conns: Vec<Option<Conn>>,
    /// Connections on which bytes wait for the system.
    blocked: Vec<usize>,
    answers: HashMap<u64, Answer>,
    waiting: BinaryHeap<Reverse<(u64, Task)>>,
    books: Books,
    first: Option<u64>,
    /// When connections are accepted again.
    shut_until: Option<u64>,
    /// What came before this was seen by the look at the sockets that is under way, or an earlier one.
    looked: u64,
    spins: bool,
}

impl Server {
    pub fn new(listener: TcpListener, law: Law, manner: Manner) -> Self {
        listener.set_nonblocking(true).expect("a socket");
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let protocol = if manner.http2 { "h2" } else { "http/1.1" };
        let mut server = Self {
            listener,
            law,
            manner,
            tls: manner.tls.then(|| server_config(protocol)),
            body: vec![b'x'; manner.part].into(),
            poll,
            conns: Vec::new(),
            blocked: Vec::new(),
            answers: HashMap::new(),
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

    pub fn run(mut self, stop: &AtomicBool) -> Books {
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
                    conn => self.look(conn as usize, monotonic()),
                }
            }
            self.looked = now;
            for index in std::mem::take(&mut self.blocked) {
                self.look(index, monotonic());
            }
            self.do_due();
            if self.shut_until.is_some_and(|until| monotonic() >= until) {
                self.listen();
            }
        }
        for index in 0..self.conns.len() {
            self.close(index);
        }
        self.books
    }

    /// How long the next look may wait: not at all where the server has a core of its own, else until shortly
    /// before the next answer is due.
    fn patience(&self, now: u64) -> Timespec {
        let due = self.waiting.peek().map_or(u64::MAX, |Reverse((due, _))| *due);
        let nanos = match self.spins || !self.blocked.is_empty() {
            true => 0,
            false => due.saturating_sub(now + 60_000).min(10_000_000),
        };
        Timespec { tv_sec: 0, tv_nsec: nanos as i64 }
    }

    // ---- connections ---------------------------------------------------------------------------------

    fn accept(&mut self) {
        while self.shut_until.is_none() {
            let Ok((stream, _)) = self.listener.accept() else { return };
            let wire = Wire::new(stream, self.tls.as_ref()).expect("a socket");
            let (index, now) = (self.conns.len(), monotonic());
            self.conns.push(Some(Conn::new(wire, self.manner.http2, (self.looked, now))));
            self.books.accepted += 1;
            match self.manner.hello.as_nanos() as u64 {
                0 => self.greet(index),
                hello => self.waiting.push(Reverse((now + hello, Task::Greet(index)))),
            }
        }
    }

    fn greet(&mut self, index: usize) {
        let Some(conn) = &self.conns[index] else { return };
        let data = epoll::EventData::new_u64(index as u64);
        conn.with_socket(|tcp| epoll::add(&self.poll, tcp, data, epoll::EventFlags::IN)).expect("epoll");
    }

    fn close(&mut self, index: usize) {
        let Some(conn) = self.conns[index].take() else { return };
        let (read, written) = conn.bytes();
        self.books.bytes_read += read;
        self.books.bytes_written += written;
    }

    /// Moves what can be moved over a connection.
    fn look(&mut self, index: usize, before: u64) {
        let Some(conn) = &mut self.conns[index] else { return };
        let news = conn.look();
        self.written(index, before);
        let read = monotonic();
        match news {
            News::Requests(requests) => {
                requests.into_iter().for_each(|(n, reply)| self.request(index, n, reply, read));
            }
            News::Preflight => self.preflight(index),
            News::Over => self.close(index),
        }
    }

    /// The question before the load is answered at once and is not in the books.
    fn preflight(&mut self, index: usize) {
        if let Some(conn) = &mut self.conns[index] {
            conn.preflight();
        }
        if let Law::SlowAccept(time) = self.law {
            epoll::delete(&self.poll, &self.listener).expect("epoll");
            self.shut_until = Some(monotonic() + time.as_nanos() as u64);
        }
    }

    // ---- requests ------------------------------------------------------------------------------------

    fn request(&mut self, index: usize, n: u64, reply: Reply, read: u64) {
        let key = self.books.read;
        self.books.read += 1;
        let since = read - *self.first.get_or_insert(read);
        let (Some(conn), Some(due)) = (&mut self.conns[index], self.law.due(n, since)) else { return };
        let opened = conn.begin(key, &reply);
        // Without a handshake the request may have come before its connection was seen.
        let unread = opened.filter(|_| self.tls.is_none()).map_or(self.looked, |(unopened, _)| unopened);
        let served = Served { n, conn: index, opened, unread, read, unwritten: 0, written: 0 };
        self.answers.insert(key, Answer { served, sent: 0, due, reply });
        if due.first == 0 {
            self.write(key);
        } else {
            self.waiting.push(Reverse((read + due.first, Task::Write(key))));
        }
    }

    fn do_due(&mut self) {
        while let Some(Reverse((due, task))) = self.waiting.peek().copied() {
            if due > monotonic() {
                return;
            }
            self.waiting.pop();
            match task {
                Task::Write(key) => self.write(key),
                Task::Greet(index) => self.greet(index),
            }
        }
    }

    /// Writes the next part of an answer.
    fn write(&mut self, key: u64) {
        let Some(answer) = self.answers.get_mut(&key) else { return };
        let Answer { served, due, sent, reply } = answer;
        let Some(conn) = &mut self.conns[served.conn] else { return };
        let (index, before) = (served.conn, monotonic());
        let (first, last) = (*sent == 0, *sent + 1 == due.parts);
        let length = (!self.manner.chunked).then(|| due.parts as usize * self.body.len());
        conn.part(key, reply, &self.body, length, (first, last));
        *sent += 1;
        if !last {
            let next = served.read + due.first + u64::from(*sent) * due.gap;
            self.waiting.push(Reverse((next, Task::Write(key))));
        }
        // HTTP/2 writes only while it looks, and requests may come to light meanwhile.
        if self.manner.http2 {
            self.look(index, before);
        } else if conn.flush() {
            self.written(index, before);
        } else {
            self.close(index);
        }
    }

    /// Books what the system has taken since `before`.
    fn written(&mut self, index: usize, before: u64) {
        let Some(conn) = &mut self.conns[index] else { return };
        for (key, unwritten, written) in conn.written(before) {
            if let Some(Answer { served, .. }) = self.answers.remove(&key) {
                self.books.served.push(Served { unwritten, written, ..served });
            }
        }
        if conn.blocked() && !self.blocked.contains(&index) {
            self.blocked.push(index);
        }
    }
}
