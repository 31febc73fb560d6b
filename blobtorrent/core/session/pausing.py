"""PauseManager: torrents that keep their connections and their place in the queue, and transfer nothing.

To its swarm a paused torrent is one that may not download and has no upload slots; to its owner the time stands still.
Owned by `core`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.core.session.activity import ActivityManager
from blobtorrent.core.session.commands import PauseTorrent, Reply
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.torrents import TorrentManager
from blobtorrent.model.errors import Conflict
from blobtorrent.runtime.clock import Clock


class PauseManager:
    """`on_turn()` is called when a torrent that stood still may do so for another reason now."""

    def __init__(self, roster: Roster, swarms: SwarmManager, activity: ActivityManager, keeper: Keeper,
                 torrents: TorrentManager, *, clock: Clock, on_turn: Callable[[], None]) -> None:
        self._roster = roster
        self._swarms = swarms
        self._activity = activity
        self._keeper = keeper
        self._torrents = torrents
        self._clock = clock
        self._on_turn = on_turn
        torrents.resume = self._resume

    def pause(self, command: PauseTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.not-running", "torrent.paused", "torrent.removing")."""
        torrent = self._torrents.present(command)
        if not torrent.record.should_run:
            raise Conflict("torrent.not-running", f"{torrent.name} is not running")
        if torrent.record.is_paused:
            raise Conflict("torrent.paused", f"{torrent.name} is paused already")
        torrent.record.is_paused = True
        torrent.stop_clock(self._clock.now())
        self._keeper.save(torrent, reply.give)
        self._changed(torrent)
        return reply

    def _resume(self, torrent: Torrent) -> None:
        torrent.record.is_paused = False
        if torrent.swarm_is_open:
            torrent.last_moved_s = self._clock.now()
            torrent.run_clock(torrent.last_moved_s)
        self._changed(torrent)
        self._activity.look_again(torrent)

    def _changed(self, torrent: Torrent) -> None:
        torrent.is_stalled = False     # it keeps its place while it is paused, and is given time afterwards
        self._swarms.change(torrent)
        self._roster.publish(torrent)
        self._on_turn()
