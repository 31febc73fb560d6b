"""Foreground: runs an engine for some torrents until they are done, and shows how it goes. Owned by the main thread."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, EXIT_TIMEOUT
from blobtorrent.cli.reporters import Reporter
from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import AddTorrent, OpenListeners
from blobtorrent.daemon.assemble import Engine
from blobtorrent.model.errors import BugError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.bus import Subscription
from blobtorrent.runtime.clock import Clock

WAKE_S = 0.25                          # the longest time between two looks at signals, deadline and snapshots
_SETTLED = ("stopped", "error")


class Outcome(NamedTuple):
    """How it ended. `code` is empty when all went well."""

    status: int
    code: str = ""
    message: str = ""


class Foreground:
    """`timeout_s` limits the time until everything is downloaded; seeding has its own goals."""

    def __init__(self, engine: Engine, reporter: Reporter, *, clock: Clock, timeout_s: float | None) -> None:
        self._engine = engine
        self._reporter = reporter
        self._clock = clock
        self._timeout_s = timeout_s
        self._torrents: list[InfoHash] = []
        self._was_interrupted = False

    def run(self, listen: Sequence[ListenSpec], orders: Sequence[AddTorrent]) -> Outcome:
        """Start, download, seed, stop. A signal (SIGINT, SIGTERM) ends it in order, a second one at once.

        Raises what opening the listeners or adding a torrent raises, when the engine has been stopped.
        """
        with self._signals():
            self._engine.start()
            try:
                return self._run(listen, orders)
            finally:
                self._engine.stop()
                self._show()
                self._reporter.close()

    def _run(self, listen: Sequence[ListenSpec], orders: Sequence[AddTorrent]) -> Outcome:
        gateway = self._engine.gateway
        deadline_s = None if self._timeout_s is None else self._clock.now() + self._timeout_s
        opened = gateway.ask(OpenListeners(tuple(listen)))
        self._reporter.listening([f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in opened])
        events = gateway.bus.subscribe()
        for order in orders:
            self._torrents.append(gateway.ask(order))
        while True:
            outcome = self._look(deadline_s)
            if outcome is not None:
                return outcome
            _wait(events)

    def _look(self, deadline_s: float | None) -> Outcome | None:
        """Show the present state; the outcome when it is the end."""
        statuses = self._show()
        unfinished = [status for status in statuses if not status.is_finished]
        if self._was_interrupted:
            if unfinished:
                return Outcome(EXIT_FAILED, "get.interrupted", f"interrupted: {_count(unfinished)} not complete")
            return Outcome(EXIT_OK)
        if all(status.state in _SETTLED for status in statuses):
            return _settled(statuses)
        if deadline_s is not None and unfinished and self._clock.now() >= deadline_s:
            return Outcome(EXIT_TIMEOUT, "get.timeout", f"out of time: {_count(unfinished)} not complete")
        dead = self._engine.dead_threads()
        if dead:
            raise BugError("bug.dead-thread", f"a thread died: {', '.join(dead)}")
        return None

    def _show(self) -> list[TorrentStatus]:
        board = self._engine.gateway.torrents
        statuses = [status for status in map(board.read, self._torrents) if status is not None]
        self._reporter.update(statuses, self._clock.now())
        return statuses

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(number: int, _frame: FrameType | None) -> None:
            self._was_interrupted = True
            signal.signal(number, signal.SIG_DFL)

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _settled(statuses: Sequence[TorrentStatus]) -> Outcome:
    """Nothing runs any more: was all of it fetched?"""
    failed = [status for status in statuses if status.state == "error"]
    if not failed:
        return Outcome(EXIT_OK)
    first = failed[0]
    others = "" if len(failed) == 1 else f" (and {len(failed) - 1} more failed)"
    return Outcome(EXIT_FAILED, first.error_code, f"{first.name}: {first.error_detail}{others}")


def _count(unfinished: Sequence[TorrentStatus]) -> str:
    if len(unfinished) == 1:
        return f"{unfinished[0].name} is"
    return f"{len(unfinished)} torrents are"


def _wait(events: Subscription) -> None:
    """Until something happened to a torrent, but not longer than WAKE_S. What happened is read from the snapshots."""
    try:
        events.get(WAKE_S)
    except queue.Empty:
        return
