"""Supervisor: starts the parts of the engine in order, ends them in reverse, and notices threads that died or hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from blobtorrent.daemon.watchdog import Watchdog
from blobtorrent.runtime.heartbeat import Heart
from blobtorrent.runtime.lasting import LastingThread
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)


class Part(NamedTuple):
    """Something with threads. `stop` gets a time limit in seconds and says whether it kept it.

    `hearts` are those of its threads that never wait for anybody: one that does not answer is broken. A thread that
    waits for a disk or another program is none of them. `threads` are those that there are before `start`.
    `troubles` tells what it has to do without, in a few words. `reload` reads its files again; one that cannot be used
    is logged, and what was read before stays.
    """

    name: str
    start: Callable[[], None]
    stop: Callable[[float], bool]
    hearts: tuple[Heart, ...] = ()
    troubles: Callable[[], Sequence[str]] = tuple
    reload: Callable[[], None] = lambda: None
    threads: Callable[[], Sequence[threading.Thread]] = tuple


class Supervisor:
    """Owned by the thread that starts and stops the engine."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._foreign: set[threading.Thread] = set()
        self._seen: set[LastingThread] = set()
        self._watchdog = Watchdog([heart for part in parts for heart in part.hearts])

    def start(self) -> None:
        ours = {thread for part in self._parts for thread in part.threads()}
        self._foreign = set(threading.enumerate()) - ours
        for part in self._parts:
            part.start()
            self._look()

    def dead_threads(self) -> list[str]:
        """Names of the engine's threads that ended although nobody stopped them; a job's own helpers come and go."""
        self._look()
        return sorted(thread.name for thread in self._seen if thread.is_dead)

    def _look(self) -> None:
        alive = {thread for thread in threading.enumerate() if isinstance(thread, LastingThread)} - self._foreign
        self._seen = alive | {thread for thread in self._seen if thread.is_dead}

    def late_threads(self) -> list[str]:
        """Names of threads that handled nothing since this was asked last; it is asked every few seconds."""
        return self._watchdog.check()

    def troubles(self) -> list[str]:
        """What the parts have to do without."""
        return [trouble for part in self._parts for trouble in part.troubles()]

    def reload(self) -> None:
        """Have the parts read their files again."""
        for part in self._parts:
            part.reload()

    def stop(self, timeout_s: float) -> bool:
        """End all parts within `timeout_s` seconds together. Those that hang are left behind: False then."""
        deadline_s = time.monotonic() + timeout_s
        hung = [
            part.name for part in reversed(self._parts) if not part.stop(max(0.05, deadline_s - time.monotonic()))
        ]
        if hung:
            log.warning("parts of the engine did not end in time", parts=", ".join(hung))
        self._seen.clear()
        return not hung
