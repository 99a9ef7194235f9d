"""How each peer is started and how its own report is read. loadprof itself: ours.py."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from server import BenchError, Server

HERE = Path(__file__).resolve().parent


@dataclass
class Load:
    """What is asked of a tool. Without a rate: closed, as fast as the connections allow."""
    seconds: int
    rate: int | None = None
    connections: int = 64
    streams: int = 1
    tls: bool = False
    http2: bool = False
    users: bool = False

    def url(self, server: Server) -> str:
        return server.http2 if self.http2 else server.https if self.tls else server.http

    @property
    def asked(self) -> int | None:
        return None if self.rate is None else self.rate * self.seconds


@dataclass
class Result:
    """What a tool says about itself; times in microseconds."""
    requests: int
    rate: float
    p50: float | None = None
    p99: float | None = None
    errors: int = 0
    sent_asked: float | None = None
    late_p99: float | None = None
    remark: str = ""


@dataclass
class Place:
    """Where a measurement happens: the server, an empty folder, and the binaries."""
    server: Server
    folder: Path
    binaries: dict[str, str] = field(default_factory=dict)


class Tool:
    name = ""
    # Exit codes after which the report is worth reading.
    finished = {0}

    @property
    def binary(self) -> str:
        return self.name

    def command(self, place: Place, load: Load) -> list[str]:
        raise NotImplementedError

    def read(self, output: str, place: Place, load: Load) -> Result:
        raise NotImplementedError

    def version(self, binary: str) -> str:
        return first_line([binary, "--version"])


class Wrk(Tool):
    name = "wrk"

    def command(self, place, load):
        return [place.binaries["wrk"], "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--latency",
                load.url(place.server)]

    def read(self, output, place, load):
        requests = int(found(r"(\d+) requests in", output))
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
        statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        errors = sum(map(int, sockets.groups())) if sockets else 0
        return Result(requests, float(found(r"Requests/sec:\s+([\d.]+)", output)),
                      micros(found(r"\n\s+50%\s+(\S+)", output)), micros(found(r"\n\s+99%\s+(\S+)", output)),
                      errors + (int(statuses[1]) if statuses else 0))


class Wrk2(Wrk):
    """wrk2 installs as `wrk`; here it is looked for as `wrk2`. It reports corrected times."""
    name = "wrk2"

    def command(self, place, load):
        return [place.binaries["wrk2"], f"-R{load.rate}", "-t1", f"-c{load.connections}", f"-d{load.seconds}s",
                "--latency", load.url(place.server)]

    def read(self, output, place, load):
        return asked(super().read(output, place, load), load)


class Oha(Tool):
    name = "oha"

    def command(self, place, load):
        command = [place.binaries["oha"], "--no-tui", "--output-format", "json", "--worker-threads", "1",
                   "-c", str(load.connections), "-z", f"{load.seconds}s", "-w"]
        if load.rate:
            command += ["-q", str(load.rate), "--latency-correction"]
        if load.tls:
            command += ["--cacert", str(place.server.ca)]
        return command + [load.url(place.server)]

    def read(self, output, place, load):
        report = json.loads(output)
        good = sum(n for status, n in report["statusCodeDistribution"].items() if status.startswith("2"))
        bad = sum(report["statusCodeDistribution"].values()) - good
        bad += sum(report.get("errorDistribution", {}).values())
        times = report["latencyPercentiles"]
        return asked(Result(good, good / report["summary"]["total"], times["p50"] * 1e6, times["p99"] * 1e6, bad),
                     load)


class Hey(Tool):
    name = "hey"

    def command(self, place, load):
        command = [place.binaries["hey"], "-z", f"{load.seconds}s", "-c", str(load.connections), "-cpus", "1"]
        if load.rate:
            command += ["-q", f"{load.rate / load.connections:.4f}"]
        return command + [load.url(place.server)]

    def read(self, output, place, load):
        rate = float(found(r"Requests/sec:\s+([\d.]+)", output))
        total = float(found(r"Total:\s+([\d.]+) secs", output))
        statuses = re.findall(r"\[(\d{3})\]\t(\d+) responses", output)
        good = sum(int(count) for status, count in statuses if status.startswith("2"))
        errors = sum(int(count) for _, count in statuses) - good
        _, _, failures = output.partition("Error distribution:")
        errors += sum(int(count) for count in re.findall(r"(?m)^\s*\[(\d+)\]\t", failures))
        # hey lists the first million answers only; its rate counts all of them.
        requests = good if good < 1_000_000 else round(rate * total)
        # The percentiles stop where there are too few answers for the next one.
        times = {p: float(value) * 1e6 for p, value in re.findall(r"(\d+)%+ in ([\d.]+) secs", output)}
        return asked(Result(requests, rate, times.get("50"), times.get("99"), errors,
                            remark="prints 0.1 ms steps"), load)

    def version(self, binary):
        return package_version("hey")


class Vegeta(Tool):
    name = "vegeta"

    def command(self, place, load):
        (place.folder / "targets").write_text(f"GET {load.url(place.server)}\n")
        connections = str(load.connections)
        trust = ["-root-certs", str(place.server.ca)] if load.tls else []
        return [place.binaries["vegeta"], "attack", "-rate", str(load.rate or 0), "-max-workers", connections,
                "-max-connections", connections, "-connections", connections, "-duration", f"{load.seconds}s",
                "-http2=false", *trust, "-targets", str(place.folder / "targets"),
                "-output", str(place.folder / "results.bin")]

    def read(self, output, place, load):
        # The report is a second program; only the attack is measured.
        done = subprocess.run([place.binaries["vegeta"], "report", "-type=json", str(place.folder / "results.bin")],
                              capture_output=True, text=True, timeout=120)
        report = json.loads(done.stdout)
        good = sum(n for status, n in report["status_codes"].items() if status.startswith("2"))
        times = report["latencies"]
        return asked(Result(good, report["throughput"], times["50th"] / 1e3, times["99th"] / 1e3,
                            report["requests"] - good), load)

    def version(self, binary):
        return module_version(binary)


class K6(Tool):
    name = "k6"

    def command(self, place, load):
        command = [place.binaries["k6"], "run", "--quiet", "--no-color", "--no-usage-report", "--address", "",
                   "-e", f"URL={load.url(place.server)}", "-e", f"SECONDS={load.seconds}"]
        if load.rate:
            command += ["-e", f"RATE={load.rate}"]
        return command + [str(HERE / "k6.js")]

    def read(self, output, place, load):
        metrics = json.loads(output[output.index("{"):])
        requests = metrics["http_reqs"]["values"]["count"]
        # A rate metric counts what is true: here the failed requests.
        failed = metrics["http_req_failed"]["values"]["passes"]
        times = metrics["http_req_duration"]["values"]
        dropped = metrics.get("dropped_iterations", {"values": {"count": 0}})["values"]["count"]
        return asked(Result(requests - failed, (requests - failed) / load.seconds, times["p(50)"] * 1e3,
                            times["p(99)"] * 1e3, failed, remark=f"dropped {dropped:.0f}" if dropped else ""), load)

    def version(self, binary):
        return first_line([binary, "version"])


class H2load(Tool):
    name = "h2load"

    def command(self, place, load):
        return [place.binaries["h2load"], "-t", "1", "-c", str(load.connections), "-m", str(load.streams),
                "-D", str(load.seconds), load.url(place.server)]

    def read(self, output, place, load):
        counts = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
        if counts is None or "Application protocol: h2" not in output:
            raise BenchError(f"h2load: no HTTP/2 figures in {output[-300:]!r}")
        good, failed = int(counts[1]), sum(int(counts[i]) for i in (2, 4))
        return Result(good, good / load.seconds, errors=failed, remark="prints no percentiles")


class Reference(Tool):
    name = "reference"

    def command(self, place, load):
        return [place.binaries["reference"], load.url(place.server).split("/")[2], str(load.rate),
                str(load.seconds), str(load.connections)]

    def read(self, output, place, load):
        report = json.loads(output)
        result = Result(report["count"], report["count"] / load.seconds, report["p50"], report["p99"],
                        report["errors"], late_p99=report["lateness_p99"], remark="spins, never sleeps")
        return asked(result, load)

    def version(self, binary):
        return "benches/reference.rs"


class Floor(Tool):
    """What the kernel alone costs: a client that counts bytes and records nothing."""

    def __init__(self, way: str):
        self.way = way
        self.name = f"floor {way}"

    @property
    def binary(self) -> str:
        return "floor"

    def command(self, place, load):
        port = load.url(place.server).rstrip("/").rsplit(":", 1)[1]
        return [place.binaries["floor"], self.way, port, str(load.seconds), str(load.connections)]

    def read(self, output, place, load):
        report = json.loads(output)
        return Result(report["count"], report["rate"], remark="records nothing")

    def version(self, binary):
        return "benches/peers.d/floor.c"


def asked(result: Result, load: Load) -> Result:
    if load.asked:
        result.sent_asked = result.requests / load.asked
    return result


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise BenchError(f"no {pattern!r} in the output: {text[-300:]!r}")
    return match[1]


def micros(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return lines[0][:80] if lines else "unknown"


def package_version(package: str) -> str:
    if shutil.which("dpkg-query") is None:
        return "unknown"
    return first_line(["dpkg-query", "-W", "-f", "${Package} ${Version}", package])


def module_version(binary: str) -> str:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        return "unknown"
    done = subprocess.run([go, "version", "-m", binary], capture_output=True, text=True, timeout=20)
    match = re.search(r"\tmod\t(\S+)\t(\S+)", done.stdout)
    return f"{match[1]} {match[2]}" if match else "unknown"
