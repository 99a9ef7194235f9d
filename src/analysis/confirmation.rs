//! What interventions showed: a cause was taken away in some windows of a run and left in others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CauseKind, Estimate};
use crate::time::Window;

/// A cause that was tried by an intervention.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// What it showed.
    pub outcome: ConfirmationOutcome,
    /// Kind of the cause that was tried.
    pub kind: CauseKind,
    /// Function (or pool, endpoint, setting) that was blamed, with its full name.
    pub at: String,
    /// Its service.
    pub service: String,
    /// Whether this analysis names the cause, too: else the outcome changes no verdict.
    pub named: bool,
    /// Time per request that the cause explained when it was tried.
    pub predicted: Estimate,
    /// Time per request that went away with the intervention; none from too few pairs.
    pub effect: Option<Estimate>,
    /// The effect as a share of what was predicted.
    pub share: Option<f64>,
    /// What went away of the 95 % response time.
    pub effect_p95: Option<Estimate>,
    /// Change of the error rate with the intervention, in millionths.
    pub error_change: Option<Estimate>,
    /// Pairs of windows that count.
    pub pairs: u64,
    /// Pairs that would decide, judged by the spread of these; none where more of them would not help.
    pub pairs_needed: Option<u64>,
    /// What stood in the way: failed checks of the generator, trouble that was not there any more.
    pub problems: Vec<String>,
    /// Command that applied the intervention, secrets masked.
    pub apply: String,
    /// Command that took it back, secrets masked.
    pub revert: String,
    /// Id of the run with the windows.
    pub run_id: String,
    /// Folder of that run, as it was named.
    pub path: String,
    /// Wall clock of its start, nanoseconds since 1970 UTC.
    pub started_unix_nanos: u64,
    /// Hits that ended per second, over all windows.
    pub rate: f64,
    /// Every window in order.
    pub windows: Vec<ConfirmationWindow>,
}

/// What an intervention showed of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmationOutcome {
    /// It took away 50 to 150 % of the predicted time, and not nothing beyond doubt.
    Confirmed,
    /// It took something away, less than half of what was predicted, and perhaps half.
    Partly,
    /// It took away more than one and a half times what was predicted: it changes more than this cause.
    Beyond,
    /// It took away less than half of what was predicted beyond doubt.
    Refuted,
    /// The windows differ too much among themselves to say.
    Inconclusive,
    /// The trouble was not there without the intervention, so there was nothing to take away.
    NotReproduced,
    /// Requests failed with the intervention: their times say nothing.
    Failing,
    /// The generator was the limit: nothing is said.
    Invalid,
}

impl ConfirmationOutcome {
    /// Whether it says something about the cause.
    #[must_use]
    pub const fn decides(self) -> bool {
        matches!(self, Self::Confirmed | Self::Partly | Self::Beyond | Self::Refuted)
    }
}

/// A stretch of the run in one state of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmationWindow {
    /// Number of its pair, from 1.
    pub pair: u64,
    /// Whether the intervention was applied.
    pub applied: bool,
    /// The window in the run of `run_id`.
    pub window: Window,
    /// Hits that ended in it.
    pub requests: u64,
    /// Failed share of them.
    pub error_rate: f64,
    /// Their mean response time, nanoseconds.
    pub mean: u64,
    /// Their 95 % response time.
    pub p95: u64,
    /// Why it does not count; none if it does.
    pub left_out: Option<String>,
}
