//! One hit: an arrival from its intended start to its last byte.

use std::fmt;
use std::io;

use super::connect::{OpenError, OpenTimes, reason};
use super::http1::conn::Progress;
use super::http1::error::ExchangeError;
use super::http2;
use super::redirect::RedirectError;
use super::script::Fault;
use crate::run::period::{Failure, Phase};
use crate::time::RunTime;

/// What one arrival came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hit {
    /// Sequence number in the run.
    pub(crate) n: u64,
    /// Index of the request in the scenario.
    pub(crate) request: usize,
    /// When it was due.
    pub(crate) intended: RunTime,
    /// When the generator began to work on it; none if it never did.
    pub(crate) start: Option<RunTime>,
    /// What opening connections for it took, those for its first request and those in between.
    pub(crate) open: OpenTimes,
    /// What of that was over when the first request was sent.
    pub(crate) open_before: u64,
    /// When writing the request began.
    pub(crate) sent: Option<RunTime>,
    /// Time between its exchanges, until the next request could be written: opening another connection, and waiting
    /// for it or for a stream.
    pub(crate) between: u64,
    /// How far its exchanges came.
    pub(crate) progress: Progress,
    /// When it ended, one way or the other.
    pub(crate) done: RunTime,
    /// Why it failed.
    pub(crate) failure: Option<Failure>,
    /// Redirects that were followed.
    pub(crate) redirects: u8,
    /// How often a request was sent again because the server had not looked at it.
    pub(crate) resent: u16,
    /// Idle connections that were given up before it, because the server sent something nobody asked for.
    pub(crate) unasked: u16,
    /// Named checks that failed: a bit for each, in the request's order.
    pub(crate) failed_checks: u128,
}

impl Hit {
    /// An arrival that was never sent, at its age.
    pub(crate) fn unsent(n: u64, request: usize, intended: RunTime, now: RunTime) -> Self {
        let failure = Some(Failure::Unsent);
        Self { n, request, intended, done: now, failure, ..Self::default() }
    }

    /// Intended start to last byte.
    pub(crate) const fn response(&self) -> u64 {
        self.done.since(self.intended)
    }

    /// Sent to last byte, without waits for a free connection or stream in between; none if it was never sent.
    pub(crate) fn service(&self) -> Option<u64> {
        self.sent.map(|sent| self.done.since(sent).saturating_sub(self.held()))
    }

    /// What was waited for a free connection or stream between exchanges.
    fn held(&self) -> u64 {
        self.between.saturating_sub(self.open.total().saturating_sub(self.open_before))
    }

    /// Waiting for the generator, for a connection or for a stream: whatever came before the request was sent and was
    /// not spent on opening, and what was waited in between.
    fn queue(&self) -> u64 {
        let (until, open) = match self.sent {
            Some(sent) => (sent, self.open_before),
            None => (self.done, self.open.total()),
        };
        until.since(self.intended).saturating_sub(open).saturating_add(self.held())
    }

    /// Duration of a phase; none if it did not take place. A phase that was cut off lasts until the end.
    pub(crate) fn phase(&self, phase: Phase) -> Option<u64> {
        let p = &self.progress;
        match phase {
            Phase::Queue => Some(self.queue()),
            Phase::Dns => None,
            Phase::Connect => self.open.connect,
            Phase::Tls => self.open.tls,
            Phase::Send => self.sent.map(|sent| p.written.unwrap_or(self.done).since(sent)),
            Phase::Wait => p
                .written
                .map(|written| p.first_byte.unwrap_or(self.done).since(written).saturating_sub(self.between)),
            Phase::Receive => p.first_byte.map(|first| self.done.since(first)),
        }
    }
}

/// Why a hit failed, in full; becomes text only for the few that are kept as examples.
#[derive(Debug)]
pub(crate) enum Problem {
    Open(OpenError),
    Exchange(ExchangeError),
    Http2(http2::error::ExchangeError),
    Script(Fault),
    Redirect(RedirectError),
    /// Cut off at the time limit or at the end of the run.
    Cut(&'static str),
}

impl Problem {
    /// The kind it counts as.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Open(e) => e.failure(),
            Self::Exchange(ExchangeError::Protocol(_)) => Failure::Protocol,
            // rustls reports broken records this way; a plain socket never does.
            Self::Exchange(ExchangeError::Io { kind, .. }) if kind.kind() == io::ErrorKind::InvalidData => {
                Failure::Tls
            }
            Self::Exchange(_) => Failure::Closed,
            Self::Http2(e) => e.failure(),
            Self::Script(fault) => fault.failure(),
            Self::Redirect(_) => Failure::Redirect,
            Self::Cut(_) => Failure::Timeout,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => e.fmt(f),
            // In TLS 1.3 a server refuses the client's certificate only now.
            Self::Exchange(ExchangeError::Io { during, kind }) if self.failure() == Failure::Tls => {
                write!(f, "TLS failed while {during}: {}", reason(kind))
            }
            Self::Exchange(e) => e.fmt(f),
            Self::Http2(e) => e.fmt(f),
            Self::Script(e) => e.fmt(f),
            Self::Redirect(e) => e.fmt(f),
            Self::Cut(what) => f.write_str(what),
        }
    }
}
