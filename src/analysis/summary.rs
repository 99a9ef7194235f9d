//! Load figures, validity, thresholds, baseline.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Estimate, Unit};
use crate::time::{RunTime, Window};

/// Load figures of the judged part of the run (without the warm-up).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoadSummary {
    /// The judged part.
    pub window: Window,
    /// Warm-up before it.
    pub warm_up_nanos: u64,
    /// All requests together.
    pub total: RequestSummary,
    /// Each request of the scenario.
    pub requests: Vec<RequestSummary>,
    /// Arrivals per second asked for (open model).
    pub offered_rate: f64,
    /// Requests sent per second.
    pub sent_rate: f64,
    /// Arrivals asked for (open model), or hits begun (closed model).
    #[serde(default)]
    pub offered: u64,
    /// Requests sent.
    #[serde(default)]
    pub sent: u64,
    /// How late the generator was, in nanoseconds: from the moment an arrival was due to its hand-over (open model).
    #[serde(default)]
    pub lateness: Quantiles,
    /// Connections over the whole run, warm-up included; none in an analysis of before they were told.
    #[serde(default)]
    pub connections: Option<ConnectionSummary>,
    /// Journeys of more than one step over the whole run, warm-up included.
    #[serde(default)]
    pub journeys: Vec<JourneySummary>,
    /// How the arrivals of the open model were spaced; none in the closed one.
    #[serde(default)]
    pub arrivals: Option<Spacing>,
    /// Whether the model is open (scheduled) or closed (users).
    pub open_model: bool,
}

/// How arrivals are spaced in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// At equal distances.
    Even,
    /// Each at random within its own slot.
    Jittered,
    /// At random: a Poisson process.
    Poisson,
}

/// How requests went over connections, over the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionSummary {
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// Connections opened for requests of the load.
    pub opened: u64,
    /// Most that were open at the end of a period.
    pub most_open: u64,
    /// Most requests under way on them at the end of a period: over HTTP/2, streams.
    pub most_streams: u64,
    /// Requests sent over them, those that follow a redirect included.
    pub requests: u64,
    /// How often a request was sent again because the server had not looked at it (GOAWAY, REFUSED_STREAM).
    #[serde(default)]
    pub resent: u64,
    /// Idle connections given up because the server sent something that no request asked for.
    #[serde(default)]
    pub unasked: u64,
}

/// How often a journey was made, over the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JourneySummary {
    /// Name as written in the scenario.
    pub name: String,
    /// Journeys whose first step ended, passed or not.
    pub begun: u64,
    /// Journeys whose last step passed.
    pub finished: u64,
}

/// A named check of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckSummary {
    /// Name as written in the scenario.
    pub name: String,
    /// Answers that failed it.
    pub failed: u64,
    /// One of them, if an example was kept.
    pub example: Option<Example>,
}

/// A hit that failed, as `events.jsonl` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// When it ended.
    pub at: RunTime,
    /// What was seen.
    pub detail: String,
}

/// Figures of one request, or of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RequestSummary {
    /// Name as written in the scenario; `all requests` for the total.
    pub name: String,
    /// Slug.
    pub slug: String,
    /// Hits that ended.
    pub done: u64,
    /// Hits that passed.
    pub passed: u64,
    /// Failed hits by kind; kinds without one are left out.
    pub failed: BTreeMap<String, u64>,
    /// Passed hits per second.
    pub rate: f64,
    /// An example of each kind that failed, by kind, if one was kept; none for the total.
    #[serde(default)]
    pub examples: BTreeMap<String, Example>,
    /// Answers by class of status, 1xx to 5xx.
    #[serde(default)]
    pub status: [u64; 5],
    /// Failed share of the hits that ended.
    pub error_rate: f64,
    /// Intended start to last byte.
    pub response: Quantiles,
    /// Sent to last byte.
    pub service: Quantiles,
    /// Mean of each client phase over all hits, nanoseconds, by name.
    pub phases: BTreeMap<String, u64>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections opened.
    pub connects: u64,
    /// Redirects followed.
    #[serde(default)]
    pub redirects: u64,
    /// Every named check, in the scenario's order; none for the total.
    #[serde(default)]
    pub checks: Vec<CheckSummary>,
}

/// Quantiles of a latency in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// Observations.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: u64,
    /// Smallest.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 95 %.
    pub p95: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// Largest.
    pub max: u64,
}

/// One period of the timeline.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TimelinePoint {
    /// Start of the period.
    pub at: RunTime,
    /// Arrivals asked for per second.
    pub offered: f64,
    /// Requests sent per second.
    pub sent: f64,
    /// Answers that passed per second.
    pub passed: f64,
    /// Failed share.
    pub error_rate: f64,
    /// Median response time, nanoseconds; none without an answer.
    pub p50: Option<u64>,
    /// 95 % response time.
    pub p95: Option<u64>,
    /// 99 % response time.
    pub p99: Option<u64>,
    /// EWMA of p95.
    pub ewma: Option<u64>,
    /// Dynamic threshold on p95.
    pub threshold: Option<u64>,
    /// Whether an anomaly lasts.
    pub anomalous: bool,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
}

/// Whether the run is a valid measurement, and the figures that say so.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Validity {
    /// No check failed.
    pub valid: bool,
    /// Every check, passed or not.
    pub checks: Vec<ValidityCheck>,
}

/// One check of the generator.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ValidityCheck {
    /// What is checked, e.g. `lateness p99`, `sent / asked`.
    pub name: String,
    /// Measured value; none if it could not be read.
    pub value: Option<f64>,
    /// Limit for a valid run.
    pub limit: f64,
    /// Whether the value must be at least (true) or at most (false) the limit.
    pub at_least: bool,
    /// Unit of both.
    pub unit: Unit,
    /// Outcome.
    pub outcome: CheckOutcome,
    /// What to do when it fails.
    pub remedy: String,
}

/// Outcome of a check of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// Within the limit.
    Passed,
    /// Beyond it, but it alone does not make the run invalid.
    Strained,
    /// Beyond it: the run is invalid.
    Failed,
    /// Could not be read.
    Unknown,
}

/// A threshold and how it came out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdResult {
    /// Key in the scenario, e.g. `p95`.
    pub metric: String,
    /// Name of the request; none for all.
    pub request: Option<String>,
    /// The limit.
    pub limit: f64,
    /// The measured value; none without samples, which fails.
    pub value: Option<f64>,
    /// Unit of both.
    pub unit: Unit,
    /// Whether it holds.
    pub passed: bool,
}

/// Comparison with a baseline run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct BaselineComparison {
    /// Folder of the baseline, as given.
    pub path: String,
    /// Its run id.
    pub run_id: String,
    /// One entry per request and metric.
    pub rows: Vec<BaselineRow>,
    /// Whether any row is a regression.
    pub regressed: bool,
    /// Why no row could be compared; none if one could.
    #[serde(default)]
    pub incomparable: Option<String>,
}

/// One metric of one request against the baseline.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BaselineRow {
    /// Name of the request; none for all.
    pub request: Option<String>,
    /// Metric, e.g. `p50`, `p95`, `error-rate`.
    pub metric: String,
    /// Unit of the values.
    pub unit: Unit,
    /// In the baseline.
    pub baseline: f64,
    /// In this run.
    pub current: f64,
    /// Change with its interval, in the unit's base (nanoseconds; parts per million for ratios).
    pub change: Estimate,
    /// Smallest change that counts.
    pub minimum_effect: f64,
    /// Outcome.
    pub outcome: BaselineOutcome,
}

/// Outcome of one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineOutcome {
    /// No change that counts.
    Same,
    /// Worse beyond doubt and beyond the minimum effect.
    Regressed,
    /// Better beyond doubt and beyond the minimum effect.
    Improved,
    /// Too few samples to say.
    Inconclusive,
}

/// What `[expect]` asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// Expected kind.
    pub cause: String,
    /// Expected part of the function's name.
    pub at: Option<String>,
    /// Whether the top cause is it.
    pub met: bool,
}
