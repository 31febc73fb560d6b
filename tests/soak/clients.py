"""Those that ask a daemon all the time: REST pollers, a reader of events, and Flood on rTorrent's interface."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from typing import Any

from tests.bench.rtorrent_lists import DETAILS, FLOOD
from tests.bench.rtorrent_polls import TOTALS
from tests.support.eventstream import Listener
from tests.support.peers.daemon import Daemon, UnixConnection
from tests.support.peers.rtorrent import scgi_answer

PATHS = ("/v1/session", "/v1/torrents", "/v1/torrents?fields=hash,name,state,done_bytes", "/v1/stats",
         "/v1/health/ready", "/v1/settings", "/metrics", "/v1/tokens")
OF_ONE = ("", "/files", "/peers", "/trackers", "/pieces", "/why")
GOOD = (200, 404, 409)                 # a torrent may have gone meanwhile, or be a link of which nothing is known yet
PEERS = ("p.address=", "p.client_version=", "p.completed_percent=", "p.down_rate=", "p.up_rate=", "p.is_encrypted=",
         "p.is_incoming=")
TRACKERS = ("t.url=", "t.type=", "t.is_enabled=")


class Worker:
    """Does `step()` again and again in a thread, until the end. A failure is kept, and does not end it. A context."""

    pause_s = 0.2

    def __init__(self, name: str, is_over: threading.Event, rng: random.Random) -> None:
        self.name = name
        self.is_over = is_over
        self.rng = rng
        self.steps = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.is_over.set()
        self.wake()
        self._thread.join(120.0)
        if self._thread.is_alive():
            self.failures.append(f"{self.name} does not end")

    def step(self) -> None:
        raise NotImplementedError

    def wake(self) -> None:
        """It is to end, whatever it waits for."""

    def close(self) -> None:
        """In its thread, at the end."""

    def _run(self) -> None:
        try:
            while not self.is_over.is_set():
                try:
                    self.step()
                    self.steps += 1
                except Exception as error:  # noqa: BLE001  a soak tells of all that went wrong, at its end
                    if not self.is_over.is_set():
                        self.failures.append(f"{self.name}: {error!r}")
                self.is_over.wait(self.pause_s * self.rng.uniform(0.5, 1.5))
        finally:
            self.close()


class RestPoller(Worker):
    """Lists and details over one connection. `took_s` are the seconds of its answers."""

    def __init__(self, number: int, daemon: Daemon, is_over: threading.Event, rng: random.Random) -> None:
        super().__init__(f"rest-{number}", is_over, rng)
        self._daemon = daemon
        self._link: UnixConnection | None = None
        self._hashes: list[str] = []
        self.took_s: list[float] = []

    def step(self) -> None:
        path = self.rng.choice(PATHS)
        if self._hashes and self.rng.random() < 0.5:
            path = f"/v1/torrents/{self.rng.choice(self._hashes)}{self.rng.choice(OF_ONE)}"
        if self._link is None:
            self._link = UnixConnection(self._daemon.runtime / "rest.sock")
        began_s = time.monotonic()
        try:
            self._link.request("GET", path)
            answer = self._link.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self.took_s.append(time.monotonic() - began_s)
        assert answer.status in GOOD, (path, answer.status, body[:200])
        if path == "/v1/torrents":
            self._hashes = [torrent["hash"] for torrent in json.loads(body)["torrents"]]

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class EventReader(Worker):
    """Reads the stream of events; comes again when it ends. `seen` counts them."""

    def __init__(self, daemon: Daemon, is_over: threading.Event, rng: random.Random) -> None:
        super().__init__("events", is_over, rng)
        self._path = str(daemon.runtime / "rest.sock")
        self._sock: socket.socket | None = None
        self.seen = 0

    def step(self) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(120.0)
        self._sock.connect(self._path)
        with Listener(self._sock) as stream:
            assert stream.status == 200
            for _ in range(self.rng.randrange(100, 2000)):
                stream.next()
                self.seen += 1
                if self.is_over.is_set():
                    return

    def wake(self) -> None:
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass                   # between two streams


class FloodPoller(Worker):
    """What Flood asks for every two seconds, and now and then the details of a torrent that somebody looks at."""

    pause_s = 2.0

    def __init__(self, daemon: Daemon, is_over: threading.Event, rng: random.Random) -> None:
        super().__init__("flood", is_over, rng)
        self._rpc = daemon.runtime / "rpc.sock"
        self.took_s: list[float] = []

    def step(self) -> None:
        self._ask("d.multicall2", "", "main", *FLOOD)
        self._ask("system.multicall", TOTALS)
        hashes = self._ask("download_list")
        names = [word for word in hashes.decode().replace("<", " ").replace(">", " ").split()
                 if len(word) == 40 and word.isupper()]
        if names and self.rng.random() < 0.5:
            name = self.rng.choice(names)
            for command, columns in (("f.multicall", DETAILS), ("p.multicall", PEERS), ("t.multicall", TRACKERS)):
                self._ask(command, name, "", *columns, may_fail=True)

    def _ask(self, command: str, *arguments: Any, may_fail: bool = False) -> bytes:
        began_s = time.monotonic()
        answer = scgi_answer(self._rpc, command, *arguments)
        self.took_s.append(time.monotonic() - began_s)
        assert may_fail or b"<fault>" not in answer[:200], answer[:300]
        return answer


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


