//! `[[evidence.*]]`: where evidence is recorded from, checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::Address;

/// A place evidence comes from.
#[derive(Clone, Debug)]
pub struct EvidenceSource {
    /// Name of the service the evidence speaks of.
    pub service: String,
    /// Kind and its settings.
    pub kind: EvidenceKind,
    /// Base URL; relative ones were joined to the target's.
    pub location: Location,
    /// Headers of every fetch (authentication), in the order written.
    pub headers: Vec<(String, String)>,
    /// PEM file of an own certificate authority.
    pub ca: Option<PathBuf>,
}

/// A URL, or a path on the target (whose address may be known only once it runs).
#[derive(Clone, Debug)]
pub enum Location {
    /// Absolute.
    Url(Url),
    /// Relative to the target's address, beginning with a slash.
    OnTarget(String),
    /// Not over HTTP: only the kind itself understands it.
    Database(Address),
    /// On this machine; the kind says what.
    OnHost,
}

/// Kinds of evidence.
#[derive(Clone, Debug)]
pub enum EvidenceKind {
    /// Go's `net/http/pprof`, URL of its index (`.../debug/pprof`).
    GoPprof {
        /// Goroutine snapshots per second.
        snapshots_per_second: f64,
        /// Length of a CPU profile window.
        cpu_window: Duration,
        /// Whether the live detector may take dumps and execution traces.
        captures: bool,
    },
    /// Any service that answers `<url>/profile?seconds=N` with a pprof CPU profile, and perhaps
    /// `<url>/mutex` with a contention profile.
    Pprof {
        /// Length of a CPU profile window.
        cpu_window: Duration,
    },
    /// A page of Prometheus text or OpenMetrics, scraped each period.
    Prometheus,
    /// A receiver of OTLP on this machine; its location is where it listens.
    Otlp {
        /// Where it listens for gRPC.
        grpc: Option<SocketAddr>,
        /// Where it listens for HTTP.
        http: Option<SocketAddr>,
        /// Most bytes kept of each signal.
        budget: u64,
        /// Time that it listens on after the load.
        linger: Duration,
    },
    /// A PostgreSQL server.
    Postgres {
        /// Samples of `pg_stat_activity` per second.
        snapshots_per_second: f64,
        /// Whether plans are asked for.
        plans: bool,
    },
    /// A Redis server.
    Redis {
        /// Whether it keeps profiles of traces.
        snapshots: bool,
    },
    /// The service's process, its control group and this machine, each period.
    Process(TargetProcess),
    /// What the service writes into its log files.
    Logs {
        /// Paths, followed from their end on.
        files: Vec<PathBuf>,
    },
}

/// Which process of this machine a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetProcess {
    /// Process id.
    Pid(u32),
    /// Whoever listens on this TCP port.
    Port(u16),
    /// All of a systemd unit, e.g. `shop.service`.
    Unit(String),
}

impl EvidenceKind {
    /// The key in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GoPprof { .. } => "go-pprof",
            Self::Pprof { .. } => "pprof",
            Self::Prometheus => "prometheus",
            Self::Otlp { .. } => "otlp",
            Self::Postgres { .. } => "postgres",
            Self::Redis { .. } => "redis",
            Self::Process(_) => "process",
            Self::Logs { .. } => "logs",
        }
    }
}
