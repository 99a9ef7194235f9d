//! Runs against a server that fails: what is the target's fault is said of the target.

mod common;
#[path = "common/flaky.rs"]
mod flaky;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use common::{analysis, finish, loadprof, printed, scenario};
use flaky::Flaky;

/// A run of `seconds` at 100/s, its analysis and its report. It must end with `code`.
fn run(server: &Flaky, dir: &Path, seconds: u32, more: &str, code: i32) -> (Value, String) {
    let text = format!(
        "name = \"flaky\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"1s\"\nthreads = 1\n\
         [load.constant-arrival-rate]\nrate = \"100/s\"\nfor = \"{seconds}s\"\n\
         [[request]]\nname = \"ask\"\nget = \"/\"\n{more}",
        server.url
    );
    let (path, out) = (scenario(dir, &text), dir.join("run"));
    let mut command = loadprof();
    command.arg("run").arg(path).args(["--quiet", "--out"]).arg(&out);
    let output = finish(&mut command, Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
    (analysis(&out), std::fs::read_to_string(out.join("report.md")).expect("a report"))
}

fn check<'a>(analysis: &'a Value, name: &str) -> &'a Value {
    let checks = analysis["validity"]["checks"].as_array().expect("checks");
    checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_target_that_goes_away_is_not_the_generators_fault() {
    let server = Flaky::ending(700);
    let dir = tempfile::tempdir().expect("a folder");
    let (analysis, report) = run(&server, dir.path(), 14, "", 0);
    assert_ne!(analysis["verdict"], "generator", "{report}");
    assert_eq!(analysis["validity"]["valid"], true, "{report}");
    let sent = check(&analysis, "sent / asked");
    assert!(sent["value"].as_f64().expect("a share") < 0.7, "{sent}");
    assert_eq!(sent["outcome"], "strained", "{sent}");
    assert!(sent["remedy"].as_str().expect("words").contains("could not connect: the target"), "{sent}");
}
