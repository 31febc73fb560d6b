"""Time as a dependency: whoever needs it is handed a Clock, so that tests own the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`now` is monotonic seconds of no particular origin, for intervals; `wall` is seconds since 1970, for people."""

    def now(self) -> float: ...

    def wall(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class FakeClock:
    """A clock that stands still until a test advances it. Its wall time starts at `wall_s`."""

    def __init__(self, start: float = 0.0, wall_s: float = 1_700_000_000.0) -> None:
        self._now = start
        self._wall_offset = wall_s - start

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a negative step: monotonic time never goes back."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} s")
        self._now += seconds
