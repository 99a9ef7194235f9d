//! What an analysis says: plain values, made by `detect`, `attribute` and `gate`, shown by `report`.
//!
//! Times are integer nanoseconds; nothing here formats for people. Every estimate carries its interval.

mod cause;
mod confirmation;
mod databases;
pub mod quantity;
mod summary;
mod surroundings;

pub use cause::*;
pub use confirmation::*;
pub use databases::*;
pub use summary::*;
pub use surroundings::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{RunTime, Window};

/// Version of `analysis.json`.
pub const ANALYSIS_FORMAT: u32 = 1;

/// Share of failed hits from which a run is not healthy: one in a hundred. It is also the smallest change of the
/// error rate that detection counts.
pub const FAILING_SHARE: f64 = 0.01;

/// Part of the change from which on a cause may be what a run is about; a smaller one only stands beside it.
pub const LEADING_SHARE: f64 = 0.25;

/// Everything a report shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// Version of this format.
    pub format: u32,
    /// Which run.
    pub run: RunFacts,
    /// Outcome of the attribution.
    pub verdict: Verdict,
    /// Ranked causes, strongest first; empty unless the verdict names one.
    pub causes: Vec<Cause>,
    /// Causes that were tried by an intervention, in the order they were tried.
    #[serde(default)]
    pub confirmations: Vec<Confirmation>,
    /// The run's health as a measurement.
    pub validity: Validity,
    /// Load figures of the judged part of the run.
    pub load: LoadSummary,
    /// One entry per period of the whole run.
    pub timeline: Vec<TimelinePoint>,
    /// Moments that went wrong.
    pub anomalies: Vec<Anomaly>,
    /// Where the time of a request goes.
    pub breakdown: Option<Breakdown>,
    /// Top functions by CPU per request, reference against judged window.
    pub functions: Vec<FunctionRow>,
    /// What can be excluded, with bounds.
    pub ruled_out: Vec<RuledOut>,
    /// Evidence that was not there, with the switch that turns it on.
    pub missing: Vec<Missing>,
    /// Doubts.
    pub caveats: Vec<Caveat>,
    /// Thresholds and how they came out.
    pub thresholds: Vec<ThresholdResult>,
    /// Comparison with a baseline run.
    pub baseline: Option<BaselineComparison>,
    /// What `[expect]` asked for and whether it was found.
    pub expectation: Option<Expectation>,
    /// Critical paths of the traces that services sent; none without any in the judged part.
    #[serde(default)]
    pub spans: Option<SpanFacts>,
    /// What execution traces say of the goroutines that serve requests, in the order they were taken.
    #[serde(default)]
    pub traces: Vec<TraceFacts>,
    /// What database servers say of the statements that requests executed.
    #[serde(default)]
    pub databases: Vec<DatabaseFacts>,
    /// Requests that database servers were seen at work for.
    #[serde(default)]
    pub database_traces: Vec<DatabaseTraces>,
    /// What the machines of the services say, reference against judged part.
    #[serde(default)]
    pub readings: Vec<Reading>,
    /// How full the resources of the services are, the fullest first.
    #[serde(default)]
    pub utilization: Vec<Utilization>,
    /// What was asked of Prometheus servers, and numbers of `expvar` that moved.
    #[serde(default)]
    pub metrics: Vec<MetricReading>,
    /// Log lines that are new, that surged, or that tell of trouble.
    #[serde(default)]
    pub logs: Vec<LogPattern>,
    /// Captures, slow requests and failures worth a look.
    pub exhibits: Vec<Exhibit>,
}

/// Which run an analysis speaks of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// Run id.
    pub id: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Address of the target.
    pub target: String,
    /// Version of loadprof that recorded.
    pub tool_version: String,
    /// Wall clock of the start, nanoseconds since 1970 UTC.
    pub started_unix_nanos: u64,
    /// Length of the recorded load.
    pub nanos: u64,
    /// Executor and its plan in words, e.g. `constant-arrival-rate, 500/s for 30s`.
    pub plan: String,
    /// Why the record is not whole; none if it is.
    pub partial: Option<String>,
    /// Machine of the generator in words.
    pub host: String,
}

/// Outcome of the attribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing went wrong, so there is nothing to explain.
    Healthy,
    /// The root cause: an intervention took away the time that it predicts.
    Confirmed,
    /// One cause stands out, two kinds of evidence agree, the books close.
    Strong,
    /// A cause or up to three that cannot be told apart.
    Likely,
    /// An intervention did not take away the time that the named cause predicts, and no other is named.
    Refuted,
    /// What requests wait for is known, who is to blame is not.
    Mechanism,
    /// More load was offered; the service costs what it did.
    Load,
    /// Another mix of requests; each costs what it did.
    Mix,
    /// The generator was the limit: the run says nothing about the target.
    Generator,
    /// Requests failed; how long they took is not what went wrong.
    Failing,
    /// Something went wrong and no cause could be shown.
    NotFound,
}

impl Verdict {
    /// Whether it names causes by evidence alone: those that an intervention can be tried on.
    #[must_use]
    pub const fn names_by_evidence(self) -> bool {
        matches!(self, Self::Strong | Self::Likely)
    }
}

/// A moment that went wrong.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Anomaly {
    /// Name of the series that showed it first, e.g. `p95`, `error-rate`, `go_goroutines`.
    pub series: String,
    /// Slug of the request, or name of the service; none for the whole run.
    pub of: Option<String>,
    /// From its onset to its end, or to the end of the record.
    pub window: Window,
    /// Whether it lasted to the end of the record.
    pub ongoing: bool,
    /// Typical value in the reference.
    pub reference: f64,
    /// Typical value while it lasted.
    pub observed: f64,
    /// Unit of the two values.
    pub unit: Unit,
    /// Distance in robust deviations.
    pub score: f64,
    /// Whether no period stood out, and only the whole record shows the step.
    #[serde(default)]
    pub hindsight: bool,
}

/// Unit of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// A share of 1.
    Ratio,
    /// Events per second.
    PerSecond,
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
}

/// An estimate with its 90 % interval, in nanoseconds per request unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Best value.
    pub value: i64,
    /// Lower end of the 90 % interval.
    pub low: i64,
    /// Upper end of the 90 % interval.
    pub high: i64,
}

/// A doubt that limits what may be concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Caveat {
    /// The record is cut off.
    Partial {
        /// Why.
        why: String,
    },
    /// A collector lost something.
    CollectorLost {
        /// Service.
        service: String,
        /// Collector.
        collector: String,
        /// What was lost and why.
        problem: String,
        /// How often.
        times: u64,
    },
    /// Rows and measured latency differ by more than 10 %.
    BooksOpen {
        /// Explained part in nanoseconds per request.
        explained: i64,
        /// Measured mean in nanoseconds per request.
        measured: i64,
    },
    /// Too few observations for an interval.
    TooFewSamples {
        /// Of what.
        what: String,
        /// How many there were.
        found: u64,
        /// How many are needed.
        needed: u64,
    },
    /// No healthy window at the same rate: the level was explained, not a change.
    NoReference,
    /// Anomaly began in the warm-up or so early that the reference is short.
    ShortReference {
        /// Length of the reference.
        nanos: u64,
    },
    /// The healthy part is so short or unsteady that only a large change would have been told from it.
    Insensitive {
        /// The series that would have shown the smallest.
        series: String,
        /// How many times its level.
        factor: f64,
    },
    /// The generator was near its limit.
    GeneratorStrained {
        /// What was seen.
        what: String,
    },
    /// Load went on while an execution trace was taken.
    CapturesInWindow {
        /// How many.
        count: u64,
    },
    /// The queue grew without bound: milliseconds say little, the limit says more.
    Saturated {
        /// What is saturated.
        what: String,
    },
    /// Arrivals kept step with the samples of CPU profiles.
    InStep {
        /// Arrivals per second.
        rate: f64,
    },
    /// The two runs that were compared differ in a setting.
    UnlikeRuns {
        /// What differs.
        what: String,
    },
    /// A teardown request failed: what the run made at the target may still be there.
    TeardownFailed {
        /// Name of the request.
        request: String,
        /// What was seen.
        problem: String,
    },
}

/// Evidence that was not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Which, e.g. `mutex profile of shop`.
    pub what: String,
    /// The line that turns it on.
    pub remedy: String,
}

/// Something that can be excluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuledOut {
    /// What, e.g. `CPU demand`.
    pub what: String,
    /// Its change with interval, nanoseconds per request.
    pub change: Estimate,
}

/// Something in the run folder worth a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exhibit {
    /// When it was taken.
    pub at: RunTime,
    /// What it is, in words.
    pub what: String,
    /// Path in the run folder, if it is a file.
    pub path: Option<String>,
    /// Command that opens it, if there is one.
    pub open_with: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name below `properties`, in the whole schema.
    fn keys(schema: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
        let children = schema.as_object().into_iter().flat_map(|o| o.values());
        children.chain(schema.as_array().into_iter().flatten()).for_each(|child| keys(child, found));
    }

    #[test]
    fn every_key_and_every_doubt_is_in_the_description_of_the_folder() {
        let text = include_str!("../../docs/run-folder.md");
        let part = text.split("### `analysis/analysis.json`").nth(1).expect("a section");
        let part = part.split("## What a crash leaves").next().expect("its end");
        let mut found = std::collections::BTreeSet::new();
        keys(schemars::schema_for!(Analysis).as_value(), &mut found);
        assert!(found.len() > 100 && found.contains("books-open"), "{found:?}");
        let told = |key: &&String| {
            [format!("`{key}`"), format!("`{key}[]`"), format!("\"{key}\"")]
                .iter()
                .any(|form| part.contains(form.as_str()))
        };
        let untold: Vec<_> = found.iter().filter(|key| !told(key)).collect();
        assert!(untold.is_empty(), "{untold:?}");
    }
}
