"""Arena: all memory for pieces, one page-aligned mapping cut into 16 KiB slots.

Memory is handed out in two steps. Whoever starts a piece first *reserves* its slots; a refusal is the back-pressure
that keeps memory within the budget. Slot ids are then *taken* as bytes arrive, which cannot fail within what was
reserved. Shared by the receiving, hashing and disk threads under one lock.

The mapping is page aligned because copies from the kernel to other addresses cost 3-5 times more on common CPUs.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from blobtorrent.model.geometry import BLOCK_SIZE

if TYPE_CHECKING:
    from blobtorrent.storage.live.livefile import LiveFile

SLOT_SIZE = BLOCK_SIZE
# Slots are drawn from so many times as many. Those that lie alone wait there until their neighbours are free too: with
# 200 links a 1 MiB piece lies in 21 runs instead of 36, with one link in 1.1 instead of 2.5. Drawn from four times as
# many they lie in 11, but leave the CPU's caches: one link then costs 2.35 instead of 2.2 CPU s/GiB.
CHOICE = 2


class Arena:
    """`capacity` slots to reserve, plus `scratch_slots` that one owner may hold without a promise.

    Invariant: slots taken <= slots reserved + scratch slots, so `take` always finds enough free ones.
    The pages are untouched, and cost nothing, until a slot is used for the first time.
    """

    def __init__(self, budget_bytes: int, *, scratch_slots: int = 0, live: LiveFile | None = None) -> None:
        """With `live` the slots are in its memory, which has `num_slots` of the same budget."""
        total = num_slots(budget_bytes, scratch_slots)
        self.capacity = total - scratch_slots
        if live is None:
            mapping = mmap.mmap(-1, total * SLOT_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._whole, self._descriptors = memoryview(mapping), None
        else:
            self._whole, self._descriptors = live.slot_memory, live.descriptors
        self.views = [self._whole[at : at + SLOT_SIZE] for at in range(0, total * SLOT_SIZE, SLOT_SIZE)]
        # Last in, first out: slots that were just written to disk are still in the CPU's cache. Measured against
        # first in, first out: 1.1 instead of 1.3-1.6 CPU s/GiB for copying in, hashing and writing.
        self._free = list(range(total - 1, -1, -1))
        self._reserved = 0
        self._refusals = 0
        self._waiting: dict[Callable[[], None], int] = {}
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """Slots that nobody holds; some of them may be promised."""
        return len(self._free)

    @property
    def reserved(self) -> int:
        """Slots promised, whether taken already or not."""
        return self._reserved

    @property
    def refusals(self) -> int:
        """How often somebody had to wait for memory."""
        return self._refusals

    def reserve(self, count: int, *, when_free: Callable[[], None] | None = None) -> bool:
        """Promise `count` slots. False changes nothing but remembers `when_free`.

        `when_free` is then called once, by the thread that makes `count` slots reservable, outside the lock; it must
        not block. A callable waits at most once: asking again replaces its count.
        """
        with self._lock:
            if self._reserved + count <= self.capacity:
                self._reserved += count
                return True
            self._refusals += 1
            if when_free is not None:
                self._waiting[when_free] = min(count, self.capacity)
            return False

    def unreserve(self, count: int) -> None:
        """Give back promises whose slots were not taken."""
        self._put_back((), count)

    def take(self, count: int) -> list[int]:
        """Draw `count` slot ids, in runs of neighbours. The caller holds promises (or scratch) for them.

        Raises RuntimeError when there are none left: somebody took more than was promised.
        """
        if count <= 0:
            return []
        with self._lock:
            if count > len(self._free):
                raise RuntimeError(f"{count} slots taken, {len(self._free)} free: more than was reserved")
            slots = self._free[-count:]
            if max(slots) - min(slots) == count - 1:     # one run, as a span leaves it: nothing to choose
                del self._free[-count:]
                slots.sort()
            else:
                slots, self._free[-CHOICE * count:] = _longest_runs(sorted(self._free[-CHOICE * count:]), count)
        return slots

    def give_back(self, slots: Iterable[int]) -> None:
        """Return slots but keep their promises."""
        self._put_back(slots, 0)

    def release(self, slots: Sequence[int]) -> None:
        """Return slots together with one promise each."""
        self._put_back(slots, len(slots))

    def _put_back(self, slots: Iterable[int], promises: int) -> None:
        if self._descriptors is not None:
            descriptors = self._descriptors
            slots = list(slots)
            for slot in slots:         # before anybody writes there: what a slot is said to hold, it holds
                descriptors[slot] = 0
        ready: list[Callable[[], None]] = []
        with self._lock:
            self._free.extend(slots)
            self._reserved -= promises
            if self._waiting and promises:
                room = self.capacity - self._reserved
                ready = [call for call, count in self._waiting.items() if count <= room]
                for call in ready:
                    del self._waiting[call]
        for call in ready:
            call()

    def segments(self, slots: Sequence[int], size: int) -> list[memoryview]:
        """The first `size` bytes that lie in `slots`, in this order, neighbouring slots as one buffer.

        All of `slots` are in the arena: a piece with spilled blocks is put together by its reader.
        """
        if len(slots) == 1:
            view = self.views[slots[0]]
            return [view if size == SLOT_SIZE else view[:size]]
        found = []
        whole, end_of_run, start, left = self._whole, -1, 0, size
        for slot in slots:
            if slot != end_of_run:
                if end_of_run >= 0:
                    found.append(whole[start * SLOT_SIZE : end_of_run * SLOT_SIZE])
                    left -= (end_of_run - start) * SLOT_SIZE
                start = slot
            end_of_run = slot + 1
        if left > 0:
            found.append(whole[start * SLOT_SIZE : start * SLOT_SIZE + left])
        return found


def num_slots(budget_bytes: int, scratch_slots: int = 0) -> int:
    """How many slots there are in an arena. Raises ValueError when the budget is not enough for one."""
    if budget_bytes < SLOT_SIZE:
        raise ValueError(f"an arena of {budget_bytes} bytes holds no slot")
    return budget_bytes // SLOT_SIZE + scratch_slots


def _longest_runs(slots: list[int], count: int) -> tuple[list[int], list[int]]:
    """Split sorted slots: `count` of them, the longest runs of neighbours first, and the others, the shortest first."""
    starts = [0, *[at for at, (slot, following) in enumerate(pairwise(slots), 1) if following - slot != 1], len(slots)]
    runs = sorted([slots[start:end] for start, end in pairwise(starts)], key=len)
    taken: list[int] = []
    while len(taken) < count:
        taken += runs.pop()
    return taken[:count], list(chain.from_iterable(runs)) + taken[count:]
