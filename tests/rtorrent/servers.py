"""Fresh daemons to replay recordings on: ours, or the real rTorrent, each with a folder of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.rtorrent import recorded
from tests.support.peers.program import free_port

SOURCE = Path(__file__).parents[2]
FOLDERS = ("a/dl", "a/dl2", "a/session", "out", "watch")
MODERN = "0.16.20"                     # the other version that was asked
SAID_TO_0_9 = (                        # and not to the other one
    "network.local_address.set = 127.0.0.1", "trackers.use_udp.set = no", "network.xmlrpc.size_limit.set = 8M")
# What each of the recorded daemons took by itself, and what is a setting of ours with a default of its own.
OPEN_FILES = (256, 2048)
HTTP_CALLS = (32, 128)
RESERVE = "512 MiB"
SYNC_S = 600
SYNC_ALWAYS_S = (900, 0)
START_S = 30.0
STOP_S = 20.0


class Server(Protocol):
    """`stands_for` has what of the recordings stands for what of this server."""

    root: Path
    pid: int
    port: int
    stands_for: Mapping[str, str]

    def dial(self) -> socket.socket: ...


class _Process:
    def __init__(self, root: Path, port: int, words: list[str]) -> None:
        self.root = root
        self.port = port
        self._address = root / "rpc.sock"
        self._log = open(root / "output.log", "ab")  # noqa: SIM115   closed by stop
        self._process = subprocess.Popen(
            words, cwd=root / "a", stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "dumb", "HOME": str(root)})
        self.pid = self._process.pid
        self.stands_for: Mapping[str, str] = {recorded.ROOT: str(root), recorded.PORT: str(port),
                           recorded.PROCESS: f"{socket.gethostname()}:{self.pid}"}

    def dial(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30.0)
        sock.connect(str(self._address))
        return sock

    def wait(self) -> None:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            try:
                self.dial().close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"no daemon: {(self.root / 'output.log').read_text(errors='replace')[-1000:]}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def fresh(kind: str, version: str = "0.9.8") -> Iterator[Server]:
    """A daemon of `kind` "blobtorrent" or "rtorrent", and its end; `version` is what ours claims to be."""
    with tempfile.TemporaryDirectory(prefix="bt-") as folder:
        root, port = Path(folder), free_port()
        for name in FOLDERS:
            (root / name).mkdir(parents=True)
        process = _ours(root, port, version) if kind == "blobtorrent" else _theirs(root, port)
        try:
            process.wait()
            yield process
        finally:
            process.stop()


def _ours(root: Path, port: int, version: str) -> _Process:
    settings = root / "blobtorrent.toml"
    settings.write_text(f"""
[storage]
download_dir = "{root / 'a/dl'}"
memory_budget = "16 MiB"
open_files = {OPEN_FILES[version == MODERN]}
reserve = "{RESERVE}"
sync_after_s = {SYNC_S}
sync_always_after_s = {SYNC_ALWAYS_S[version == MODERN]}
[network]
allow_loopback = true
port_mapping = "off"
listen = ["127.0.0.1:{port}"]
[trackers]
http_calls = {HTTP_CALLS[version == MODERN]}
[dht]
enabled = false
[lsd]
enabled = false
[rest]
listen = []
[rtorrent]
listen = []
client_version = "{version}"
""")
    rc = _configuration(root, port, *(() if version == MODERN else SAID_TO_0_9))
    return _Process(root, port, [
        sys.executable, "-m", "blobtorrent.daemon.main", "--config", str(settings), "--state-dir", str(root / "state"),
        "--runtime-dir", str(root / "run"), "-n", "-o", f"import={rc}"])


def _theirs(root: Path, port: int) -> _Process:
    """There is no terminal for it."""
    rc = _configuration(root, port, *SAID_TO_0_9, "system.daemon.set = true")
    return _Process(root, port, ["rtorrent", "-n", "-o", f"import={rc}"])


def _configuration(root: Path, port: int, *lines: str) -> Path:
    """That of the recorded daemon; the place to listen at comes last, so that all holds when somebody can ask."""
    rc = root / "rtorrent.rc"
    rc.write_text("".join(f"{line}\n" for line in (
        *lines, f"session.path.set = {root / 'a/session'}",
        f"directory.default.set = {root / 'a/dl'}", "network.bind_address.set = 127.0.0.1",
        f"network.port_range.set = {port}-{port}", "network.port_random.set = no", "dht.mode.set = disable",
        "protocol.pex.set = no", "throttle.max_uploads.set = 50",
        "throttle.max_downloads.set = 50", "system.umask.set = 0022",
        f"network.scgi.open_local = {root / 'rpc.sock'}")))
    return rc
