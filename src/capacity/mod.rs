//! Capacity: the highest rate at which every threshold holds, and what limits it.
//!
//! The search is a loop over normal runs (`docs/capacity.md`): each has a folder of its own, and the failing
//! edge is attributed against the runs that held.

mod markdown;
mod search;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{Cause, Utilization, Verdict};
use crate::analyze::{self, AnalyzeError};
use crate::record::{self, Plan, Progress, RecordError, StopFlag};
use crate::scenario::{Base, Executor, Metric, Rate, Scenario, ScenarioError, Shape};

pub use markdown::headline;
pub use search::{Found, Outcome, Probe};

/// What to search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The scenario file, for files named relative to it.
    pub path: PathBuf,
    /// `--set` overrides.
    pub overrides: Vec<String>,
    /// Folder of the search.
    pub out: PathBuf,
    /// First rate; none takes the scenario's own.
    pub from: Option<f64>,
    /// Highest rate.
    pub to: f64,
    /// How long each rate is held.
    pub hold: Duration,
    /// Final distance of the bracket's ends, as a share.
    pub precision: f64,
}

/// Outcome of a search.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Name of the scenario.
    pub scenario: String,
    /// Highest rate that held in most of its runs, per second.
    pub capacity: Option<f64>,
    /// Lowest rate that failed in most of its runs, per second.
    pub first_failed: Option<f64>,
    /// Whether the generator ended the search.
    pub generator_bound: bool,
    /// Every run in order.
    pub runs: Vec<EdgeRun>,
    /// How sure the limiter is.
    pub verdict: Option<Verdict>,
    /// What limits, at the failing edge.
    pub limiters: Vec<Cause>,
    /// Resources that are full at the failing edge, the fullest first; what is full need not be to blame.
    #[serde(default)]
    pub full: Vec<Utilization>,
    /// The run the limiter was found in, below the folder of the search.
    pub limiter_run: Option<String>,
    /// The run that held, which it was compared with.
    pub held_run: Option<String>,
}

/// One run of a search.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EdgeRun {
    /// Arrivals per second.
    pub rate: f64,
    /// `held`, `failed` or `invalid`.
    pub outcome: String,
    /// Folder below that of the search.
    pub folder: String,
    /// 95 % response time, nanoseconds.
    pub p95: u64,
    /// Passed requests per second.
    pub passed_rate: f64,
    /// Thresholds that did not hold.
    pub failed_thresholds: Vec<String>,
}

/// Why a search could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Nothing to hold.
    #[error(
        "{0}: a capacity needs a limit to hold: add e.g. [thresholds] p95 = \"250ms\" and error-rate = \"1%\""
    )]
    NoThresholds(String),
    /// A run could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A run could not be analysed.
    #[error(transparent)]
    Analyze(#[from] AnalyzeError),
    /// A run folder could not take everything.
    #[error("{0}: the run could not be recorded whole (full disk?), so the search ended")]
    Incomplete(PathBuf),
    /// The user stopped it.
    #[error("interrupted: the runs so far are kept")]
    Interrupted,
}

/// Rates below this are not worth a search.
const LEAST_RATE: f64 = 1.0;
/// Runs at each end of the final bracket.
const REPEATS: usize = 3;

/// Searches; `watch` is told of each run when it begins (rate, number) and of its periods.
///
/// # Errors
/// If the scenario has no threshold, or a run cannot be made.
pub fn find(
    search: &Search,
    stop: &StopFlag,
    mut watch: impl FnMut(Step<'_>) + Send + Clone + 'static,
) -> Result<Capacity, CapacityError> {
    let base = Base::load(&search.path, &search.overrides)?;
    if !has_thresholds(base.scenario()) {
        return Err(CapacityError::NoThresholds(search.path.display().to_string()));
    }
    let plan = search::Plan {
        start: search.from.or(own_rate(base.scenario())).unwrap_or(50.0),
        least: LEAST_RATE,
        most: search.to,
        precision: search.precision,
        repeats: REPEATS,
    };
    let mut runs: Vec<EdgeRun> = Vec::new();
    let found = search::search(plan, |rate| {
        let number = runs.len() + 1;
        watch(Step::Begins { number, rate });
        let run = probe(search, &base, rate, number, stop, watch.clone())?;
        watch(Step::Ended(&run));
        let outcome = outcome(&run);
        runs.push(run);
        Ok::<_, CapacityError>(outcome)
    })?;
    let limiter = limiter(search, &found, &runs)?;
    Ok(Capacity {
        scenario: base.scenario().name.clone(),
        capacity: found.capacity,
        first_failed: found.first_failed,
        generator_bound: found.generator_bound,
        runs,
        verdict: limiter.as_ref().map(|l| l.verdict),
        limiter_run: limiter.as_ref().map(|l| l.run.clone()),
        held_run: limiter.as_ref().and_then(|l| l.held.clone()),
        full: limiter.as_ref().map(|l| l.full.clone()).unwrap_or_default(),
        limiters: limiter.map(|l| l.causes).unwrap_or_default(),
    })
}

/// Writes `capacity.md` and `capacity.json` into the folder of the search.
///
/// # Errors
/// If the system refuses.
pub fn write(capacity: &Capacity, dir: &Path) -> std::io::Result<()> {
    std::fs::write(dir.join("capacity.md"), markdown::markdown(capacity))?;
    let mut json = serde_json::to_vec_pretty(capacity)?;
    json.push(b'\n');
    std::fs::write(dir.join("capacity.json"), json)
}

/// What a search tells while it goes on.
#[derive(Debug)]
pub enum Step<'a> {
    /// A run begins.
    Begins {
        /// Its number from 1.
        number: usize,
        /// Arrivals per second.
        rate: f64,
    },
    /// A period of a run.
    Period(&'a Progress<'a>),
    /// A run ended.
    Ended(&'a EdgeRun),
}

fn outcome(run: &EdgeRun) -> Outcome {
    match run.outcome.as_str() {
        "held" => Outcome::Pass,
        "failed" => Outcome::Fail,
        _ => Outcome::Invalid,
    }
}

/// One run at a rate.
fn probe(
    search: &Search,
    base: &Base,
    rate: f64,
    number: usize,
    stop: &StopFlag,
    mut watch: impl FnMut(Step<'_>) + Send + 'static,
) -> Result<EdgeRun, CapacityError> {
    let (scenario, text) = base.shaped(&at(rate, search.hold));
    let folder = format!("{number:02}-{rate:.0}");
    let out = search.out.join(&folder);
    let limit = time_limit(&scenario);
    let plan = Plan {
        scenario,
        text,
        overrides: base.overrides(),
        out: out.clone(),
        baseline: None,
        enough: StopFlag::default(),
    };
    let early = StopFlag::default();
    let mut overload = Overload { limit, periods: 0 };
    let (inner, outer) = (Arc::clone(&early), Arc::clone(stop));
    let recorded = record::record(&plan, &early, move |progress| {
        if outer.load(Ordering::Relaxed) || overload.sees(progress) {
            inner.store(true, Ordering::Relaxed);
        }
        watch(Step::Period(progress));
    })?;
    if stop.load(Ordering::Relaxed) {
        return Err(CapacityError::Interrupted);
    }
    if recorded.incomplete {
        return Err(CapacityError::Incomplete(out));
    }
    let run = judged(&out, folder, rate, recorded.interrupted.is_some())?;
    if run.outcome != "held" {
        std::thread::sleep(RECOVERY);
    }
    Ok(run)
}

/// A target that was driven beyond its limit works off its queue before the next run.
const RECOVERY: Duration = Duration::from_secs(2);

/// Answers still under way when a run ends are waited for this long: beyond the limit they only pile up.
const GRACE: Duration = Duration::from_secs(3);
const LONGEST_WARM_UP: Duration = Duration::from_secs(2);

/// A run at a rate.
fn at(rate: f64, hold: Duration) -> Shape {
    Shape {
        executor: Executor::ConstantArrivalRate { rate: Rate(rate), duration: hold },
        warm_up: (hold / 5).min(LONGEST_WARM_UP),
        graceful_stop: GRACE,
    }
}

fn has_thresholds(scenario: &Scenario) -> bool {
    !scenario.thresholds.is_empty() || scenario.requests.iter().any(|r| !r.thresholds.is_empty())
}

/// The rate that the scenario itself asks for, if it has one.
fn own_rate(scenario: &Scenario) -> Option<f64> {
    match &scenario.load.executor {
        Executor::ConstantArrivalRate { rate, .. } => Some(rate.0),
        Executor::RampingArrivalRate { start, stages } => {
            Some(start.0).filter(|r| *r > 0.0).or(stages.first().map(|s| s.to.0))
        }
        _ => None,
    }
}

fn judged(out: &Path, folder: String, rate: f64, cut_short: bool) -> Result<EdgeRun, CapacityError> {
    let analysis = analyze::analyze(out, None)?.analysis;
    let failed: Vec<String> =
        analysis.thresholds.iter().filter(|t| !t.passed).map(|t| t.metric.clone()).collect();
    let outcome = match (analysis.validity.valid, failed.is_empty() && !cut_short) {
        (false, _) => "invalid",
        (true, true) => "held",
        (true, false) => "failed",
    };
    Ok(EdgeRun {
        rate,
        outcome: outcome.to_owned(),
        folder,
        p95: analysis.load.total.response.p95,
        passed_rate: analysis.load.total.rate,
        failed_thresholds: failed,
    })
}

/// The loosest limit on a time, nanoseconds: beyond four times it nothing holds any more.
fn time_limit(scenario: &Scenario) -> Option<f64> {
    let own = scenario.requests.iter().flat_map(|r| &r.thresholds);
    let all = scenario.thresholds.iter().chain(own);
    let times = all.filter(|t| !matches!(t.metric, Metric::ErrorRate | Metric::Rate));
    times.map(|t| t.limit).reduce(f64::max)
}

/// Sees that a target is far beyond its limit, so that a run need not last to its end.
struct Overload {
    limit: Option<f64>,
    periods: usize,
}

impl Overload {
    /// Three periods in a row with more than a second's load waiting and p95 at four times its limit.
    fn sees(&mut self, progress: &Progress<'_>) -> bool {
        let period = progress.period;
        let response = period.response();
        let waiting = (period.backlog + period.in_flight) as f64;
        let queued = waiting > period.offered as f64 / period.window.secs().max(1e-9);
        // No answer at all is as late as can be.
        let late = response.is_empty()
            || self.limit.is_some_and(|l| response.value_at_quantile(0.95) as f64 > 4.0 * l);
        self.periods = if queued && late { self.periods + 1 } else { 0 };
        self.periods >= 3
    }
}

/// What limits, and the runs that show it.
struct Limiter {
    verdict: Verdict,
    causes: Vec<Cause>,
    full: Vec<Utilization>,
    run: String,
    held: Option<String>,
}

/// What the failing edge says against the last run that held.
fn limiter(search: &Search, found: &Found, runs: &[EdgeRun]) -> Result<Option<Limiter>, CapacityError> {
    let nearest = |outcome: &str, to: Option<f64>| {
        let to = to?;
        runs.iter()
            .filter(|r| r.outcome == outcome)
            .min_by(|a, b| (a.rate - to).abs().total_cmp(&(b.rate - to).abs()))
    };
    let Some(failed) = nearest("failed", found.first_failed) else { return Ok(None) };
    let held = nearest("held", found.capacity).map(|r| r.folder.clone());
    let baseline = held.as_ref().map(|r| search.out.join(r));
    let analysis = analyze::analyze(&search.out.join(&failed.folder), baseline.as_deref())?.analysis;
    Ok(Some(Limiter {
        verdict: analysis.verdict,
        causes: analysis.causes,
        full: analysis.utilization.into_iter().filter(Utilization::is_full).collect(),
        run: failed.folder.clone(),
        held,
    }))
}
