"""How long one thread's work keeps the others of its process waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from unittest import mock

from blobtorrent.runtime import pacing

TICK_S = 0.0002


def longest_slice(work: Callable[[], object]) -> float:
    """The most CPU time of this thread between two of its pauses: what else the machine does plays no part."""
    marks = [time.thread_time()]

    def pause(seconds: float) -> None:
        marks.append(time.thread_time())
        time.sleep(seconds)

    with mock.patch.object(pacing, "time", SimpleNamespace(thread_time=time.thread_time, sleep=pause)):
        work()
    marks.append(time.thread_time())
    return max(after - before for before, after in zip(marks, marks[1:]))


def waits(work: Callable[[], object]) -> tuple[list[float], float]:
    """How much later than it wanted a thread that ticks came to its turns, sorted; and how long the work took."""
    late_s: list[float] = []
    is_done = threading.Event()

    def tick() -> None:
        while not is_done.is_set():
            due_s = time.monotonic() + TICK_S
            time.sleep(TICK_S)
            late_s.append(time.monotonic() - due_s)

    ticker = threading.Thread(target=tick)
    ticker.start()
    began_s = time.monotonic()
    work()
    took_s = time.monotonic() - began_s
    is_done.set()
    ticker.join()
    return sorted(late_s), took_s


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
