"""Guard: a bug that shows in one swarm of a shard ends that swarm and harms no other.

Every way by which a loop comes to a swarm leads through here: messages, timers, sockets, turns, the end of a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")


class Guard:
    """Of one host. `on_bug(swarm)` is called for each failure; it is not to do more with the swarm than to note it."""

    def __init__(self, on_bug: Callable[[Any], None]) -> None:
        self._on_bug = on_bug

    def run(self, swarm: Any, step: Callable[..., T], *args: Any) -> T | None:
        """Have something done that is the swarm's. None, too, when it fails."""
        try:
            return step(*args)
        except Exception as error:
            self.report(swarm, error)
            return None

    def report(self, swarm: Any, error: Exception) -> None:
        """It failed elsewhere."""
        log.error("a swarm failed: its torrent is closed", torrent=swarm.info_hash, exc_info=error)
        self._on_bug(swarm)
