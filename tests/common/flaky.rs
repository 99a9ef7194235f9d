//! A server over HTTP/1.1 that fails on purpose: every so many requests it answers 503, and after so many it is gone.
//! `DELETE` is never answered.

#![allow(unreachable_pub, reason = "one test file uses it")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A running server; it is gone when dropped.
pub struct Flaky {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Every so many requests one is answered with 503; none at 0.
    fails: u64,
    /// After so many requests nobody listens any more; never at 0.
    ends: u64,
    asked: AtomicU64,
    gone: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Flaky {
    /// One request of `fails` fails.
    pub fn failing(fails: u64) -> Self {
        Self::start(State { fails, ..State::default() })
    }

    /// Gone after `ends` requests.
    pub fn ending(ends: u64) -> Self {
        Self::start(State { ends, ..State::default() })
    }

    fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.set_nonblocking(true).expect("nonblocking");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Self { url, state }
    }
}

impl Drop for Flaky {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::Relaxed);
    }
}

/// Ends with the server: then the listener is closed, and so is every connection.
fn accept(listener: &TcpListener, state: &Arc<State>) {
    while !state.gone.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        stream.set_nonblocking(false).expect("blocking");
        let kept = stream.try_clone().expect("a second handle");
        state.open.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let state = Arc::clone(state);
        thread::spawn(move || serve(stream, &state));
    }
    for stream in state.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Requests have no body.
fn serve(mut stream: TcpStream, state: &State) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend_from_slice(&buffer[..n]),
        }
        while let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let deletes = read.starts_with(b"DELETE ");
            read.drain(..end + 4);
            if deletes {
                continue;
            }
            if stream.write_all(state.answer()).is_err() {
                return;
            }
        }
    }
}

impl State {
    fn answer(&self) -> &'static [u8] {
        let n = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if self.ends > 0 && n >= self.ends {
            self.gone.store(true, Ordering::Relaxed);
        }
        if self.fails > 0 && n.is_multiple_of(self.fails) {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        }
    }
}
