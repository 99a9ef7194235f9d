//! A server on a thread of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use socket2::{Domain, Socket, Type};

use super::books::Books;
use super::law::Law;
use super::server::Server;
use super::setup::Manner;

/// A running server.
pub struct Oracle {
    pub url: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Books>>,
}

impl Oracle {
    pub fn start(law: Law, manner: Manner) -> Self {
        let listener = listen().expect("binds");
        let scheme = if manner.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || Server::new(listener, law, manner).run(&stopped));
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
