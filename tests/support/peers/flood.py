"""Flood, the front-end, from the packages of Node.js: a web page over the rTorrent interface of a daemon."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from tests.support.peers.client import LOOPBACK
from tests.support.peers.nodejs import MODULES, require_node
from tests.support.peers.program import Program, free_port, listens, wait_until
from tests.support.tools import require_folder

START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0
OLDEST_NODE = 20
_POLL_MS = 500                         # how often it asks, instead of every two seconds


def command() -> list[str]:
    """The words that start it, without options."""
    require_folder(MODULES / "flood", "tests/run installs it")
    return [require_node(OLDEST_NODE), str(MODULES / "flood" / "dist" / "index.js")]


class Flood(Program):
    """Its state lies in `folder`. `rpc_socket` is where rTorrent, or who takes its place, answers; then anybody is let
    in. Without it, the first visitor makes an account, and says what the socket is.
    """

    def __init__(self, folder: Path, rpc_socket: Path | None = None) -> None:
        folder.mkdir()
        self._port = free_port()
        self.url = f"http://{LOOPBACK}:{self._port}/"
        super().__init__(
            [*command(), "--host", LOOPBACK, "--port", str(self._port),
             "--rundir", folder, "--clientpoll", str(_POLL_MS), "--disable-rate-limit",
             *(("--auth", "none", "--rtsocket", rpc_socket) if rpc_socket else ())],
            home=folder, environment={"NODE_ENV": "production"})
        self._cookie = ""

    def wait_ready(self) -> None:
        wait_until(lambda: self.poll() is not None or listens(f"{LOOPBACK}:{self._port}"), START_TIMEOUT_S, "Flood")
        if self.poll() is not None:
            raise RuntimeError(f"Flood ended: {self.output()[-1000:]}")
        self.call("GET", "/auth/verify")         # which gives everybody a cookie

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of its own interface. ValueError when it refuses or fails."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=CALL_TIMEOUT_S)
        try:
            words = {"Cookie": self._cookie, **({} if body is None else {"Content-Type": "application/json"})}
            connection.request(method, f"/api{path}", None if body is None else json.dumps(body), words)
            response = connection.getresponse()
            self._cookie = response.getheader("Set-Cookie", self._cookie).partition(";")[0]
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(f"{method} {path}: {response.status} {data.decode(errors='replace')[:500]}")
        return json.loads(data) if data else None
