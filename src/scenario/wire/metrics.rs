//! `[[evidence.expvar]]` and `[[evidence.promql]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Headers;
use crate::scenario::scalar::{Checked, Placed};
use crate::scenario::units::Time;

/// The page of Go's `expvar`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Expvar {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Address of the page, or a path on the target.
    #[schemars(required, extend("examples" = ["/debug/vars"]))]
    pub(in crate::scenario) url: Option<Checked<String>>,
    /// Headers of every fetch, e.g. for authentication.
    pub(in crate::scenario) headers: Option<Headers>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(in crate::scenario) ca: Option<Checked<String>>,
}

/// A Prometheus server that has metrics of a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Promql {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Address of the server, without `/api/v1`.
    #[schemars(required, extend("examples" = ["http://127.0.0.1:9090"]))]
    pub(in crate::scenario) url: Option<Checked<String>>,
    /// Headers of every question, e.g. for authentication.
    pub(in crate::scenario) headers: Option<Headers>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(in crate::scenario) ca: Option<Checked<String>>,
    /// What is asked. Default: CPU, memory, descriptors and goroutines of the job that is called like the service.
    pub(in crate::scenario) queries: Option<Vec<Placed<Query>>>,
    /// Time after which a sample is surely in the server: moments are asked about that much later, and once more
    /// that long after the load. The scrape interval and a little more is enough.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::scenario) settle: Option<Checked<Time>>,
}

/// A question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Query {
    /// Name of the series that it gives.
    #[schemars(required, extend("examples" = ["cpu", "go_goroutines"]))]
    pub(in crate::scenario) name: Option<Checked<String>>,
    /// The expression.
    #[schemars(required, extend("examples" = ["sum(rate(process_cpu_seconds_total{job=\"shop\"}[30s]))"]))]
    pub(in crate::scenario) query: Option<Checked<String>>,
    /// Unit of its values.
    #[schemars(extend("enum" = ["seconds", "ratio", "per-second", "count", "bytes", "bytes-per-second"]))]
    pub(in crate::scenario) unit: Option<Checked<String>>,
}
