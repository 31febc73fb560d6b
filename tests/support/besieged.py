"""A daemon that has something to lose, and a digest of all that a request could change of it."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.rest import PATIENCE_S, Answer, read_all, request_on

TIMEOUT_S = 30.0
WATCH_PAUSE_S = 0.05
LABEL = "kept"

_PASSING = frozenset((
    "active_s", "seeding_s", "counted_at", "down_bytes_per_s", "up_bytes_per_s", "cursor", "last_used_at", "eta_s",
    "last_announce_at", "next_announce_at", "peers_known",
))


class Besieged:
    """One torrent of it seeds, another is stopped; it has a label, a group, a setting and a second token."""

    def __init__(self, folder: Path) -> None:
        seed, rest = (make_sample(folder / name, name, 100 * KIB, 16 * KIB) for name in ("seed", "rest"))
        self.daemon = Daemon(folder / "daemon")
        (self.daemon.downloads / "seed").write_bytes((seed.folder / "seed").read_bytes())
        self._torrents = [(seed, {"labels": [LABEL]}), (rest, {"start": False})]
        self.hash, self.stopped_hash = (sample.info_hash.hex() for sample in (seed, rest))
        self.one = f"/v1/torrents/{self.hash}"

    def __enter__(self) -> Besieged:
        self.daemon.__enter__()
        try:
            self._furnish()
        except BaseException:
            self.daemon.stop()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.daemon.stop()

    def _furnish(self) -> None:
        call = self.daemon.call
        for sample, options in self._torrents:
            encoded = base64.b64encode(sample.torrent.read_bytes()).decode()
            call("POST", "/v1/torrents", {"metainfo": encoded, **options})
        call("PUT", "/v1/groups/slow", {"weight": 2})
        call("PATCH", "/v1/settings", {"limits": {"up_bytes_per_s": "1 MiB/s"}})
        call("POST", "/v1/tokens", {"name": "reader", "scopes": ["read"]})
        wait_until(lambda: call("GET", self.one)["state"] == "seeding", TIMEOUT_S, "a seed")

    @property
    def port(self) -> int:
        found = re.search(r"REST listens address=127\.0\.0\.1:(\d+)", self.daemon.output())
        assert found is not None
        return int(found[1])

    @property
    def secret(self) -> str:
        return (self.daemon.state / "admin.token").read_text().strip()

    def digest(self) -> Any:
        """Everything that can be read and that does not change by itself."""
        paths = ("session", "torrents", f"torrents/{self.hash}/files", f"torrents/{self.hash}/trackers",
                 "settings?sources=true", "groups", "watch", "jobs", "tokens")
        state = {path: _lasting(self.ask("GET", f"/v1/{path}").json) for path in paths}
        files = sorted(str(path.relative_to(self.daemon.downloads)) for path in self.daemon.downloads.rglob("*"))
        return json.dumps([state, files], sort_keys=True)

    def watch(self, seconds: float) -> tuple[list[float], int]:
        """How long answers about health take for so long, and the peak of the daemon's memory in bytes meanwhile; what
        wants a token is answered, too."""
        took_s, peak_bytes, end_s = [], 0, time.monotonic() + seconds
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            assert self.ask("GET", "/v1/health/live").status == 200
            took_s.append(time.monotonic() - began_s)
            assert self.ask("GET", "/v1/torrents").status == 200
            peak_bytes = max(peak_bytes, self.daemon.rss_bytes())
            time.sleep(WATCH_PAUSE_S)
        return took_s, peak_bytes

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (address, 0))

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.connect() as sock:
            return request_on(sock, method, path, body, token=token or self.secret, headers=fields)

    def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes until the server closes."""
        with self.connect() as sock:
            try:
                sock.sendall(data)
            except (BrokenPipeError, ConnectionResetError):        # it has heard enough
                pass
            return read_all(sock)


def _lasting(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _lasting(value) for name, value in told.items() if name not in _PASSING}
    return [_lasting(item) for item in told] if isinstance(told, list) else told


def check_problem(answer: Answer, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal with one of these statuses, 400 or 422 when none is given."""
    assert answer.status in (statuses or (400, 422)), answer
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json
    assert told["status"] == answer.status
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", told["code"])
    assert len(told["detail"]) > 8 and told["title"]
    return told
