//! One run of the generator against one server.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use serde_json::Value;
use tempfile::TempDir;

use super::books::{Books, Served};
use super::handle::Oracle;
use super::machine::{apart, bind, claim, send_to, wall_offset};
use super::setup::Setup;
use super::truth::Bounds;
use crate::common::{analysis, hostile, loadprof, scenario};

/// A reader keeps up with answers that are further apart, in nanoseconds.
const PAUSE: u64 = 25_000;
/// A run and its analysis end in time.
const LIMIT: Duration = Duration::from_secs(60);

/// What generator and server say of the same run.
pub struct Measured {
    pub setup: Setup,
    pub dir: TempDir,
    pub analysis: Value,
    pub books: Books,
    /// Start of the schedule on the monotonic clock.
    start: u64,
    /// How far wall clock and monotonic clock moved apart during the run: what `start` may err by.
    pub drift: u64,
}

impl Measured {
    /// Figures of all requests.
    pub fn total(&self) -> &Value {
        &self.analysis["load"]["total"]
    }

    /// When arrival `n` was due, by the scenario alone.
    pub fn due(&self, n: u64) -> u64 {
        self.start + n * 1_000_000_000 / self.setup.rate()
    }

    pub fn service(&self) -> Bounds {
        Bounds::service(&self.books)
    }

    pub fn response(&self) -> Bounds {
        Bounds::response(&self.books, |n| self.due(n))
    }

    /// In the closed model: from the moment the request could be begun to its answer.
    pub fn turn(&self) -> Bounds {
        Bounds::turn(&self.books)
    }

    /// How late requests reached the server: what the machine did to the generator, seen from outside.
    pub fn lateness(&self) -> Bounds {
        let times = self.books.served.iter();
        Bounds::new(times.map(|s| {
            let due = self.due(s.n);
            (s.unread.saturating_sub(due), s.read.saturating_sub(due))
        }))
    }
}

impl Measured {
    /// From an answer to the request that takes its place, on the same connection or on a new one if none is used
    /// twice: while something always waits for it, that is what the machine did to the generator.
    pub fn turnaround(&self) -> Bounds {
        let keep = self.setup.keep_alive;
        let mut places: HashMap<usize, Vec<Served>> = HashMap::new();
        for served in &self.books.served {
            places.entry(if keep { served.conn } else { 0 }).or_default().push(*served);
        }
        let width = if keep { self.setup.streams } else { self.setup.under_way() };
        Bounds::new(places.into_values().flat_map(|answered| followed(&answered, width as usize)))
    }

    /// How long after each answer the server still wrote others to the same connection without a pause, as it does
    /// after a lapse. The generator reads them at once, and what one read takes has the stamp of its last byte.
    pub fn bursts(&self) -> Bounds {
        let mut served = self.books.served.clone();
        served.sort_by_key(|s| (s.conn, s.written));
        let mut later: Option<(Served, u64)> = None;
        let lasts = served.iter().rev().map(|s| {
            let goes_on = later.filter(|(next, _)| next.conn == s.conn && next.written - s.written < PAUSE);
            let end = goes_on.map_or(s.written, |(_, end)| end);
            later = Some((*s, end));
            (0, end - s.written)
        });
        Bounds::new(lasts)
    }
}

/// From each answer to the request that follows it where so many are under way.
fn followed(answered: &[Served], width: usize) -> Vec<(u64, u64)> {
    let mut asked: Vec<(u64, u64)> = answered.iter().map(Served::begun).collect();
    asked.sort_unstable();
    let between = |(a, (low, high)): (&Served, &(u64, u64))| {
        (low.saturating_sub(a.written), high.saturating_sub(a.unwritten))
    };
    answered.iter().zip(asked.iter().skip(width)).map(between).collect()
}

/// Runs the generator on one core against the server on another.
pub fn measure(setup: Setup) -> Measured {
    let oracle = Oracle::start(setup.law, setup.manner);
    let dir = tempfile::tempdir().expect("a folder");
    if setup.manner.tls {
        std::fs::write(dir.path().join("ca.pem"), hostile::authority()).expect("written");
    }
    let offset = wall_offset();
    run(dir.path(), &setup.scenario(&oracle.url));
    let drift = wall_offset().abs_diff(offset);
    let books = oracle.stop();
    let analysis = analysis(&dir.path().join("run"));
    let number = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("no number: {v}"));
    let begun = number(&analysis["run"]["started_unix_nanos"]) as i64 - offset;
    let start = begun as u64 + number(&analysis["load"]["window"]["from"]);
    Measured { setup, dir, analysis, books, start, drift }
}

fn run(dir: &Path, text: &str) {
    let path = scenario(dir, text);
    let mut command = loadprof();
    command.arg("run").arg(path).arg("--out").arg(dir.join("run")).arg("--quiet");
    let said = File::create(dir.join("said")).expect("a file");
    command.stderr(said.try_clone().expect("a file")).stdout(said);
    let Some((generator, server)) = apart() else {
        return ended(dir, command.status().expect("starts"));
    };
    // A process begins on the core, and with the priority, of the thread that starts it.
    let mut child = std::thread::scope(|scope| {
        let start = scope.spawn(|| {
            claim(generator);
            command.spawn().expect("starts")
        });
        start.join().expect("started")
    });
    // Nothing of this process runs on the generator's core.
    bind(server);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            panic!("still running after {LIMIT:?}");
        }
        // The load begins a millisecond after its threads; later ones inherit the core of those.
        let soon = begun.elapsed() < Duration::from_millis(500);
        if soon {
            spread((generator, server), child.id());
        }
        std::thread::sleep(Duration::from_micros(if soon { 300 } else { 20_000 }));
    };
    ended(dir, status);
}

fn ended(dir: &Path, status: ExitStatus) {
    let said = std::fs::read_to_string(dir.join("said")).unwrap_or_default();
    assert!(matches!(status.code(), Some(0 | 10)), "{status}: {said}");
}

/// The threads of the generator that send no load write files once a period, for milliseconds. On the server's
/// core that is a lapse of the server, which is in its books.
fn spread((generator, server): (usize, usize), process: u32) {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let sends = name.trim_end().strip_prefix("load-").is_some_and(|k| k.parse::<u32>().is_ok());
        if let Some(id) = task.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw) {
            send_to(if sends { generator } else { server }, id);
        }
    }
}
