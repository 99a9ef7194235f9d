//! The demonstrations are tests: each names, by its `[expect]`, what it must find.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{analysis, finish, loadprof, printed};

fn demonstrates(name: &str, at: &str) {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("run");
    let output = finish(loadprof().arg("run").arg(&scenario).arg("--out").arg(&out), Duration::from_secs(90));
    assert!(output.status.success(), "{}", printed(&output));
    let analysis = analysis(&out);
    assert!(analysis["causes"][0]["at"].as_str().is_some_and(|f| f.contains(at)), "{:#}", analysis["causes"]);
    assert_eq!(analysis["expectation"]["met"], true);
    let report = std::fs::read_to_string(out.join("report.md")).expect("a report");
    let first: Vec<&str> = report.lines().take(5).collect();
    assert!(first[1].contains(at), "the cause is in the second line: {first:#?}");
}

#[test]
fn the_demo_names_the_costly_function() {
    demonstrates("demo.toml", "reprice");
}

#[test]
fn the_lock_demo_names_the_holder() {
    demonstrates("demo-lock.toml", "audit");
}
