"""libtorrent-rasterbar through its Python binding, in a process of its own so that its cost can be told."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.peers.client import Client, Job, Role, Transfer

SCRIPT = Path(__file__).with_name("scripts") / "libtorrent_sessions.py"
START_TIMEOUT_S = 30.0
FLUSH_TIMEOUT_S = 60.0


class LibtorrentPeer(Client):
    """One process with a session for each folder (`job.folder` when no others are given)."""

    def __init__(self, job: Job, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders) or (job.folder,)
        super().__init__(job, [sys.executable, SCRIPT, job.role.value, job.torrent, job.address, *self.folders])
        self._options.update(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.endpoints: tuple[str, ...] = ()
        self._heard = b""

    def wait_ready(self) -> None:
        ports = self._hear("ready", START_TIMEOUT_S)["ready"]
        self.endpoints = tuple(f"{self.job.address}:{port}" for port in ports)
        self.endpoint = self.endpoints[0]
        if self.job.role is Role.LEECH:
            self.fetch_from(self.job.peers)

    def fetch_from(self, peers: Sequence[str]) -> None:
        """Begin the downloads of a leech: every session from all `peers`."""
        self.mark_begin()
        self._tell(" ".join(peers))

    def wait_complete(self, timeout_s: float) -> Transfer:
        told = self._hear("complete", timeout_s)
        self.mark_complete(told["complete"], told["cpu_s"])
        self._hear("flushed", FLUSH_TIMEOUT_S)
        return self.transfer

    def stop(self) -> None:
        if self._process is not None and self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        super().stop()

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _hear(self, key: str, timeout_s: float) -> dict[str, Any]:
        """The next line that has `key`; earlier ones are skipped."""
        assert self.process.stdout is not None
        pipe, deadline = self.process.stdout.fileno(), time.monotonic() + timeout_s
        while True:
            line, found, rest = self._heard.partition(b"\n")
            if found:
                self._heard = rest
                told: dict[str, Any] = json.loads(line)
                if key in told:
                    return told
                continue
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"libtorrent did not say {key!r} in {timeout_s:g} s: {self.output()[-500:]}")
            chunk = self.process.stdout.read1(65536)
            if not chunk:
                raise RuntimeError(f"libtorrent ended: {self.output()[-2000:]}")
            self._heard += chunk
