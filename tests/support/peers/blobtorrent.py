"""Our own program, through its command line only: what a user runs is what is tested and measured."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.peers.client import Client, Job, Transfer

PROJECT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 30.0
NO_TIMEOUT_S = 86_400


def command_line(*words: str) -> list[str]:
    return [sys.executable, "-m", "blobtorrent", *words]


def environment() -> dict[str, str]:
    """The checkout first on the path, so that an installed copy is not what runs; no nodes in the internet to ask."""
    return {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", "BLOBTORRENT_DHT__BOOTSTRAP": "[]"}


class BlobTorrentGet(Client):
    """`blobtorrent get --json` on one torrent, in either role: a seed is one whose content is there already.

    `events` keeps every line it printed, as (monotonic seconds, object). It ends by itself `seed_for_s` after the
    download.
    """

    def __init__(self, job: Job, *, seed_for_s: float = NO_TIMEOUT_S, timeout_s: float = NO_TIMEOUT_S,
                 options: Sequence[str] = (), seed_ready: bool = True) -> None:
        peers = [word for peer in job.peers for word in ("--peer", peer)]
        super().__init__(job, command_line(
            "get", str(job.torrent), "--to", str(job.folder), "--listen", f"{job.address}:0", "--json",
            "--seed-for", f"{seed_for_s:g}", "--timeout", f"{timeout_s:g}", *peers, *options))
        self._environment.update(environment())
        self._options.update(stdout=subprocess.PIPE)
        self._waits_for_seeding = job.role.value == "seed" and seed_ready
        self.events: list[tuple[float, dict[str, Any]]] = []
        self._queue: queue.SimpleQueue[tuple[float, dict[str, Any]] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="blobtorrent-events")

    def start(self) -> None:
        super().start()
        self._reader.start()

    def wait_ready(self) -> None:
        at_s, told = self.wait_event("listening", START_TIMEOUT_S)
        self.mark_begin()
        self.began_at_s = at_s
        self.endpoint = told["listen"]
        if self._waits_for_seeding:
            self.wait_event("seeding", START_TIMEOUT_S)

    def wait_event(self, event: str, timeout_s: float) -> tuple[float, dict[str, Any]]:
        """The first line with this `event`, heard before or to come: when, and what it said.

        TimeoutError; RuntimeError when the program ends without.
        """
        for at_s, told in self.events:
            if told.get("event") == event:
                return at_s, told
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no {event!r} in {timeout_s:g} s; {self._last_words()}") from None
            if line is None:
                self._queue.put(None)
                raise RuntimeError(f"ended without {event!r}; {self._last_words()}")
            self.events.append(line)
            if line[1].get("event") == event:
                return line

    def drain(self) -> None:
        """Read what an ended program said last."""
        self._reader.join()
        while (line := self._queue.get()) is not None:
            self.events.append(line)
        self._queue.put(None)

    def wait_complete(self, timeout_s: float) -> Transfer:
        at_s, _ = self.wait_event("finished", timeout_s)
        self.mark_complete(at_s)
        return self.transfer

    def _last_words(self) -> str:
        return f"last: {[told for _, told in self.events[-2:]]}; {self.output()[-1500:]}"

    def close(self) -> None:
        if self._reader.is_alive():
            self._reader.join()
        super().close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put((time.monotonic(), json.loads(line)))
        self._queue.put(None)


def run(*words: str | os.PathLike[str], timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    """One command to its end, with what it printed."""
    return subprocess.run(
        command_line(*(os.fspath(word) for word in words)), env={**os.environ, **environment()}, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
