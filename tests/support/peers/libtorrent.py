"""libtorrent-rasterbar through its Python binding, in a process of its own so that its cost can be told."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.peers.client import Client, Job, Role, Transfer
from tests.support.peers.conversation import PIPES, Conversation

SCRIPT = Path(__file__).with_name("scripts") / "libtorrent_sessions.py"
START_TIMEOUT_S = 30.0
FLUSH_TIMEOUT_S = 60.0
ONLY_UTP = {"enable_incoming_tcp": False, "enable_outgoing_tcp": False, "enable_incoming_utp": True,
            "enable_outgoing_utp": True}


class LibtorrentPeer(Client):
    """One process with a session for each folder (`job.folder` when no others are given), at consecutive addresses.

    `settings` are libtorrent's, in place of the script's own.
    """

    def __init__(self, job: Job, folders: Sequence[Path] = (), *, settings: Mapping[str, Any] = {}) -> None:
        self.folders = tuple(folders) or (job.folder,)
        super().__init__(job, [
            sys.executable, SCRIPT, job.role.value, job.torrent, job.wire.value, job.address, *self.folders])
        self._options.update(PIPES)
        self._environment["LIBTORRENT_SETTINGS"] = json.dumps(settings)
        self._talk = Conversation(self)
        self.endpoints: tuple[str, ...] = ()

    def wait_ready(self) -> None:
        self.endpoints = tuple(self._talk.hear("ready", START_TIMEOUT_S)["ready"])
        self.endpoint = self.endpoints[0]
        if self.job.role is Role.LEECH:
            self.fetch_from(self.job.peers)
        elif self.job.peers:
            self.dial(*self.job.peers)

    def fetch_from(self, peers: Sequence[str]) -> None:
        """Begin the downloads of a leech: every session from all `peers`."""
        self.mark_begin()
        self._talk.tell(" ".join(peers))

    def dial(self, *peers: str) -> None:
        """Have a seed connect to these, if nobody is connected to it."""
        self._talk.tell(" ".join(peers))

    def wait_complete(self, timeout_s: float) -> Transfer:
        told = self._talk.hear("complete", timeout_s)
        self.mark_complete(told["complete"], told["cpu_s"])
        self._talk.hear("flushed", FLUSH_TIMEOUT_S)
        return self.transfer

    def stop(self) -> None:
        if self._process is not None:
            self._talk.close()
        super().stop()
