"""TimerWheel: callbacks ordered by deadline. Pure: it never reads a clock; owned by the thread that expires it.

A heap with lazy deletion: a cancelled timer stays in the heap, empty, until its deadline reaches the top.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """One pending callback; `cancel` drops it. A timer that fired or was cancelled is not pending."""

    __slots__ = ("deadline_s", "callback")

    def __init__(self, deadline_s: float, callback: Callable[[], None]) -> None:
        self.deadline_s = deadline_s
        self.callback: Callable[[], None] | None = callback

    @property
    def is_pending(self) -> bool:
        return self.callback is not None

    def cancel(self) -> None:
        """Do nothing at the deadline. Cancelling twice, or after it fired, changes nothing."""
        self.callback = None


def _call(callback: Callable[[], None]) -> None:
    callback()


class TimerWheel:
    """Pending timers of one thread. Times are monotonic seconds of the thread's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._sequence = 0

    def at(self, deadline_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` from the first `expire` whose `now` is not before the deadline."""
        timer = Timer(deadline_s, callback)
        heapq.heappush(self._heap, (deadline_s, self._sequence, timer))
        self._sequence += 1
        return timer

    def next_deadline(self) -> float | None:
        """When the next pending timer is due; None when there is none."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
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
            if callback is not None:
                timer.callback = None
                fired += 1
                run(callback)
        return fired
