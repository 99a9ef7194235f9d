//! What is measured: a law, how the server speaks, and how much load goes to it.

use std::time::Duration;

use super::law::Law;

/// How a server speaks.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub tls: bool,
    pub http2: bool,
    /// Bytes of each part of a body.
    pub part: usize,
    /// Whether the length of a body is not said before it.
    pub chunked: bool,
    /// How long a connection is left alone after it was accepted.
    pub hello: Duration,
}

impl Manner {
    pub const PLAIN: Self = Self { tls: false, http2: false, part: 1, chunked: false, hello: Duration::ZERO };
}

/// How load is made.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Arrivals per second, whatever the server does.
    Rate(u64),
    /// Connections that send again at once; of HTTP/2 each has as many requests under way as it has streams.
    Connections(u64),
    /// Users that ask again at once.
    Users(u64),
}

/// How much load goes to a law.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub law: Law,
    pub load: Load,
    pub secs: u64,
    pub connections: usize,
    pub timeout: Duration,
    pub manner: Manner,
    pub keep_alive: bool,
    /// Of HTTP/2: requests under way on a connection.
    pub streams: u64,
}

impl Setup {
    pub const fn new(law: Law, rate: u64, secs: u64) -> Self {
        Self::of(law, Load::Rate(rate), secs)
    }

    pub const fn of(law: Law, load: Load, secs: u64) -> Self {
        let timeout = Duration::from_secs(10);
        let manner = Manner::PLAIN;
        Self { law, load, secs, connections: 1000, timeout, manner, keep_alive: true, streams: 1 }
    }

    pub const fn tls(self) -> Self {
        Self { manner: Manner { tls: true, ..self.manner }, ..self }
    }

    /// Over TLS, on so few connections.
    pub const fn http2(self, connections: usize, streams: u64) -> Self {
        Self { manner: Manner { tls: true, http2: true, ..self.manner }, connections, streams, ..self }
    }

    /// Bodies of so many bytes, or in parts of that.
    pub const fn body(self, part: usize, chunked: bool) -> Self {
        Self { manner: Manner { part, chunked, ..self.manner }, ..self }
    }

    pub fn rate(&self) -> u64 {
        match self.load {
            Load::Rate(rate) => rate,
            Load::Connections(_) | Load::Users(_) => panic!("{:?} has no rate of its own", self.load),
        }
    }

    pub fn arrivals(&self) -> u64 {
        self.rate() * self.secs
    }

    /// Requests under way at any moment, in the closed model.
    pub fn under_way(&self) -> u64 {
        match self.load {
            Load::Rate(_) => panic!("as many as there are"),
            Load::Connections(connections) => connections * self.streams,
            Load::Users(users) => users,
        }
    }

    pub fn scenario(&self, url: &str) -> String {
        let Self { connections, keep_alive, streams, secs, .. } = self;
        let http = match self.manner.http2 {
            true => format!("http-version = \"2\"\nstreams = {streams}\n"),
            false => format!("keep-alive = {keep_alive}\n"),
        };
        let ca = if self.manner.tls { "ca = \"ca.pem\"\n" } else { "" };
        let (executor, most) = match self.load {
            Load::Rate(rate) => (
                format!("constant-arrival-rate]\nrate = \"{rate}/s\""),
                format!("max-connections = {connections}\n"),
            ),
            Load::Connections(n) => (format!("constant-connections]\nconnections = {n}"), String::new()),
            Load::Users(n) => (format!("constant-vus]\nvus = {n}"), String::new()),
        };
        format!(
            "name = \"oracle\"\n[target]\nurl = \"{url}\"\ntimeout = \"{}ms\"\n{http}{ca}\
             [load]\nwarm-up = \"0s\"\nthreads = 1\n{most}[load.{executor}\nfor = \"{secs}s\"\n",
            self.timeout.as_millis(),
        )
    }
}
