"""DrainManager: leaves the swarms so that they miss nothing: pieces under way are finished, and those that nobody else
has handed on while somebody takes them. Owned by `core`.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.core.session.commands import DrainSession, Reply
from blobtorrent.core.session.session import Session
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.swarm.messages import SwarmRetired
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.timers import TimerWheel

log = get_logger(__name__)

GRACE_S = 2.0                          # beyond the time limit, for swarms to say how far they came


class DrainManager:
    """It ends when every swarm has said that it is done, or the time is over."""

    def __init__(self, session: Session, swarms: SwarmManager, *, clock: Clock, timers: TimerWheel) -> None:
        self._session = session
        self._swarms = swarms
        self._clock = clock
        self._timers = timers
        self._waiting: set[InfoHash] | None = None         # swarms that have not answered; None: not asked for
        self._num_swarms = 0
        self._unique_pieces = 0
        self._is_complete = True
        self._is_over = False

    def drain(self, command: DrainSession, _reply: Reply[Any]) -> None:
        """Raises Unavailable ("session.starting"). Who asks again changes nothing."""
        self._session.retire()
        if self._waiting is not None:
            return
        running = self._swarms.running()
        self._waiting = {torrent.info_hash for torrent in running}
        self._num_swarms = len(self._waiting)
        self._tell()
        for torrent in running:
            self._swarms.retire(torrent, command.timeout_s)
        self._timers.at(self._clock.now() + command.timeout_s + GRACE_S, self._give_up)
        self._end_when_done()

    def on_retired(self, answer: SwarmRetired) -> None:
        assert self._waiting is not None
        self._waiting.discard(answer.info_hash)
        self._unique_pieces += answer.unique_pieces
        self._is_complete &= answer.is_complete
        self._tell()
        self._end_when_done()

    def _tell(self) -> None:
        assert self._waiting is not None
        self._session.tell_drained(self._num_swarms - len(self._waiting), self._num_swarms)

    def _give_up(self) -> None:
        if self._waiting:
            self._is_complete = False
            self._waiting.clear()
            self._end_when_done()

    def _end_when_done(self) -> None:
        if not self._waiting and not self._is_over:
            self._is_over = True
            log.info("drained", complete=self._is_complete, unique_pieces=self._unique_pieces)
            self._session.has_retired(self._unique_pieces)
