//! A connection that one user has alone: its exchanges drive it themselves.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::ExchangeError;
use super::exchange::{Access, Exchange};
use super::link::Link;
use super::mux::{Answer, Mux};
use crate::load::http1::conn::Outgoing;
use crate::load::stream::Arrivals;
use crate::time::RunClock;

/// A connection that serves one request after the other.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    link: Link<S>,
}

impl<S> Access for &mut Link<S> {
    fn mux<T>(&mut self, with: impl FnOnce(&mut Mux) -> T) -> T {
        with(&mut self.mux)
    }
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Connection<S> {
    /// A connection over an open stream; its preface goes out with the first request.
    pub(crate) fn new(stream: S, clock: RunClock) -> Self {
        Self { link: Link::new(stream, clock) }
    }

    /// Whether another request may be sent.
    pub(crate) fn reusable(&self) -> bool {
        self.link.mux.reusable()
    }

    /// Watches an idle connection and answers what the server asks meanwhile; ready when the connection must
    /// not be used again.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.poll_read(cx);
        self.link.poll_write(cx);
        if self.reusable() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Waits until the server takes a stream, or takes none any more; says whether that had to be waited for.
    pub(crate) async fn room(&mut self) -> bool {
        let (mut waited, mut ticket) = (false, None);
        poll_fn(|cx| {
            loop {
                if self.link.mux.poll_room(cx, &mut ticket).is_ready() {
                    return Poll::Ready(());
                }
                waited = true;
                self.link.poll_write(cx);
                if self.link.poll_read(cx) == 0 && self.link.mux.broken.is_none() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        self.link.mux.give_up(ticket);
        waited
    }

    /// Sends a request and reads its answer; `answer` says how far it came, whatever happens. A future that is
    /// dropped half-way resets its stream and leaves the connection usable.
    ///
    /// # Errors
    /// [`ExchangeError`]; ask [`Connection::reusable`] afterwards.
    pub(crate) async fn exchange(
        &mut self,
        request: Outgoing<'_>,
        answer: Answer<'_>,
    ) -> Result<(), ExchangeError> {
        let mut exchange = Exchange::new(&mut self.link, request, answer, None);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = exchange.poll(cx) {
                    return Poll::Ready(result);
                }
                let pending = exchange.via.mux.pending().len();
                exchange.via.poll_write(cx);
                let read = exchange.via.poll_read(cx);
                let moved = read > 0 || exchange.via.mux.pending().len() != pending;
                if !moved && exchange.via.mux.broken.is_none() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}
