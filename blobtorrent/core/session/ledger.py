"""Ledger: what was done in this run and in all runs, and where disks and memory stand. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.core.session import rows
from blobtorrent.core.session.commands import Reply
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.past import Past, figures, since
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.core.session.reserves import ReserveManager
from blobtorrent.core.session.resume import ResumeManager
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.details import Figures, SessionStats
from blobtorrent.runtime.clock import Clock
from blobtorrent.storage.state.statethread import SESSION, Row


class Ledger:
    """Sums are made when somebody asks, from what every torrent keeps of itself: 2 ms for ten thousand.

    `memory()` tells the budget for pieces and how much of it is used, in bytes.
    """

    def __init__(self, roster: Roster, keeper: ResumeManager, reserves: ReserveManager,
                 memory: Callable[[], tuple[int, int]], clock: Clock) -> None:
        self._roster = roster
        self._keeper = keeper
        self._reserves = reserves
        self._memory = memory
        self._clock = clock
        self._started_s = clock.now()
        self._past = Past()            # and what was removed in this run
        self._is_begun = False
        self._at_start = Figures()
        roster.at_entry(TorrentState.GONE, self._bury)

    def begin(self, past: Past) -> None:
        """All torrents of the earlier runs are on the roster."""
        self._at_start = figures(past, (torrent.record for torrent in self._roster))
        self._past = past._replace(runs=past.runs + 1)
        self._is_begun = True

    def stats_of(self, _query: StatsOf, _reply: Reply[Any]) -> SessionStats:
        all_time = figures(self._now(), (torrent.record for torrent in self._roster))
        budget, used = self._memory()
        return SessionStats(since(all_time, self._at_start), all_time, self._reserves.rooms(), budget, used)

    def save(self) -> None:
        """Have the session's row saved as it is now; not before we know what it said."""
        if self._is_begun:
            self._keeper.put(Row(SESSION, b"", rows.session_body(self._now())))

    def _bury(self, torrent: Torrent, _event: TorrentEvent) -> None:
        """It is gone, and its rows go with the next commit: so does this one come."""
        self._past = self._past.without(torrent.record)
        self.save()

    def _now(self) -> Past:
        ran_s = self._clock.now() - self._started_s
        return self._past._replace(alive_at=self._clock.wall(), seconds=self._past.seconds + ran_s)
