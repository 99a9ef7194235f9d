//! Connections as a session uses them: one of its own, or those that lanes share.

use std::task::{Context, Poll};

use super::attention::{Attention, Watch};
use super::connect::{OpenError, OpenTimes};
use super::hit::Problem;
use super::http1;
use super::http1::conn::{Outgoing, Stale};
use super::http2;
use super::http2::mux::Answer;
use super::plan::Plan;
use super::stream::Stream;
use super::wire::Form;

/// Where the connections of a session come from: a type of its own for each way, since users of the closed model
/// move between threads and a shared connection does not.
pub(crate) trait Connections {
    /// Makes sure of a connection that takes the next exchange at once; true if it had to be waited for. Adds to
    /// `times` what opening one took.
    async fn ready(&mut self, plan: &Plan, times: &mut OpenTimes) -> Result<bool, Problem>;

    /// Sends a request and reads its answer, right after [`Connections::ready`]; `answer` says how far it came,
    /// whatever happens.
    async fn exchange(
        &mut self,
        plan: &Plan,
        request: Outgoing<'_>,
        answer: Answer<'_>,
    ) -> Result<(), Problem>;

    /// Whether a connection is open that nobody else uses.
    fn connected(&self) -> bool {
        false
    }

    /// Drops a connection that nobody else uses.
    fn close(&mut self) {}

    /// Drops an idle connection that the server has closed or that holds bytes nobody asked for; ready if
    /// it did. Otherwise the task is woken when that happens.
    fn poll_stale(&mut self, _: &mut Context<'_>) -> Poll<Stale> {
        Poll::Pending
    }
}

/// One connection at the most, for this session alone.
#[derive(Debug, Default)]
pub(crate) struct Own {
    connection: Option<Connection>,
    /// The thread's, if it naps.
    attention: Option<Attention>,
}

#[derive(Debug)]
enum Connection {
    Http1(http1::conn::Connection<Stream>),
    Http2(Box<http2::conn::Connection<Stream>>),
}

impl Own {
    /// Of a lane whose thread naps unless somebody needs its attention.
    pub(crate) const fn attended(attention: Attention) -> Self {
        Self { connection: None, attention: Some(attention) }
    }

    /// The connection, opened if there is none.
    async fn connection(&mut self, plan: &Plan, times: &mut OpenTimes) -> Result<&mut Connection, OpenError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => {
                let watch = self.attention.as_ref().map(Attention::watch).unwrap_or_default();
                let stream = plan.connector.open(times).await?;
                none.insert(Connection::new(plan, stream, watch))
            }
        })
    }
}

impl Connections for Own {
    async fn ready(&mut self, plan: &Plan, times: &mut OpenTimes) -> Result<bool, Problem> {
        let waits = !self.connected();
        match self.connection(plan, times).await.map_err(Problem::Open)? {
            Connection::Http1(_) => Ok(waits),
            Connection::Http2(connection) => Ok(connection.room().await || waits),
        }
    }

    async fn exchange(
        &mut self,
        plan: &Plan,
        request: Outgoing<'_>,
        answer: Answer<'_>,
    ) -> Result<(), Problem> {
        let result = match &mut self.connection {
            Some(Connection::Http1(connection)) => {
                let Answer { progress, body } = answer;
                let exchange = connection.exchange(request, &plan.clock, progress, body);
                exchange.await.map_err(Problem::Exchange)
            }
            Some(Connection::Http2(connection)) => {
                connection.exchange(request, answer).await.map_err(Problem::Http2)
            }
            // Nobody comes here without having made sure of a connection.
            None => Err(Problem::Http2(http2::error::ExchangeError::Spent)),
        };
        self.connection.take_if(|connection| !plan.keep_alive || !connection.reusable());
        result
    }

    fn connected(&self) -> bool {
        self.connection.is_some()
    }

    fn close(&mut self) {
        self.connection = None;
    }

    fn poll_stale(&mut self, cx: &mut Context<'_>) -> Poll<Stale> {
        let Some(connection) = &mut self.connection else { return Poll::Pending };
        let stale = connection.poll_idle(cx);
        if stale.is_ready() {
            self.close();
        }
        stale
    }
}

impl Connection {
    fn new(plan: &Plan, stream: Stream, watch: Watch) -> Self {
        match plan.wire.form {
            Form::Http1 { .. } => Self::Http1(http1::conn::Connection::new(stream).watched(watch)),
            Form::Http2 { .. } => Self::Http2(Box::new(http2::conn::Connection::new(stream, plan.clock))),
        }
    }

    fn reusable(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.reusable(),
            Self::Http2(connection) => connection.reusable(),
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Stale> {
        match self {
            Self::Http1(connection) => connection.poll_idle(cx),
            Self::Http2(connection) => connection.poll_idle(cx).map(|()| Stale::Closed),
        }
    }
}
