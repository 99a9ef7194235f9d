//! One question before a run: is somebody there? On a connection made exactly as those of the load.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

use super::connect::{ConnectError, Connector, OpenError, OpenTimes, ProxyError};
use super::http1::once;
use super::http1::request::{RequestError, plain_head};
use crate::scenario::{HttpVersion, Request, Target};

/// The client's preface and an empty SETTINGS frame (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// Type of a SETTINGS frame.
const SETTINGS: u8 = 4;

/// An answer of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its status; none for HTTP/2, where the server's settings are the answer.
    pub status: Option<u16>,
    /// From connecting to the head of the answer.
    pub took: Duration,
}

/// Why the target gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It can be reached by no request.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The question cannot be written as HTTP/1.1.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No connection; the remedy is part of the text.
    #[error("{0}")]
    Open(String),
    /// A connection, but no answer.
    #[error("no answer: {0}; see the service's log, and any proxy between")]
    Exchange(String),
    /// Something answered, but not in HTTP/2.
    #[error("the server does not speak HTTP/2: write http-version = \"1.1\"")]
    NoHttp2,
    /// Too slow, or hanging.
    #[error("no answer within {:.1} s: see whether the service hangs or is overloaded", .0.as_secs_f64())]
    Timeout(Duration),
}

/// Asks for `path` with GET and the target's headers. Any status is an answer, a redirect too; nothing of its
/// body is read. With HTTP/2 only the server's settings are waited for.
///
/// # Errors
/// [`AskError`] if there is no answer within `limit` after the look-up of the name.
pub async fn ask(target: &Target, base: &Url, path: &str, limit: Duration) -> Result<Answered, AskError> {
    // Without a trace: it is no part of the load.
    let head = plain_head(base, target, &Request::new("GET", path))?;
    let connector = connector(target, base).await?;
    let begun = Instant::now();
    let exchange = async {
        let stream = connector.open(&mut OpenTimes::default()).await;
        let mut stream = stream.map_err(|e| AskError::Open(format!("{e}{}", remedy(&e))))?;
        match target.transport.http {
            HttpVersion::Http1 => {
                let answer = once::ask(&mut stream, &head).await;
                let status = answer.map_err(|e| AskError::Exchange(e.to_string()))?.status;
                refused(base, target, status).map_or(Ok(Some(status)), Err)
            }
            HttpVersion::Http2 { .. } => settings(&mut stream).await.map(|()| None),
        }
    };
    let status = tokio::time::timeout(limit, exchange).await.map_err(|_| AskError::Timeout(limit))??;
    Ok(Answered { status, took: begun.elapsed() })
}

/// The only status that no target gives, but a proxy before it: every request of the load would fail.
fn refused(base: &Url, target: &Target, status: u16) -> Option<AskError> {
    let by_proxy = base.scheme() == "http" && target.transport.proxy.is_some() && status == 407;
    by_proxy.then(|| AskError::Open(ProxyError::Refused(status).to_string()))
}

/// plain_head and allowed, on a thread where looking a name up may block.
async fn connector(target: &Target, base: &Url) -> Result<Connector, ConnectError> {
    let (target, url) = (target.clone(), base.clone());
    let preparing = tokio::task::spawn_blocking(move || {
        let connector = Connector::prepare(&url, &target.transport)?;
        connector.allowed(&url, &target).map(|()| connector)
    });
    preparing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The first thing that a server sends in HTTP/2 is its settings.
async fn settings<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), AskError> {
    let mut head = [0; 9];
    let exchange = async {
        stream.write_all(PREFACE).await?;
        stream.flush().await?;
        stream.read_exact(&mut head).await
    };
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    exchange.await.map_err(|e| match e.kind() {
        // What an HTTP/1.1 server does that cannot make sense of the preface.
        UnexpectedEof | ConnectionReset | BrokenPipe => AskError::NoHttp2,
        _ => AskError::Exchange(e.to_string()),
    })?;
    let [_, _, _, kind, flags, stream_id @ ..] = head;
    let settings = (kind, flags, u32::from_be_bytes(stream_id)) == (SETTINGS, 0, 0);
    settings.then_some(()).ok_or(AskError::NoHttp2)
}

const fn remedy(error: &OpenError) -> &'static str {
    match error {
        OpenError::Connect(_) => ": start the service, or correct host and port",
        OpenError::ProxyConnect(_) => ": start the proxy, or correct target.proxy",
        OpenError::Alpn(_) => ": write http-version = \"1.1\"",
        // What they say holds the remedy.
        OpenError::Proxy(_) | OpenError::Tls(_) => "",
    }
}
