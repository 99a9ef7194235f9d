//! The shape of scenario files. Doc comments here are the descriptions of the published JSON Schema.
//!
//! Tables are tagged by their key and never flattened, untagged or internally tagged: serde buffers those
//! and loses the place of every error inside (toml-rs/toml#589).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Rate;
use super::scalar::{Checked, Placed};
use super::units::{Count, Number, Share, Time};

/// Keys of `[load]` that are executors.
pub(super) const EXECUTORS: [&str; 4] =
    ["constant-arrival-rate", "ramping-arrival-rate", "constant-vus", "ramping-vus"];

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
    /// What is sent. Default: one request, `GET /`.
    pub(super) request: Option<Vec<Placed<Request>>>,
    /// Limits of the whole run; exceeding one fails it (exit code 99).
    pub(super) thresholds: Option<Thresholds>,
    /// Settings of the anomaly detector.
    pub(super) detect: Option<Detect>,
    /// Where evidence is recorded from.
    pub(super) evidence: Option<Evidence>,
    /// What a demonstration must find; another cause fails the run (exit code 12).
    pub(super) expect: Option<Placed<Expect>>,
}

/// The system under test: `url` or `demo`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Target {
    /// Address of a service that runs already: `http://` or `https://`, host and port.
    #[schemars(extend("examples" = ["http://127.0.0.1:8080"]))]
    pub(super) url: Option<Checked<String>>,
    /// The embedded demo target, started for this run.
    pub(super) demo: Option<Placed<Demo>>,
    /// Headers sent with every request, in the order written.
    pub(super) headers: Option<Headers>,
    /// Time limit of a request, from sending to the last byte.
    #[schemars(extend("default" = "10s"))]
    pub(super) timeout: Option<Checked<Time>>,
    /// Whether connections are used again.
    #[schemars(extend("default" = true))]
    pub(super) keep_alive: Option<Checked<bool>>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(super) ca: Option<Checked<String>>,
    /// Hosts besides loopback and private addresses that load may go to.
    #[schemars(extend("examples" = [["shop.staging.example.com"]]))]
    pub(super) allow: Option<Vec<Checked<String>>>,
}

/// The embedded demo target and the setting that changes during the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Demo {
    /// Setting that is switched on. Default: none, the target stays healthy.
    #[schemars(extend("enum" = ["reprice", "stock-audit"]))]
    pub(super) switch: Option<Checked<String>>,
    /// When it is switched on, from the start of the run. Default: half of the load's duration.
    pub(super) at: Option<Checked<Time>>,
}

/// How much load, in which shape: common settings and exactly one executor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Load {
    /// Leading part of the run that is not judged. Default: a tenth of the duration, at most 2s, in whole
    /// periods of the detector.
    pub(super) warm_up: Option<Checked<Time>>,
    /// How long requests still under way at the end may take. Default: the longest timeout.
    pub(super) graceful_stop: Option<Checked<Time>>,
    /// Connections open at the same time at the most, over all threads. An arrival that finds none free
    /// waits, and its waiting counts.
    #[schemars(extend("default" = 2000, "minimum" = 1))]
    pub(super) max_connections: Option<Checked<Count>>,
    /// Load threads. Default: half of the cores.
    #[schemars(extend("minimum" = 1))]
    pub(super) threads: Option<Checked<Count>>,
    /// Seed of every random choice; equal seeds repeat a run's choices.
    #[schemars(extend("default" = 1))]
    pub(super) seed: Option<Checked<Count>>,
    /// Share of requests whose `traceparent` asks the target to record a trace.
    #[schemars(extend("default" = 0.01))]
    pub(super) sampled: Option<Checked<Share>>,
    /// Open model: a fixed rate of arrivals, whatever the target does.
    pub(super) constant_arrival_rate: Option<Placed<ConstantArrivalRate>>,
    /// Open model: stages of rates.
    pub(super) ramping_arrival_rate: Option<Placed<RampingArrivalRate>>,
    /// Closed model: a fixed number of virtual users, each waiting for its answer.
    pub(super) constant_vus: Option<Placed<ConstantVus>>,
    /// Closed model: stages of virtual users.
    pub(super) ramping_vus: Option<Placed<RampingVus>>,
}

/// Open model: a fixed rate of arrivals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct ConstantArrivalRate {
    /// Arrivals, e.g. `"200/s"`.
    #[schemars(required)]
    pub(super) rate: Option<Checked<Rate>>,
    /// For how long.
    #[schemars(required)]
    pub(super) r#for: Option<Checked<Time>>,
}

/// Open model: stages of rates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct RampingArrivalRate {
    /// Rate before the first stage.
    #[schemars(extend("default" = 0))]
    pub(super) start: Option<Checked<Rate>>,
    /// Stages in order.
    #[schemars(required)]
    pub(super) stages: Option<Vec<Placed<RateStage>>>,
}

/// A stage: hold a `rate`, or go linearly `to` one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct RateStage {
    /// How long the stage takes.
    #[schemars(required)]
    pub(super) r#for: Option<Checked<Time>>,
    /// Jump to this rate and hold it.
    pub(super) rate: Option<Checked<Rate>>,
    /// Go linearly to this rate.
    pub(super) to: Option<Checked<Rate>>,
}

/// Closed model: a fixed number of virtual users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct ConstantVus {
    /// Virtual users.
    #[schemars(required, extend("minimum" = 1))]
    pub(super) vus: Option<Checked<Count>>,
    /// For how long.
    #[schemars(required)]
    pub(super) r#for: Option<Checked<Time>>,
    /// Pause of a user between two requests.
    #[schemars(extend("default" = "0s"))]
    pub(super) think_time: Option<Checked<Time>>,
}

/// Closed model: stages of virtual users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct RampingVus {
    /// Users before the first stage.
    #[schemars(extend("default" = 0))]
    pub(super) start: Option<Checked<Count>>,
    /// Stages in order.
    #[schemars(required)]
    pub(super) stages: Option<Vec<Placed<VuStage>>>,
    /// Pause of a user between two requests.
    #[schemars(extend("default" = "0s"))]
    pub(super) think_time: Option<Checked<Time>>,
}

/// A stage: hold a number of `vus`, or go linearly `to` one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct VuStage {
    /// How long the stage takes.
    #[schemars(required)]
    pub(super) r#for: Option<Checked<Time>>,
    /// Jump to this number of users and hold it.
    pub(super) vus: Option<Checked<Count>>,
    /// Go linearly to this number of users.
    pub(super) to: Option<Checked<Count>>,
}

/// A template of requests: one method with its path, and what makes an answer a success.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Request {
    /// Stable name in reports and files. Default: the method and the path without its query.
    pub(super) name: Option<Checked<String>>,
    /// Path and query of a GET.
    pub(super) get: Option<Checked<String>>,
    /// Path and query of a POST.
    pub(super) post: Option<Checked<String>>,
    /// Path and query of a PUT.
    pub(super) put: Option<Checked<String>>,
    /// Path and query of a PATCH.
    pub(super) patch: Option<Checked<String>>,
    /// Path and query of a DELETE.
    pub(super) delete: Option<Checked<String>>,
    /// Path and query of a HEAD.
    pub(super) head: Option<Checked<String>>,
    /// Path and query of an OPTIONS.
    pub(super) options: Option<Checked<String>>,
    /// Own headers, sent after those of the target.
    pub(super) headers: Option<Headers>,
    /// Body, as text.
    pub(super) body: Option<Checked<String>>,
    /// File that holds the body, relative to the scenario file.
    pub(super) body_file: Option<Checked<String>>,
    /// Share of the arrivals, relative to the other requests.
    #[schemars(extend("default" = 1, "minimum" = 1))]
    pub(super) weight: Option<Checked<Count>>,
    /// What makes an answer a success. Default: a status from 200 to 399.
    pub(super) expect: Option<Expectation>,
    /// Own time limit. Default: that of the target.
    pub(super) timeout: Option<Checked<Time>>,
    /// Limits of this request.
    pub(super) thresholds: Option<Thresholds>,
}

/// What makes an answer a success.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct Expectation {
    /// Statuses that pass. Default: 200 to 399.
    #[schemars(extend("examples" = [[200], [200, 404]]))]
    pub(super) status: Option<Vec<Checked<Count>>>,
    /// Text that the body must contain.
    pub(super) body_contains: Option<Checked<String>>,
    /// Regular expression that the body must match.
    pub(super) body_matches: Option<Checked<String>>,
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
    /// Length of a CPU profile window, in whole seconds.
    #[schemars(extend("default" = "5s"))]
    pub(super) cpu_window: Option<Checked<Time>>,
    /// Whether an anomaly may trigger dumps and execution traces.
    #[schemars(extend("default" = true))]
    pub(super) captures: Option<Checked<bool>>,
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
