"""Garbage is collected once in a while; the C library's heap is limited and tidied where the library can do that."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from blobtorrent.runtime.heap import MAX_COLLECTED, MAX_HEAPS, TIDY_S, Heap

# Large and small blocks in turns, of which the small ones stay: what is free lies between them.
MEASURE = """
import sys
from blobtorrent.runtime.heap import TIDY_S, Heap

def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) << 12

heap = Heap()
heap.limit()
blocks = [bytes(size) for _ in range(800) for size in (600, 60_000)]
kept = blocks[::2]
before = resident()
del blocks
heap.tidy(TIDY_S - 1)
early = resident()
heap.tidy(TIDY_S)
print(before - early, before - resident())
"""


class Library:
    """What glibc has, and how it was called."""

    def __init__(self) -> None:
        self.options: list[tuple[int, int]] = []
        self.trims = 0

    def mallopt(self, option: int, value: int) -> int:
        self.options.append((option, value))
        return 1

    def malloc_trim(self, _keep: int) -> int:
        self.trims += 1
        return 1


def test_it_is_tidied_once_in_a_while() -> None:
    library = Library()
    heap = Heap(library)
    heap.limit()
    assert library.options == [(-8, MAX_HEAPS)]
    for now_s in (0.0, TIDY_S - 1, TIDY_S, TIDY_S + 1, 2 * TIDY_S - 1, 2 * TIDY_S, 10 * TIDY_S, 10 * TIDY_S + 1):
        heap.tidy(now_s)
    assert library.trims == 3


class Knot:
    """An object that knows itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_knows_itself_is_gone_within_a_minute() -> None:
    gc.collect()
    gc.freeze()                        # as a daemon does at its start: few objects are left to look at
    gc.disable()
    try:
        heap = Heap(Library())
        knot = weakref.ref(Knot())
        heap.tidy(TIDY_S - 1)
        assert knot() is not None
        heap.tidy(TIDY_S)
        assert knot() is None
    finally:
        gc.enable()
        gc.unfreeze()


def test_of_many_objects_only_the_young_ones_are_looked_at() -> None:
    looked_at: list[int] = []
    heap = Heap(Library(), lambda generation: looked_at.append(generation) or 0)
    gc.collect()
    gc.freeze()
    try:
        heap.tidy(TIDY_S)
        many = [Knot() for _ in range(MAX_COLLECTED)]
        heap.tidy(3 * TIDY_S)
        del many
    finally:
        gc.unfreeze()
    assert looked_at == [2, 1]


def test_another_library_is_left_alone() -> None:
    heap = Heap(object())
    heap.limit()
    heap.tidy(TIDY_S)


@pytest.mark.skipif(Heap()._trim is None, reason="the C library is not glibc")
def test_what_is_free_goes_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=60, check=True)
    early, late = map(int, told.stdout.split())
    assert early < 8 << 20
    assert late > 30 << 20
