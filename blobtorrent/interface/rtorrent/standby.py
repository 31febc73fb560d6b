"""Standby: the turns in which commands are called, and the machinery behind them, which is made when it is needed.

Most daemons are never asked by clients of rTorrent: making some two thousand commands ready is a quarter second of CPU
that they need not spend.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from blobtorrent.core.session.commands import Reply
from blobtorrent.interface.rtorrent.turns import Turns
from blobtorrent.model.errors import BugError

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.context import Trust
    from blobtorrent.interface.rtorrent.exchange import Exchange
    from blobtorrent.interface.rtorrent.service import Machinery

T = TypeVar("T")


class Standby:
    """`build` makes the machinery on these turns. `begin(machinery)` gives it the engine, before the first request."""

    def __init__(self, build: Callable[[Turns], Machinery]) -> None:
        self.turns = Turns()
        self.begin: Callable[[Machinery], None] | None = None      # set by whoever has the engine, before `start`
        self._build = build
        self._machinery: Machinery | None = None
        self._has_begun = False
        self._is_running = False

    # ---- for whoever starts and stops it

    def run_first(self, work: Callable[[Machinery], T]) -> Reply[T]:
        """Have the machinery made, and this done with it, while there is no engine. The answer is what that returns, or
        BugError when it failed.
        """
        done: Reply[T] = Reply()

        def run() -> None:
            answer: T | BugError = BugError("bug.rtorrent", "the commands of rTorrent failed; the log has the reason")
            try:
                answer = work(self._made())
            finally:
                done.give(answer)

        self._run()
        self.turns.post(run)
        return done

    def start(self) -> None:
        """There is an engine. What was made before is given to it now: schedules and events do not wait for clients."""
        self._run()
        if self._machinery is not None:
            self.turns.post(self._ready)

    def stop(self, timeout_s: float) -> bool:
        """Do what was posted before, then end. True when that was in time."""
        end_s = time.monotonic() + timeout_s
        ended = self.turns.stop(timeout_s)
        if self._machinery is not None:
            ended = self._machinery.end(max(0.0, end_s - time.monotonic())) and ended
        return ended

    def _run(self) -> None:
        if not self._is_running:
            self._is_running = True
            self.turns.start()

    # ---- for whoever has the turn

    def perform(self, exchange: Exchange, trust: Trust) -> None:
        self._ready().perform(exchange, trust)

    def _made(self) -> Machinery:
        if self._machinery is None:
            self._machinery = self._build(self.turns)
        return self._machinery

    def _ready(self) -> Machinery:
        machinery = self._made()
        if not self._has_begun and self.begin is not None:
            self._has_begun = True
            self.begin(machinery)
        return machinery
