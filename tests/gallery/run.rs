//! One run of a case: the load, the switch in the middle of it, and what loadprof made of it.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::common::{analysis, finish, loadprof, printed, scenario};
use crate::stage::{Part, Stage, Switch};

/// Length of a run, and when the fault is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub switch: Duration,
    pub end: Duration,
}

const USUAL: Times = Times { switch: Duration::from_secs(13), end: Duration::from_secs(28) };
/// Half a minute of so few requests a second has but some thousand of them: whoever has no more runs longer.
const FEW: f64 = 250.0;
const FOR_FEW: Times = Times { switch: Duration::from_secs(27), end: Duration::from_secs(62) };
/// Of 45 a second a minute has so little in flight that what its snapshots meet by chance leaves a fifth of the books open.
const FEWEST: f64 = 45.0;
const FOR_FEWEST: Times = Times { switch: Duration::from_secs(82), end: Duration::from_secs(182) };

impl Times {
    fn of(rate: f64) -> Self {
        match rate {
            _ if rate <= FEWEST => FOR_FEWEST,
            _ if rate <= FEW => FOR_FEW,
            _ => USUAL,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        USUAL
    }
}

/// Runs that may say of themselves that they are no measurement: generator and services share the machine.
const INVALID: usize = 1;
/// What the rate is multiplied by then, as the report advises.
const CALMER: f64 = 0.9;

/// What is put under load.
#[derive(Clone)]
pub struct Setup {
    pub name: String,
    pub parts: &'static [Part],
    pub args: Vec<String>,
    pub prepare: &'static [Switch],
    pub memory: Option<&'static str>,
    pub mix: Vec<(String, u32)>,
    pub rate: f64,
    pub seed: u64,
    /// Services on one core and the generator on the other.
    pub apart: bool,
    /// Rate from the switch on, if the load itself changes.
    pub change: Option<String>,
    /// Run to compare with.
    pub baseline: Option<PathBuf>,
    /// What the scenario says must be found.
    pub expect: String,
}

/// What came out.
pub struct Outcome {
    pub analysis: Value,
    pub folder: PathBuf,
    pub rate: f64,
    pub times: Times,
    /// The shop's own clocks, again and again: `(unix nanoseconds, clocks)`.
    pub readings: Vec<(u64, Value)>,
    _dir: Option<tempfile::TempDir>,
}

/// What a kept recording does not hold itself, in a file beside it.
#[derive(Serialize, Deserialize)]
struct Aside {
    rate: f64,
    #[serde(default)]
    times: Times,
    readings: Vec<(u64, Value)>,
    /// Mean in ms of a run without the fault.
    healthy: Option<f64>,
}

fn aside(folder: &Path) -> PathBuf {
    PathBuf::from(format!("{}.json", folder.display()))
}

impl Outcome {
    /// Makes a kept recording good for [`again`].
    pub fn keep(&self, healthy: Option<f64>) {
        if self._dir.is_none() {
            let Self { rate, times, readings, .. } = self;
            let held = Aside { rate: *rate, times: *times, readings: readings.clone(), healthy };
            let text = serde_json::to_string(&held).expect("plain values");
            std::fs::write(aside(&self.folder), text).expect("written");
        }
    }
}

/// A kept recording as it is judged now, with the mean in ms of a run without the fault; none if there is none.
pub fn again(folder: &Path) -> Option<(Outcome, Option<f64>)> {
    let text = std::fs::read_to_string(aside(folder)).ok()?;
    let Aside { rate, times, readings, healthy } = serde_json::from_str(&text).expect("written by keep");
    let analysis = judged(folder, None)?;
    Some((Outcome { analysis, folder: folder.to_owned(), rate, times, readings, _dir: None }, healthy))
}

/// What is said now of a recording, against a baseline if there is one; none if it was not kept.
pub fn judged(folder: &Path, baseline: Option<&Path>) -> Option<Value> {
    if !folder.join("run.json").exists() {
        return None;
    }
    let mut command = loadprof();
    command.arg("analyze").arg(folder);
    if let Some(baseline) = baseline {
        command.arg("--baseline").arg(baseline);
    }
    let output = finish(&mut command, Duration::from_secs(120));
    assert!(!printed(&output).contains("panicked"), "{}", printed(&output));
    Some(analysis(folder))
}

impl Setup {
    /// As it is without anything special; the rate is still to be told.
    pub fn of(name: impl Into<String>, parts: &'static [Part], mix: &[(&str, u32)], seed: u64) -> Self {
        Self {
            name: name.into(),
            parts,
            args: Vec::new(),
            prepare: &[],
            memory: None,
            mix: mix.iter().map(|(path, weight)| ((*path).to_owned(), *weight)).collect(),
            rate: 0.0,
            seed,
            apart: false,
            change: None,
            baseline: None,
            expect: String::new(),
        }
    }

    pub fn requests(&self) -> String {
        let name =
            |path: &str| path.trim_start_matches('/').split('?').next().unwrap_or("request").to_owned();
        self.mix
            .iter()
            .map(|(path, weight)| {
                format!("[[request]]\nname = \"{}\"\nget = \"{path}\"\nweight = {weight}\n", name(path))
            })
            .collect()
    }

    /// The scenario without its evidence.
    pub fn load(&self, url: &str, length: Duration) -> String {
        let switch = Times::of(self.rate).switch;
        let executor = match &self.change {
            None => format!(
                "[load.constant-arrival-rate]\nrate = \"{:.0}/s\"\nfor = \"{}ms\"\n",
                self.rate,
                length.as_millis()
            ),
            Some(then) => format!(
                "[load.ramping-arrival-rate]\nstages = [{{ for = \"{}ms\", rate = \"{:.0}/s\" }}, \
                 {{ for = \"{}ms\", rate = \"{then}\" }}]\n",
                switch.as_millis(),
                self.rate,
                length.saturating_sub(switch).as_millis()
            ),
        };
        format!(
            "name = \"{}\"\n[target]\nurl = \"{url}\"\n[load]\nwarm-up = \"2s\"\nseed = {}\n{executor}{}",
            self.name,
            self.seed,
            self.requests()
        )
    }

    pub fn stage(&self) -> Stage {
        let mut stage = Stage::start(self.parts, &self.args, self.apart, self.memory);
        self.prepare.iter().for_each(|switch| stage.switch(*switch, 0.0));
        stage
    }
}

/// Runs until the run is a valid measurement, a few times at most.
pub fn valid_run(setup: &Setup, keep: Option<&Path>, fault: impl Fn(&mut Stage)) -> Outcome {
    let mut setup = setup.clone();
    for attempt in 0.. {
        let outcome = run(&setup, keep, &fault);
        if outcome.analysis["verdict"] != "generator" || attempt == INVALID {
            return outcome;
        }
        let checks = outcome.analysis["validity"]["checks"].as_array().cloned().unwrap_or_default();
        let failed: Vec<String> = checks
            .iter()
            .filter(|c| c["outcome"] == "failed")
            .map(|c| format!("{} {}", c["name"], c["value"]))
            .collect();
        eprintln!(
            "  {} at {:.0}/s is no valid run, once more: {}",
            setup.name,
            setup.rate,
            failed.join(", ")
        );
        setup.rate *= CALMER;
    }
    unreachable!("the loop ends by returning")
}

fn run(setup: &Setup, keep: Option<&Path>, fault: &impl Fn(&mut Stage)) -> Outcome {
    let mut stage = setup.stage();
    let times = Times::of(setup.rate);
    let dir = tempfile::tempdir().expect("a folder");
    let text = setup.load(&stage.shop.url, times.end) + &stage.evidence() + &setup.expect;
    let folder = keep.map_or_else(|| dir.path().join("run"), Path::to_owned);
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_file(aside(&folder));
    let mut command = generator(setup.apart);
    command.arg("run").arg(scenario(dir.path(), &text)).arg("--out").arg(&folder).arg("--quiet");
    if let Some(baseline) = &setup.baseline {
        command.arg("--baseline").arg(baseline);
    }
    let (done, ended) = mpsc::channel();
    let began = Instant::now();
    let load = std::thread::spawn(move || {
        let output = finish(&mut command, times.end + Duration::from_secs(60));
        let _ = done.send(());
        output
    });
    let mut readings = Vec::new();
    let mut switched = false;
    while ended.recv_timeout(Duration::from_millis(250)) == Err(mpsc::RecvTimeoutError::Timeout) {
        if !switched && began.elapsed() >= times.switch {
            fault(&mut stage);
            switched = true;
        }
        readings.extend(stage.shop.try_clocks());
    }
    let output = load.join().expect("it ran");
    assert!(folder.join("report.md").exists(), "no report: {}", printed(&output));
    let analysis = analysis(&folder);
    Outcome { analysis, folder, rate: setup.rate, times, readings, _dir: keep.is_none().then_some(dir) }
}

/// loadprof, on the first core if the services have the others.
pub fn generator(apart: bool) -> std::process::Command {
    let plain = loadprof();
    if !apart {
        return plain;
    }
    let mut pinned = std::process::Command::new("taskset");
    pinned.args(["-c", "0"]).arg(plain.get_program()).env_remove("GITHUB_STEP_SUMMARY");
    pinned
}
