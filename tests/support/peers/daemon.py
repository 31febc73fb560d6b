"""`blobtorrentd` as a process with directories of its own, driven through its UNIX socket."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.memory import memory_for
from tests.support.peers.blobtorrent import environment
from tests.support.peers.program import Program, wait_until

START_TIMEOUT_S = 60.0


class Daemon(Program):
    """State and settings lie below `folder`, downloads go to `folder/downloads`; the runtime directory is in memory,
    and gone after the test.

    It listens on free ports of the loopback interface only. `settings` is the text of its settings file, `words` are
    more of its command line. The same folder can be given to a next one. The log stays readable after the end. A daemon
    for several tests brings a `runtime` directory of its own.
    """

    def __init__(self, folder: Path, *words: str, settings: str = "",
                 environ: Mapping[str, str] | None = None, runtime: Path | None = None) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.runtime = runtime or memory_for(folder)
        self.downloads = folder / "downloads"
        self.config = folder / "blobtorrent.toml"
        self.downloads.mkdir(parents=True, exist_ok=True)
        self.config.write_text(settings)
        super().__init__(
            [sys.executable, "-m", "blobtorrent.daemon.main", "--config", self.config, "--state-dir", self.state,
             "--runtime-dir", self.runtime, "--set", f"storage.download_dir='{self.downloads}'",
             "--set", "network.listen=['127.0.0.1:0']", "--set", "rest.listen=['unix:rest.sock', '127.0.0.1:0']",
             *words],
            home=folder,
            environment={**environment(), **(environ or {})},
        )
        # Each run its own log: what an earlier one in this folder said must not be taken for ours.
        self.log = folder / f"output-{len(list(folder.glob('output-*.log')))}.log"
        self.log.touch()

    def leave_to_settings(self, key: str) -> None:
        """Before the start: what the command line sets, nothing that comes later can change."""
        place = next(number for number, word in enumerate(self._command) if word.startswith(f"{key}="))
        del self._command[place - 1:place + 1]

    def wait_ready(self) -> None:
        """All formats of the log have the word "ready" by itself."""
        wait_until(lambda: re.search(r"[ \"]ready[ \"]", self.output()) or self.poll() is not None, START_TIMEOUT_S,
                   "the daemon")

    def wait_logged(self, words: str) -> None:
        wait_until(lambda: words in self.output() or self.poll() is not None, START_TIMEOUT_S, f"{words!r} in the log")

    @property
    def endpoint(self) -> str:
        """Where peers reach it."""
        found = re.search(r" listening host=(\S+) port=(\d+)", self.output())
        assert found is not None
        return f"{found[1]}:{found[2]}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of its REST interface, whatever the status."""
        data = self._ask(method, path, None if body is None else json.dumps(body))
        return json.loads(data) if data else None

    def metric(self, name: str) -> float:
        """A figure of its metrics, 0 while it has none of this name."""
        lines = self._ask("GET", "/metrics", None).decode().splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(name)), 0.0)

    def get(self, path: str) -> bytes:
        """The body of an answer as it is."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: str | None) -> bytes:
        connection = UnixConnection(self.runtime / "rest.sock")
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
