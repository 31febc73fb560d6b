"""Long answers are made in slices, so that the network threads get the interpreter in between."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SLICE_S = 0.0005
PAUSE_S = 0.0002


def paced(items: Iterable[T]) -> Iterator[T]:
    """The items, with a pause whenever those before it have taken a slice of time."""
    end_s = time.monotonic() + SLICE_S
    for item in items:
        if time.monotonic() >= end_s:
            time.sleep(PAUSE_S)
            end_s = time.monotonic() + SLICE_S
        yield item
