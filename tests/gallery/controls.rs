//! Runs in which the service is not to blame for anything: naming a cause in it is a false alarm. That a process beside it
//! made it slow may be said of a machine whose cores are not many.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cases::EVEN;
use crate::probe::Capacities;
use crate::run::{Setup, judged, valid_run};
use crate::stage::{Part, Switch};

/// A healthy run, and what changes in the middle of it.
pub struct Control {
    pub name: &'static str,
    /// Verdicts that are right.
    pub verdicts: &'static [&'static str],
    /// Kinds that blame nobody in the service.
    outside: &'static [&'static str],
    change: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Nothing,
    /// The arrival rate becomes this many times as high.
    Load(f64),
    /// Against a run before it, the weight of the dearest request is tripled.
    Mix,
    /// The service keeps more memory, and has enough.
    Heap,
    /// Something else runs, on a core that is free.
    Burner,
}

pub const CONTROLS: &[Control] = &[
    Control { name: "nothing changes", verdicts: &["healthy"], outside: &[], change: Change::Nothing },
    Control {
        name: "30 % more load",
        verdicts: &["healthy", "load"],
        outside: &[],
        change: Change::Load(1.3),
    },
    Control { name: "another mix", verdicts: &["healthy", "mix"], outside: &[], change: Change::Mix },
    Control { name: "more memory in use", verdicts: &["healthy"], outside: &[], change: Change::Heap },
    Control {
        name: "a process on a free core",
        verdicts: &["healthy"],
        outside: &["noisy-neighbour"],
        change: Change::Burner,
    },
];

/// Whether a control passed, and what was said.
#[derive(Serialize, Deserialize)]
pub struct Passed {
    pub name: String,
    pub seed: u64,
    /// Whether a part of the service was blamed.
    pub blamed: bool,
    /// Whether the verdict was another than it should be, though nobody was blamed.
    pub alarmed: bool,
    pub verdict: String,
    pub said: String,
    pub valid: bool,
}

/// Share of the capacity that healthy runs use.
const SHARE: f64 = 0.5;

pub fn run(control: &Control, seed: u64, capacities: &mut Capacities, keep: Option<&Path>) -> Passed {
    let mut setup = Setup::of(format!("control: {}", control.name), &[Part::Downstream], EVEN, seed);
    setup.rate = (SHARE * capacities.of(&setup, false)).round();
    setup.change = match control.change {
        Change::Load(factor) => Some(format!("{:.0}/s", setup.rate * factor)),
        _ => None,
    };
    if let Change::Mix = control.change {
        let before = valid_run(&setup, keep.map(before).as_deref(), |_| ());
        setup.mix.iter_mut().filter(|(path, _)| path.starts_with("/recommend")).for_each(|r| r.1 *= 3);
        setup.baseline = Some(before.folder.clone());
        return passed(control, seed, &valid_run(&setup, keep, |_| ()).analysis);
    }
    let outcome = valid_run(&setup, keep, |stage| match control.change {
        Change::Burner => stage.switch(Switch::Idler, 1.0),
        Change::Heap => stage.switch(Switch::Shop("history=20"), 0.0),
        _ => {}
    });
    passed(control, seed, &outcome.analysis)
}

/// Where the run before a kept one is, for controls that are compared.
fn before(folder: &Path) -> PathBuf {
    PathBuf::from(format!("{}-before", folder.display()))
}

/// A kept run as it is judged now; none if it, or what it is to be compared with, is not there.
pub fn again(control: &Control, seed: u64, folder: &Path) -> Option<Passed> {
    let compared = matches!(control.change, Change::Mix).then(|| before(folder));
    if compared.as_ref().is_some_and(|b| !b.join("run.json").exists()) {
        return None;
    }
    judged(folder, compared.as_deref()).map(|a| passed(control, seed, &a))
}

fn passed(control: &Control, seed: u64, a: &Value) -> Passed {
    let causes: &[Value] = a["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let verdict = a["verdict"].as_str().unwrap_or("none").to_owned();
    Passed {
        name: control.name.to_owned(),
        seed,
        blamed: causes.iter().any(|c| !control.outside.contains(&c["kind"].as_str().unwrap_or_default())),
        alarmed: !control.verdicts.contains(&verdict.as_str()),
        said: causes.first().map_or("nobody is blamed".into(), |c| format!("{} at {}", c["kind"], c["at"])),
        valid: verdict != "generator",
        verdict,
    }
}

impl Passed {
    pub fn line(&self) -> String {
        let outcome = match (self.valid, self.blamed) {
            (false, _) => "no measurement",
            (true, true) => "FALSE ALARM",
            (true, false) if self.alarmed => "nobody in the service is blamed",
            (true, false) => "right",
        };
        format!("    {:<44} {:<10} {outcome}: {}", self.name, self.verdict, self.said)
    }
}
