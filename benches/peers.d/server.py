"""The server every tool meets: one nginx process on loopback, on a core of its own."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

BODY_BYTES = 612
HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """What went wrong and what to do, for the person at the terminal."""


@dataclass
class Server:
    process: subprocess.Popen
    http: str
    https: str
    http2: str
    ca: Path

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(folder: Path, core: int) -> Server:
    """Starts nginx; it dies with this script, even if that is killed."""
    (folder / "html").mkdir()
    (folder / "html" / "index.html").write_bytes(b"x" * BODY_BYTES)
    ca = make_certificates(folder)
    http, https, http2 = free_ports(3)
    text = (HERE / "nginx.conf").read_text()
    for name, value in {"FOLDER": folder, "HTTPS": https, "HTTP2": http2, "HTTP": http}.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nginx is None:
        raise BenchError("nginx is not installed: apt-get install nginx-light")
    command = ["taskset", "-c", str(core), nginx, "-p", str(folder), "-c", "nginx.conf"]
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "KILL"] + command
    log = (folder / "nginx.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    server = Server(process, f"http://127.0.0.1:{http}/", f"https://127.0.0.1:{https}/",
                    f"https://127.0.0.1:{http2}/", ca)
    try:
        wait_until_it_answers(process, [http, https, http2], folder / "nginx.log")
    except BaseException:
        server.stop()
        raise
    return server


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until_it_answers(process: subprocess.Popen, ports: list[int], log: Path) -> None:
    until = time.monotonic() + 5
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError(f"nginx does not answer: {log.read_text()[-500:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)


def make_certificates(folder: Path) -> Path:
    """A throw-away authority and a certificate for 127.0.0.1 that it signed; both on P-256."""
    (folder / "san.cnf").write_text(
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"
        "basicConstraints=CA:FALSE\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for arguments in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=peers CA",
         "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        ["req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-days", "2", "-extfile", "san.cnf", "-out", "server.pem"],
    ):
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise BenchError(f"openssl {arguments[0]}: {done.stderr[-500:]}")
    return folder / "ca.pem"
