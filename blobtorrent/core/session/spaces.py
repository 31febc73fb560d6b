"""SpaceManager: leaves a reserve free on every filesystem that is downloaded to. Owned by `core`, pure.

Below the reserve nothing is downloaded there; with a little more than the reserve it goes on, so that it does not
flicker around the mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

EASE_BYTES = 32 << 20                  # free beyond the reserve, before downloads go on
FAST_BYTES_PER_S = 128 << 20           # downloads seldom fill a filesystem faster than that
MIN_LOOK_S = 0.25


class Filesystem(NamedTuple):
    """Where downloads go: the number of the filesystem, and a folder on it."""

    device: int
    path: Path


class SpaceManager:
    """Knows which filesystems are short of room, from measurements that its owner has made."""

    def __init__(self, reserve_bytes: int) -> None:
        self.reserve_bytes = reserve_bytes
        self._short: dict[int, Path] = {}
        self._asked: set[int] = set()

    def is_short(self, device: int) -> bool:
        return device in self._short

    def to_measure(self, downloads: Iterable[Filesystem]) -> list[Filesystem]:
        """Filesystems to ask about now: those that are downloaded to, and those that wait for room. Each is asked again
        only after its answer: a dead one does not pile up questions."""
        wanted = {**self._short, **{place.device: place.path for place in downloads}}
        fresh = [Filesystem(device, path) for device, path in wanted.items() if device not in self._asked]
        self._asked.update(place.device for place in fresh)
        return fresh

    def safe_s(self, free_bytes: int) -> float:
        """Seconds in which not even fast downloads use up what is free beyond the reserve."""
        if not self.reserve_bytes:
            return float("inf")
        return max(MIN_LOOK_S, (free_bytes - self.reserve_bytes) / FAST_BYTES_PER_S)

    def on_measured(self, place: Filesystem, free_bytes: int | None) -> bool | None:
        """Take an answer, None if it could not be told. True: it is short now; False: no more; None: as it was."""
        self._asked.discard(place.device)
        if free_bytes is None:
            return None
        if free_bytes < self.reserve_bytes and place.device not in self._short:
            self._short[place.device] = place.path
            return True
        if place.device in self._short and free_bytes >= self.reserve_bytes + EASE_BYTES * bool(self.reserve_bytes):
            del self._short[place.device]
            return False
        return None
