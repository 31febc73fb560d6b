"""Fresh daemons to replay recordings on: ours, or the real rTorrent, each with a folder of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

SOURCE = Path(__file__).parents[2]
PORT = 51401                           # of peers, as in the recordings
FOLDERS = ("a/dl", "a/dl2", "a/session", "out", "watch")
START_S = 30.0
STOP_S = 20.0


class Server(Protocol):
    """`root` stands for the folder of the recordings."""

    root: Path

    def dial(self) -> socket.socket: ...


class _Process:
    def __init__(self, root: Path, address: Path, words: list[str], cwd: Path) -> None:
        self.root = root
        self._address = address
        self._log = open(root / "output.log", "ab")  # noqa: SIM115   closed by stop
        self._process = subprocess.Popen(
            words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "dumb", "HOME": str(root)})

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
        root = Path(folder)
        for name in FOLDERS:
            (root / name).mkdir(parents=True)
        process = _ours(root, version) if kind == "blobtorrent" else _theirs(root)
        try:
            process.wait()
            yield process
        finally:
            process.stop()


def _free_port() -> int:
    """That of the recordings, or the next one that nobody has."""
    for port in range(PORT, PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def _ours(root: Path, version: str) -> _Process:
    rc = _configuration(root, _free_port())
    settings = root / "blobtorrent.toml"
    settings.write_text(f"""
[storage]
download_dir = "{root / 'a/dl'}"
memory_budget = "16 MiB"
[network]
allow_loopback = true
port_mapping = "off"
listen = []
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
    words = [sys.executable, "-m", "blobtorrent.daemon.main", "--config", str(settings), "--state-dir",
             str(root / "state"), "--runtime-dir", str(root / "run"), "-n", "-o", f"import={rc}"]
    return _Process(root, root / "rpc.sock", words, root / "a")


def _theirs(root: Path) -> _Process:
    rc = _configuration(root, _free_port())
    return _Process(root, root / "rpc.sock", ["rtorrent", "-n", "-o", f"import={rc}"], root / "a")


def _configuration(root: Path, port: int) -> Path:
    """That of the recorded daemon; the place to listen at comes last, so that all holds when somebody can ask."""
    rc = root / "rtorrent.rc"
    rc.write_text("".join(f"{line}\n" for line in (
        "system.daemon.set = true", f"session.path.set = {root / 'a/session'}",
        f"directory.default.set = {root / 'a/dl'}", "network.bind_address.set = 127.0.0.1",
        f"network.port_range.set = {port}-{port}", "network.port_random.set = no", "dht.mode.set = disable",
        "protocol.pex.set = no", "trackers.use_udp.set = no", "network.xmlrpc.size_limit.set = 8M",
        "throttle.max_uploads.set = 50", "system.umask.set = 0022",
        f"network.scgi.open_local = {root / 'rpc.sock'}")))
    return rc
