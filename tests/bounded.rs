//! What a run may use and leave behind: memory that does not grow, a disk that is full, an end at once when asked
//! for twice, no process left after `kill -9`. `LOADPROF_LONG=1` watches memory for ten minutes.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{analysis, finish, loadprof, printed, scenario};
use rustix::process::{Pid, Signal, kill_process};

const MIB: u64 = 1 << 20;

/// A server that answers everything at once, or, if asked to, nothing but the first question.
fn serve(silent: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for (i, stream) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || answer(stream, silent && i > 0));
        }
    });
    url
}

fn answer(mut stream: TcpStream, silent: bool) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        let whole = buffer[..n].ends_with(b"\r\n\r\n") && !silent;
        if whole && stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// `loadprof run` in the background; killed when dropped.
struct Running {
    child: Child,
    dir: tempfile::TempDir,
}

impl Running {
    fn start(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = scenario(dir.path(), text);
        let child = loadprof()
            .arg("run")
            .arg(path)
            .arg("--out")
            .arg(dir.path().join("run"))
            .arg("--quiet")
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let running = Self { child, dir };
        running.wait_for("the load's start", || running.events().contains("load-started"));
        running
    }

    fn events(&self) -> String {
        fs::read_to_string(self.dir.path().join("run/events.jsonl")).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        assert!(wait(Duration::from_secs(20), holds), "{what} does not come");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// `VmRSS` in bytes; none once the process has ended.
    fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether something comes true in time.
fn wait(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Memory near the end of a run against memory after its first tenth.
fn memory_stays(name: &str, load: &str) {
    let secs = if std::env::var_os("LOADPROF_LONG").is_some() { 600 } else { 30 };
    let run = Running::start(&format!(
        "name = \"memory\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"0s\"\n{load}\nfor = \"{secs}s\"\n",
        serve(false)
    ));
    let begun = Instant::now();
    let at = |part: f64| {
        let moment = Duration::from_secs_f64(f64::from(secs) * part);
        thread::sleep(moment.saturating_sub(begun.elapsed()));
        run.memory().expect("it still runs")
    };
    let early = at(0.1);
    let parts = (2..=9).map(|tenth| at(f64::from(tenth) / 10.0)).collect::<Vec<_>>();
    let late = at(0.98);
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    eprintln!(
        "{name}: {:.2} MiB after {} s, then {:.1?}, {:.2} MiB at the end",
        mib(early),
        secs / 10,
        parts.iter().map(|b| mib(*b)).collect::<Vec<_>>(),
        mib(late)
    );
    assert!(late <= early + 5 * MIB, "{name}: {:.1} MiB have become {:.1} MiB", mib(early), mib(late));
}

#[test]
fn memory_stays_at_full_speed() {
    thread::scope(|scope| {
        let closed = scope.spawn(|| memory_stays("closed, 16 users", "[load.constant-vus]\nvus = 16"));
        // More than one thread can send: the backlog grows all the time.
        let open = scope.spawn(|| {
            memory_stays(
                "open, far too much",
                "threads = 1\nmax-connections = 32\ngraceful-stop = \"1s\"\n[load.constant-arrival-rate]\nrate = \"100000/s\"",
            );
        });
        for run in [closed, open] {
            if let Err(panic) = run.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let mut run = Running::start(&format!(
        "name = \"twice\"\n[target]\nurl = \"{}\"\ntimeout = \"60s\"\n\
         [load.constant-arrival-rate]\nrate = \"10/s\"\nfor = \"60s\"\n",
        serve(true)
    ));
    thread::sleep(Duration::from_millis(500));
    kill_process(run.pid(), Signal::INT).expect("it runs");
    thread::sleep(Duration::from_millis(300));
    assert!(run.child.try_wait().expect("a status").is_none(), "answers are waited for after the first one");
    kill_process(run.pid(), Signal::INT).expect("it runs");
    let begun = Instant::now();
    let status = run.child.wait().expect("a status");
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_millis(500), "ended after {:?}", begun.elapsed());
}

#[test]
fn a_killed_run_leaves_no_demo_behind() {
    let mut run = Running::start(
        "name = \"killed\"\n[target]\ndemo = {}\n[load.constant-arrival-rate]\nrate = \"50/s\"\nfor = \"60s\"\n",
    );
    let children = children(run.child.id());
    assert_eq!(children.len(), 1, "the demo target is a process of its own");
    run.child.kill().expect("it runs");
    run.child.wait().expect("a status");
    let gone = || children.iter().all(|pid| !alive(*pid));
    assert!(wait(Duration::from_secs(3), gone), "the demo target {children:?} outlives its run");
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("a proc file system");
    let pids = all.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|child| stat(*child).is_some_and(|(_, parent)| parent == pid)).collect()
}

fn alive(pid: u32) -> bool {
    // Whoever adopted it may be slow to collect it.
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A command in a mount namespace of its own, where the folder `small` is a disk of 1.4 MiB. What it left in
/// `small/run` is copied to `kept`, because the disk vanishes with the namespace.
fn on_a_small_disk(small: &Path, kept: &Path, command: &[PathBuf]) -> Command {
    const SCRIPT: &str = "mount -t tmpfs -o size=1400k none \"$0\" || exit 77; kept=\"$1\"; shift; \"$@\"; \
                          code=$?; cp -r \"$0/run\" \"$kept\"; exit $code";
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    unshare.args(["sh", "-c", SCRIPT]).arg(small).arg(kept).args(command);
    unshare
}

#[test]
fn a_full_disk_ends_the_record_and_not_the_load() {
    let dir = tempfile::tempdir().expect("a folder");
    let (small, kept) = (dir.path().join("small"), dir.path().join("kept"));
    fs::create_dir(&small).expect("made");
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"full\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"0s\"\n\
             [load.constant-arrival-rate]\nrate = \"200/s\"\nfor = \"12s\"\n[detect]\nperiod = \"100ms\"\n",
            serve(false)
        ),
    );
    let program = PathBuf::from(loadprof().get_program());
    let words = [program, "run".into(), path, "--out".into(), small.join("run"), "--quiet".into()];
    let begun = Instant::now();
    let output = finish(&mut on_a_small_disk(&small, &kept, &words), Duration::from_secs(60));
    let text = printed(&output);
    eprintln!("{text}");
    assert_ne!(output.status.code(), Some(77), "no small disk can be mounted here: {text}");
    assert!(begun.elapsed() > Duration::from_secs(12), "the load goes on to its end");
    assert_eq!(output.status.code(), Some(10), "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("recording stopped") && said.contains("No space left"),
        "the error is clear: {text}"
    );
    let report = fs::read_to_string(kept.join("report.md")).expect("a report");
    assert!(report.contains("No space left"), "the report says why: {report}");
    let verdict = report.lines().take(5).collect::<String>();
    assert!(verdict.contains("The record is partial"), "the verdict says so: {verdict}");
    assert!(!kept.join(".reserve").exists(), "the reserve is given back");
    let recording = loadprof::run::reader::Recording::open(&kept).expect("what was written is kept");
    let periods = recording.read_periods().expect("whole periods").len();
    eprintln!("{periods} periods of 120 are kept; partial: {:?}", recording.partial);
    assert!((20..120).contains(&periods), "{periods} periods");
    assert!(
        recording.partial.as_ref().is_some_and(|why| why.contains("No space left")),
        "{:?}",
        recording.partial
    );
    assert!(analysis(&kept)["run"]["partial"].as_str().is_some_and(|why| why.contains("No space left")));
}
