//! The run folder as a seam: rebuilt byte for byte, readable after `kill -9`, Ctrl-C, and without space.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{analysis, finish, loadprof, printed, scenario};

/// The demo target under a light load: small, with every kind of file.
fn demo(dir: &Path, secs: u64) -> PathBuf {
    scenario(
        dir,
        &format!(
            "name = \"folder\"\n[target.demo]\n[load.constant-arrival-rate]\nrate = \"100/s\"\nfor = \"{secs}s\"\n\
             [[request]]\nname = \"page\"\nget = \"/products?page=1\"\n\
             [[evidence.pprof]]\nservice = \"shop\"\nurl = \"/debug/pprof\"\ncpu-window = \"2s\"\n\
             [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"/metrics\"\n"
        ),
    )
}

/// Bytes of the derived files.
fn derived(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(run.join("analysis"))
        .expect("analysis/")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("readable")))
        .collect();
    files.insert("report.md".into(), fs::read(run.join("report.md")).expect("readable"));
    files
}

#[test]
fn analyze_rebuilds_every_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, out) = (demo(dir.path(), 6), dir.path().join("run"));
    let output = finish(loadprof().arg("run").arg(&path).arg("--out").arg(&out), Duration::from_secs(60));
    assert!(output.status.success(), "{}", printed(&output));
    let before = derived(&out);
    fs::remove_dir_all(out.join("analysis")).expect("removed");
    fs::remove_file(out.join("report.md")).expect("removed");
    let output = finish(loadprof().arg("analyze").arg(&out), Duration::from_secs(60));
    assert!(output.status.success(), "{}", printed(&output));
    let after = derived(&out);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, bytes) in before {
        assert!(after[&name] == bytes, "{name} differs");
    }
}

#[test]
fn a_killed_run_is_analysed_up_to_its_last_second() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, out) = (demo(dir.path(), 60), dir.path().join("run"));
    let mut child = loadprof()
        .arg("run")
        .arg(&path)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    thread::sleep(Duration::from_secs(9));
    child.kill().expect("killed");
    child.wait().expect("ended");
    let output = finish(loadprof().arg("analyze").arg(&out), Duration::from_secs(60));
    assert!(output.status.success(), "{}", printed(&output));
    let analysis = analysis(&out);
    assert!(analysis["run"]["partial"].is_string(), "{:#}", analysis["run"]);
    let points = analysis["timeline"].as_array().expect("a timeline").len();
    assert!((5..=10).contains(&points), "{points} periods of about 8");
    let report = fs::read_to_string(out.join("report.md")).expect("a report");
    assert!(report.contains("partial"), "the report says that it is partial");
}

#[test]
fn an_interrupted_run_still_reports() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, out) = (demo(dir.path(), 60), dir.path().join("run"));
    let mut command = loadprof();
    command.arg("run").arg(&path).arg("--out").arg(&out).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("starts");
    thread::sleep(Duration::from_secs(7));
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.is_ok_and(|s| s.success()));
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(130));
    assert!(out.join("report.md").exists());
    assert!(analysis(&out)["run"]["partial"].as_str().is_some_and(|why| why.contains("user")));
}

#[test]
fn a_folder_that_holds_files_is_not_touched() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, out) = (demo(dir.path(), 5), dir.path().join("run"));
    fs::create_dir(&out).expect("made");
    fs::write(out.join("precious.txt"), "mine").expect("written");
    let output = finish(loadprof().arg("run").arg(&path).arg("--out").arg(&out), Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert_eq!(fs::read_to_string(out.join("precious.txt")).expect("still there"), "mine");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"), "{}", printed(&output));
}
