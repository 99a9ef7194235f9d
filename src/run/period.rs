//! What the load engine measured in one period: histograms per request and clock, and counters.

use hdrhistogram::Histogram;

use crate::time::{RunTime, Window};

/// Latency histogram in nanoseconds, 3 significant digits, growing with the values it meets.
pub type Latency = Histogram<u32>;

/// A new, empty [`Latency`].
///
/// # Panics
/// Never: 3 digits are within the crate's range.
#[must_use]
pub fn new_latency() -> Latency {
    Latency::new(3).expect("3 significant digits are within 0..=5")
}

/// A new, empty histogram of a client phase: 2 digits are plenty for a mean, and there are seven of them.
///
/// # Panics
/// Never: 2 digits are within the crate's range.
#[must_use]
pub fn new_phase() -> Latency {
    Latency::new(2).expect("2 significant digits are within 0..=5")
}

/// One period of the load, merged over all threads.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPeriod {
    /// The period; hits are counted in the period of their *end*.
    pub window: Window,
    /// One entry per request of the scenario, in its order.
    pub requests: Vec<RequestPeriod>,
    /// Time from an arrival's due moment to the moment it was handed to a connection or a queue: how late
    /// the generator itself was (open model only).
    pub lateness: Latency,
    /// Arrivals that the schedule asked for in this period (open model), or hits begun (closed model).
    pub offered: u64,
    /// Requests sent in this period.
    pub sent: u64,
    /// Arrivals that wait for a connection at the period's end.
    pub backlog: u64,
    /// Requests under way at the period's end.
    pub in_flight: u64,
    /// Connections open at the period's end.
    pub connections: u64,
    /// Requests sent whose answers are not whole at the period's end: over HTTP/2, the streams that are open.
    pub streams: u64,
    /// Virtual users active at the period's end (closed model).
    pub vus: u64,
    /// The slowest hits of the period, slowest first, at most [`SLOWEST`].
    pub slowest: Vec<SlowHit>,
    /// Examples of failures, at most a few per kind and run.
    pub failures: Vec<FailureExample>,
}

impl LoadPeriod {
    /// Response times of all requests together.
    #[must_use]
    pub fn response(&self) -> Latency {
        let mut all = new_latency();
        for request in &self.requests {
            // Equal precision, growing as needed: cannot fail.
            let _ = all.add(&request.response);
        }
        all
    }
}

/// How many slow hits a period keeps.
pub const SLOWEST: usize = 3;

/// One request of the scenario in one period.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPeriod {
    /// Intended start to last byte, failures and timeouts at their age.
    pub response: Latency,
    /// Sent to last byte, the same hits; waits for a free connection or stream after a redirect are left out.
    pub service: Latency,
    /// Where the client's own time went; only hits in which the phase took place.
    pub phases: [Latency; Phase::ALL.len()],
    /// Hits that passed.
    pub passed: u64,
    /// Hits that failed, by kind.
    pub failed: [u64; Failure::ALL.len()],
    /// Hits by class of status: 1xx to 5xx.
    pub status: [u64; 5],
    /// Bytes received, heads and bodies on the wire.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections that were opened; failed attempts are none.
    pub connects: u64,
    /// Redirects that were followed.
    pub redirects: u64,
    /// Requests sent again because the server had not looked at them (HTTP/2), each time counted.
    pub resent: u64,
    /// Idle connections given up because the server sent something that no request asked for; counted with the
    /// next hit of the same user.
    pub unasked: u64,
    /// Answers that failed each named check of the request, in its order; empty where it has none.
    pub checks: Vec<u64>,
}

impl RequestPeriod {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            response: new_latency(),
            service: new_latency(),
            phases: std::array::from_fn(|_| new_phase()),
            passed: 0,
            failed: [0; Failure::ALL.len()],
            status: [0; 5],
            bytes_in: 0,
            bytes_out: 0,
            connects: 0,
            redirects: 0,
            resent: 0,
            unasked: 0,
            checks: Vec::new(),
        }
    }

    /// Adds what another thread or period counted; histograms are left alone.
    pub fn add_counts(&mut self, more: &Self) {
        self.passed += more.passed;
        self.failed.iter_mut().zip(more.failed).for_each(|(sum, n)| *sum += n);
        self.status.iter_mut().zip(more.status).for_each(|(sum, n)| *sum += n);
        self.bytes_in += more.bytes_in;
        self.bytes_out += more.bytes_out;
        self.connects += more.connects;
        self.redirects += more.redirects;
        self.resent += more.resent;
        self.unasked += more.unasked;
        if self.checks.len() < more.checks.len() {
            self.checks.resize(more.checks.len(), 0);
        }
        self.checks.iter_mut().zip(&more.checks).for_each(|(sum, n)| *sum += n);
    }

    /// Hits that ended in this period.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.passed + self.failed_total()
    }

    /// Hits that failed, of every kind.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().sum()
    }
}

impl Default for RequestPeriod {
    fn default() -> Self {
        Self::new()
    }
}

/// Client-side phases of a hit, in the order they happen. Together with the time between them they are
/// the response time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Waiting for the generator, for a free connection, or for a stream that the server allows.
    Queue,
    /// Name look-up.
    Dns,
    /// TCP connect.
    Connect,
    /// TLS handshake.
    Tls,
    /// Writing the request, until the call that hands over its last byte begins.
    Send,
    /// From that call to the first byte of the answer; without connections opened in between.
    Wait,
    /// First byte to last byte.
    Receive,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 7] =
        [Self::Queue, Self::Dns, Self::Connect, Self::Tls, Self::Send, Self::Wait, Self::Receive];

    /// Name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
        }
    }
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// Name not resolved.
    Dns,
    /// Connection refused, reset or unreachable while connecting.
    Connect,
    /// TLS handshake failed.
    Tls,
    /// Not done within the time limit.
    Timeout,
    /// Connection closed or reset before the answer was whole.
    Closed,
    /// The answer was not HTTP/1.1, or beyond the limits of size.
    Protocol,
    /// A status that was not expected.
    Status,
    /// A body that was not as expected.
    Body,
    /// A named check did not hold.
    Check,
    /// A value that later steps need was not in the answer.
    Extract,
    /// A value that the request needs was not there: no record left, or a record without that column.
    Data,
    /// More redirects than are followed, or one to where the load may not go.
    Redirect,
    /// Never sent: the run ended while the arrival waited for a connection.
    Unsent,
}

impl Failure {
    /// All kinds, in a fixed order.
    pub const ALL: [Self; 13] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Protocol,
        Self::Status,
        Self::Body,
        Self::Check,
        Self::Extract,
        Self::Data,
        Self::Redirect,
        Self::Unsent,
    ];

    /// Name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Body => "body",
            Self::Check => "check",
            Self::Extract => "extract",
            Self::Data => "data",
            Self::Redirect => "redirect",
            Self::Unsent => "unsent",
        }
    }
}

/// One of the slowest hits of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowHit {
    /// Index of the request in the scenario.
    pub request: usize,
    /// When it ended.
    pub done: RunTime,
    /// Trace id, 32 hex digits.
    pub trace_id: String,
    /// Intended start to last byte.
    pub response_nanos: u64,
    /// Sent to last byte.
    pub service_nanos: u64,
    /// Status, 0 if there was none.
    pub status: u16,
}

/// An example of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureExample {
    /// Index of the request in the scenario.
    pub request: usize,
    /// When.
    pub at: RunTime,
    /// Kind.
    pub kind: Failure,
    /// What was seen; bounded, no secrets.
    pub detail: String,
    /// Named checks of the request that failed, by index; empty for other failures.
    pub checks: Vec<usize>,
}
