"""Pacer: clients that send many requests at once get their answers a few at a time, so that others come in between.

Owned by the thread of the loop.
"""

from __future__ import annotations

from itertools import islice
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
        self._waiting: dict[Greedy, None] = {}             # who came first is the first
        self._is_due = False

    def add(self, client: Greedy) -> None:
        """Have it go on, after those that came before."""
        self._waiting[client] = None
        self._call_soon()

    def drop(self, client: Greedy) -> None:
        """It has gone: whoever waits no more is not to be kept."""
        self._waiting.pop(client, None)

    def _call_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.timers.at(self._loop.now, self._call_next)

    def _call_next(self) -> None:
        self._is_due = False
        for client in list(islice(self._waiting, TURNS_PER_PASS)):
            del self._waiting[client]
            self._loop.timers.at(self._loop.now, client.go_on)
        if self._waiting:
            self._call_soon()
