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
        /// Profiles besides CPU and goroutines, as the index of the service names them.
        profiles: Vec<ProfileName>,
    },
    /// Any service that answers `<url>/profile?seconds=N` with a pprof CPU profile, and perhaps
    /// `<url>/mutex` with a contention profile.
    Pprof {
        /// Length of a CPU profile window.
        cpu_window: Duration,
    },
    /// A page of Prometheus text or OpenMetrics, scraped each period.
    Prometheus,
    /// The page of Go's `expvar`, fetched each period.
    Expvar,
    /// A Prometheus server, base URL of its API.
    Promql {
        /// What it is asked, in the order written.
        queries: Vec<PromqlQuery>,
        /// Time after which a sample is surely in the server.
        settle: Duration,
    },
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

/// Name of a profile in Go's index: letters, digits, dots, dashes, underscores, and slashes between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

/// Longest name of a profile.
const MAX_PROFILE_NAME: usize = 100;

impl ProfileName {
    /// Names that a run records anyway, or that are no profiles to be taken at a moment.
    pub const TAKEN: [&str; 6] = ["cpu", "goroutine", "profile", "trace", "cmdline", "symbol"];
    /// Recorded unless the scenario says otherwise.
    pub const USUAL: [&str; 3] = ["mutex", "block", "heap"];

    /// A name that cannot lead anywhere else, neither in a URL nor in a folder.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let part = |p: &str| {
            !p.is_empty()
                && !p.starts_with('.')
                && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let fits =
            name.len() <= MAX_PROFILE_NAME && name.split('/').all(part) && !Self::TAKEN.contains(&name);
        fits.then(|| Self(name.to_owned()))
    }

    /// The usual ones.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        Self::USUAL.iter().filter_map(|name| Self::new(name)).collect()
    }

    /// As in the service's index.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of its folder: slashes become dashes.
    #[must_use]
    pub fn folder(&self) -> String {
        self.0.replace('/', "-")
    }
}

/// A question to a Prometheus server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromqlQuery {
    /// Name of the series that it gives, and of its folder: letters, digits, dots, dashes, underscores.
    pub name: String,
    /// The expression.
    pub query: String,
    /// Unit of its values.
    pub unit: Option<QueryUnit>,
}

/// What the values of a query are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryUnit {
    /// Seconds.
    Seconds,
    /// A share of 1.
    Ratio,
    /// Of anything, per second.
    PerSecond,
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
}

impl QueryUnit {
    /// All, with their words in scenario files.
    pub const ALL: [(&str, Self); 6] = [
        ("seconds", Self::Seconds),
        ("ratio", Self::Ratio),
        ("per-second", Self::PerSecond),
        ("count", Self::Count),
        ("bytes", Self::Bytes),
        ("bytes-per-second", Self::BytesPerSecond),
    ];
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
            Self::Expvar => "expvar",
            Self::Promql { .. } => "promql",
            Self::Otlp { .. } => "otlp",
            Self::Postgres { .. } => "postgres",
            Self::Redis { .. } => "redis",
            Self::Process(_) => "process",
            Self::Logs { .. } => "logs",
        }
    }
}
