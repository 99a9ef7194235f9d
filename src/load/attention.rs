//! Who needs the generator again before its exchange is over.
//!
//! A load thread that naps is deaf to its sockets. An exchange does not mind while a whole request is out and none
//! of the answer was read: what comes is stamped by the kernel. One that opens a connection, has a part of its
//! request left to write, or has read a part of its answer waits for the generator, and its nap would be
//! measured as the target's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many connections of a load thread need it to listen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attention(Arc<AtomicUsize>);

impl Attention {
    /// Whether one of them does.
    pub(crate) fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// For one connection, which needs attention until it says otherwise.
    pub(crate) fn watch(&self) -> Watch {
        let mut watch = Watch { all: Some(self.clone()), on: false };
        watch.set(true);
        watch
    }
}

/// One connection's part; gone with it. The default counts nowhere: users of the closed model move between threads,
/// which never nap.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    all: Option<Attention>,
    on: bool,
}

impl Watch {
    /// Whether anybody looks.
    pub(crate) const fn counts(&self) -> bool {
        self.all.is_some()
    }

    /// Whether the connection needs its thread from now on.
    pub(crate) fn set(&mut self, on: bool) {
        if self.on == on {
            return;
        }
        self.on = on;
        match &self.all {
            Some(all) if on => all.0.fetch_add(1, Ordering::Relaxed),
            Some(all) => all.0.fetch_sub(1, Ordering::Relaxed),
            None => 0,
        };
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::load::http1::body::Body;
    use crate::load::http1::conn::{Connection, Outgoing, Progress};
    use crate::time::RunClock;

    #[test]
    fn attention_is_wanted_while_one_watch_is_on() {
        let attention = Attention::default();
        let (mut first, second) = (attention.watch(), attention.watch());
        first.set(false);
        first.set(false);
        assert!(attention.wanted());
        drop(second);
        assert!(!attention.wanted());
        first.set(true);
        assert!(attention.wanted());
        drop(first);
        assert!(!attention.wanted());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_exchange_needs_attention_while_it_is_half_way() {
        let attention = Attention::default();
        let (client, mut server) = duplex(64);
        let mut connection = Connection::new(client).watched(attention.watch());
        let (clock, mut progress, mut body) = (RunClock::start(), Progress::default(), Body::default());
        let head = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'y'; 70], b"\r\n\r\n"].concat();
        let request = Outgoing { head: &head, body: b"", no_body: false };
        let mut exchange = pin!(connection.exchange(request, &clock, &mut progress, &mut body));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(exchange.as_mut().poll(&mut cx).is_pending());
        assert!(attention.wanted(), "a part of the request is not written");
        server.read_exact(&mut [0; 64]).await.expect("the first part");
        assert!(exchange.as_mut().poll(&mut cx).is_pending());
        assert!(!attention.wanted(), "the target's turn");
        server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await.expect("room");
        assert!(exchange.as_mut().poll(&mut cx).is_pending());
        assert!(attention.wanted(), "a part of the answer is read");
        server.write_all(b"cd").await.expect("room");
        assert!(exchange.as_mut().poll(&mut cx).is_ready());
        assert!(!attention.wanted());
    }
}
