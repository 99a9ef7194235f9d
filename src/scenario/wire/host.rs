//! `[[evidence.process]]` and `[[evidence.logs]]`: services on the machine that loadprof runs on.

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use crate::scenario::scalar::Checked;
use crate::scenario::units::Count;

/// A service that runs on this machine, by exactly one of `pid`, `port` and `unit`: what the kernel says of its
/// process, its control group and its network, each period.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Process {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Process id.
    pub(in crate::scenario) pid: Option<Checked<Count>>,
    /// TCP port that the process listens on.
    #[schemars(extend("examples" = [8080]))]
    pub(in crate::scenario) port: Option<Checked<Count>>,
    /// systemd unit, or path of a control group below /sys/fs/cgroup.
    #[schemars(extend("examples" = ["shop.service"]))]
    pub(in crate::scenario) unit: Option<Checked<String>>,
}

/// Log files of a service on this machine, JSON, logfmt or plain lines, followed from their end on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Logs {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Paths, relative to the scenario file. They may appear during the run.
    #[schemars(required, extend("examples" = ["/var/log/shop.log"]))]
    pub(in crate::scenario) files: Option<OneOrMany>,
}
