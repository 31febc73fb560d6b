"""The heap: what is not needed any more goes back to the system.

Objects that know each other are garbage until a collection, and the usual ones are rare here: they come by the number
of new objects, while torrents and links are few objects that hold much. So there is one once in a while. It stops
every thread, so all objects are looked at only while they are few.

glibc gives each few threads a heap of their own and keeps what gets free in the middle of one: the process stays as
large as its busiest minute was, once for each of the heaps. Python's threads allocate one at a time, so few heaps do as
well; and once in a while all pages in them are given back that hold nothing. Other C libraries do as they see fit.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

MAX_HEAPS = 2
TIDY_S = 60.0
# Objects that are looked at, at most: 0.7 us each. What was there at the start is not among them; modules and commands
# that are loaded when somebody first asks are, 16,000 of them.
MAX_COLLECTED = 60_000
_M_ARENA_MAX = -8                      # malloc.h of glibc


class Heap:
    """Of the process. `limit` is for its start, before there are threads; any one thread calls `tidy` now and then."""

    def __init__(self, library: object | None = None, collect: Callable[[int], int] = gc.collect) -> None:
        if library is None:
            library = ctypes.CDLL(None)
        self._collect = collect
        self._set_option: Callable[[int, int], int] | None = getattr(library, "mallopt", None)
        self._trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
        self._tidy_at_s = TIDY_S

    def limit(self) -> None:
        """Have no more heaps than a few, where the library knows of that."""
        if self._trim is not None and self._set_option is not None:        # both: glibc
            self._set_option(_M_ARENA_MAX, MAX_HEAPS)

    def tidy(self, now_s: float) -> None:
        """Collect garbage and give back what is free, if that is due. Other threads run while it is given back."""
        if now_s < self._tidy_at_s:
            return
        self._tidy_at_s = now_s + TIDY_S
        is_small = len(gc.get_objects()) <= MAX_COLLECTED
        self._collect(2 if is_small else 1)                # 1: what came since the last time
        if self._trim is not None:
            self._trim(0)
