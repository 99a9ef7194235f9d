"""What is compared: the sections of the table, and the goals."""

from dataclasses import dataclass

from ours import Abilities, Goose, Loadprof
from tools import Floor, H2load, Hey, K6, Load, Oha, Reference, Tool, Vegeta, Wrk, Wrk2


@dataclass
class Section:
    key: str
    title: str
    load: Load
    tools: list[Tool]


def sections(seconds: int, abilities: Abilities) -> list[Section]:
    ours = Loadprof(abilities)
    return [
        Section("closed", "closed, 64 connections, HTTP", Load(seconds),
                [ours, Wrk(), Oha(), Hey(), Vegeta(), K6(), Goose(abilities)]),
        Section("floor", "closed, 64 connections, HTTP: what the kernel alone costs", Load(seconds),
                [ours, Wrk(), *(Floor(way) for way in ("read", "recvmsg", "gather", "uring", "uring-recvmsg"))]),
        Section("paced", "paced at 20,000/s, 64 connections, HTTP", Load(seconds, rate=20_000),
                [ours, Reference(), Oha(), Vegeta(), Wrk2()]),
        Section("paced-https", "paced at 20,000/s, 64 connections, HTTPS", Load(seconds, rate=20_000, tls=True),
                [ours, Oha(), Vegeta()]),
        Section("k6", "constant arrival rate of 5,000/s, HTTP", Load(seconds, rate=5_000), [ours, K6()]),
        Section("pacing", "pacing at 10,000/s, HTTP", Load(seconds, rate=10_000),
                [ours, Reference(), Oha(), Vegeta(), K6(), Hey(), Wrk2()]),
        Section("https", "closed, 64 connections, HTTPS", Load(seconds, tls=True), [ours, Wrk(), Oha()]),
        Section("h2", "closed, HTTP/2 over TLS, 8 connections x 8 streams",
                Load(seconds, connections=8, streams=8, tls=True, http2=True), [ours, H2load()]),
        Section("h2-wide", "closed, HTTP/2 over TLS, 64 connections x 1 stream",
                Load(seconds, connections=64, streams=1, tls=True, http2=True), [ours, H2load()]),
    ]


@dataclass
class Goal:
    """`ours` / `theirs` of `figure` in a section; a difference where the goal is one."""
    text: str
    section: str
    figure: str
    peer: str | None
    limit: float
    ours: str = "loadprof"
    at_least: bool = False
    difference: bool = False


GOALS = [
    Goal("closed: CPU per request against wrk", "closed", "cpu_us", "wrk", 0.90),
    Goal("closed: requests/s against oha", "closed", "rate", "oha", 1.15, at_least=True),
    Goal("20,000/s: median within 30 us of the exact reference", "paced", "p50", "reference", 30, difference=True),
    Goal("20,000/s: p99 within 25 % of the exact reference", "paced", "p99", "reference", 1.25),
    Goal("20,000/s: CPU per request against oha -q", "paced", "cpu_us", "oha", 1.2),
    Goal("HTTPS closed: CPU per request against wrk", "https", "cpu_us", "wrk", 1.0),
    Goal("HTTP/2 closed (8 x 8): CPU per request against h2load", "h2", "cpu_us", "h2load", 1.2),
    Goal("HTTP/2 closed (64 x 1): CPU per request against h2load", "h2-wide", "cpu_us", "h2load", 1.2),
    Goal("5,000/s: CPU per request against k6", "k6", "cpu_us", "k6", 1 / 8),
    Goal("10,000/s: lateness p99, us", "pacing", "late_p99", None, 250),
    Goal("goose mode: CPU per request against own closed mode", "closed", "cpu_us", "loadprof", 1.5,
         ours="loadprof vus"),
]
