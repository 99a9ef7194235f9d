//! A connection of the server, in either version of the protocol.

use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;

use super::http1::{Http1, number, trace};
use super::http2::{Http2, head};
use super::machine::monotonic;
use super::wire::Wire;

pub struct Conn {
    speaks: Speaks,
    /// When it was not open yet, and when it was; none after its first request.
    opened: Option<(u64, u64)>,
}

enum Speaks {
    Http1(Http1),
    Http2(Box<Http2>),
}

/// The way to answer a request.
pub enum Reply {
    Http1,
    Http2(SendResponse<Bytes>),
    /// The head is sent.
    Body(SendStream<Bytes>),
}

/// What a look at a connection brings to light.
pub enum News {
    /// Requests of the load, with their numbers.
    Requests(Vec<(u64, Reply)>),
    Preflight,
    /// The client has gone.
    Over,
}

impl Conn {
    pub fn new(wire: Wire, http2: bool, opened: (u64, u64)) -> Self {
        let speaks = match http2 {
            true => Speaks::Http2(Box::new(Http2::new(wire))),
            false => Speaks::Http1(Http1::new(wire)),
        };
        Self { speaks, opened: Some(opened) }
    }

    pub fn with_socket<T>(&self, with: impl FnOnce(&std::net::TcpStream) -> T) -> T {
        match &self.speaks {
            Speaks::Http1(http1) => with(http1.wire.socket()),
            Speaks::Http2(http2) => http2.with_socket(with),
        }
    }

    /// Reads what has come, and writes what waits.
    pub fn look(&mut self) -> News {
        match &mut self.speaks {
            Speaks::Http1(http1) => {
                let (Some(asked), Ok(_)) = (http1.look(), http1.wire.flush()) else { return News::Over };
                let Some(asked) = asked else { return News::Requests(Vec::new()) };
                let Some(trace) = trace(&asked) else { return News::Preflight };
                http1.bytes.0 += asked.len() as u64;
                News::Requests(vec![(number(trace), Reply::Http1)])
            }
            Speaks::Http2(http2) => match http2.look() {
                Some(asked) => {
                    News::Requests(asked.into_iter().map(|(n, reply)| (n, Reply::Http2(reply))).collect())
                }
                None => News::Over,
            },
        }
    }

    pub fn preflight(&mut self) {
        if let Speaks::Http1(http1) = &mut self.speaks {
            http1.wire.queue(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = http1.wire.flush();
        }
    }

    /// An answer with this key begins; says when the connection was opened if none was before.
    pub fn begin(&mut self, key: u64, reply: &Reply) -> Option<(u64, u64)> {
        if let (Speaks::Http2(http2), Reply::Http2(reply)) = (&mut self.speaks, reply) {
            http2.open.push((reply.stream_id().into(), key));
        }
        self.opened.take()
    }

    /// Queues a part of an answer; `ends` says whether it is the first one, and the last.
    pub fn part(
        &mut self,
        key: u64,
        reply: &mut Reply,
        body: &Bytes,
        length: Option<usize>,
        ends: (bool, bool),
    ) {
        let (first, last) = ends;
        if let Speaks::Http1(http1) = &mut self.speaks {
            http1.part(body, length, first, last);
            http1.whole = last.then_some(key);
        }
        if let Reply::Http2(out) = reply {
            // A client that has gone is seen at the next look.
            let Ok(out) = out.send_response(head(length), false) else { return };
            *reply = Reply::Body(out);
        }
        if let Reply::Body(out) = reply {
            let _ = out.send_data(body.clone(), last);
        }
    }

    /// Writes what waits, if that needs nothing to be read; false if the client has gone.
    pub fn flush(&mut self) -> bool {
        match &mut self.speaks {
            Speaks::Http1(http1) => http1.wire.flush().is_ok(),
            Speaks::Http2(_) => true,
        }
    }

    /// Keys of the answers whose last byte the system has taken: after `before` or the first moment, and by the
    /// second one.
    pub fn written(&mut self, before: u64) -> Vec<(u64, u64, u64)> {
        match &mut self.speaks {
            Speaks::Http1(http1) if http1.wire.idle() => {
                http1.whole.take().into_iter().map(|key| (key, before, monotonic())).collect()
            }
            Speaks::Http1(_) => Vec::new(),
            Speaks::Http2(http2) => http2.written(),
        }
    }

    /// Whether bytes wait for the system.
    pub fn blocked(&self) -> bool {
        match &self.speaks {
            Speaks::Http1(http1) => !http1.wire.idle(),
            Speaks::Http2(http2) => http2.blocked(),
        }
    }

    /// Bytes of the load's requests, and of the answers to them.
    pub fn bytes(&self) -> (u64, u64) {
        match &self.speaks {
            Speaks::Http1(http1) => http1.bytes,
            Speaks::Http2(http2) => http2.bytes(),
        }
    }
}
