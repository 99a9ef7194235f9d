//! A real Go program with `net/http/pprof`, built once per test process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use url::Url;

/// A running service; killed when dropped.
pub(crate) struct GoService {
    child: Child,
    /// Its index of profiles.
    pub(crate) url: Url,
}

impl GoService {
    /// Starts it with flags; none if there is no Go toolchain on this machine.
    pub(crate) fn start(flags: &[&str]) -> Option<Self> {
        static BUILT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
        let (_, program) = BUILT.get_or_init(build).as_ref()?;
        let mut child =
            Command::new(program).args(flags).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut address = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut address).expect("it tells its address");
        let url = format!("http://{}/debug/pprof", address.trim()).parse().expect("an address");
        Some(Self { child, url })
    }
}

impl Drop for GoService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn build() -> Option<(tempfile::TempDir, PathBuf)> {
    Command::new("go").arg("version").stdout(Stdio::null()).status().ok()?;
    let dir = tempfile::tempdir().expect("a scratch folder");
    std::fs::write(dir.path().join("main.go"), include_str!("go_service.go")).expect("written");
    let program = dir.path().join("service");
    run_build(dir.path(), &program);
    Some((dir, program))
}

fn run_build(dir: &Path, program: &Path) {
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(program)
        .arg("main.go")
        .current_dir(dir)
        .env("GO111MODULE", "off")
        .output()
        .expect("go runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
