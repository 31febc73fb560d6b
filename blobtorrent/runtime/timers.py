"""TimerWheel: callbacks ordered by deadline. Pure: it never reads a clock; owned by the thread that expires it.

A heap with lazy deletion: a cancelled timer stays in the heap, empty, until its deadline reaches the top or most of
the heap is empty ones. A deadline that is set anew with every message would pile them up otherwise.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

FEW = 64                               # empty timers that are not worth a look at the whole heap


class Timer:
    """One pending callback; `cancel` drops it. A timer that fired or was cancelled is not pending."""

    __slots__ = ("deadline_s", "callback", "_wheel")

    def __init__(self, deadline_s: float, callback: Callable[[], None], wheel: TimerWheel) -> None:
        self.deadline_s = deadline_s
        self.callback: Callable[[], None] | None = callback
        self._wheel = wheel

    @property
    def is_pending(self) -> bool:
        return self.callback is not None

    def cancel(self) -> None:
        """Do nothing at the deadline. Cancelling twice, or after it fired, changes nothing."""
        if self.callback is not None:
            self.callback = None
            self._wheel.on_cancelled()


def _call(callback: Callable[[], None]) -> None:
    callback()


class TimerWheel:
    """Pending timers of one thread. Times are monotonic seconds of the thread's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._num_empty = 0            # cancelled timers in the heap

    def __len__(self) -> int:
        """Timers that are kept in memory: the pending ones, and about as many cancelled ones at most."""
        return len(self._heap)

    def at(self, deadline_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` from the first `expire` whose `now` is not before the deadline."""
        timer = Timer(deadline_s, callback, self)
        heapq.heappush(self._heap, (deadline_s, self._sequence, timer))
        self._sequence += 1
        return timer

    def next_deadline(self) -> float | None:
        """When the next pending timer is due; None when there is none."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._num_empty -= 1
        return heap[0][0] if heap else None

    def expire(self, now: float, run: Callable[[Callable[[], None]], None] = _call) -> int:
        """Run the callbacks that are due, earliest first, equal deadlines in the order they were set; return how many.

        `run(callback)` makes each call, for a caller that wants to catch what one raises; by default it comes through,
        then its timer is spent and the others that were due stay due. A timer set by one of these callbacks waits for
        the next `expire`, even if it is due already.
        """
        heap = self._heap
        end = self._sequence
        fired = 0
        while heap and heap[0][0] <= now and heap[0][1] < end:
            timer = heapq.heappop(heap)[2]
            callback = timer.callback
            if callback is None:
                self._num_empty -= 1
                continue
            timer.callback = None
            fired += 1
            run(callback)
        return fired

    def on_cancelled(self) -> None:
        """For Timer: one of the heap is empty from now on."""
        self._num_empty += 1
        if self._num_empty > max(FEW, len(self._heap) // 2):
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._num_empty = 0
