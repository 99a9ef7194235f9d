//! A run: preflight, load and collectors side by side, captures on the live detector's word, and the
//! manifest sealed at the end.
//!
//! Whatever happens to a collector, the load goes on; whatever happens to the load, what was recorded stays.

mod error;
mod host;
mod live;
mod preflight;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::collect::{self, Collector, Context, Trigger};
use crate::load::{self, LoadOutcome, LoadPlan};
use crate::run::event::{EventKind, TEARDOWN};
use crate::run::in_flight::InFlight;
use crate::run::load_log::LoadLog;
use crate::run::manifest::{FORMAT_MAJOR, FORMAT_MINOR, FormatVersion, Manifest, RunState};
use crate::run::period::LoadPeriod;
use crate::run::writer::RunWriter;
use crate::scenario::{Scenario, mask_override};
use crate::time::RunClock;

pub use error::RecordError;
pub use live::{Alarm, Progress};
pub use preflight::{Preflight, Problem, TargetCheck, preflight};

use live::Watch;
use target::Target;

/// What to record.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario.
    pub scenario: Scenario,
    /// Its text, without secrets.
    pub text: String,
    /// `--set` overrides, as given.
    pub overrides: Vec<String>,
    /// Folder of the run.
    pub out: PathBuf,
    /// Earlier run that this one is compared with; noted in the manifest, so that the analysis can be repeated.
    pub baseline: Option<PathBuf>,
    /// Set before the stop when the run has served its purpose: then it is complete, however early it ends.
    pub enough: StopFlag,
}

/// Set to stop a run early but in order.
pub type StopFlag = Arc<AtomicBool>;

/// How a run came out.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its folder.
    pub dir: PathBuf,
    /// Why it stopped early; none if it came to its end.
    pub interrupted: Option<String>,
    /// Whether the folder could not take everything (full disk).
    pub incomplete: bool,
}

/// Finishing collectors may take this long; a CPU profile window has to come to its end.
const COLLECTOR_GRACE: Duration = Duration::from_secs(10);

/// Records a run. `watch` is called once a period, on a thread of its own.
///
/// # Errors
/// Before any load is sent: if the target or an evidence source cannot be used, or the folder not be made.
pub fn record(
    plan: &Plan,
    stop: &StopFlag,
    watch: impl FnMut(&Progress) + Send + 'static,
) -> Result<Recorded, RecordError> {
    let target = Target::open(&plan.scenario.target.endpoint)?;
    let runtime = runtime()?;
    let checked = runtime.block_on(preflight(&plan.scenario, &target.url));
    checked.refuse()?;
    if stop.load(Ordering::Relaxed) {
        return Err(RecordError::Interrupted);
    }
    let clock = RunClock::start();
    let manifest = manifest(plan, &target.url, &checked, clock);
    let run_id = manifest.run_id.clone();
    let out = RunWriter::create(&plan.out, clock, manifest, &plan.text)?;
    let collectors = collect::collectors_for(
        &plan.scenario,
        &target.url,
        &checked.facts,
        plan.scenario.load.executor.duration(),
    )?;
    let in_flight = InFlight::default();
    let asked = collectors.iter().any(|c| c.looks_in_flight());
    let collecting = Collecting::start(&runtime, collectors, &out, &in_flight);
    let slugs = plan.scenario.requests.iter().map(|r| r.slug.clone()).collect();
    let log = LoadLog::new(out.clone(), slugs)?;
    let triggers = collecting.triggers.clone();
    let watcher = Watch::new(&plan.scenario, &target.url, out.clone(), log, triggers, &in_flight, watch);
    let base = target.url.clone();
    let in_flight = (asked || watcher.looks_in_flight()).then_some(in_flight);
    let load_plan = LoadPlan { scenario: &plan.scenario, base, run_id: &run_id, clock, in_flight };
    let outcome = run_load(&runtime, load_plan, &target, (stop, &plan.enough), watcher);
    collecting.finish(&runtime);
    match outcome {
        Ok(outcome) => seal(&out, &outcome, plan.enough.load(Ordering::Relaxed)),
        Err(e) => {
            // What failed is told either way; the folder says too that nothing more will come.
            let _ = out.seal(RunState::Interrupted { why: e.to_string(), load_nanos: 0 });
            Err(e)
        }
    }
}

/// Asks the target and every evidence source of a scenario, and sends no load.
///
/// # Errors
/// If the demo target or the threads cannot be started.
pub fn check(scenario: &Scenario) -> Result<Preflight, RecordError> {
    let target = Target::open(&scenario.target.endpoint)?;
    Ok(runtime()?.block_on(preflight(scenario, &target.url)))
}

fn runtime() -> Result<Runtime, RecordError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("collect")
        .enable_all()
        .build()
        .map_err(RecordError::Runtime)
}

/// The load from its first to its last request.
fn run_load<W: FnMut(&Progress) + Send + 'static>(
    runtime: &Runtime,
    plan: LoadPlan<'_>,
    target: &Target,
    (stop, enough): (&StopFlag, &StopFlag),
    mut watcher: Watch<W>,
) -> Result<LoadOutcome, RecordError> {
    let out = watcher.out().clone();
    out.event(EventKind::LoadStarted);
    let switch = target.switch.clone().map(|s| runtime.spawn(switch_on(target.url.clone(), s, out.clone())));
    let sink = move |period: LoadPeriod| watcher.period(&period);
    let load = load::start(&plan, Arc::clone(stop), sink)?;
    // The load goes on without this note; a full disk is remembered by the writer.
    let _ = out.update(|m| m.max_connections = Some(load.max_connections()));
    let outcome = load.join();
    if let Some(switch) = switch {
        switch.abort();
    }
    if stop.load(Ordering::Relaxed) && !enough.load(Ordering::Relaxed) {
        out.event(EventKind::Interrupted);
    }
    for (index, problem) in &outcome.teardown_failures {
        let name = plan.scenario.teardown.get(*index).map_or("teardown", |r| r.name.as_str());
        let (request, detail) = (name.to_owned(), problem.clone());
        out.event(EventKind::Failure { request, kind: TEARDOWN.to_owned(), detail, checks: Vec::new() });
    }
    out.event(EventKind::LoadEnded);
    Ok(outcome)
}

/// Changes the demo target's setting at its time.
async fn switch_on(base: Url, (setting, at): (String, Duration), out: RunWriter) {
    tokio::time::sleep(at).await;
    if let Err(problem) = set(&base, &setting).await {
        let (service, collector) = ("demo".to_owned(), "setting".to_owned());
        out.event(EventKind::CollectorFault { service, collector, problem });
    }
}

async fn set(base: &Url, setting: &str) -> Result<(), String> {
    let url = base.join(&format!("/admin/set?{setting}=on")).map_err(|e| e.to_string())?;
    let client = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
    let answer = client.post(url).timeout(Duration::from_secs(5)).send().await.map_err(|e| e.to_string())?;
    answer.error_for_status().map(drop).map_err(|e| e.to_string())
}

/// Collectors while they run.
struct Collecting {
    stop: watch::Sender<bool>,
    triggers: broadcast::Sender<Trigger>,
    tasks: Vec<JoinHandle<()>>,
}

impl Collecting {
    fn start(
        runtime: &Runtime,
        collectors: Vec<Box<dyn Collector>>,
        out: &RunWriter,
        in_flight: &InFlight,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (triggers, _) = broadcast::channel(16);
        let tasks = collectors
            .into_iter()
            .map(|collector| {
                let context = Context {
                    out: out.clone(),
                    stop: stopped.clone(),
                    triggers: triggers.subscribe(),
                    in_flight: in_flight.clone(),
                };
                runtime.spawn(collector.run(context))
            })
            .collect();
        Self { stop, triggers, tasks }
    }

    /// Lets every collector finish what is open, within bounds.
    fn finish(self, runtime: &Runtime) {
        // Nobody listens any more if all collectors have ended already.
        let _ = self.stop.send(true);
        runtime.block_on(async {
            let deadline = tokio::time::Instant::now() + COLLECTOR_GRACE;
            for task in self.tasks {
                // A collector that panicked or hangs has lost its own evidence, nothing else.
                let _ = tokio::time::timeout_at(deadline, task).await;
            }
        });
    }
}

fn manifest(plan: &Plan, target: &Url, checked: &Preflight, clock: RunClock) -> Manifest {
    let (load, mut target) = (&plan.scenario.load, target.clone());
    // Never with credentials.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Manifest {
        format: FormatVersion { major: FORMAT_MAJOR, minor: FORMAT_MINOR },
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: format!("{:016x}", rand::random::<u64>()),
        scenario: plan.scenario.name.clone(),
        scenario_sha256: host::sha256_hex(plan.text.as_bytes()),
        overrides: plan.overrides.iter().map(|o| mask_override(o)).collect(),
        target: target.to_string(),
        max_connections: None,
        arrivals: load.executor.is_open().then_some(load.arrivals),
        baseline: plan.baseline.as_ref().map(|path| path.display().to_string()),
        started_unix_nanos: clock.wall_unix_nanos(),
        state: RunState::Recording,
        host: host::facts(),
        sources: checked.facts.clone(),
        parts: Default::default(),
    }
}

fn seal(out: &RunWriter, outcome: &LoadOutcome, enough: bool) -> Result<Recorded, RecordError> {
    let load_nanos = outcome.ended.since(outcome.started);
    let stopped = out.stopped().map(|why| format!("recording stopped: {why}"));
    let incomplete = stopped.is_some();
    let by_user = outcome.interrupted && !enough;
    let interrupted = stopped.or(by_user.then(|| "stopped by the user".to_owned()));
    let state = match interrupted.clone() {
        Some(why) => RunState::Interrupted { why, load_nanos },
        None => RunState::Complete { load_nanos },
    };
    out.seal(state)?;
    Ok(Recorded { dir: out.dir().to_owned(), interrupted, incomplete })
}

/// `runs/<scenario>-<UTC time>` in the present folder.
#[must_use]
pub fn default_folder(scenario: &str) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Path::new("runs").join(format!("{}-{time}", crate::scenario::slug(scenario)))
}
