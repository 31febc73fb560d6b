"""Helping: links that have time are asked for blocks that others were asked for before. `endgame` says which.

Owned by a swarm's request manager.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.endgame import DOUBLE_PAUSE_S, Endgame

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.pieces import Assembly, PieceManager
    from blobtorrent.core.swarm.requests import RequestManager


class Helping:
    """`later` calls back after so many seconds."""

    def __init__(self, requests: RequestManager, endgame: Endgame, pieces: PieceManager,
                 later: Callable[[float, Callable[[], None]], object]) -> None:
        self._requests = requests
        self._endgame = endgame
        self._pieces = pieces
        self._later = later
        self._idle: dict[PeerLink, None] = {}              # look again soon
        self._is_looking = False

    def when_idle(self, link: PeerLink, now: float) -> int:
        """There is nothing else to ask a link for; returns the blocks that it is asked for."""
        if link.expected_blocks or not self._endgame.is_all_asked:
            return 0
        count = self._ask_too(link, self._endgame.choose(link, self._pieces.lacking_mask, now))
        if not count:
            self._look_again(link)
        return count

    def with_urgent(self, link: PeerLink, now: float) -> int:
        """Ask a link for what matters most and is to be expected late, whatever else there is to ask it for.

        What somebody waits for is taken from who was asked first; that one may do something else meanwhile.
        """
        endgame = self._endgame
        if now < link.double_at or not endgame.may_be_urgent:
            return 0
        urgent = endgame.urgent_pieces()
        if not urgent & link.askable:
            return 0
        chosen = endgame.choose(link, urgent, now)
        count = self._ask_too(link, chosen)
        awaited = endgame.awaited_pieces() if count else 0
        for key, _, holder in chosen[:count]:
            if awaited >> (key >> 32) & 1 and holder.outstanding.get(key) is not None:
                endgame.leave(holder, key)
                self._requests.withdraw(holder, key, is_double=True)
                self._look_again(holder)
        return count

    def forget(self, link: PeerLink) -> None:
        self._idle.pop(link, None)

    def _ask_too(self, link: PeerLink, chosen: list[tuple[int, Assembly, PeerLink]]) -> int:
        """Ask a link for single blocks as well as those who were asked before; all of them or none."""
        if not chosen or not self._requests.reserve(link, len(chosen)):
            return 0
        for key, assembly, holder in chosen:
            block = (key & 0xFFFFFFFF) >> 14
            self._endgame.join(link, key, holder)
            self._requests.ask(link, assembly, range(block, block + 1))
        return len(chosen)

    def _look_again(self, link: PeerLink) -> None:
        """It has nothing to do for now; that may change without anything happening to it."""
        self._idle[link] = None
        if not self._is_looking:
            self._is_looking = True
            self._later(DOUBLE_PAUSE_S, self._look)

    def _look(self) -> None:
        self._is_looking = False
        idle, self._idle = self._idle, {}
        for link in idle:
            link.swarm.fill(link)
            link.swarm.wake()
