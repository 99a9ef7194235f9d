//! A server of HTTP/2 that answers every request after a pause, so that it is known how many are under way.

#![allow(unreachable_pub, reason = "one test file uses it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// A running server; it ends when dropped.
pub struct Slow {
    pub url: String,
    connections: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Slow {
    pub fn start(pause: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, pause, Arc::clone(&counted)));
            }
        });
        Self { url, connections, _runtime: runtime }
    }

    /// Connections that carried a request; the question before the run sends none.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, pause: Duration, connections: Arc<AtomicU64>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut first = true;
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        connections.fetch_add(u64::from(std::mem::take(&mut first)), Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = respond.send_response(http::Response::new(()), true);
        });
    }
}
