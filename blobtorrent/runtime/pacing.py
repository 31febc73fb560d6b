"""Long work is done in slices, so that the network threads get the interpreter in between."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

SLICE_S = 0.0003                       # of the thread's own time: waiting for its turn must not make it wait more
PAUSE_S = 0.0002
ITEMS_PER_LOOK = 8                     # asking for the time takes a microsecond


def paced(items: Iterable[T]) -> Iterator[T]:
    """The items, with a pause whenever those before it have taken a slice of time."""
    for batch in paced_batches(items, ITEMS_PER_LOOK):
        yield from batch


def paced_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time, with a pause whenever those before have taken a slice of time."""
    rest = iter(items)
    begun_s = time.thread_time()
    while batch := list(islice(rest, size)):
        yield batch
        if time.thread_time() - begun_s >= SLICE_S:
            time.sleep(PAUSE_S)
            begun_s = time.thread_time()
