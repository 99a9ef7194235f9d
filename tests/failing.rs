//! Runs against a server that fails: what is the target's fault is said of the target.

mod common;
#[path = "common/flaky.rs"]
mod flaky;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use common::{analysis, finish, loadprof, printed, scenario};
use flaky::Flaky;

/// A run at 100/s: what was said of it, and where.
struct Ran {
    analysis: Value,
    report: String,
    folder: PathBuf,
}

/// Checks that fail where other programs take the generator's CPU.
const BUSY: [&str; 2] = ["late periods", "time the busiest load thread was not idle"];

/// A run of `seconds` against a new server, which must end with `code`. Once more if this machine was so busy with
/// other things that the generator was starved: of that run nothing is said.
fn run(server: impl Fn() -> Flaky, dir: &Path, seconds: u32, more: &str, args: &[&str], code: i32) -> Ran {
    for attempt in 0.. {
        let server = server();
        let text = format!(
            "name = \"flaky\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"1s\"\nthreads = 1\n\
             [load.constant-arrival-rate]\nrate = \"100/s\"\nfor = \"{seconds}s\"\n\
             [[request]]\nname = \"ask\"\nget = \"/\"\n{more}",
            server.url
        );
        let (path, folder) = (scenario(dir, &text), dir.join(format!("run-{attempt}")));
        let mut command = loadprof();
        command.arg("run").arg(path).args(["--quiet", "--out"]).arg(&folder).args(args);
        let output = finish(&mut command, Duration::from_secs(60));
        let analysis = analysis(&folder);
        let busy = BUSY.iter().any(|name| check(&analysis, name)["outcome"] == "failed");
        if busy && attempt < 2 {
            continue;
        }
        assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
        let report = std::fs::read_to_string(folder.join("report.md")).expect("a report");
        return Ran { analysis, report, folder };
    }
    unreachable!("the third attempt returns")
}

fn check<'a>(analysis: &'a Value, name: &str) -> &'a Value {
    let checks = analysis["validity"]["checks"].as_array().expect("checks");
    checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// What every real run says of its checks, the samples of reports must say as well.
fn checks(analysis: &Value) -> Vec<(Value, Value, Value, Value)> {
    let checks = analysis["validity"]["checks"].as_array().expect("checks");
    let of = |c: &Value| (c["name"].clone(), c["limit"].clone(), c["unit"].clone(), c["at_least"].clone());
    checks.iter().map(of).collect()
}

#[test]
fn a_target_that_goes_away_is_not_the_generators_fault() {
    let dir = tempfile::tempdir().expect("a folder");
    let Ran { analysis, report, .. } = run(|| Flaky::ending(700), dir.path(), 14, "", &[], 0);
    assert_eq!(analysis["verdict"], "failing", "{report}");
    assert_eq!(analysis["validity"]["valid"], true, "{report}");
    let sent = check(&analysis, "sent / asked");
    assert!(sent["value"].as_f64().expect("a share") < 0.7, "{sent}");
    assert_eq!(sent["outcome"], "strained", "{sent}");
    assert!(sent["remedy"].as_str().expect("words").contains("could not connect: the target"), "{sent}");
    assert_eq!(analysis["causes"], serde_json::json!([]));
    let first = &analysis["anomalies"][0];
    assert_eq!(first["series"], "error-rate", "{first}");
    let began = first["window"]["from"].as_f64().expect("nanoseconds") / 1e9;
    assert!((5.0..9.0).contains(&began), "{first}");
    assert!(report.starts_with("- **Verdict: FAILING** - "), "{report}");
    assert!(report.contains("more of them since 00:0"), "{report}");
    assert!(report.contains("- **Size:** error-rate went from 0 % to 100 %; errors "), "{report}");
    assert!(report.contains("of kind `connect`") && report.contains("Connection refused"), "{report}");
    assert!(!report.contains("keep the run folder as a baseline"), "{report}");
    for sample in ["go-lock", "healthy", "journey", "generator", "failing"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/samples").join(sample);
        assert_eq!(checks(&common::analysis(&folder)), checks(&analysis), "sample {sample}");
    }
}

#[test]
fn a_third_that_fails_all_the_time_is_not_healthy() {
    let dir = tempfile::tempdir().expect("a folder");
    let Ran { analysis, report, folder } = run(|| Flaky::failing(3), dir.path(), 8, "", &[], 0);
    assert_eq!(analysis["verdict"], "failing", "{report}");
    assert_eq!(analysis["anomalies"], serde_json::json!([]), "it was alike");
    let request = &analysis["load"]["requests"][0];
    let count = |class: usize| request["status"][class].as_u64().expect("a count");
    assert_eq!(Some(count(4)), request["failed"]["status"].as_u64(), "{request}");
    assert!(
        count(1) > 440 && (count(1) + count(4)) == request["done"].as_u64().expect("a count"),
        "{request}"
    );
    let line = report.lines().next().expect("a line");
    assert!(
        line.starts_with("- **Verdict: FAILING** - 33.") && line.ends_with("through the whole run"),
        "{line}"
    );
    assert!(report.contains("of request `ask`; for example at 00:0"), "{report}");
    assert!(report.contains("status 503 was not expected"), "{report}");
    assert!(report.contains("set `thresholds.error-rate`"), "{report}");
    assert!(!report.contains("keep the run folder as a baseline"), "{report}");
    assert!(
        report.contains(&format!("Answers by class of status: 2xx {}; 5xx {}.", count(1), count(4))),
        "{report}"
    );
    assert!(report.contains("of the hits failed** and are inside these percentiles"), "{report}");
    // Compared with a run of another load, nothing can be said; with one of its own, nothing is worse.
    let folder = folder.display().to_string();
    let other = tempfile::tempdir().expect("a folder");
    let more = ["--set", "load.rate=60/s", "--baseline", &folder];
    let Ran { analysis, report, folder } = run(|| Flaky::failing(3), other.path(), 5, "", &more, 10);
    let why = analysis["baseline"]["incomparable"].as_str().expect("why");
    assert_eq!(why, "the load differs: load: rate 60, was rate 100");
    let line = report.lines().next().expect("a line");
    assert!(line.contains(&format!("nothing could be compared with the baseline ({why})")), "{line}");
    assert!(report.contains("| not compared |") && !report.contains("no regression"), "{report}");
    let junit = std::fs::read_to_string(folder.join("analysis/junit.xml")).expect("a file");
    assert!(junit.contains("type=\"incomparable\"") && junit.contains(why), "{junit}");
}

#[test]
fn a_threshold_decides_how_many_failures_are_too_many() {
    for (limit, verdict, code) in [("10%", "healthy", 0), ("2%", "failing", 99)] {
        let dir = tempfile::tempdir().expect("a folder");
        let thresholds = format!("[thresholds]\nerror-rate = \"{limit}\"\n");
        let Ran { analysis, report, .. } = run(|| Flaky::failing(20), dir.path(), 6, &thresholds, &[], code);
        assert_eq!(analysis["verdict"], verdict, "{report}");
        assert!(
            report.contains("- **Size:** response time p50") && report.contains("; errors 5."),
            "{report}"
        );
        assert_eq!(analysis["causes"], serde_json::json!([]));
    }
}

#[test]
fn a_teardown_that_hangs_holds_up_the_end_once_and_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let request = |n| format!("[[teardown]]\nname = \"clean {n}\"\ndelete = \"/{n}\"\ntimeout = \"2s\"\n");
    let teardown: String = (1..=5).map(request).collect();
    let Ran { analysis, report, folder } = run(|| Flaky::failing(0), dir.path(), 3, &teardown, &[], 0);
    let nanos = |event: &str| {
        let events = std::fs::read_to_string(folder.join("events.jsonl")).expect("events");
        let mut events = events.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
        let found = events.find(|e| e["event"] == event).unwrap_or_else(|| panic!("no {event}"));
        found["at"].as_u64().expect("a time")
    };
    let took = Duration::from_nanos(nanos("load-ended") - 3_000_000_000);
    assert!(took < Duration::from_secs(5), "five time limits of 2 s took {took:?}");
    let caveats = analysis["caveats"].as_array().expect("caveats").iter();
    let failed: Vec<&Value> = caveats.map(|c| &c["teardown-failed"]).filter(|c| !c.is_null()).collect();
    assert_eq!(failed.len(), 5, "{report}");
    assert!(failed[0]["problem"].as_str().expect("words").contains("time limit"), "{failed:?}");
    assert!(failed[4]["problem"].as_str().expect("words").starts_with("not sent"), "{failed:?}");
    assert!(report.contains("clean 5"), "{report}");
}
