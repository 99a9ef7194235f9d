//! A connection that many tasks of one thread share, each with one stream at a time.
//!
//! One more task, the driver, owns reading and writing. It takes all that has come at once and wakes the owners
//! of the streams that ended; their next requests are gathered and go out in one write when the driver's turn
//! comes again.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{Broken, ExchangeError};
use super::exchange::{Access, Exchange};
use super::link::Link;
use super::mux::{Answer, Mux};
use crate::load::attention::Watch;
use crate::load::http1::conn::Outgoing;
use crate::load::stream::Arrivals;
use crate::time::RunClock;

/// Leave to open a stream; whoever drops it leaves the stream to the next one.
#[derive(Debug)]
pub(crate) struct Turn<S> {
    link: Shared<S>,
    /// The place in the queue, if there was one.
    ticket: Option<u64>,
}

/// What became of the wait for a stream.
#[derive(Debug)]
pub(crate) enum Room<S> {
    Free(Turn<S>),
    /// The server has only now said how many streams it takes: another connection may have more room.
    Settled,
}

impl<S> Drop for Turn<S> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            (&self.link).mux(|mux| mux.give_up(Some(ticket)));
        }
    }
}

/// A handle of a shared connection.
#[derive(Debug)]
pub(crate) struct Shared<S>(Rc<RefCell<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    link: Link<S>,
    driver: Option<Waker>,
    /// Whether the driver will run anyway.
    signalled: bool,
    closing: bool,
    watch: Watch,
    /// Whether the driver left something to do: bytes to write, a half-sent request, a half-read answer.
    half_way: bool,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S> Access for &Shared<S> {
    fn mux<T>(&mut self, with: impl FnOnce(&mut Mux) -> T) -> T {
        let inner = &mut *self.0.borrow_mut();
        let done = with(&mut inner.link.mux);
        if !inner.link.mux.pending().is_empty() {
            inner.signal();
        }
        inner.look();
        done
    }
}

impl<S> Inner<S> {
    /// Tells whether the connection needs its thread.
    fn look(&mut self) {
        let mux = &self.link.mux;
        // Answers that one read takes share the stamp of its last byte: where several are awaited, each must be read
        // as it comes.
        let several = mux.active > 1;
        self.watch.set(self.half_way || several || mux.waits() || !mux.pending().is_empty());
    }

    fn signal(&mut self) {
        if !self.signalled {
            self.signalled = true;
            if let Some(driver) = &self.driver {
                driver.wake_by_ref();
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Shared<S> {
    /// A connection over an open stream. Nothing moves until [`Shared::drive`] runs.
    pub(crate) fn new(stream: S, clock: RunClock) -> Self {
        let link = Link::new(stream, clock);
        let (driver, watch) = (None, Watch::default());
        let inner = Inner { link, driver, signalled: false, closing: false, watch, half_way: false };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Tells `watch` when it needs its thread.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        self.0.borrow_mut().watch = watch;
        self
    }

    /// Whether another request may be sent.
    pub(crate) fn reusable(&self) -> bool {
        let inner = self.0.borrow();
        !inner.closing && inner.link.mux.reusable()
    }

    /// Streams that the server counts as open.
    #[cfg(test)]
    pub(crate) fn active(&self) -> u32 {
        self.0.borrow().link.mux.active
    }

    /// Streams that the server allows at the same time, once it has said so.
    pub(crate) fn max_streams(&self) -> Option<u32> {
        let peer = self.0.borrow().link.mux.peer;
        peer.known.then_some(peer.max_streams)
    }

    /// Ends the driver, which closes the connection; exchanges under way fail.
    pub(crate) fn close(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.closing = true;
        inner.signal();
    }

    /// Moves the bytes of all exchanges; to be run as a task of its own. Ends with the connection.
    pub(crate) async fn drive(self) {
        poll_fn(|cx| {
            let inner = &mut *self.0.borrow_mut();
            let polled = inner.poll(cx);
            if inner.watch.counts() {
                let (over, unwritten) = (polled.is_ready(), inner.link.wants_write());
                inner.half_way = unwritten || inner.link.mux.half_way();
                inner.look();
                if over {
                    inner.watch = Watch::default();
                }
            }
            polled
        })
        .await;
    }

    /// Waits until the server takes another stream; `waited` says whether that was not at once.
    ///
    /// # Errors
    /// Why the connection takes no more requests.
    pub(crate) async fn room(&self, waited: &mut bool) -> Result<Room<S>, ExchangeError> {
        let mut turn = Turn { link: self.clone(), ticket: None };
        let mut unsettled = false;
        poll_fn(|cx| {
            (&*self).mux(|mux| {
                if unsettled && mux.peer.known {
                    return Poll::Ready(Ok(()));
                }
                unsettled = !mux.peer.known;
                let polled = mux.poll_room(cx, &mut turn.ticket);
                *waited |= polled.is_pending();
                unsettled &= polled.is_pending();
                polled
            })
        })
        .await?;
        Ok(if unsettled { Room::Settled } else { Room::Free(turn) })
    }

    /// Sends a request and reads its answer; `answer` says how far it came, whatever happens. A future that is
    /// dropped half-way resets its stream and leaves the connection to the others.
    ///
    /// # Errors
    /// [`ExchangeError`]; ask [`Shared::reusable`] afterwards.
    #[cfg(test)]
    pub(crate) async fn exchange(
        &self,
        request: Outgoing<'_>,
        answer: Answer<'_>,
    ) -> Result<(), ExchangeError> {
        Turn { link: self.clone(), ticket: None }.exchange(request, answer).await
    }
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Turn<S> {
    /// Sends a request and reads its answer; `answer` says how far it came, whatever happens. A future that is
    /// dropped half-way resets its stream and leaves the connection to the others.
    ///
    /// # Errors
    /// [`ExchangeError`]; ask [`Shared::reusable`] afterwards.
    pub(crate) async fn exchange(
        mut self,
        request: Outgoing<'_>,
        answer: Answer<'_>,
    ) -> Result<(), ExchangeError> {
        let ticket = self.ticket.take();
        let mut exchange = Exchange::new(&self.link, request, answer, ticket);
        poll_fn(|cx| exchange.poll(cx)).await
    }
}

impl<S: AsyncRead + AsyncWrite + Arrivals + Unpin> Inner<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.signalled = false;
        if self.closing {
            self.link.mux.break_off(Broken::Closed);
        }
        if self.link.poll_read(cx) > 0 && !self.link.mux.over() {
            // Owners whose answers have just come run first, and add their next requests to the same write.
            // What waits already does not wait for anyone but them: this task is next in the queue.
            if self.link.wants_write() {
                self.signalled = true;
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        self.link.poll_write(cx);
        if self.link.mux.over() && (self.link.mux.pending().is_empty() || self.link.mux.broken.is_some()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
