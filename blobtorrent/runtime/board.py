"""StatusBoard: the latest snapshot per key. Owners replace, anybody reads, nobody waits.

It needs no lock: a value is replaced by one store into a dict, a reader gets the old one or the new one, and the values
are frozen. Each key has one writer.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class StatusBoard(Generic[K, V]):
    """`V` is a frozen snapshot."""

    def __init__(self) -> None:
        self._latest: dict[K, V] = {}

    def publish(self, key: K, snapshot: V) -> None:
        self._latest[key] = snapshot

    def withdraw(self, key: K) -> None:
        """Forget a key; unknown keys are ignored."""
        self._latest.pop(key, None)

    def read(self, key: K) -> V | None:
        return self._latest.get(key)

    def read_all(self) -> dict[K, V]:
        """All snapshots, in the order their keys were first published."""
        return self._latest.copy()

    def __len__(self) -> int:
        return len(self._latest)
