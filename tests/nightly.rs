//! Runs against the Go service: the nightly gate against a baseline, and the capacity search.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Pair, analysis, finish, loadprof, printed, scenario};

/// Arrivals come at random: at 500/s every fifth even one would meet the tick of the 100 Hz CPU profile in the same
/// state of the service, and the profile would see much too much of a function, or nothing.
fn text(pair: &Pair) -> String {
    format!(
        "name = \"nightly\"\n[target]\nurl = \"{0}\"\n[load]\narrivals = \"poisson\"\n[load.constant-arrival-rate]\nrate = \"500/s\"\nfor = \"20s\"\n\
         [[request]]\nname = \"search\"\nget = \"/search?q=oak+mug\"\nweight = 3\n\
         [[request]]\nname = \"catalogue\"\nget = \"/catalogue?page=2\"\n\
         [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{0}/debug/pprof\"\n\
         [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"{0}/metrics\"\n",
        pair.shop.url
    )
}

/// One night: a fresh shop, a run, perhaps compared. Exit code and folder.
fn night(dir: &Path, name: &str, set: Option<&str>, baseline: Option<&Path>) -> (i32, PathBuf) {
    let pair = Pair::start(&[]);
    if let Some(set) = set {
        pair.shop.set(set);
    }
    let path = scenario(dir, &text(&pair));
    let out = dir.join(name);
    let mut command = loadprof();
    command.arg("run").arg(&path).arg("--out").arg(&out).arg("--quiet");
    if let Some(baseline) = baseline {
        command.arg("--baseline").arg(baseline);
    }
    let output = finish(&mut command, Duration::from_secs(90));
    eprintln!("{name}: {}", String::from_utf8_lossy(&output.stdout).trim());
    (output.status.code().unwrap_or_else(|| panic!("{}", printed(&output))), out)
}

#[test]
fn the_same_service_twice_passes() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, baseline) = night(dir.path(), "baseline", None, None);
    assert_eq!(code, 0);
    for n in 1..=if common::long() { 5 } else { 2 } {
        let (code, out) = night(dir.path(), &format!("healthy-{n}"), None, Some(&baseline));
        assert_eq!(code, 0, "{:#}", analysis(&out)["baseline"]);
    }
}

#[test]
fn a_regression_is_red_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, baseline) = night(dir.path(), "baseline", None, None);
    assert_eq!(code, 0);
    let (code, out) = night(dir.path(), "red", Some("compile=always&terms=100"), Some(&baseline));
    let analysis = analysis(&out);
    assert_eq!(code, 11, "{:#}", analysis["baseline"]);
    let cause = &analysis["causes"][0];
    assert_eq!(cause["kind"], "cpu", "{:#}", analysis["causes"]);
    assert!(cause["at"].as_str().is_some_and(|at| at.contains("search.(*Index)")), "{cause:#}");
}

#[test]
fn capacity_finds_the_limit_of_a_known_pool_and_names_it() {
    // 8 workers that take 20 ms each: 400 a second.
    let pair = Pair::start(&["-workers", "8", "-job-time", "20ms"]);
    let dir = tempfile::tempdir().expect("a folder");
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"orders\"\n[target]\nurl = \"{0}\"\n[load.constant-arrival-rate]\nrate = \"150/s\"\nfor = \"10s\"\n\
             [[request]]\nname = \"order\"\nget = \"/order\"\n[thresholds]\np95 = \"150ms\"\nerror-rate = \"1%\"\n\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{0}/debug/pprof\"\ncpu-window = \"3s\"\n",
            pair.shop.url
        ),
    );
    let out = dir.path().join("search");
    let mut command = loadprof();
    command.arg("capacity").arg(&path).arg("--out").arg(&out).args(["--hold", "8s", "--quiet"]);
    let output = finish(&mut command, Duration::from_secs(400));
    assert!(output.status.success(), "{}", printed(&output));
    let text = std::fs::read_to_string(out.join("capacity.json")).expect("capacity.json");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let capacity = found["capacity"].as_f64().expect("a capacity");
    eprintln!(
        "capacity {capacity:.0}/s, known limit 400/s, {} runs",
        found["runs"].as_array().map_or(0, Vec::len)
    );
    assert!((360.0..=440.0).contains(&capacity), "{text}");
    let limiter = &found["limiters"][0];
    assert_eq!(limiter["kind"], "pool", "{text}");
    assert!(limiter["at"].as_str().is_some_and(|at| at.contains("orders.(*Pool)")), "{limiter:#}");
}
