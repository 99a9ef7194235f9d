//! The byte stream below a connection: TCP, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::socket::Socket;
use crate::time::{RunClock, RunTime};

/// A stream that can say when its last bytes arrived.
pub(crate) trait Arrivals {
    /// When the last byte that was read had arrived; the present moment if that is not known.
    fn arrived(&self, clock: &RunClock) -> RunTime {
        clock.now()
    }

    /// Whether the last bytes that were read had surely arrived before a moment.
    fn came_before(&self, _: &RunClock, _: RunTime) -> bool {
        false
    }
}

/// A TCP or TLS stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Arrivals for Stream {
    fn arrived(&self, clock: &RunClock) -> RunTime {
        match self {
            Self::Plain(socket) => socket.arrived(clock),
            Self::Tls(stream) => stream.get_ref().0.arrived(clock),
        }
    }

    fn came_before(&self, clock: &RunClock, moment: RunTime) -> bool {
        match self {
            Self::Plain(socket) => socket.came_before(clock, moment),
            Self::Tls(stream) => stream.get_ref().0.came_before(clock, moment),
        }
    }
}

#[cfg(test)]
impl Arrivals for tokio::io::DuplexStream {}
#[cfg(test)]
impl Arrivals for tokio::net::TcpStream {}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
