//! The Go services under `tests/targets`: built once per test binary, ended with their owner.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

#[path = "ports.rs"]
pub mod ports;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

pub use ports::free_port;

/// The program of a folder under `tests/targets`.
pub fn program(target: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().expect("a lock");
    built.entry(target.to_owned()).or_insert_with(|| build(target)).clone()
}

fn build(target: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets").join(target);
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target);
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&binary).arg(".").current_dir(source);
    let status = build.status().expect("go is on PATH: tests/run installs it");
    assert!(status.success(), "{target} does not build");
    binary
}

/// A process; killed when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a service whose first line is `listening URL`; gives the URL, too.
pub fn start(command: &mut Command) -> (Running, String) {
    let mut child = Running(command.stdout(Stdio::piped()).spawn().expect("the service starts"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let url = line.trim().strip_prefix("listening ").expect("listening URL").to_owned();
    (child, url)
}
