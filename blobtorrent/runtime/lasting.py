"""LastingThread: a thread that is there until it is told to end. One that ends before is dead, and is missed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class LastingThread(threading.Thread):
    """Whoever is its target calls `dismiss` on it before it ends in order.

    A daemon thread: one that is stuck in a system call on a dead mount must not keep the process from ending.
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._is_dismissed = self._has_ended = False

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._has_ended = True

    def dismiss(self) -> None:
        """It was told to end."""
        self._is_dismissed = True

    @property
    def is_dead(self) -> bool:
        """It ended, and nobody told it to."""
        return self._has_ended and not self._is_dismissed  # not `is_alive`: one that just begins is not alive either
