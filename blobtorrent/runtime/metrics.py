"""Counters that cost an integer addition: each is bumped by one thread only and summed when somebody asks.

Names are `blobtorrent_<noun>_<unit>[_total]`; labels are few and bounded (a shard, a lane, never a peer or torrent).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_NAME = re.compile(r"blobtorrent_[a-z0-9]+(_[a-z0-9]+)+")

Labels = tuple[tuple[str, str], ...]


class Counter:
    """`counter.value += n` on the thread that owns it; anybody may read."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: int = 0


class Sample(NamedTuple):
    """One figure of a snapshot. `kind` is "counter" or "gauge"."""

    name: str
    labels: Labels
    value: float
    kind: str


class _Source(NamedTuple):
    name: str
    labels: Labels
    read: Callable[[], float]
    kind: str


class Registry:
    """All figures of the process. Filled while the engine is assembled, read by exporters."""

    def __init__(self) -> None:
        self._sources: list[_Source] = []
        self._help: dict[str, str] = {}

    def counter(self, name: str, help_text: str, **labels: str) -> Counter:
        """A new counter. Owners on several threads each take their own under one name and labels: they are summed.

        Raises ValueError for a name that breaks the scheme; a counter's ends in `_total`.
        """
        counter = Counter()
        self.total(name, help_text, lambda: counter.value, **labels)
        return counter

    def total(self, name: str, help_text: str, read: Callable[[], float], **labels: str) -> None:
        """A counter that its owner keeps as an attribute of its own; rules and summing as for `counter`."""
        if not name.endswith("_total"):
            raise ValueError(f"counter {name} does not end in _total")
        self._add(name, help_text, labels, read, "counter")

    def gauge(self, name: str, help_text: str, read: Callable[[], float], **labels: str) -> None:
        """A figure that goes up and down; `read` is called from the exporter's thread and must not wait."""
        self._add(name, help_text, labels, read, "gauge")

    def help_of(self, name: str) -> str:
        return self._help[name]

    def snapshot(self) -> list[Sample]:
        """Every figure now, sources of equal name and labels summed, ordered by name and labels."""
        sums: dict[tuple[str, Labels], float] = {}
        kinds: dict[str, str] = {}
        for source in self._sources:
            key = (source.name, source.labels)
            sums[key] = sums.get(key, 0) + source.read()
            kinds[source.name] = source.kind
        return [Sample(name, labels, value, kinds[name]) for (name, labels), value in sorted(sums.items())]

    def _add(self, name: str, help_text: str, labels: dict[str, str], read: Callable[[], float], kind: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"metric name {name!r} is not blobtorrent_<noun>_<unit>")
        self._help.setdefault(name, help_text)
        self._sources.append(_Source(name, tuple(sorted(labels.items())), read, kind))
