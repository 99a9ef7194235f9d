//! Against real processes: a shell that burns CPU, in a control group with a quota where the machine allows one.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use super::*;
use crate::collect::testing::Rig;
use crate::formats::openmetrics;

/// A child that is killed at the end of the test.
struct Burner(Child);

impl Burner {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell"))
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn looks(pid: u32) -> Box<ProcessLooks> {
    let (service, which) = ("burner".to_owned(), TargetProcess::Pid(pid));
    Box::new(ProcessLooks { service, which, period: Duration::from_millis(200) })
}

/// Growth of a counter over all pages that a run folder has, and how many pages there are.
fn growth(rig: &Rig, name: &str) -> (f64, usize) {
    let pages = rig.files("host/burner");
    let value = |file: &String| {
        let text = rig.read(&format!("host/burner/{file}"));
        let page = openmetrics::parse(&text).expect("a page");
        assert!(page.eof && page.skipped == 0);
        page.samples().filter(|(_, s)| s.name == name).map(|(_, s)| s.value).sum::<f64>()
    };
    (value(pages.last().expect("pages")) - value(&pages[0]), pages.len())
}

#[tokio::test]
async fn cpu_time_of_a_process_is_what_it_burns() {
    let burner = Burner::start();
    let mut rig = Rig::new();
    rig.start(looks(burner.0.id()));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    rig.stop().await;
    let (cpu, pages) = growth(&rig, "process_mode_cpu_seconds_total");
    let (waited, _) = growth(&rig, "process_run_queue_delay_seconds_total");
    // It is always ready: what it does not get, it waits for.
    assert!((1.0..1.8).contains(&(cpu + waited)) && cpu > 0.1, "{cpu} s on a core, {waited} s ready");
    assert!(pages >= 6, "{pages}");
    let (busy, _) = growth(&rig, "process_cores_busy_seconds_total");
    let cores = std::thread::available_parallelism().expect("cores").get() as f64;
    // A look at the machine is a tick or two from one at the process.
    assert!(busy > cpu - 0.1 && busy < cores * 2.0, "{busy} s on any of its cores, {cpu} s of its own");
}

#[tokio::test]
async fn a_process_that_ends_is_told_and_looked_for_again() {
    let burner = Burner::start();
    let mut rig = Rig::new();
    rig.start(looks(burner.0.id()));
    rig.wait_for("host/burner", 2).await;
    drop(burner);
    tokio::time::sleep(Duration::from_millis(600)).await;
    rig.stop().await;
    let problems = rig.faults();
    assert!(problems.iter().any(|p| p.contains("there is no process")), "{problems:?}");
}

/// A control group with half a core, of version 2 or 1; none where this machine allows none.
fn half_a_core(pid: u32) -> Option<PathBuf> {
    let root = PathBuf::from(find::CGROUPS);
    let (top, limits): (_, &[_]) = match root.join("cgroup.controllers").exists() {
        true => (root.clone(), &[("cpu.max", "20000 40000")]),
        false => (root.join("cpu"), &[("cpu.cfs_period_us", "40000"), ("cpu.cfs_quota_us", "20000")]),
    };
    if top == root {
        // Already so, or refused: shown by what follows.
        let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu");
    }
    let folder = top.join(format!("loadprof-test-{pid}"));
    fs::create_dir(&folder).ok()?;
    let set = |(file, value): &(&str, &str)| fs::write(folder.join(file), value);
    let joined = limits
        .iter()
        .try_for_each(set)
        .and_then(|()| fs::write(folder.join("cgroup.procs"), pid.to_string()));
    if joined.is_err() {
        let _ = fs::remove_dir(&folder);
        return None;
    }
    Some(folder)
}

#[tokio::test]
async fn a_quota_shows_as_throttled_periods() {
    let burner = Burner::start();
    // Where no group can be made, `cgroup::tests` hold the formats.
    let Some(folder) = half_a_core(burner.0.id()) else { return };
    let mut rig = Rig::new();
    rig.start(looks(burner.0.id()));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    rig.stop().await;
    let survey = survey(&TargetProcess::Pid(burner.0.id())).expect("alive");
    drop(burner);
    let (periods, _) = growth(&rig, "cgroup_cpu_periods_total");
    let (throttled, _) = growth(&rig, "cgroup_cpu_throttled_periods_total");
    let _ = fs::remove_dir(folder);
    assert_eq!(survey.quota, Some(0.5));
    assert!(periods >= 20.0 && throttled >= 0.5 * periods, "{throttled} of {periods}");
}
