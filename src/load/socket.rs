//! A TCP socket that knows when its bytes arrived.
//!
//! The kernel stamps every segment as it arrives (`SO_TIMESTAMPNS`). A time of arrival taken from that stamp
//! does not grow while the generator is busy with other connections, or sleeps until its next arrival is due:
//! what is measured is the target and the network, not the generator's own scheduling.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::size_of;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::stamp;
use crate::time::{RunClock, RunTime, SECOND};

/// Room for one control message: header, stamp, and what alignment may add.
const CONTROL: usize = 64;

/// A connected socket, registered with the current runtime.
#[derive(Debug)]
pub(crate) struct Socket {
    io: AsyncFd<TcpStream>,
    /// When the last byte read had arrived, nanoseconds since 1970; 0 if the kernel did not say.
    stamp: u64,
}

impl Socket {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// When the system has no more descriptors for the runtime.
    pub(crate) fn new(tcp: tokio::net::TcpStream) -> io::Result<Self> {
        let tcp = tcp.into_std()?;
        // Without stamps the moment of reading is taken.
        let _ = setsockopt(&tcp, ReceiveTimestampns, &true);
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may change their descriptor; a TcpStream does not"
        )]
        let io = AsyncFd::with_interest(tcp, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { io, stamp: 0 })
    }

    /// When the last byte that was read had arrived; the present moment if that is not known.
    pub(crate) fn arrived(&self, clock: &RunClock) -> RunTime {
        if self.stamp == 0 { clock.now() } else { clock.at(stamp::moment(self.stamp)) }
    }

    /// Whether the last bytes that were read had surely arrived before a moment.
    pub(crate) fn came_before(&self, clock: &RunClock, moment: RunTime) -> bool {
        self.stamp > 0 && stamp::surely_before(self.stamp, clock, moment)
    }

    /// Writes; waits for room where there is none.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        // Tried before asking: an idle connection nearly always has room.
        let mut done = write(self.io.get_ref());
        loop {
            match done {
                Err(e) if e.kind() == ErrorKind::Interrupted => done = write(self.io.get_ref()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let mut guard = ready!(self.io.poll_write_ready(cx))?;
                    done = write(self.io.get_ref());
                    if done.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock) {
                        guard.clear_ready();
                    }
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// One read with the stamp of what it gave.
    fn receive(tcp: &TcpStream, space: &mut [u8]) -> io::Result<(usize, u64)> {
        let mut control = [0_u8; CONTROL];
        const { assert!(CONTROL >= size_of::<nix::libc::cmsghdr>() + size_of::<nix::libc::timespec>()) };
        let mut pieces = [IoSliceMut::new(space)];
        let got = recvmsg::<()>(tcp.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::empty());
        let message = got.map_err(|e: Errno| io::Error::from(e))?;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|c| match c {
                ControlMessageOwned::ScmTimestampns(at) => Some(unix_nanos(at)),
                _ => None,
            })
        });
        Ok((message.bytes, stamp.unwrap_or(0)))
    }
}

fn unix_nanos(at: TimeSpec) -> u64 {
    at.tv_sec().unsigned_abs() * SECOND + at.tv_nsec().unsigned_abs()
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut guard = ready!(this.io.poll_read_ready(cx))?;
            let space = buf.initialize_unfilled();
            let room = space.len();
            match Self::receive(this.io.get_ref(), space) {
                Ok((n, stamp)) => {
                    // Less than asked for: the queue is empty, and the next arrival is a new edge.
                    if n > 0 && n < room {
                        guard.clear_ready();
                    }
                    this.stamp = stamp;
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => guard.clear_ready(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |mut tcp| tcp.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |mut tcp| tcp.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.io.get_ref().shutdown(std::net::Shutdown::Write))
    }
}
