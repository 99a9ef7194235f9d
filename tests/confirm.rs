//! Runs against the Go service: a cause that is one, an intervention that does nothing, a command that fails, and
//! Ctrl-C while an intervention is applied.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Pair, Shop, after, analysis, finish, keep, loadprof, printed, scenario, set};
use serde_json::Value;

/// What the downstream service takes longer from the middle of the run on.
const DELAY_MS: f64 = 25.0;

fn text(pair: &Pair) -> String {
    format!(
        "name = \"recommend\"\n[target]\nurl = \"{0}\"\n[load]\nwarm-up = \"1s\"\narrivals = \"poisson\"\n\
         [load.constant-arrival-rate]\nrate = \"80/s\"\nfor = \"20s\"\n\
         [[request]]\nname = \"recommend\"\nget = \"/recommend\"\nexpect = {{ status = [200] }}\n\
         [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{0}/debug/pprof\"\ncpu-window = \"3s\"\n",
        pair.shop.url
    )
}

/// A run in which the downstream service becomes slow, and stays so.
fn run(dir: &Path, pair: &Pair) -> PathBuf {
    let path = scenario(dir, &text(pair));
    let out = dir.join("run");
    let downstream = pair.downstream.url.clone();
    let slow = after(Duration::from_secs(10), move || set(&downstream, &format!("delay={DELAY_MS}ms")));
    let output = finish(
        loadprof().arg("run").arg(&path).arg("--out").arg(&out).arg("--quiet"),
        Duration::from_secs(60),
    );
    slow.join().expect("set");
    assert!(output.status.success(), "{}", printed(&output));
    let found = analysis(&out);
    assert!(["strong", "likely"].contains(&found["verdict"].as_str().expect("a word")), "{found:#}");
    assert_eq!(found["causes"][0]["kind"], "downstream", "{:#}", found["causes"]);
    out
}

/// Settings of the downstream service that a command asks for by a file: the shell needs no HTTP client.
struct Hands {
    dir: PathBuf,
    done: Arc<AtomicBool>,
    worker: Option<thread::JoinHandle<()>>,
}

impl Hands {
    fn of(pair: &Pair, dir: &Path) -> Self {
        let (base, watched) = (pair.downstream.url.clone(), dir.to_owned());
        let done = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&done);
        let worker = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                if let Ok(wanted) = std::fs::read_to_string(watched.join("wanted")) {
                    set(&base, wanted.trim());
                    std::fs::remove_file(watched.join("wanted")).expect("removed");
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { dir: dir.to_owned(), done, worker: Some(worker) }
    }

    /// A command that changes a setting and ends when it is changed.
    fn command(&self, setting: &str) -> String {
        let dir = self.dir.display();
        format!(
            "echo '{setting}' > '{dir}/new' && mv '{dir}/new' '{dir}/wanted' && \
             while [ -e '{dir}/wanted' ]; do sleep 0.02; done && echo 'set {setting} of '\"$LOADPROF_TARGET\" \
             >> '{dir}/log'"
        )
    }

    /// Settings in the order they were made.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let _ = self.worker.take().map(thread::JoinHandle::join);
    }
}

fn command(run: &Path, out: &str, apply: &str, revert: &str) -> Command {
    let mut command = loadprof();
    command.arg("confirm").arg(run).args(["--apply", apply, "--revert", revert]);
    command.args(["--windows", "3", "--hold", "2s", "--settle", "1s", "--quiet", "--out"]);
    command.arg(run.with_file_name(out));
    command
}

fn confirm(run: &Path, out: &str, apply: &str, revert: &str) -> Output {
    let begin = Instant::now();
    let output = finish(&mut command(run, out, apply, revert), Duration::from_secs(60));
    eprintln!("{out}: {:.1} s, {}", begin.elapsed().as_secs_f64(), printed(&output));
    output
}

fn first_line(run: &Path) -> String {
    let report = std::fs::read_to_string(run.join("report.md")).expect("a report");
    report.lines().next().expect("a line").to_owned()
}

/// Interventions that a run with windows tells of: whether each applied, and how it failed.
fn switches(out: &Path) -> Vec<(bool, Option<String>)> {
    let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    let all = events.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    all.filter_map(|e| {
        let event = e["event"].get("intervention")?.clone();
        Some((event["applied"].as_bool()?, event["problem"].as_str().map(str::to_owned)))
    })
    .collect()
}

#[test]
fn a_cause_is_confirmed_or_refuted_by_taking_it_away() {
    let pair = Pair::start(&[]);
    let dir = tempfile::tempdir().expect("a folder");
    let run = run(dir.path(), &pair);
    let hands = Hands::of(&pair, dir.path());
    let (off, on) = (hands.command("delay=0s"), hands.command(&format!("delay={DELAY_MS}ms")));

    does_nothing(&run);
    takes_the_delay_away(&run, &hands, (&off, &on));
    fails(&run, &hands, &on);
    is_interrupted(&run, &hands, (&off, &on));
    is_rebuilt(&run);
    keep(&run);
}

/// The cause is there, but the intervention is none: nothing goes away.
fn does_nothing(run: &Path) {
    let output = confirm(run, "nothing", "true", "true");
    assert_eq!(output.status.code(), Some(12), "{}", printed(&output));
    let found = analysis(run);
    assert_eq!(found["verdict"], "refuted", "{:#}", found["confirmations"]);
    assert_eq!(found["confirmations"][0]["outcome"], "refuted");
    let line = first_line(run);
    assert!(line.starts_with("- **Verdict: REFUTED** - an intervention did not take away"), "{line}");
}

fn takes_the_delay_away(run: &Path, hands: &Hands, (off, on): (&str, &str)) {
    let output = confirm(run, "cure", off, on);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("CONFIRMED"), "{}", printed(&output));
    let found = analysis(run);
    assert_eq!(found["verdict"], "confirmed", "{:#}", found["confirmations"]);
    let told = &found["confirmations"][1];
    assert_eq!((&told["outcome"], &told["pairs"]), (&"confirmed".into(), &3.into()), "{told:#}");
    let effect = told["effect"]["value"].as_f64().expect("a number") / 1e6;
    assert!((effect - DELAY_MS).abs() < 0.3 * DELAY_MS, "{effect} ms went away of {DELAY_MS}");
    let line = first_line(run);
    assert!(line.starts_with("- **Verdict: CONFIRMED** - root cause"), "{line}");
    // Apply and revert take turns, the target is left as it was found, and both know where it is.
    let log = hands.log();
    assert_eq!(log.len(), 4, "{log:?}");
    for (i, entry) in log.iter().enumerate() {
        let setting = if i % 2 == 0 { "set delay=0s of http://127" } else { "set delay=25ms of http://127" };
        assert!(entry.starts_with(setting), "{log:?}");
    }
    let out = run.with_file_name("cure");
    assert_eq!(switches(&out), [(true, None), (false, None), (true, None), (false, None)]);
    let manifest = std::fs::read_to_string(out.join("run.json")).expect("a manifest");
    assert!(manifest.contains("\"complete\""), "it ended when all windows were had: {manifest}");
}

/// A command that fails is named, and the intervention is taken back: it may have been half done.
fn fails(run: &Path, hands: &Hands, on: &str) {
    let before = hands.log().len();
    let output = confirm(run, "failing", "echo no such flag >&2; exit 3", on);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["the apply command failed (exit status: 3)", "exit 3", "no such flag", "as it was found"] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert_eq!(hands.log().len(), before + 1, "it was taken back once: {:?}", hands.log());
    let told = switches(&run.with_file_name("failing"));
    assert_eq!(told, [(true, Some("exit status: 3".into())), (false, None)]);
    assert_eq!(analysis(run)["confirmations"].as_array().map(Vec::len), Some(2), "nothing was decided");
}

fn is_interrupted(run: &Path, hands: &Hands, (off, on): (&str, &str)) {
    let before = hands.log().len();
    let mut child = command(run, "stopped", off, on)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let begin = Instant::now();
    while hands.log().len() == before && begin.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().is_ok_and(|s| s.success()));
    while child.try_wait().expect("a status").is_none() {
        assert!(begin.elapsed() < Duration::from_secs(40), "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(130), "{}", printed(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("taken back: the target is as it was found"), "{said}");
    let log = hands.log();
    assert!(log.last().is_some_and(|l| l.starts_with("set delay=25ms")), "{log:?}");
}

/// The run folder alone gives the same report again.
fn is_rebuilt(run: &Path) {
    let read = |name: &str| std::fs::read(run.join(name)).expect("a file");
    let before = (read("report.md"), read("analysis/analysis.json"));
    std::fs::remove_dir_all(run.join("analysis")).expect("removed");
    std::fs::remove_file(run.join("report.md")).expect("removed");
    let output = finish(loadprof().arg("analyze").arg(run), Duration::from_secs(30));
    assert!(output.status.success(), "{}", printed(&output));
    assert!(before == (read("report.md"), read("analysis/analysis.json")), "the same bytes");
}

#[test]
fn what_cannot_be_tried_is_refused_before_any_load() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |args: &[&str], part: &str| {
        let output = finish(loadprof().arg("confirm").args(args), Duration::from_secs(20));
        assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(part), "{part:?} is missing in {said}");
    };
    let shop = Shop::start(&[]);
    let text = format!(
        "name = \"healthy\"\n[target]\nurl = \"{}\"\n[load.constant-arrival-rate]\nrate = \"20/s\"\nfor = \"3s\"\n",
        shop.url
    );
    let path = scenario(dir.path(), &text);
    let folder = dir.path().join("run");
    let mut command = loadprof();
    let output = finish(
        command.arg("run").arg(path).arg("--out").arg(&folder).arg("--quiet"),
        Duration::from_secs(30),
    );
    assert!(output.status.success(), "{}", printed(&output));
    let run = folder.to_str().expect("a path");
    refused(&[run], "--apply");
    refused(&[run, "--apply", "true"], "--revert");
    refused(&[run, "--apply", " ", "--revert", "true"], "`true` does nothing");
    refused(&[run, "--apply", "true", "--revert", "true", "--windows", "2"], "between 3 and 200");
    refused(&[run, "--apply", "true", "--revert", "true", "--limit", "0s"], "--limit");
    refused(&[run, "--apply", "true", "--revert", "true", "--hold", "2h"], "an hour");
    refused(&["/nowhere", "--apply", "true", "--revert", "true"], "run.json");
    let mark = dir.path().join("ran");
    let touch = format!("touch {}", mark.display());
    refused(&[run, "--apply", &touch, "--revert", &touch], "names no cause");
    assert!(!mark.exists(), "no command ran");
    assert!(!folder.join("confirmations.jsonl").exists(), "nothing is left in the folder");
}
