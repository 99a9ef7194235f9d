//! Golden tests: each folder under `reports/samples` is the derived part of a run folder. Its
//! `analysis/analysis.json` (and `folded.json`, if there is one) must give exactly the files beside it.
//! `BLESS=1 cargo test report::golden` rewrites them; a missing one fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Folded, job_summary, render};
use crate::analysis::Analysis;

/// Files that are inputs or hand-written, not outputs.
const INPUTS: [&str; 1] = ["folded.json"];
const SUMMARY: &str = "summary.md";
const SAMPLES: [&str; 6] = ["go-lock", "confirmed", "healthy", "journey", "generator", "failing"];

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/samples").join(name)
}

pub(super) fn load(name: &str) -> (Analysis, Folded) {
    let dir = sample(name);
    let json = fs::read_to_string(dir.join("analysis/analysis.json")).expect("sample analysis");
    let folded = fs::read_to_string(dir.join("folded.json")).ok();
    let folded = folded.map_or_else(Folded::default, |f| serde_json::from_str(&f).expect("folded stacks"));
    (serde_json::from_str(&json).expect("an analysis"), folded)
}

/// Everything that is written for a sample, by relative path.
pub(super) fn outputs(analysis: &Analysis, folded: &Folded) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().expect("scratch folder");
    let written = render(analysis, folded, dir.path()).expect("rendered");
    let mut files: BTreeMap<String, String> = written
        .into_iter()
        .map(|path| {
            let content = fs::read_to_string(dir.path().join(&path)).expect("a file that was written");
            (path, content)
        })
        .collect();
    assert_eq!(tree(dir.path()), files.keys().cloned().collect::<Vec<_>>(), "render lists what it writes");
    files.insert(SUMMARY.into(), job_summary(analysis).expect("summary"));
    files
}

/// Files below a folder, sorted, with `/` between names.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir).expect("below").to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn check(name: &str) {
    let (analysis, folded) = load(name);
    let files = outputs(&analysis, &folded);
    let dir = sample(name);
    if std::env::var_os("BLESS").is_some() {
        for (path, content) in &files {
            fs::write(dir.join(path), content).expect("golden written");
        }
    }
    for (path, content) in &files {
        let golden =
            fs::read_to_string(dir.join(path)).unwrap_or_else(|e| panic!("golden {name}/{path}: {e}"));
        assert!(
            golden == *content,
            "{name}/{path} differs; look at it and run with BLESS=1 if it is meant so"
        );
    }
    let mut expected = tree(&dir);
    expected.retain(|path| !INPUTS.contains(&path.as_str()));
    assert_eq!(expected, files.keys().cloned().collect::<Vec<_>>(), "no golden is left over");
    assert_eq!(files, outputs(&analysis, &folded), "the same input gives the same bytes");
}

#[test]
fn a_lock_held_too_long() {
    check("go-lock");
}

#[test]
fn a_cause_that_an_intervention_confirmed() {
    check("confirmed");
}

#[test]
fn a_healthy_run() {
    check("healthy");
}

#[test]
fn journeys_over_http2_with_checks_that_fail() {
    check("journey");
}

#[test]
fn a_generator_at_its_limit() {
    check("generator");
}

#[test]
fn requests_that_fail_all_the_time() {
    check("failing");
}

#[test]
fn the_first_five_lines_answer_the_five_questions() {
    for name in SAMPLES {
        let (analysis, folded) = load(name);
        let report = outputs(&analysis, &folded).remove("report.md").expect("a report");
        let starts =
            ["- **Verdict: ", "- **Cause:** ", "- **Size:** ", "- **Since when:** ", "- **What to do:** "];
        for (line, start) in report.lines().zip(starts) {
            assert!(line.starts_with(start) && line.len() > start.len() + 5, "{name}: {line}");
        }
    }
}

/// Samples are made by hand: they show only what an analysis can say.
#[test]
fn samples_are_possible() {
    use crate::analysis::{CheckOutcome, FAILING_SHARE, Verdict};
    for name in SAMPLES {
        let (a, _) = load(name);
        let failed = a.validity.checks.iter().any(|c| c.outcome == CheckOutcome::Failed);
        assert_eq!(a.validity.valid, !failed, "{name}");
        assert_eq!(a.verdict == Verdict::Generator, failed, "{name}");
        assert_eq!(a.breakdown.is_none(), failed, "{name}: the client's own rows are always there");
        let trouble = !a.anomalies.is_empty()
            || a.thresholds.iter().any(|t| !t.passed)
            || a.load.requests.iter().any(|r| r.error_rate >= FAILING_SHARE);
        assert_eq!(a.verdict == Verdict::Healthy, !trouble, "{name}");
        let failures: u64 = a.load.requests.iter().flat_map(|r| r.failed.values()).sum();
        assert_eq!(failures, a.load.total.failed.values().sum::<u64>(), "{name}");
        for r in a.load.requests.iter().chain([&a.load.total]) {
            assert_eq!(r.done, r.passed + r.failed.values().sum::<u64>(), "{name}: {}", r.name);
            assert!(
                (r.error_rate - (r.done - r.passed) as f64 / r.done as f64).abs() < 1e-9,
                "{name}: {}",
                r.name
            );
        }
        for t in a.thresholds.iter().filter(|t| t.request.is_some()) {
            assert!(a.load.requests.iter().any(|r| Some(&r.name) == t.request.as_ref()), "{name}: {t:?}");
        }
    }
}

#[test]
fn pictures_of_an_earlier_analysis_do_not_stay() {
    let dir = tempfile::tempdir().expect("scratch folder");
    let (lock, folded) = load("go-lock");
    render(&lock, &folded, dir.path()).expect("rendered");
    assert!(dir.path().join("analysis/flame-diff.svg").exists());
    let (healthy, _) = load("healthy");
    let written = render(&healthy, &Folded::default(), dir.path()).expect("rendered again");
    assert_eq!(tree(dir.path()), {
        let mut sorted = written;
        sorted.sort();
        sorted
    });
}
