//! The service in Rust under `tests/targets/desk`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Its program, built once; in the folder that `tests/run` builds it in.
pub fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/desk");
    let target = super::cache::cache().join("desk");
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--quiet", "--target-dir"]).arg(&target).current_dir(source);
    let status = build.env_remove("CARGO_TARGET_DIR").status().expect("cargo is on PATH");
    assert!(status.success(), "the desk does not build");
    target.join("release/desk")
}
