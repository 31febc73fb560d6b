"""Pacer: clients that send many requests at once get their answers a few at a time, so that others come in between.

Owned by the thread of the loop.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from blobtorrent.runtime.loop import SelectorLoop

TURNS_PER_PASS = 16


class Greedy(Protocol):
    """Whose next request came with the last."""

    def go_on(self) -> None: ...


class Pacer:
    """However many they are, others wait for no more than TURNS_PER_PASS of them."""

    def __init__(self, loop: SelectorLoop) -> None:
        self._loop = loop
        self._waiting: deque[Greedy] = deque()

    def add(self, client: Greedy) -> None:
        """Have it go on, after those that came before."""
        self._waiting.append(client)
        if len(self._waiting) == 1:
            self._loop.timers.at(self._loop.now, self._call_next)

    def _call_next(self) -> None:
        for _ in range(min(TURNS_PER_PASS, len(self._waiting))):
            self._loop.timers.at(self._loop.now, self._waiting.popleft().go_on)
        if self._waiting:
            self._loop.timers.at(self._loop.now, self._call_next)
