"""Checking what lies on disk: read through a small buffer and hash, without touching the arena.

The buffer is small enough that the bytes are hashed while they are in the CPU's own cache. A map of the file would
save the copy, but a file cut short under it kills the process.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.storage.presence import Coverage, Presence
from blobtorrent.storage.reader import StoreReader
from blobtorrent.storage.store import Store


class Findings:
    """The verdicts on some pieces, each in ascending order."""

    def __init__(self) -> None:
        self.good: list[int] = []
        self.bad: list[int] = []
        self.missing: list[int] = []


def check_pieces(store: Store, indices: range, buffer: memoryview) -> Findings:
    """Sort pieces into good, bad (all bytes are there, but wrong ones) and missing.

    `indices` is not empty; `buffer` is used for reading. Raises StorageError when a file cannot be read.
    """
    check = _Check(store, buffer)
    try:
        check.run(indices)
    finally:
        check.reader.close()
    return check.findings


class _Check:
    def __init__(self, store: Store, buffer: memoryview) -> None:
        self.findings = Findings()
        self.reader = StoreReader(store)
        self._store = store
        self._geometry = store.geometry
        self._presence = Presence(store)
        self._buffer = buffer

    def run(self, indices: range) -> None:
        all_is_there = self._coverage(indices) is Coverage.FULL
        at_once = max(1, len(self._buffer) // self._geometry.piece_length)
        fits = at_once * self._geometry.piece_length <= len(self._buffer)
        for first in range(indices.start, indices.stop, at_once):
            group = range(first, min(first + at_once, indices.stop))
            if fits and (all_is_there or self._coverage(group) is Coverage.FULL):
                self._check_group(group)
            else:
                for index in group:
                    self._check_one(index)

    def _coverage(self, group: range) -> Coverage:
        offset = self._geometry.piece_offset(group[0])
        return self._presence.coverage(offset, self._end_of(group[-1]) - offset)

    def _end_of(self, index: int) -> int:
        """Where a piece ends in the linear space, without what pads it."""
        return self._geometry.piece_offset(index) + self._geometry.piece_size(index)

    def _check_group(self, group: range) -> None:
        """Check pieces that are all there and fit into the buffer, with one read."""
        step, short_pieces = self._geometry.piece_length, self._geometry.short_pieces
        offset = group[0] * step
        data = self._buffer[: self._end_of(group[-1]) - offset]
        self.reader.read(offset, data)
        matches, findings = self._store.verifier.matches, self.findings
        at = 0
        for index in group:
            piece = data[at : at + short_pieces.get(index, step)]      # the torrent's last piece ends with `data`
            (findings.good if matches(index, (piece,)) else findings.bad).append(index)
            at += step

    def _check_one(self, index: int) -> None:
        coverage = self._coverage(range(index, index + 1))
        if coverage is Coverage.SHORT:
            is_good = False
        elif coverage is Coverage.EMPTY:
            is_good = self._store.verifier.is_zeros(index)
        else:
            is_good = self._store.verifier.matches(index, self._chunks(index))
        if is_good:
            self.findings.good.append(index)
        elif coverage is Coverage.FULL:
            self.findings.bad.append(index)
        else:
            self.findings.missing.append(index)

    def _chunks(self, index: int) -> Iterator[memoryview]:
        offset, end = self._geometry.piece_offset(index), self._end_of(index)
        while offset < end:
            chunk = self._buffer[: end - offset]
            self.reader.read(offset, chunk)
            yield chunk
            offset += len(chunk)
