"""Long work is done in slices, so that the network threads get the interpreter in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

SLICE_S = 0.0003                       # of the thread's own time: waiting for its turn must not make it wait more
PAUSE_S = 0.0002
ITEMS_PER_LOOK = 8                     # asking for the time takes a microsecond


class Pace:
    """Of one thread's work, from now on."""

    def __init__(self) -> None:
        self._begun_s = time.thread_time()

    def look(self) -> None:
        """Between two steps of the work: a pause when those since the last one have taken a slice of time."""
        if time.thread_time() - self._begun_s >= SLICE_S:
            time.sleep(PAUSE_S)
            self._begun_s = time.thread_time()


def paced(items: Iterable[T]) -> Iterator[T]:
    """The items, with a pause whenever those before it have taken a slice of time."""
    for batch in paced_batches(items, ITEMS_PER_LOOK):
        yield from batch


def paced_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time, with a pause whenever those before have taken a slice of time."""
    rest, pace = iter(items), Pace()
    while batch := list(islice(rest, size)):
        yield batch
        pace.look()


def let_go(items: list[Any] | dict[Any, Any]) -> None:
    """Empty it, a few at a time: thousands of objects that are freed at once take milliseconds."""
    pop: Callable[[], object] = items.popitem if isinstance(items, dict) else items.pop
    pace = Pace()
    while items:
        for _ in range(min(ITEMS_PER_LOOK, len(items))):
            pop()
        pace.look()
