//! Runs against the Go service: one recording of a fault, damaged in many ways. Whatever is missing, cut, garbled, late or
//! begun anew: there is a report or an error that says what is wrong, and nobody is blamed with certainty but the one who
//! is to blame.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use common::{Pair, after, finish, keep, loadprof, printed, scenario};
use serde_json::Value;

const RATE: u32 = 120;

/// A run in which the catalogue is parsed under a lock from half-time on.
fn recording() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let pair = Pair::start(&[]);
        let text = format!(
            "name = \"damaged\"\n[target]\nurl = \"{0}\"\n[load.constant-arrival-rate]\nrate = \"{RATE}/s\"\n\
             for = \"22s\"\n[[request]]\nname = \"catalogue\"\nget = \"/catalogue?page=2\"\n\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{0}/debug/pprof\"\n\
             [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"{0}/metrics\"\n\
             [[evidence.process]]\nservice = \"shop\"\npid = {1}\n",
            pair.shop.url,
            pair.shop.pid()
        );
        let out = dir.path().join("run");
        let base = pair.shop.url.clone();
        let switch = after(Duration::from_secs(11), move || common::set(&base, "refresh=always&pages=90"));
        let mut command = loadprof();
        command.arg("run").arg(scenario(dir.path(), &text)).arg("--out").arg(&out).arg("--quiet");
        let output = finish(&mut command, Duration::from_secs(60));
        switch.join().expect("switched");
        assert!(out.join("report.md").exists(), "{}", printed(&output));
        keep(&out);
        (dir, out)
    });
    path
}

/// A copy that may be damaged.
fn copy() -> (tempfile::TempDir, PathBuf) {
    common::copy_of(recording())
}

/// All files of a part of the folder, in order of their names.
fn files(run: &Path, part: &str) -> Vec<PathBuf> {
    let mut open = vec![run.join(part)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("readable").map(|e| e.expect("an entry").path()));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Analyses a damaged copy: it ends in order, and blames nobody wrongly with certainty.
fn judge(run: &Path, what: &str) -> Option<Value> {
    let output = finish(loadprof().arg("analyze").arg(run), Duration::from_secs(60));
    let text = printed(&output);
    let code = output.status.code().unwrap_or(-1);
    assert!(!text.contains("panicked") && [0, 1, 2, 10, 11, 12, 99].contains(&code), "{what}: {text}");
    let Ok(analysis) = fs::read_to_string(run.join("analysis/analysis.json")) else {
        assert!(String::from_utf8_lossy(&output.stderr).lines().count() > 0, "{what}: silent: {text}");
        eprintln!("{what}: refused with exit code {code}");
        return None;
    };
    let analysis: Value = serde_json::from_str(&analysis).expect("JSON");
    let cause = &analysis["causes"][0];
    let (kind, at) = (cause["kind"].as_str().unwrap_or("none"), cause["at"].as_str().unwrap_or(""));
    eprintln!("{what}: {} {kind} {at}", analysis["verdict"]);
    if analysis["verdict"] == "strong" {
        assert!(at.contains("catalogue.(*Store)"), "{what}: wrong with certainty: {cause:#}");
    }
    Some(analysis)
}

type Damage = fn(&Path);

const PARTS: [&str; 10] = [
    "profiles/shop/goroutine",
    "profiles/shop/in-flight.jsonl",
    "profiles/shop/cpu",
    "profiles/shop/mutex",
    "profiles/shop/heap",
    "metrics/shop",
    "metrics/loadprof",
    "host",
    "load",
    "events.jsonl",
];

#[test]
fn an_undamaged_recording_names_the_lock() {
    let (_dir, run) = copy();
    let analysis = judge(&run, "whole").expect("an analysis");
    assert_eq!(analysis["verdict"], "strong", "{}", analysis["causes"]);
}

#[test]
fn missing_cut_and_garbled_parts_are_survived() {
    for part in PARTS {
        let damages: [(&str, Damage); 4] = [
            ("missing", |p| fs::remove_file(p).expect("removed")),
            ("empty", |p| fs::write(p, b"").expect("written")),
            ("cut", |p| {
                let bytes = fs::read(p).expect("readable");
                fs::write(p, &bytes[..bytes.len() / 2]).expect("written");
            }),
            ("garbled", |p| {
                let mut bytes = fs::read(p).expect("readable");
                bytes.iter_mut().enumerate().for_each(|(i, b)| *b ^= (i as u8).wrapping_mul(37) & 0x5a);
                fs::write(p, &bytes).expect("written");
            }),
        ];
        for (how, damage) in damages {
            let (_dir, run) = copy();
            let all = files(&run, part);
            assert!(!all.is_empty(), "{part} has no files: nothing is damaged");
            all.iter().for_each(|p| damage(p));
            judge(&run, &format!("{part} {how}"));
        }
    }
}

/// Files are named by their moments in nanoseconds of the run.
fn shift(run: &Path, part: &str, by: i64) {
    let all = files(run, part);
    assert!(!all.is_empty(), "{part} has no files");
    for path in all {
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        let (stamps, rest) = name.split_once('.').expect("an extension");
        if rest == "jsonl" {
            // Moments of the run inside: what is named by others is none of theirs any more.
            continue;
        }
        let moved: Vec<String> = stamps
            .split('-')
            .map(|s| {
                let nanos = s.parse::<i64>().expect("a stamp") + by * 1_000_000_000;
                format!("{:015}", nanos.max(0))
            })
            .collect();
        fs::rename(&path, path.with_file_name(format!("{}.{rest}", moved.join("-")))).expect("renamed");
    }
}

#[test]
fn evidence_of_a_clock_that_is_off_blames_nobody_else() {
    for part in ["profiles/shop/goroutine", "profiles/shop/cpu", "profiles/shop", "metrics/shop", "host"] {
        for by in [-6, 6, 3600] {
            let (_dir, run) = copy();
            shift(&run, part, by);
            judge(&run, &format!("{part} {by:+} s"));
        }
    }
}

/// Pages and cumulative profiles of the second half begin with those of the first again.
#[test]
fn counters_that_begin_anew_are_no_growth() {
    for part in ["metrics/shop", "host", "profiles/shop/mutex", "profiles/shop/heap", "metrics/loadprof"] {
        let (_dir, run) = copy();
        let all = files(&run, part);
        assert!(all.len() >= 2, "{part} has no two files");
        let half = all.len() / 2;
        for (later, earlier) in all[half..].iter().zip(&all) {
            fs::copy(earlier, later).expect("copied");
        }
        judge(&run, &format!("{part} begun anew"));
    }
}

/// Of one run the evidence, of another the load: what they say of each other is not true.
#[test]
fn snapshots_that_contradict_the_load_close_no_books() {
    let (_dir, run) = copy();
    let snapshots = files(&run, "profiles/shop/goroutine");
    // The busiest snapshot everywhere: ten times the requests that can have been in flight.
    let busiest = snapshots.iter().max_by_key(|p| fs::metadata(p).map_or(0, |m| m.len())).expect("snapshots");
    let bytes = fs::read(busiest).expect("readable");
    snapshots.iter().for_each(|p| fs::write(p, &bytes).expect("written"));
    let analysis = judge(&run, "the same snapshot again and again").expect("an analysis");
    assert_ne!(analysis["verdict"], "strong", "rows cannot add up: {}", analysis["breakdown"]);
}
