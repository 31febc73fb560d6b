"""The C library's heap: what is not needed any more goes back to the system.

glibc gives each few threads a heap of their own and keeps what gets free in the middle of one: the process stays as
large as its busiest minute was, once for each of the heaps. Python's threads allocate one at a time, so few heaps do as
well; and once in a while all pages in them are given back that hold nothing. Other C libraries do as they see fit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

MAX_HEAPS = 2
TRIM_S = 60.0
_M_ARENA_MAX = -8                      # malloc.h of glibc


class Heap:
    """Of the process. `limit` is for its start, before there are threads; any one thread calls `tidy` now and then."""

    def __init__(self, library: object | None = None) -> None:
        if library is None:
            library = ctypes.CDLL(None)
        self._set_option: Callable[[int, int], int] | None = getattr(library, "mallopt", None)
        self._trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
        self._trim_at_s = TRIM_S

    def limit(self) -> None:
        """Have no more heaps than a few, where the library knows of that."""
        if self._trim is not None and self._set_option is not None:        # both: glibc
            self._set_option(_M_ARENA_MAX, MAX_HEAPS)

    def tidy(self, now_s: float) -> None:
        """Give back what is free, if that is due. Other threads run meanwhile."""
        if self._trim is not None and now_s >= self._trim_at_s:
            self._trim_at_s = now_s + TRIM_S
            self._trim(0)
