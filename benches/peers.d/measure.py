"""Runs one tool on its core and says what it cost, and how much of both cores went to others."""

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from server import BenchError, Server

TICKS = os.sysconf("SC_CLK_TCK")
# Above this share something else is at work; CPU per request then tells more about that than about a tool.
BUSY_LIMIT = 0.10


@dataclass
class Cores:
    generator: int
    server: int


@dataclass
class Measured:
    exit_code: int
    output: str
    wall: float
    cpu: float            # user and system seconds of the tool and its children
    server_busy: float    # share of the time that nginx ran
    foreign: float        # share of the busier core that neither the tool nor nginx used


def run(command: list[str], folder: Path, limit: float, cores: Cores, server: Server) -> Measured:
    """Runs `command` pinned to the generator's core; it is killed after `limit` seconds."""
    output = folder / "output"
    before, server_before, start = idle(), server.cpu_seconds(), time.monotonic()
    with output.open("wb") as out, (folder / "errors").open("wb") as errors:
        child = subprocess.Popen(["taskset", "-c", str(cores.generator), *command], stdout=out, stderr=errors,
                                 stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder)
    timed_out = threading.Event()
    timer = threading.Timer(limit, lambda: (timed_out.set(), kill(child.pid)))
    timer.start()
    try:
        # wait4 counts the CPU of this child and of everything it waited for.
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        kill(child.pid)
        os.wait4(child.pid, 0)
        raise
    finally:
        timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if timed_out.is_set():
        raise BenchError(f"killed after {limit:.0f} s: {' '.join(command)[:200]}")
    cpu = usage.ru_utime + usage.ru_stime
    server_cpu = server.cpu_seconds() - server_before
    after = idle()
    used = {cores.generator: cpu, cores.server: server_cpu}
    foreign = max(wall - (after[core] - before[core]) - used[core] for core in used)
    text = output.read_text(errors="replace")
    if not text.strip():
        text = (folder / "errors").read_text(errors="replace")
    return Measured(child.returncode, text, wall, cpu, server_cpu / wall, max(0.0, foreign / wall))


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def idle() -> dict[int, float]:
    """Seconds that each core has been idle since it started."""
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    cores = [fields for fields in lines if fields[0].startswith("cpu") and fields[0] != "cpu"]
    return {int(f[0][3:]): (int(f[4]) + int(f[5])) / TICKS for f in cores}


def busy_share(seconds: float) -> float:
    """How busy the machine is with other things, over all cores."""
    before = idle()
    time.sleep(seconds)
    after = idle()
    return max(0.0, 1 - sum(after[c] - before[c] for c in after) / (seconds * len(after)))


def refuse_a_busy_machine(anyway: bool) -> None:
    busy = busy_share(3)
    if busy <= BUSY_LIMIT:
        return
    text = f"{busy:.0%} of the machine is busy with something else, load average {os.getloadavg()[0]:.2f}"
    if not anyway:
        raise BenchError(f"{text}: wait until it has finished, or measure all the same with --busy-anyway")
    print(f"warning: {text}")


@contextlib.contextmanager
def polling_idle(wanted: bool):
    """Idle cores poll instead of halting, for all tools alike (the kernel's PM QoS): waking a halted core of a virtual
    machine is a trip to its host, on metal it is not. The kernel takes the wish back when the file is closed."""
    if not wanted:
        yield
        return
    try:
        file = open("/dev/cpu_dma_latency", "wb", buffering=0)
    except OSError as error:
        raise BenchError(f"--poll-idle: /dev/cpu_dma_latency: {error}: it needs root and a cpuidle driver") from error
    with file:
        file.write(bytes(4))
        yield


@contextlib.contextmanager
def locked(path: str | None):
    """Holds an exclusive lock on `path`, so that whoever takes the same lock waits for one measurement."""
    if path is None:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
