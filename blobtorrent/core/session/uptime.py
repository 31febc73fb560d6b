"""Uptime: notes now and then that we live, so that after a kill every torrent's seconds are counted to the end.

A row of a running torrent says how long it ran by then. An idle one has no reason for another row for hours; the next
start adds the time from its row to our last sign of life: in memory every few seconds, on disk every few minutes.
"""

from __future__ import annotations

from blobtorrent.core.session.ledger import Ledger
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

BEAT_S = 5.0                           # what a kill costs of the seconds of each torrent
ROW_S = 600.0                          # what a power cut costs of those of idle ones


class Uptime:
    """Costs the same for one torrent and for ten thousand, and nothing on disk while none runs."""

    def __init__(self, roster: Roster, outlets: Outlets, ledger: Ledger, *, clock: Clock, timers: TimerWheel
                 ) -> None:
        self._roster = roster
        self._outlets = outlets
        self._ledger = ledger
        self._clock = clock
        self._timers = timers

    def begin(self) -> None:
        self._beat()
        self._timers.at(self._clock.now() + ROW_S, self._put_row)

    def end(self) -> None:
        """The session ends."""
        self._ledger.save()

    def _beat(self) -> None:
        if self._outlets.live is not None:
            self._outlets.live.beat(self._clock.wall())
        self._timers.at(self._clock.now() + BEAT_S, self._beat)

    def _put_row(self) -> None:
        if any(torrent.swarm_is_open for torrent in self._roster):
            self._ledger.save()
        self._timers.at(self._clock.now() + ROW_S, self._put_row)
