"""Schedules: commands that are due at times. Pure: it neither reads a clock nor runs anything.

Times are texts: seconds, or `MM:SS` and `HH:MM:SS`, which name the next such moment of the hour or the day where they
say when it begins, and a span where they say how often.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.values import Value

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
MAX_PARTS: Final = 4
MAX_SCHEDULES: Final = 1000
_PART: Final = re.compile(r"\s*([+-]?[0-9]{1,9})\s*")


class TimeOfDay(NamedTuple):
    """The local time, as far as it matters here."""

    hour: int
    minute: int
    second: int


def span_of(text: str) -> int:
    """How many seconds a text names as a span. Raises Fault."""
    return _parse(text)[1]


def delay_of(text: str, now: TimeOfDay) -> int:
    """In how many seconds the moment is that a text names. Raises Fault."""
    parts, seconds = _parse(text)
    if parts == 1:
        return seconds
    past_s = 60 * now.minute + now.second
    if parts == 2:
        return (seconds - past_s) % HOUR_S
    if parts == 3:
        return (seconds - HOUR_S * now.hour - past_s) % DAY_S
    raise _bad_time()


def _parse(text: str) -> tuple[int, int]:
    """How many parts it has, and the seconds they make."""
    parts = text.split(":")
    if len(parts) > MAX_PARTS:
        raise _bad_time()
    seconds = 0
    for part in parts:
        found = _PART.fullmatch(part)
        if found is None:
            raise _bad_time()
        seconds = 60 * seconds + int(found[1])
        if seconds < 0:
            raise _bad_time()
    return len(parts), seconds


def _bad_time() -> Exception:
    return failed("Could not parse interval.")


class Entry:
    """One schedule. `next_s` is a time of the clock that `Schedules` is told; without `interval_s` it is due once."""

    __slots__ = ("command", "interval_s", "key", "next_s")

    def __init__(self, key: str, command: Value, next_s: float, interval_s: int) -> None:
        self.key = key
        self.command = command
        self.next_s: float | None = next_s
        self.interval_s = interval_s


class Schedules:
    """By key, in the order they were made. Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def put(self, key: str, command: Value, *, next_s: float, interval_s: int) -> None:
        """Plan a command, in the place of one with that key. Raises Fault when there are too many."""
        if key not in self._entries and len(self._entries) >= MAX_SCHEDULES:
            raise failed("Too many schedules.")
        self._entries.pop(key, None)
        self._entries[key] = Entry(key, command, next_s, interval_s)

    def remove(self, key: str) -> None:
        """Whether there is one or not."""
        self._entries.pop(key, None)

    def next_due_s(self) -> float | None:
        """When something is due next; None: nothing is."""
        return min((entry.next_s for entry in self._entries.values() if entry.next_s is not None), default=None)

    def due(self, now: float) -> Iterator[Entry]:
        """What is due, each with its next time set. What was missed meanwhile is not made up for.

        One may be removed or replaced while the ones before it are run.
        """
        for entry in list(self._entries.values()):
            if entry.next_s is None or entry.next_s > now or self._entries.get(entry.key) is not entry:
                continue
            if entry.interval_s:
                missed = int((now - entry.next_s) // entry.interval_s)
                entry.next_s += (missed + 1) * entry.interval_s
            else:
                entry.next_s = None    # it stays, as rTorrent has it, and does nothing more
            yield entry
