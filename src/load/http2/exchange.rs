//! One request and its answer, as a future's state; whoever drops it gives the stream up.

use std::task::{Context, Poll};

use super::error::ExchangeError;
use super::mux::{Answer, Mux};
use crate::load::http1::conn::Outgoing;

/// How an exchange reaches the connection's state: its own, or one that others use too.
pub(crate) trait Access {
    fn mux<T>(&mut self, with: impl FnOnce(&mut Mux) -> T) -> T;
}

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct Exchange<'a, A: Access> {
    pub(crate) via: A,
    request: Outgoing<'a>,
    answer: Answer<'a>,
    /// The stream, 0 before it is opened.
    id: u32,
    /// The place among those who wait for a stream.
    ticket: Option<u64>,
    /// Bytes of the request's body that were taken.
    sent: usize,
}

impl<'a, A: Access> Exchange<'a, A> {
    /// `ticket`: of somebody who has waited for a stream already.
    pub(crate) const fn new(via: A, request: Outgoing<'a>, answer: Answer<'a>, ticket: Option<u64>) -> Self {
        Self { via, request, answer, id: 0, ticket, sent: 0 }
    }

    /// Opens the stream, sends what the windows allow, and is ready when the answer is whole.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), ExchangeError>> {
        let Self { via, request, answer, id, ticket, sent } = self;
        via.mux(|mux| {
            if *id == 0 {
                match mux.poll_open(cx, ticket, request, answer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Ready(Ok(opened)) => *id = opened,
                }
            }
            if *sent < request.body.len() {
                mux.pump(*id, request.body, sent);
            }
            mux.poll_over(*id, cx)
        })
    }
}

impl<A: Access> Drop for Exchange<'_, A> {
    fn drop(&mut self) {
        let Self { via, answer, id, ticket, .. } = self;
        via.mux(|mux| mux.leave(*id, *ticket, answer));
    }
}
