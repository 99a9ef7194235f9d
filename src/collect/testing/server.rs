//! A small real HTTP server that behaves as badly as it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// What a request said.
pub(crate) struct Request {
    /// Path and query.
    pub(crate) path: String,
    /// Request line and headers.
    pub(crate) head: String,
}

/// What a server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers after a while.
    Answer { after: Duration, status: u16, content_type: String, location: String, body: Vec<u8> },
    /// Sends bytes for ever.
    Endless,
    /// Never answers.
    Hang,
    /// Answers something that is not HTTP.
    Garbage,
}

impl Reply {
    pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::bytes(status, content_type, body.as_bytes().to_vec())
    }

    pub(crate) fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let (content_type, location) = (content_type.to_owned(), String::new());
        Self::Answer { after: Duration::ZERO, status, content_type, location, body }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        let location = to.to_owned();
        Self::Answer {
            after: Duration::ZERO,
            status: 302,
            content_type: String::new(),
            location,
            body: vec![],
        }
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = wait;
        }
        self
    }
}

/// A server on loopback; gone when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let paths = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&paths), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        Self { address, paths, task }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().expect("a URL")
    }

    /// Paths asked for so far, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&Request) -> Reply>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.path.clone());
    // A client that hangs up early is part of the tests.
    let _ = reply(&mut stream, answer(&request)).await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Request { path, head })
}

async fn reply(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Answer { after, status, content_type, location, body } => {
            tokio::time::sleep(after).await;
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nLocation: {location}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }
        Reply::Garbage => stream.write_all(b"\x16\x03\x01 not http\r\n\r\n").await,
    }
}
