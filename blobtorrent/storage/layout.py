"""Layout: which bytes of which files a stretch of the torrent's linear space is. Pure and immutable."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from blobtorrent.model.metainfo import FileEntry

PAD = -1


class Part(NamedTuple):
    """`length` bytes from `offset` of the file with number `file`; PAD stands for zeros that no file holds (BEP 47)."""

    file: int
    offset: int
    length: int


class Layout:
    """Files that hold bytes, by where they start. Empty files and links take no part."""

    def __init__(self, files: Sequence[FileEntry]) -> None:
        self._numbers: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        for number, entry in enumerate(files):
            if entry.length and not entry.is_pad:
                self._numbers.append(number)
                self._starts.append(entry.offset)
                self._ends.append(entry.offset + entry.length)

    def parts(self, offset: int, length: int) -> list[Part]:
        """Cut `length` bytes from `offset` at the files' borders, in order. Finding the first takes O(log files)."""
        at, end = offset, offset + length
        position = bisect_right(self._starts, at) - 1
        if length > 0 <= position and end <= self._ends[position]:     # nearly always: all in one file
            return [Part(self._numbers[position], at - self._starts[position], length)]
        found = []
        position = max(0, position)
        while at < end:
            if position == len(self._starts):
                found.append(Part(PAD, 0, end - at))
                break
            start, stop = self._starts[position], self._ends[position]
            if at < start:
                upto = min(start, end)
                found.append(Part(PAD, 0, upto - at))
                at = upto
            elif at < stop:
                upto = min(stop, end)
                found.append(Part(self._numbers[position], at - start, upto - at))
                at = upto
            else:
                position += 1
        return found
