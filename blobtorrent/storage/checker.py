"""Checking what lies on disk, without touching the arena: big stretches of one file are left to a hashing process.

The rest is read through a buffer that is small enough for the bytes to be hashed while they are in the CPU's own cache.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.storage.hashchild import HashChildren
from blobtorrent.storage.maphash import DIGEST_BYTES
from blobtorrent.storage.presence import Coverage, Presence
from blobtorrent.storage.reader import StoreReader
from blobtorrent.storage.store import Store
from blobtorrent.storage.stretches import Stretch, stretches_in
from blobtorrent.storage.verifier import FlatVerifier


class Findings:
    """The verdicts on some pieces, each in ascending order."""

    def __init__(self) -> None:
        self.good: list[int] = []
        self.bad: list[int] = []
        self.missing: list[int] = []


def check_pieces(
    store: Store, indices: range, buffer: memoryview, children: HashChildren | None = None
) -> Findings:
    """Sort pieces into good, bad (all bytes are there, but wrong ones) and missing.

    `indices` is not empty; `buffer` is used for reading, and `children` where that pays. Raises StorageError when a
    file cannot be read.
    """
    check = _Check(store, buffer, children)
    try:
        check.run(indices)
    finally:
        check.reader.close()
    return check.findings


class _Check:
    def __init__(self, store: Store, buffer: memoryview, children: HashChildren | None) -> None:
        self.findings = Findings()
        self.reader = StoreReader(store)
        self._store = store
        self._geometry = store.geometry
        self._presence = Presence(store)
        self._buffer = buffer
        self._children = children

    def run(self, indices: range) -> None:
        all_is_there = self._coverage(indices) is Coverage.FULL
        left = indices.start
        for stretch in self._stretches(indices) if all_is_there else ():
            digests = self._ask_child(stretch)
            if digests is not None:
                self._check_here(range(left, stretch.pieces.start), all_is_there)
                self._compare(stretch.pieces, digests)
                left = stretch.pieces.stop
        self._check_here(range(left, indices.stop), all_is_there)

    def _stretches(self, indices: range) -> list[Stretch]:
        """What to leave to a child: it knows SHA-1 only, and a small torrent is not worth a start."""
        children = self._children
        if children is None or self._geometry.size < children.min_torrent:
            return []
        if not isinstance(self._store.verifier, FlatVerifier):
            return []
        found = stretches_in(indices, self._geometry, self._store.layout, children.min_stretch)
        return [stretch for stretch in found if stretch.file not in self._store.diverted]

    def _ask_child(self, stretch: Stretch) -> bytes | None:
        """The digests of the pieces, if a child could tell."""
        assert self._children is not None
        file = self._store.pin(stretch.file)
        try:
            return self._children.digests(
                file.descriptor, stretch.offset, stretch.length, self._geometry.piece_length
            )
        finally:
            self._store.unpin(file)

    def _compare(self, pieces: range, digests: bytes) -> None:
        expected, findings = self._store.verifier.expected, self.findings
        for at, index in enumerate(pieces):
            is_good = digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES] == expected(index)
            (findings.good if is_good else findings.bad).append(index)

    def _check_here(self, indices: range, all_is_there: bool) -> None:
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
