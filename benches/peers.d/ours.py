"""loadprof as a user runs it: a scenario file, a run folder, everything recorded that a normal run records."""

import json
import shutil
import subprocess

from server import BenchError
from tools import Load, Place, Result, Tool, asked

# Stands in for the closed executor in binaries that do not know it: more arrivals than can ever be sent.
FLOOD = 300_000


class Abilities:
    """What the scenario file of this binary knows, from its own JSON Schema."""

    def __init__(self, binary: str):
        done = subprocess.run([binary, "schema"], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise BenchError(f"{binary} schema: {done.stderr[-300:]}")
        self.closed = '"constant-connections"' in done.stdout
        self.http2 = '"http-version"' in done.stdout and '"streams"' in done.stdout


class Loadprof(Tool):
    name = "loadprof"
    binary = "loadprof"
    # Passed, saturated generator, anomaly or threshold: the run folder is whole.
    finished = {0, 10, 11, 99}

    def __init__(self, abilities: Abilities):
        self.abilities = abilities

    def floods(self, load: Load) -> bool:
        return load.rate is None and not load.users and not self.abilities.closed

    def command(self, place, load):
        if load.http2 and not self.abilities.http2:
            raise BenchError("this loadprof does not know `target.http-version` and `target.streams` yet")
        (place.folder / "scenario.toml").write_text(self.scenario(place, load))
        shutil.rmtree(place.folder / "run", ignore_errors=True)
        return [place.binaries["loadprof"], "run", str(place.folder / "scenario.toml"),
                "--out", str(place.folder / "run"), "--quiet"]

    def scenario(self, place: Place, load: Load) -> str:
        lines = ["[target]", f'url = "{load.url(place.server).rstrip("/")}"']
        if load.tls:
            lines.append(f'ca = "{place.server.ca}"')
        if load.http2:
            lines += ['http-version = "2"', f"streams = {load.streams}"]
        # Nothing is left to wait for after a flood: its backlog could never be sent.
        stop = "0s" if self.floods(load) else "2s"
        lines += ["[load]", "threads = 1", 'warm-up = "0s"', f'graceful-stop = "{stop}"',
                  f"max-connections = {load.connections}"]
        if load.users:
            lines += ["[load.constant-vus]", f"vus = {load.connections}"]
        elif load.rate is None and self.abilities.closed:
            lines += ["[load.constant-connections]", f"connections = {load.connections}"]
        else:
            lines += ["[load.constant-arrival-rate]", f'rate = "{load.rate or FLOOD}/s"']
        return "\n".join([*lines, f'for = "{load.seconds}s"', ""])

    def read(self, output, place, load):
        try:
            analysis = json.loads((place.folder / "run" / "analysis" / "analysis.json").read_text())
        except OSError as error:
            raise BenchError(f"loadprof wrote no run folder: {error}: {output[-300:]!r}") from error
        total = analysis["load"]["total"]
        passed, errors, remark = total["passed"], sum(total["failed"].values()), ""
        times = total["response"]
        if self.floods(load):
            # What the end of the run cut off is no error of this stand-in, and its response times only say
            # how long the arrivals that could not be sent have waited.
            errors -= total["failed"].get("unsent", 0)
            errors -= min(load.connections, total["failed"].get("timeout", 0))
            times, remark = total["service"], f"as {FLOOD:,}/s; service times"
        checks = {check["name"]: check["value"] for check in analysis["validity"]["checks"]}
        late = checks.get("lateness p99")
        failed = [check["name"] for check in analysis["validity"]["checks"] if check["outcome"] == "failed"]
        if failed:
            remark = "; ".join(filter(None, [remark, f"calls itself invalid: {', '.join(failed)}"]))
        result = Result(passed, passed / load.seconds, times["p50"] / 1e3, times["p99"] / 1e3, errors,
                        late_p99=late / 1e3 if load.rate and late is not None else None, remark=remark)
        return asked(result, load)


class Goose(Loadprof):
    name = "loadprof vus"

    def command(self, place, load):
        return super().command(place, as_users(load))

    def read(self, output, place, load):
        return super().read(output, place, as_users(load))


def as_users(load: Load) -> Load:
    return Load(load.seconds, connections=load.connections, tls=load.tls, users=True)
