"""libtorrent-rasterbar sessions that find peers by peer exchange and local discovery, in one process of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.peers.conversation import PIPES, Conversation
from tests.support.peers.program import Program

SCRIPT = Path(__file__).with_name("scripts") / "libtorrent_finders.py"
TIMEOUT_S = 30.0


class Found(NamedTuple):
    """One link of a session."""

    host: str
    port: int
    client: str
    sources: tuple[str, ...]           # "tracker", "dht", "pex", "lsd"


class LibtorrentFinders(Program):
    """An empty session at each of `addresses`; `settings` are those of libtorrent that differ from plain ones."""

    def __init__(self, torrent: Path, folder: Path, addresses: Sequence[str], *, prefix: Sequence[str] = (),
                 **settings: bool) -> None:
        words = [*addresses, *(f"{key}={value}" for key, value in settings.items())]
        super().__init__([*prefix, sys.executable, SCRIPT, torrent, folder, *words], home=folder)
        self._options.update(PIPES)
        self._talk = Conversation(self)
        self.endpoints: list[str] = []

    def wait_ready(self) -> None:
        self.endpoints = self._talk.hear("ready", TIMEOUT_S)["ready"]

    def dial(self, number: int, endpoint: str) -> None:
        self._talk.tell(f"dial {number} {endpoint}")

    def be_still(self, number: int) -> None:
        """The session dials nobody from now on. Two that learn of each other at once dial each other, and each may hang
        up on the other; they try again after a minute, at once again."""
        self._talk.tell(f"still {number}")

    def links(self, number: int) -> list[Found]:
        """Whom a session is connected to just now."""
        self._talk.tell(f"peers {number}")
        told: list[list[Any]] = self._talk.hear("peers", TIMEOUT_S)["peers"]
        return [Found(host, port, client, tuple(sources)) for host, port, client, sources in told]

    def stop(self) -> None:
        if self._process is not None:
            self._talk.close()
        super().stop()
