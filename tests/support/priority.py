"""Tests that look at the clock, on a machine that does other things, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AHEAD = -15                            # as nice(2) has it


@contextmanager
def ahead_of_others(*pids: int) -> Iterator[None]:
    """This process and these, with all their threads, get the processor before others, where that is permitted."""
    threads = [thread for pid in (os.getpid(), *pids) for thread in _threads(pid)]
    before = {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
    try:
        _set(dict.fromkeys(before, AHEAD))
        yield
    finally:
        _set(before)


def _threads(pid: int) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def _set(priorities: dict[int, int]) -> None:
    for thread, priority in priorities.items():
        try:
            os.setpriority(os.PRIO_PROCESS, thread, priority)
        except (ProcessLookupError, PermissionError):      # it has ended; only root may
            pass
