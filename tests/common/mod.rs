//! What the tests of whole runs share: scratch folders, the built binary, the Go shop.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::print_stderr, reason = "the figures belong in the log")]

pub mod cache;
pub mod cgroup;
pub mod contents;
pub mod desk;
pub mod go;
pub mod hostile;
pub mod oracle;
pub mod wire;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use go::Running;
use serde_json::Value;

/// Whether the tests may take their time (`LOADPROF_LONG=1`): more repeats, the same questions.
pub fn long() -> bool {
    std::env::var_os("LOADPROF_LONG").is_some()
}

/// A running shop; killed when dropped.
pub struct Shop {
    pub url: String,
    child: Running,
}

impl Shop {
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(None, None, args)
    }

    /// On one core of the machine if one is named, with a limit of its heap if there is one.
    pub fn start_with(core: Option<u32>, memory: Option<&str>, args: &[&str]) -> Self {
        Self::of(&go::program("shop"), core, memory, args)
    }

    /// Another service that is switched in the same way.
    pub fn of(program: &Path, core: Option<u32>, memory: Option<&str>, args: &[&str]) -> Self {
        let mut command = match core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.arg("-c").arg(core.to_string()).arg(program);
                pinned
            }
            None => Command::new(program),
        };
        if let Some(limit) = memory {
            command.env("GOMEMLIMIT", limit);
        }
        let (child, url) = go::start(command.args(args).stderr(Stdio::null()));
        Self { url, child }
    }

    /// `POST /admin/set?<query>`.
    pub fn set(&self, query: &str) {
        set(&self.url, query);
    }

    /// The shop's own clocks.
    pub fn clocks(&self) -> Value {
        let answer = http(&self.url, "GET", "/clocks");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body.trim()).expect("JSON")
    }

    /// The clocks with their time; none if the shop is too busy to say.
    pub fn try_clocks(&self) -> Option<(u64, Value)> {
        let answer = try_http(&self.url, "GET", "/clocks").ok()?;
        let clocks: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1.trim()).ok()?;
        Some((clocks["at_unix_nano"].as_u64()?, clocks))
    }

    /// What it listens on besides, by kind: `tls`, `supply`.
    pub fn address(&self, kind: &str) -> String {
        let answer = http(&self.url, "GET", "/addresses");
        let all: Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1.trim()).expect("JSON");
        all[kind].as_str().unwrap_or_else(|| panic!("it listens on no {kind}: {all}")).to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// A shop with a downstream instance.
pub struct Pair {
    pub shop: Shop,
    pub downstream: Shop,
}

impl Pair {
    pub fn start(args: &[&str]) -> Self {
        let downstream = Shop::start(&[]);
        let mut all = vec!["-downstream", downstream.url.as_str(), "-mutex-fraction", "10"];
        all.extend(args);
        let shop = Shop::start(&all);
        Self { shop, downstream }
    }
}

/// Changes settings of the shop at an address.
pub fn set(base: &str, query: &str) {
    let answer = http(base, "POST", &format!("/admin/set?{query}"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{query}: {answer}");
}

/// One HTTP/1.1 exchange over a connection of its own; the whole answer as text.
pub fn http(base: &str, method: &str, path: &str) -> String {
    try_http(base, method, path).unwrap_or_else(|e| panic!("{method} {base}{path}: {e}"))
}

/// The same, where nobody may be listening any more.
pub fn try_http(base: &str, method: &str, path: &str) -> std::io::Result<String> {
    let address = base.strip_prefix("http://").expect("http").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The binary under test.
pub fn loadprof() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadprof"));
    command.env_remove("GITHUB_STEP_SUMMARY");
    command
}

/// Runs a command that must end within `limit`; its output.
pub fn finish(command: &mut Command, limit: Duration) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if begin.elapsed() > limit {
            let _ = child.kill();
            panic!("still running after {limit:?}: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    Output { status, stdout: stdout.join().expect("read"), stderr: stderr.join().expect("read") }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// What a command printed, for messages.
pub fn printed(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `analysis/analysis.json` of a run folder.
pub fn analysis(run: &Path) -> Value {
    let path = run.join("analysis/analysis.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// With `LOADPROF_KEEP=DIR` run folders stay, to be looked at, each by the name of its test.
pub fn keep(out: &Path) {
    if let Ok(dir) = std::env::var("LOADPROF_KEEP") {
        let name = std::thread::current().name().unwrap_or("run").replace(' ', "-");
        let target = Path::new(&dir).join(name);
        let _ = std::fs::remove_dir_all(&target);
        let _ = Command::new("cp").arg("-r").arg(out).arg(&target).status();
    }
}

/// A copy of a run folder that may be damaged, without its analysis.
pub fn copy_of(run: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let copy = dir.path().join("run");
    let copied = Command::new("cp").arg("-r").arg(run).arg(&copy).status();
    assert!(copied.is_ok_and(|s| s.success()), "the run folder can be copied");
    std::fs::remove_dir_all(copy.join("analysis")).expect("analysed before");
    (dir, copy)
}

/// Writes a scenario file.
pub fn scenario(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("scenario.toml");
    std::fs::write(&path, text).expect("written");
    path
}

/// Calls `then` after `delay` on a thread of its own.
pub fn after(delay: Duration, then: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        then();
    })
}
