//! A run folder for the tests of this module.

use std::path::Path;
use std::time::Duration;

use super::Intervention;
use crate::run::load_log::LoadLog;
use crate::run::manifest::{Manifest, RunState};
use crate::run::period::{LoadPeriod, RequestPeriod, new_latency};
use crate::run::reader::Recording;
use crate::run::writer::RunWriter;
use crate::scenario::Arrivals;
use crate::time::{RunClock, RunTime, SECOND, Window};

/// An intervention on that run.
pub(super) fn intervention(run: &Path) -> Intervention {
    Intervention {
        run: run.to_owned(),
        baseline: None,
        cause: 1,
        apply: "true".into(),
        revert: "true".into(),
        limit: Duration::from_secs(5),
        pairs: 6,
        hold: Duration::from_secs(5),
        settle: Duration::from_secs(2),
        scenario: None,
        overrides: Vec::new(),
        out: None,
    }
}

/// Five seconds of two requests; second `n`, from 1, offered `10 n` arrivals and had `n` users.
pub(super) fn run_folder(dir: &Path, scenario: &str, overrides: &[String]) -> Recording {
    let manifest = Manifest {
        scenario: "s".into(),
        overrides: overrides.to_vec(),
        arrivals: Some(Arrivals::Poisson),
        ..Manifest::for_tests()
    };
    let out = RunWriter::create(dir, RunClock::start(), manifest, scenario).expect("a folder");
    let mut log = LoadLog::new(out.clone(), vec!["get-b".into(), "get-a".into()]).expect("logs");
    (1..=5).for_each(|n| log.write(&period(n), &[]).expect("written"));
    out.seal(RunState::Complete { load_nanos: 5 * SECOND }).expect("sealed");
    Recording::open(dir).expect("a run folder")
}

fn period(n: u64) -> LoadPeriod {
    let at = |n: u64| RunTime::from_nanos(n * SECOND);
    LoadPeriod {
        window: Window::new(at(n - 1), at(n)),
        requests: vec![RequestPeriod::new(), RequestPeriod::new()],
        lateness: new_latency(),
        offered: 10 * n,
        sent: 10 * n,
        backlog: 0,
        in_flight: 0,
        connections: 1,
        streams: 0,
        vus: n,
        slowest: Vec::new(),
        failures: Vec::new(),
    }
}
