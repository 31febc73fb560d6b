"""rTorrent with a session of many stopped torrents: filled once, then started again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers.program import Program, free_port, wait_until
from tests.support.peers.rtorrent import scgi_call


@dataclass(frozen=True)
class Restart:
    ready_s: float                     # from the command until it answers, and knows all torrents
    each_bytes: float                  # resident, beyond that of a session without torrents


class _Rtorrent(Program):
    def __init__(self, home: Path) -> None:
        self._socket = home / "rpc.sock"
        session = home / "session"
        session.mkdir(exist_ok=True)
        port = free_port()
        settings = home / "rtorrent.rc"
        settings.write_text("".join(f"{line}\n" for line in (
            "system.daemon.set = true", f"network.scgi.open_local = {self._socket}", f"session.path.set = {session}",
            "network.bind_address.set = 127.0.0.1", f"network.port_range.set = {port}-{port}",
            "dht.mode.set = disable", "protocol.pex.set = no", "trackers.use_udp.set = no")))
        super().__init__(["rtorrent", "-n", "-o", f"import={settings}"], home=home)

    def call(self, command: str, *arguments: str) -> object:
        return scgi_call(self._socket, command, *arguments)

    def knows(self, count: int) -> bool:
        try:
            found = self.call("download_list")
        except OSError:
            return False
        return isinstance(found, list) and len(found) == count


def restart_rtorrent(home: Path, torrents: Sequence[Path], timeout_s: float) -> Restart:
    """Fill a session below `home`, end it in order, and start it once more."""
    with _Rtorrent(home) as first:
        wait_until(lambda: first.knows(0), timeout_s, "rTorrent")
        empty_bytes = first.rss_bytes()
        for torrent in torrents:
            first.call("load.normal", "", str(torrent))
        wait_until(lambda: first.knows(len(torrents)), timeout_s, "the torrents", 1.0)
        first.call("session.save")
    (home / "rpc.sock").unlink(missing_ok=True)
    again = _Rtorrent(home)
    started_s = time.monotonic()
    with again:
        wait_until(lambda: again.knows(len(torrents)), timeout_s, "the session", 0.01)
        return Restart(time.monotonic() - started_s, (again.rss_bytes() - empty_bytes) / len(torrents))
