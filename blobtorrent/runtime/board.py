"""StatusBoard: the latest snapshot per key. One owner replaces, anybody reads, nobody waits.

It needs no lock. One thread writes. What it and the readers use are single steps, a store into a dict or a copy of one,
which no other thread comes in between, and the steps stand in an order that never hides a change:

* a snapshot is stored before its number, and the number of the whole board last: who reads a revision finds all that it
  counts, perhaps more, and what is more is told again the next time;
* a reader notes the revision before it looks. A key whose number is being replaced is missing for an instant: its new
  number is above the revision that was noted, so the next look finds it;
* that withdrawn keys were forgotten is said before they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_WITHDRAWN = 10_000                 # keys remembered for readers of changes


class Changes(Generic[K, V]):
    """What a reader lacks: snapshots of keys that are new or were replaced, the oldest change first, and keys that are
    gone. With `is_full` the reader knows nothing: `changed` is all that there is. `revision` is what to ask with next.
    """

    __slots__ = ("changed", "is_full", "revision", "withdrawn")

    def __init__(self, changed: dict[K, V], withdrawn: list[K], revision: int, *, is_full: bool) -> None:
        self.changed = changed
        self.withdrawn = withdrawn
        self.revision = revision
        self.is_full = is_full


class StatusBoard(Generic[K, V]):
    """`V` is a frozen snapshot. `revision` grows with every change."""

    def __init__(self) -> None:
        self.revision = 0
        self._latest: dict[K, V] = {}
        self._numbers: dict[K, int] = {}                   # the revision of each key's last change, ascending
        self._withdrawn: deque[tuple[int, K]] = deque()
        self._forgotten = 0            # of keys that were withdrawn up to this revision some are not remembered

    def publish(self, key: K, snapshot: V) -> None:
        revision = self.revision + 1
        self._latest[key] = snapshot
        self._numbers.pop(key, None)   # to the end of the order
        self._numbers[key] = revision
        self.revision = revision

    def withdraw(self, key: K) -> None:
        """Forget a key; unknown keys are ignored."""
        if self._latest.pop(key, None) is None:
            return
        self._numbers.pop(key, None)
        if len(self._withdrawn) == MAX_WITHDRAWN:
            self._forgotten = self._withdrawn[0][0]
            self._withdrawn.popleft()
        revision = self.revision + 1
        self._withdrawn.append((revision, key))
        self.revision = revision

    def read(self, key: K) -> V | None:
        return self._latest.get(key)

    def read_all(self) -> dict[K, V]:
        """All snapshots, in the order their keys were first published."""
        return self._latest.copy()

    def values(self) -> list[V]:
        """All snapshots, in that order. One step for the interpreter, and half of `read_all`."""
        return list(self._latest.values())

    def read_since(self, revision: int) -> Changes[K, V]:
        """What changed after `revision`. Everything, for 0 and for a revision that is not of this board, or so old that
        it is not known any more what was withdrawn since."""
        now = self.revision
        numbers = self._numbers.copy()
        withdrawn = self._withdrawn.copy()
        if not max(1, self._forgotten) <= revision <= now:
            return Changes(self.read_all(), [], now, is_full=True)
        fresh = []
        for key in reversed(numbers):
            if numbers[key] <= revision:
                break
            fresh.append(key)
        gone = dict.fromkeys(key for number, key in withdrawn if number > revision and key not in self._latest)
        changed = {}
        for key in reversed(fresh):
            snapshot = self._latest.get(key)
            if snapshot is not None and key not in gone:
                changed[key] = snapshot
        return Changes(changed, list(gone), now, is_full=False)

    def __len__(self) -> int:
        return len(self._latest)
