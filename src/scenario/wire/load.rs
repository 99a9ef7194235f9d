//! The shape of `[load]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::Rate;
use crate::scenario::scalar::{Checked, Placed};
use crate::scenario::units::{Count, Share, Time};

/// How much load, in which shape: common settings and exactly one executor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Load {
    /// Leading part of the run that is not judged. Default: a tenth of the duration, at most 2s, in whole
    /// periods of the detector.
    pub(in crate::scenario) warm_up: Option<Checked<Time>>,
    /// How long requests still under way at the end may take. Default: the longest timeout.
    pub(in crate::scenario) graceful_stop: Option<Checked<Time>>,
    /// Connections open at the same time at the most, over all threads. An arrival that finds none free
    /// waits, and its waiting counts.
    #[schemars(extend("default" = 2000, "minimum" = 1))]
    pub(in crate::scenario) max_connections: Option<Checked<Count>>,
    /// Load threads. Default: half of the cores.
    #[schemars(extend("minimum" = 1))]
    pub(in crate::scenario) threads: Option<Checked<Count>>,
    /// Seed of every random choice; equal seeds repeat a run's choices.
    #[schemars(extend("default" = 1))]
    pub(in crate::scenario) seed: Option<Checked<Count>>,
    /// Share of requests whose `traceparent` asks the target to record a trace.
    #[schemars(extend("default" = 0.01))]
    pub(in crate::scenario) sampled: Option<Checked<Share>>,
    /// Open model: how arrivals are spaced. `even`: at equal distances. `jittered`: each at random within the slot
    /// that it would begin, so that none keep step with the samples of CPU profiles. `poisson`: at random with the
    /// same rate, as independent users come. Default: `jittered` beside a CPU profile (`go-pprof`, `pprof`), else
    /// `even`.
    #[schemars(extend("enum" = ["even", "jittered", "poisson"]))]
    pub(in crate::scenario) arrivals: Option<Checked<String>>,
    /// Open model: a fixed rate of arrivals, whatever the target does.
    pub(in crate::scenario) constant_arrival_rate: Option<Placed<ConstantArrivalRate>>,
    /// Open model: stages of rates.
    pub(in crate::scenario) ramping_arrival_rate: Option<Placed<RampingArrivalRate>>,
    /// Closed model: a fixed number of connections, each sending again as soon as it has its answer.
    pub(in crate::scenario) constant_connections: Option<Placed<ConstantConnections>>,
    /// Closed model: a fixed number of virtual users, each waiting for its answer.
    pub(in crate::scenario) constant_vus: Option<Placed<ConstantVus>>,
    /// Closed model: stages of virtual users.
    pub(in crate::scenario) ramping_vus: Option<Placed<RampingVus>>,
}

/// Open model: a fixed rate of arrivals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct ConstantArrivalRate {
    /// Arrivals, e.g. `"200/s"`.
    #[schemars(required)]
    pub(in crate::scenario) rate: Option<Checked<Rate>>,
    /// For how long.
    #[schemars(required)]
    pub(in crate::scenario) r#for: Option<Checked<Time>>,
}

/// Open model: stages of rates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct RampingArrivalRate {
    /// Rate before the first stage.
    #[schemars(extend("default" = 0))]
    pub(in crate::scenario) start: Option<Checked<Rate>>,
    /// Stages in order.
    #[schemars(required)]
    pub(in crate::scenario) stages: Option<Vec<Placed<RateStage>>>,
}

/// A stage: hold a `rate`, or go linearly `to` one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct RateStage {
    /// How long the stage takes.
    #[schemars(required)]
    pub(in crate::scenario) r#for: Option<Checked<Time>>,
    /// Jump to this rate and hold it.
    pub(in crate::scenario) rate: Option<Checked<Rate>>,
    /// Go linearly to this rate.
    pub(in crate::scenario) to: Option<Checked<Rate>>,
}

/// Closed model: a fixed number of virtual users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct ConstantVus {
    /// Virtual users.
    #[schemars(required, extend("minimum" = 1))]
    pub(in crate::scenario) vus: Option<Checked<Count>>,
    /// For how long.
    #[schemars(required)]
    pub(in crate::scenario) r#for: Option<Checked<Time>>,
    /// Pause of a user between two requests.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::scenario) think_time: Option<Checked<Time>>,
}

/// Closed model: stages of virtual users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct RampingVus {
    /// Users before the first stage.
    #[schemars(extend("default" = 0))]
    pub(in crate::scenario) start: Option<Checked<Count>>,
    /// Stages in order.
    #[schemars(required)]
    pub(in crate::scenario) stages: Option<Vec<Placed<VuStage>>>,
    /// Pause of a user between two requests.
    #[schemars(extend("default" = "0s"))]
    pub(in crate::scenario) think_time: Option<Checked<Time>>,
}

/// A stage: hold a number of `vus`, or go linearly `to` one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct VuStage {
    /// How long the stage takes.
    #[schemars(required)]
    pub(in crate::scenario) r#for: Option<Checked<Time>>,
    /// Jump to this number of users and hold it.
    pub(in crate::scenario) vus: Option<Checked<Count>>,
    /// Go linearly to this number of users.
    pub(in crate::scenario) to: Option<Checked<Count>>,
}

/// Closed model: a fixed number of connections.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct ConstantConnections {
    /// Connections, each with one request under way.
    #[schemars(required, extend("minimum" = 1))]
    pub(in crate::scenario) connections: Option<Checked<Count>>,
    /// For how long.
    #[schemars(required)]
    pub(in crate::scenario) r#for: Option<Checked<Time>>,
}
