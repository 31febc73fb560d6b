"""rTorrent with a session of many stopped torrents: filled once, then started again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import RtorrentSession


@dataclass(frozen=True)
class Restart:
    ready_s: float                     # from the command until it answers, and knows all torrents
    each_bytes: float                  # resident, beyond that of a session without torrents


def restart_rtorrent(home: Path, torrents: Sequence[Path], timeout_s: float) -> Restart:
    """Fill a session below `home`, end it in order, and start it once more."""
    with RtorrentSession(home) as first:
        wait_until(lambda: first.knows(0), timeout_s, "rTorrent")
        empty_bytes = first.rss_bytes()
        for torrent in torrents:
            first.call("load.normal", "", str(torrent))
        wait_until(lambda: first.knows(len(torrents)), timeout_s, "the torrents", 1.0)
        first.call("session.save")
    (home / "rpc.sock").unlink(missing_ok=True)
    again = RtorrentSession(home)
    started_s = time.monotonic()
    with again:
        wait_until(lambda: again.knows(len(torrents)), timeout_s, "the session", 0.01)
        return Restart(time.monotonic() - started_s, (again.rss_bytes() - empty_bytes) / len(torrents))
