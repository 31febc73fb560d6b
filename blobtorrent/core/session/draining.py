"""DrainManager: leaves the swarms so that they miss nothing: pieces under way are finished, and those that nobody else
has handed on while somebody takes them. Owned by `core`.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.core.session.commands import Drained, DrainSession, Reply
from blobtorrent.core.session.session import Session
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.swarm.messages import SwarmRetired
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

GRACE_S = 2.0                          # beyond the time limit, for swarms to say how far they came


class DrainManager:
    """It ends when every swarm has said that it is done, or the time is over."""

    def __init__(self, session: Session, swarms: SwarmManager, *, clock: Clock, timers: TimerWheel) -> None:
        self._session = session
        self._swarms = swarms
        self._clock = clock
        self._timers = timers
        self._replies: list[Reply[Any]] = []
        self._waiting: set[InfoHash] = set()
        self._unique_pieces = 0
        self._is_complete = True
        self._drained: Drained | None = None

    def drain(self, command: DrainSession, reply: Reply[Any]) -> Reply[Any] | Drained:
        """Raises Unavailable ("session.starting"). Who asks again gets the same answer, at the same time."""
        if self._drained is not None:
            return self._drained
        self._session.retire()
        self._replies.append(reply)
        if len(self._replies) == 1:
            running = self._swarms.running()
            self._waiting = {torrent.info_hash for torrent in running}
            for torrent in running:
                self._swarms.retire(torrent, command.timeout_s)
            self._timers.at(self._clock.now() + command.timeout_s + GRACE_S, self._give_up)
            self._end_when_done()
        return reply

    def on_retired(self, answer: SwarmRetired) -> None:
        self._waiting.discard(answer.info_hash)
        self._unique_pieces += answer.unique_pieces
        self._is_complete &= answer.is_complete
        self._end_when_done()

    def _give_up(self) -> None:
        self._is_complete &= not self._waiting
        self._waiting.clear()
        self._end_when_done()

    def _end_when_done(self) -> None:
        if self._waiting or self._drained is not None:
            return
        self._drained = Drained(self._unique_pieces, self._is_complete)
        self._session.has_retired(self._unique_pieces)
        for reply in self._replies:
            reply.give(self._drained)
