"""Counters that cost an integer addition: each is bumped by one thread only and summed when somebody asks.

Names are `blobtorrent_<noun>_<unit>[_total]`; labels are few and bounded (a shard, a lane, never a peer or torrent).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from blobtorrent.runtime.histogram import Histogram, Reading, summed

_NAME = re.compile(r"blobtorrent_[a-z0-9]+(_[a-z0-9]+)+")

COUNTER, GAUGE = "counter", "gauge"     # kinds of samples

Labels = tuple[tuple[str, str], ...]


class Counter:
    """`counter.value += n` on the thread that owns it; anybody may read."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: int = 0


class Sample(NamedTuple):
    """One figure of a snapshot. `kind` is COUNTER or GAUGE; the names of counters end in `_total`."""

    name: str
    labels: Labels
    value: float
    kind: str


class Times(NamedTuple):
    """A histogram of a snapshot: seconds, and how often. Its name ends in `_seconds`."""

    name: str
    labels: Labels
    reading: Reading


class Registry:
    """All figures of the process. Filled while the engine is assembled, read by exporters."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Iterable[Sample]]] = []
        self._histograms: list[tuple[str, Labels, Histogram]] = []
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
        self._add_one(name, help_text, labels, read, COUNTER)

    def gauge(self, name: str, help_text: str, read: Callable[[], float], **labels: str) -> None:
        """A figure that goes up and down; `read` is called from the exporter's thread and must not wait."""
        self._add_one(name, help_text, labels, read, GAUGE)

    def collect(self, help_texts: Mapping[str, str], read: Callable[[], Iterable[Sample]]) -> None:
        """Figures that are found together, or whose labels come with what is measured: some of the names in
        `help_texts`. What no stranger bounds is no label. Raises ValueError for a name that breaks the scheme.
        """
        for name, text in help_texts.items():
            self._name(name, text)
        self._sources.append(read)

    def histogram(self, name: str, help_text: str, histogram: Histogram, **labels: str) -> None:
        """Times that their owner notes. Those of one name have the same bounds, and are summed if their labels are the
        same, too. Raises ValueError for a name that breaks the scheme or does not end in `_seconds`.
        """
        if not name.endswith("_seconds"):
            raise ValueError(f"histogram {name} does not end in _seconds")
        self._name(name, help_text)
        self._histograms.append((name, labelled(**labels), histogram))

    def help_of(self, name: str) -> str:
        return self._help[name]

    def snapshot(self) -> list[Sample]:
        """Every figure now, sources of equal name and labels summed, ordered by name and labels."""
        sums: dict[tuple[str, Labels], float] = {}
        kinds: dict[str, str] = {}
        for read in self._sources:
            for name, labels, value, kind in read():
                sums[name, labels] = sums.get((name, labels), 0) + value
                kinds[name] = kind
        return [Sample(name, labels, value, kinds[name]) for (name, labels), value in sorted(sums.items())]

    def times(self) -> list[Times]:
        """Every histogram now, those of equal name and labels summed, ordered by name and labels."""
        found: dict[tuple[str, Labels], list[Reading]] = {}
        for name, labels, histogram in self._histograms:
            found.setdefault((name, labels), []).append(histogram.read())
        return [Times(name, labels, summed(readings, readings[0].bounds))
                for (name, labels), readings in sorted(found.items())]

    def _name(self, name: str, help_text: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"metric name {name!r} is not blobtorrent_<noun>_<unit>")
        self._help.setdefault(name, help_text)

    def _add_one(
        self, name: str, help_text: str, labels: Mapping[str, str], read: Callable[[], float], kind: str
    ) -> None:
        fixed = labelled(**labels)
        self.collect({name: help_text}, lambda: (Sample(name, fixed, read(), kind),))


def labelled(**labels: str) -> Labels:
    """Labels in the order that a sample has them in."""
    return tuple(sorted(labels.items()))
