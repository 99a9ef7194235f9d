"""Finds the tools and installs what is missing: Debian packages, `cargo install`, `go install`."""

import os
import shutil
import subprocess
from pathlib import Path

from server import BenchError

PACKAGES = {"wrk": "wrk", "hey": "hey", "nginx": "nginx-light", "h2load": "nghttp2-client",
            "openssl": "openssl", "taskset": "util-linux"}
# The first module that the proxy knows is taken.
MODULES = {"vegeta": ["github.com/tsenart/vegeta/v12@latest"],
           "k6": ["go.k6.io/k6/v2@latest", "go.k6.io/k6@latest"]}
INSTALL_SECONDS = 1800


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LOADPROF_TEST_CACHE") or Path(home) / "loadprof")


def find(tool: str) -> str | None:
    own = cache() / "peers" / "bin" / tool
    if os.access(own, os.X_OK):
        return str(own)
    # Debian keeps nginx, Go's own archive keeps go, outside of many people's PATH.
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/go/bin")


def install_missing() -> list[str]:
    """Says what could not be installed; those tools' rows stay empty."""
    failures = []
    headers = [] if Path("/usr/include/liburing.h").exists() else ["liburing-dev"]
    packages = headers + [package for tool, package in PACKAGES.items() if find(tool) is None]
    if packages:
        root = [] if os.geteuid() == 0 else ["sudo"]
        # A machine that never asked for the lists knows no package.
        failures += attempt([*root, "apt-get", "update"])
        failures += attempt([*root, "apt-get", "install", "-y", "--no-install-recommends", *packages])
    peers = cache() / "peers"
    if find("oha") is None:
        failures += attempt(["cargo", "install", "--locked", "oha", "--root", str(peers)])
    for tool, modules in MODULES.items():
        if find(tool) is None:
            failures += install_module(tool, modules, peers / "bin")
    return failures


def install_module(tool: str, modules: list[str], folder: Path) -> list[str]:
    go = find("go")
    if go is None:
        return [f"{tool}: no go on this machine to install it with (https://go.dev/dl)"]
    failures = []
    for module in modules:
        failures = attempt([go, "install", module], {"GOBIN": str(folder)})
        if not failures:
            break
    return failures


def build_floor(root: Path) -> str | None:
    """The smallest client there can be, in C; none where there is no compiler or no liburing."""
    source, binary = root / "benches" / "peers.d" / "floor.c", cache() / "peers" / "bin" / "loadprof-floor"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return str(binary)
    binary.parent.mkdir(parents=True, exist_ok=True)
    failures = attempt(["cc", "-O2", "-o", str(binary), str(source), "-luring"])
    for failure in failures:
        print(f"not built: {failure}")
    return None if failures else str(binary)


def attempt(command: list[str], environment: dict[str, str] | None = None) -> list[str]:
    print("installing:", " ".join(command), flush=True)
    try:
        done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True,
                              timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{' '.join(command)}: {error}"]
    return [] if done.returncode == 0 else [f"{' '.join(command)}: {done.stderr.strip()[-200:]}"]


def build(root: Path) -> str:
    """Builds loadprof with optimisation; returns the path of the binary."""
    done = subprocess.run(["cargo", "build", "--release", "--bin", "loadprof"], cwd=root)
    if done.returncode != 0:
        raise BenchError("cargo build --release failed")
    target = os.environ.get("CARGO_TARGET_DIR") or root / "target"
    return str(Path(target) / "release" / "loadprof")


def build_reference(root: Path) -> str:
    """The reference needs std only, so one call of the compiler is enough; seconds, not minutes."""
    source, binary = root / "benches" / "reference.rs", cache() / "peers" / "bin" / "loadprof-reference"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return str(binary)
    binary.parent.mkdir(parents=True, exist_ok=True)
    command = ["rustc", "-O", "--edition", "2024", "-o", str(binary), str(source)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: {done.stderr[-500:]}")
    return str(binary)
