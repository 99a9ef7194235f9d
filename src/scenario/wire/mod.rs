//! The shape of scenario files. Doc comments here are the descriptions of the published JSON Schema.
//!
//! Tables are tagged by their key and never flattened, untagged or internally tagged: serde buffers those
//! and loses the place of every error inside (toml-rs/toml#589).

mod databases;
mod host;
mod load;
mod metrics;
mod one_or_many;
mod request;
mod script;
mod target;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Rate;
use super::scalar::{Checked, Placed};
use super::units::{Count, Number, Share, Size, Time};

pub(super) use databases::{Postgres, Redis};
pub(super) use host::{Logs, Process};
pub(super) use load::{
    ConstantArrivalRate, ConstantConnections, ConstantVus, Load, RampingArrivalRate, RampingVus,
};
pub(super) use metrics::{Expvar, Promql, Query};
pub(super) use one_or_many::{OneOrMany, Pause};
pub(super) use request::{Call, Common, Expectation, Request, Step};
pub(super) use script::{AnswerCheck, Extract, Extracts, Feeder, Journey};
pub(super) use target::{Auth, Basic, Demo, Target};

/// Keys of `[load]` that are executors.
pub(super) const EXECUTORS: [&str; 5] =
    ["constant-arrival-rate", "ramping-arrival-rate", "constant-connections", "constant-vus", "ramping-vus"];

/// Headers with the places of their names.
pub(super) type Headers = BTreeMap<Placed<String>, Checked<String>>;

/// A load test: what load to send, where, what to expect and what to record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
#[schemars(rename = "Scenario")]
pub(super) struct Scenario {
    /// Name of the scenario, part of the run folder's name. Default: the file's name without its ending.
    pub(super) name: Option<Checked<String>>,
    /// The system under test.
    #[schemars(required)]
    pub(super) target: Option<Placed<Target>>,
    /// How much load, in which shape.
    #[schemars(required)]
    pub(super) load: Option<Placed<Load>>,
    /// What is sent: requests that need nothing of each other. Default: one request, `GET /`, unless there
    /// are journeys.
    pub(super) request: Option<Vec<Placed<Request>>>,
    /// Steps that one user takes one after the other.
    pub(super) journey: Option<Vec<Placed<Journey>>>,
    /// Files of records; `${feeder.column}` stands for a column of the record that a journey was given.
    pub(super) feeder: Option<Vec<Placed<Feeder>>>,
    /// Requests sent once before the load, in order; every journey knows what they extract.
    pub(super) setup: Option<Vec<Placed<Call>>>,
    /// Requests sent once after the load, in order, whatever became of it.
    pub(super) teardown: Option<Vec<Placed<Call>>>,
    /// Limits of the whole run; exceeding one fails it (exit code 99).
    pub(super) thresholds: Option<Thresholds>,
    /// Settings of the anomaly detector.
    pub(super) detect: Option<Detect>,
    /// Where evidence is recorded from.
    pub(super) evidence: Option<Evidence>,
    /// What a demonstration must find; another cause fails the run (exit code 12).
    pub(super) expect: Option<Placed<Expect>>,
}

/// Limits of response times (from the intended start to the last byte), of failures and of throughput.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Thresholds {
    /// The median is at most this.
    pub(super) p50: Option<Checked<Time>>,
    /// The 90th percentile is at most this.
    pub(super) p90: Option<Checked<Time>>,
    /// The 95th percentile is at most this.
    pub(super) p95: Option<Checked<Time>>,
    /// The 99th percentile is at most this.
    pub(super) p99: Option<Checked<Time>>,
    /// The 99.9th percentile is at most this. Write the key in quotes, or `p999`.
    #[serde(rename = "p99.9")]
    pub(super) p99_9: Option<Checked<Time>>,
    /// The 99.9th percentile is at most this.
    pub(super) p999: Option<Checked<Time>>,
    /// The mean is at most this.
    pub(super) mean: Option<Checked<Time>>,
    /// The slowest is at most this.
    pub(super) max: Option<Checked<Time>>,
    /// The failed share of all arrivals is at most this.
    pub(super) error_rate: Option<Checked<Share>>,
    /// Successful answers are at least this many.
    pub(super) rate: Option<Checked<Rate>>,
}

/// Settings of the anomaly detector.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Detect {
    /// Length of a period.
    #[schemars(extend("default" = "1s"))]
    pub(super) period: Option<Checked<Time>>,
    /// Weight of the newest period in the moving average, above 0 and at most 1.
    #[schemars(extend("default" = 0.3))]
    pub(super) alpha: Option<Checked<Number>>,
    /// Width of the dynamic threshold in deviations.
    #[schemars(extend("default" = 3.0))]
    pub(super) sigma: Option<Checked<Number>>,
    /// Violations in a row that make an anomaly.
    #[schemars(extend("default" = 3, "minimum" = 1))]
    pub(super) periods: Option<Checked<Count>>,
    /// `frozen`: a reference that stands still while it is violated. `plain`: the moving average and the
    /// deviations of the last ten periods.
    #[schemars(extend("default" = "frozen", "enum" = ["frozen", "plain"]))]
    pub(super) rule: Option<Checked<String>>,
}

/// Where evidence is recorded from, by kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Evidence {
    /// Go services with `net/http/pprof`.
    pub(super) go_pprof: Option<Vec<Placed<GoPprof>>>,
    /// Services that answer `<url>/profile?seconds=N` with a pprof CPU profile.
    pub(super) pprof: Option<Vec<Placed<Pprof>>>,
    /// Pages of Prometheus text or OpenMetrics, scraped each period.
    pub(super) prometheus: Option<Vec<Placed<Prometheus>>>,
    /// Pages of Go's `expvar`, fetched each period.
    pub(super) expvar: Option<Vec<Placed<Expvar>>>,
    /// Prometheus servers, asked while the load goes on.
    pub(super) promql: Option<Vec<Placed<Promql>>>,
    /// Services that run on this machine: process, control group, network counters.
    pub(super) process: Option<Vec<Placed<Process>>>,
    /// Log files of services on this machine.
    pub(super) logs: Option<Vec<Placed<Logs>>>,
    /// A receiver of spans, log records and metrics that services send themselves (OpenTelemetry); one at most.
    pub(super) otlp: Option<Vec<Placed<Otlp>>>,
    /// PostgreSQL servers.
    pub(super) postgres: Option<Vec<Placed<Postgres>>>,
    /// Redis servers.
    pub(super) redis: Option<Vec<Placed<Redis>>>,
}

/// A Go service with `net/http/pprof`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct GoPprof {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(super) service: Option<Checked<String>>,
    /// Address of the profile index, or a path on the target.
    #[schemars(required, extend("examples" = ["http://127.0.0.1:6060/debug/pprof", "/debug/pprof"]))]
    pub(super) url: Option<Checked<String>>,
    /// Headers of every fetch, e.g. for authentication.
    pub(super) headers: Option<Headers>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(super) ca: Option<Checked<String>>,
    /// Goroutine snapshots per second; slowed down by itself when a fetch gets costly.
    #[schemars(extend("default" = 10, "maximum" = 100))]
    pub(super) snapshots_per_second: Option<Checked<Number>>,
    /// Length of a CPU profile window, in whole seconds; up to 15 s while nothing is wrong.
    #[schemars(extend("default" = "5s"))]
    pub(super) cpu_window: Option<Checked<Time>>,
    /// Whether an anomaly may trigger dumps and execution traces.
    #[schemars(extend("default" = true))]
    pub(super) captures: Option<Checked<bool>>,
    /// Profiles besides CPU and goroutines, as the index names them, custom ones included.
    #[schemars(extend("default" = ["mutex", "block", "heap"], "examples" = [["mutex", "block", "heap", "threadcreate", "shop/db.pool"]]))]
    pub(super) profiles: Option<Vec<Checked<String>>>,
}

/// A service that answers `<url>/profile?seconds=N` with a pprof CPU profile, and perhaps `<url>/mutex` with
/// a contention profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Pprof {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(super) service: Option<Checked<String>>,
    /// Address of the profiles, or a path on the target.
    #[schemars(required, extend("examples" = ["/debug/pprof"]))]
    pub(super) url: Option<Checked<String>>,
    /// Headers of every fetch, e.g. for authentication.
    pub(super) headers: Option<Headers>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(super) ca: Option<Checked<String>>,
    /// Length of a CPU profile window, in whole seconds.
    #[schemars(extend("default" = "5s"))]
    pub(super) cpu_window: Option<Checked<Time>>,
}

/// A page of Prometheus text or OpenMetrics.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Prometheus {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(super) service: Option<Checked<String>>,
    /// Address of the page, or a path on the target.
    #[schemars(required, extend("examples" = ["http://127.0.0.1:9100/metrics", "/metrics"]))]
    pub(super) url: Option<Checked<String>>,
    /// Headers of every fetch, e.g. for authentication.
    pub(super) headers: Option<Headers>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(super) ca: Option<Checked<String>>,
}

/// A receiver of OTLP, listening on this machine while the load goes on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Otlp {
    /// Address to listen on for gRPC. Default: `127.0.0.1:4317`, unless only `http` is written.
    #[schemars(extend("examples" = ["127.0.0.1:4317", "0.0.0.0:4317"]))]
    pub(super) grpc: Option<Checked<String>>,
    /// Address to listen on for HTTP. Default: `127.0.0.1:4318`, unless only `grpc` is written.
    #[schemars(extend("examples" = ["127.0.0.1:4318", "0.0.0.0:4318"]))]
    pub(super) http: Option<Checked<String>>,
    /// Most bytes kept of each: spans, log records, metrics. What comes later is refused and counted.
    #[schemars(extend("default" = "512MiB"))]
    pub(super) budget: Option<Checked<Size>>,
    /// Time that is listened on after the load: exporters hold spans back, 5 s unless told otherwise.
    #[schemars(extend("default" = "6s"))]
    pub(super) linger: Option<Checked<Time>>,
}

/// What a demonstration must find.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Expect {
    /// Kind of the cause as in reports, e.g. `lock`.
    #[schemars(required)]
    pub(super) cause: Option<Checked<String>>,
    /// Text that the cause's function contains.
    pub(super) at: Option<Checked<String>>,
}
