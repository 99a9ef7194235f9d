//! A checked scenario: what load to send, where, what to expect and what to record.
//!
//! The TOML wire types are private to this module; what leaves it has been checked, so nobody behind it
//! checks again.

mod address;
mod arrivals;
mod base;
mod check;
mod env;
mod error;
mod evidence;
mod findings;
mod local;
mod overrides;
mod parse;
mod records;
mod scalar;
mod schema;
pub mod script;
mod secret;
mod source;
mod suggest;
pub mod text;
mod trace;
mod transport;
mod units;
mod wire;

#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use url::Url;

pub use address::Address;
pub use arrivals::Arrivals;
pub use base::{Base, Shape};
pub use env::EnvPolicy;
pub use error::{MAX_PROBLEMS, Origin, Problem, ScenarioError};
pub use evidence::{
    EvidenceKind, EvidenceSource, Location, ProfileName, PromqlQuery, QueryUnit, TargetProcess,
};
pub use local::is_local;
pub use schema::schema;
pub use script::{
    AtEnd, Auth, Check, Condition, Extract, Feeder, FeederFormat, Journey, Order, Pause,
    Source as AnswerSource,
};
pub use secret::{MASK, looks_secret, mask_command, mask_override, masked_keys};
pub use trace::TraceHeaders;
pub use transport::{Coding, HttpVersion, Transport};
pub use units::{parse_duration, parse_rate};

use parse::{MAX_FILE, Surroundings};
use source::Source;

/// Time limit of a request unless the scenario says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Name under which the generator records its own metrics; no service may be called so.
const GENERATOR_SERVICE: &str = "loadprof";

/// A whole scenario, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name of the scenario; part of the default run folder's name.
    pub name: String,
    /// The system under test.
    pub target: Target,
    /// How much load, in which shape.
    pub load: Load,
    /// What is sent, at least one: requests of their own, then the steps of journeys.
    pub requests: Vec<Request>,
    /// Who sends what after what; every request is a step of exactly one journey.
    pub journeys: Vec<Journey>,
    /// Files of records.
    pub feeders: Vec<Feeder>,
    /// Requests sent once before the load, in order; what they extract is known to every journey.
    pub setup: Vec<Request>,
    /// Requests sent once after the load, in order, whatever became of it.
    pub teardown: Vec<Request>,
    /// Limits of the whole run; each request may carry its own.
    pub thresholds: Vec<Threshold>,
    /// Settings of the anomaly detector.
    pub detect: Detect,
    /// Where evidence is recorded from.
    pub evidence: Vec<EvidenceSource>,
    /// What a demonstration must find.
    pub expect: Option<Expect>,
}

impl Scenario {
    /// A scenario of independent requests: each is a journey of its own.
    #[must_use]
    pub fn of_requests(name: &str, target: Target, load: Load, requests: Vec<Request>) -> Self {
        Self {
            name: name.to_owned(),
            target,
            load,
            journeys: Journey::single(&requests),
            requests,
            feeders: Vec::new(),
            setup: Vec::new(),
            teardown: Vec::new(),
            thresholds: Vec::new(),
            detect: Detect::default(),
            evidence: Vec::new(),
            expect: None,
        }
    }

    /// Reads, overrides and checks a scenario file. Also returns its text for the run folder: literal values
    /// of secret-looking headers are masked, and variables that shape the run are written out.
    ///
    /// `overrides` are `key=value` pairs such as `load.rate=200/s`.
    ///
    /// # Errors
    /// [`ScenarioError`] names every problem with its file, line, key, value and remedy.
    pub fn load(
        path: &Path,
        overrides: &[String],
        policy: EnvPolicy,
    ) -> Result<(Self, String), ScenarioError> {
        let file = path.display().to_string();
        let text = read_bounded(path).map_err(|message| ScenarioError::of_file(&file, message))?;
        let base_dir = path.parent().unwrap_or(Path::new(""));
        parse_text(&text, &file, base_dir, overrides, policy)
    }

    /// Checks the text of a scenario; `file` is its name in messages, `base_dir` the folder that relative
    /// files are looked up in.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(
        text: &str,
        file: &str,
        base_dir: &Path,
        overrides: &[String],
        policy: EnvPolicy,
    ) -> Result<Self, ScenarioError> {
        parse_text(text, file, base_dir, overrides, policy).map(|(scenario, _)| scenario)
    }
}

fn parse_text(
    text: &str,
    file: &str,
    base_dir: &Path,
    overrides: &[String],
    policy: EnvPolicy,
) -> Result<(Scenario, String), ScenarioError> {
    // A finished run must read the same wherever it is analysed.
    let env = |name: &str| (policy == EnvPolicy::Require).then(|| std::env::var(name).ok()).flatten();
    parse::parse(&Source::new(file, text, overrides), &Surroundings { base_dir, policy, env: &env })
}

fn read_bounded(path: &Path) -> Result<String, String> {
    use std::io::Read;

    let advice = "check the path";
    let file = std::fs::File::open(path).map_err(|e| format!("cannot be opened ({e}): {advice}"))?;
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    let bytes = read.map_err(|e| format!("cannot be read ({e}): a scenario is a text file in UTF-8"))?;
    if bytes as u64 > MAX_FILE {
        return Err("is larger than 1 MiB: this is no scenario file".into());
    }
    Ok(text)
}

/// A name as used in files and tags: lower case letters, digits and dashes, at most 60.
#[must_use]
pub fn slug(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let slug: String = words.join("-").chars().take(60).collect();
    if slug.is_empty() { "unnamed".into() } else { slug.trim_end_matches('-').to_owned() }
}

/// The system under test.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Headers sent with every request, in the order written.
    pub headers: Vec<(String, String)>,
    /// Time limit of a request, from sending to the last byte.
    pub timeout: Duration,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// What connections are made of.
    pub transport: Transport,
    /// How every request proves who sends it, unless it says otherwise.
    pub auth: Option<Auth>,
    /// What ties requests to their traces besides `traceparent`.
    pub trace_headers: TraceHeaders,
    /// Hosts besides loopback and private ones that load may go to.
    pub allow: Vec<String>,
}

impl Target {
    /// A target with the settings that a file without others would give it.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            headers: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            keep_alive: true,
            transport: Transport::default(),
            auth: None,
            trace_headers: TraceHeaders::default(),
            allow: Vec::new(),
        }
    }
}

/// Where the target is.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A service that runs already.
    Url(Url),
    /// The embedded demo target, started for this run as a process of its own.
    Demo(DemoTarget),
}

/// The embedded demo target and the setting that changes half-way.
#[derive(Clone, Debug)]
pub struct DemoTarget {
    /// Setting that is switched on: `reprice`, `stock-audit`, or none.
    pub switch: Option<String>,
    /// When it is switched on, from the start of the run.
    pub at: Duration,
}

/// Arrivals per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// The shape of the load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Which executor, with its own settings.
    pub executor: Executor,
    /// How the arrivals of the open model are spaced.
    pub arrivals: Arrivals,
    /// Leading part of the run that is recorded but neither judged nor used as a reference.
    pub warm_up: Duration,
    /// How long requests still under way at the end may take.
    pub graceful_stop: Duration,
    /// Connections open at the same time at the most, over all threads.
    pub max_connections: usize,
    /// Load threads; each has a share of the one schedule.
    pub threads: usize,
    /// Seed of every random choice; equal seeds repeat a run's choices.
    pub seed: u64,
    /// Share of requests whose `traceparent` carries the sampled flag, 0 to 1.
    pub sampled: f64,
}

impl Load {
    /// A load of one thread and at most 64 connections, without warm-up and graceful stop; for the rest with the
    /// settings that a file without others would give it.
    #[must_use]
    pub const fn new(executor: Executor) -> Self {
        Self {
            executor,
            arrivals: Arrivals::Even,
            warm_up: Duration::ZERO,
            graceful_stop: Duration::ZERO,
            max_connections: 64,
            threads: 1,
            seed: 1,
            sampled: 0.01,
        }
    }
}

/// Executors, by k6's names where k6 has them.
#[derive(Clone, Debug)]
pub enum Executor {
    /// Open model: a fixed rate.
    ConstantArrivalRate {
        /// Arrivals per second.
        rate: Rate,
        /// For how long.
        duration: Duration,
    },
    /// Open model: stages of rates.
    RampingArrivalRate {
        /// Rate before the first stage.
        start: Rate,
        /// Stages in order.
        stages: Vec<Stage<Rate>>,
    },
    /// Closed model: a fixed number of connections, each sending again as soon as it has its answer.
    ConstantConnections {
        /// Connections.
        connections: usize,
        /// For how long.
        duration: Duration,
    },
    /// Closed model: a fixed number of virtual users.
    ConstantVus {
        /// Virtual users.
        vus: usize,
        /// For how long.
        duration: Duration,
        /// Pause of a user between two requests.
        think_time: Duration,
    },
    /// Closed model: stages of users.
    RampingVus {
        /// Users before the first stage.
        start: usize,
        /// Stages in order.
        stages: Vec<Stage<usize>>,
        /// Pause of a user between two requests.
        think_time: Duration,
    },
}

/// A stage of a ramping executor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage<T> {
    /// How long the stage takes.
    pub duration: Duration,
    /// Value at the end of the stage.
    pub to: T,
    /// `true`: jump to the value and hold it (`rate = ..`); `false`: go there linearly (`to = ..`).
    pub hold: bool,
}

impl Executor {
    /// The name in scenario files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Self::RampingArrivalRate { .. } => "ramping-arrival-rate",
            Self::ConstantConnections { .. } => "constant-connections",
            Self::ConstantVus { .. } => "constant-vus",
            Self::RampingVus { .. } => "ramping-vus",
        }
    }

    /// Planned length, without the graceful stop.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Self::ConstantArrivalRate { duration, .. }
            | Self::ConstantConnections { duration, .. }
            | Self::ConstantVus { duration, .. } => *duration,
            Self::RampingArrivalRate { stages, .. } => stages.iter().map(|s| s.duration).sum(),
            Self::RampingVus { stages, .. } => stages.iter().map(|s| s.duration).sum(),
        }
    }

    /// Whether arrivals are scheduled by the clock alone.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::ConstantArrivalRate { .. } | Self::RampingArrivalRate { .. })
    }
}

/// A template of requests.
#[derive(Clone, Debug)]
pub struct Request {
    /// Stable name, as written.
    pub name: String,
    /// The name as used in files and tags: lower case, digits and dashes, unique in the scenario.
    pub slug: String,
    /// Method, upper case.
    pub method: String,
    /// Path and query, beginning with a slash; may hold variables.
    pub path: String,
    /// Own headers, after those of the target; values may hold variables.
    pub headers: Vec<(String, String)>,
    /// Body, if any.
    pub body: Option<Vec<u8>>,
    /// Whether variables in the body are replaced.
    pub body_template: bool,
    /// How the request proves who sends it; none: as the target says.
    pub auth: Option<Auth>,
    /// Share of arrivals relative to the other requests.
    pub weight: u32,
    /// What makes an answer a success.
    pub expect: Expectation,
    /// Named conditions besides.
    pub checks: Vec<Check>,
    /// Values that later steps use.
    pub extract: Vec<Extract>,
    /// Pause of the user after this step, if another follows.
    pub think_time: Pause,
    /// Own time limit.
    pub timeout: Option<Duration>,
    /// Limits of this request.
    pub thresholds: Vec<Threshold>,
}

impl Request {
    /// A request with nothing but a method and a path, named by both.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        let name = format!("{method} {}", path.split('?').next().unwrap_or_default());
        Self {
            slug: slug(&name),
            name,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            body_template: false,
            auth: None,
            weight: 1,
            expect: Expectation::default(),
            checks: Vec::new(),
            extract: Vec::new(),
            think_time: Pause::default(),
            timeout: None,
            thresholds: Vec::new(),
        }
    }
}

/// What makes an answer a success.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// Statuses that pass; empty means 200 to 399.
    pub status: Vec<u16>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Pattern that the body must match.
    pub body_matches: Option<regex::bytes::Regex>,
}

/// A limit on a measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// What is limited.
    pub metric: Metric,
    /// The limit: nanoseconds for times, a ratio for `ErrorRate`, per second for `Rate`.
    pub limit: f64,
}

/// What a threshold can limit. Times are response times unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// A percentile in tenths: 950 is p95, 999 is p99.9.
    Percentile(u16),
    /// Arithmetic mean.
    Mean,
    /// Largest value.
    Max,
    /// Failed share of all arrivals; must be at most the limit.
    ErrorRate,
    /// Successful answers per second; must be at least the limit.
    Rate,
}

impl Metric {
    /// The key in scenario files.
    #[must_use]
    pub fn key(self) -> String {
        match self {
            Self::Percentile(p) if p % 10 == 0 => format!("p{}", p / 10),
            Self::Percentile(p) => format!("p{}.{}", p / 10, p % 10),
            Self::Mean => "mean".into(),
            Self::Max => "max".into(),
            Self::ErrorRate => "error-rate".into(),
            Self::Rate => "rate".into(),
        }
    }
}

/// Settings of the anomaly detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detect {
    /// Length of a period.
    pub period: Duration,
    /// Weight of the newest period in the moving average.
    pub alpha: f64,
    /// Width of the dynamic threshold in deviations.
    pub sigma: f64,
    /// Violations in a row that make an anomaly.
    pub periods: usize,
    /// Which rule judges.
    pub rule: Rule,
}

impl Default for Detect {
    fn default() -> Self {
        Self { period: Duration::from_secs(1), alpha: 0.3, sigma: 3.0, periods: 3, rule: Rule::Frozen }
    }
}

/// Which rule judges a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Frozen reference, robust spread, calibrated width, minimum effect.
    Frozen,
    /// Moving average plus/minus sigma deviations of the last ten periods, as asked for first.
    Plain,
}

/// What a demonstration must find; another cause fails the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Kind of the cause as in reports, e.g. `lock`.
    pub cause: String,
    /// Text that the cause's function contains.
    pub at: Option<String>,
}
