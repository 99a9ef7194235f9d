//! Servers that break the rules, one behaviour each.

mod cases;
mod http2;
mod serve;
mod tls;

use std::collections::BTreeMap;

use serde_json::Value;

pub use cases::{ANSWERS, CLOSED_CONNECTIONS, CLOSED_USERS, ENDINGS, ENDLESS, TLS};
pub use http2::{HTTP2_ENDINGS, HTTP2_FRAMES};
pub use serve::serve;
pub use tls::{authority, server_config};

/// A behaviour, and what must come of it.
pub struct Case {
    pub name: &'static str,
    /// What happens on each connection of the load.
    pub act: Act,
    /// Kinds of failure, one of which every hit that fails must be of.
    pub kinds: &'static [&'static str],
    /// One of these is in the text of every example.
    pub details: &'static [&'static str],
    /// Failures at least, if there are so many hits.
    pub least: u64,
    /// One of these is the exit code: 10 if the machine was too busy.
    pub exits: &'static [i32],
    /// More of the scenario.
    pub request: &'static str,
    /// How load is made.
    pub way: Way,
}

/// How load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Arrivals at a rate.
    Open,
    /// Connections that send again at once, and users that do.
    Connections,
    Users,
}

/// What a server does with a connection of the load.
#[derive(Clone, Copy)]
pub enum Act {
    /// Something over plain TCP.
    Plain(fn(&mut serve::Client)),
    /// The same, but the scenario and the first connection speak TLS.
    NotTls(fn(&mut serve::Client)),
    /// Something in HTTP/2, over plain TCP.
    Http2(fn(&mut http2::Peer)),
    /// Something within a TLS session.
    Within(fn(&mut tls::Session)),
    /// A handshake with a certificate that must not be accepted.
    Certificate(tls::Flaw),
    /// The port is closed once the first question was answered.
    Gone,
}

/// Failed hits by kind.
#[derive(Debug)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub fn read(failed: &Value) -> Self {
        Self(serde_json::from_value(failed.clone()).expect("counts"))
    }

    pub fn all(&self, holds: impl Fn(&str, u64) -> bool) -> bool {
        self.0.iter().all(|(kind, count)| holds(kind, *count))
    }

    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}
