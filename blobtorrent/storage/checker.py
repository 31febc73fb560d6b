"""Checking what lies on disk: read through a small buffer and hash, without touching the arena.

The buffer is small enough that the bytes are hashed while they are in the CPU's own cache. A map of the file would
save the copy, but a file cut short under it kills the process.
"""

from __future__ import annotations

from blobtorrent.storage.presence import Coverage, Presence
from blobtorrent.storage.store import Store


class Findings:
    """The verdicts on some pieces, each in ascending order."""

    def __init__(self) -> None:
        self.good: list[int] = []
        self.bad: list[int] = []
        self.missing: list[int] = []


def check_pieces(store: Store, indices: range, buffer: memoryview) -> Findings:
    """Sort pieces into good, bad (all bytes are there, but wrong ones) and missing.

    `buffer` is used for reading. Raises StorageError when a file cannot be read.
    """
    findings = Findings()
    presence = Presence(store)
    geometry = store.geometry
    at_once = max(1, len(buffer) // geometry.piece_length)
    for first in range(indices.start, indices.stop, at_once):
        group = range(first, min(first + at_once, indices.stop))
        start = geometry.piece_offset(group[0])
        end = geometry.piece_offset(group[-1]) + geometry.piece_size(group[-1])
        coverage = presence.coverage(start, end - start)
        if coverage is Coverage.FULL and end - start <= len(buffer):
            _check_group(store, group, buffer[: end - start], findings)
        else:
            for index in group:
                _check_one(store, index, presence, buffer, findings)
    return findings


def _check_group(store: Store, group: range, buffer: memoryview, findings: Findings) -> None:
    """Check pieces that are all there and fit into the buffer, with one read."""
    geometry, verifier = store.geometry, store.verifier
    start = geometry.piece_offset(group[0])
    store.read(start, [buffer])
    for index in group:
        at = geometry.piece_offset(index) - start
        matches = verifier.matches(index, [buffer[at : at + geometry.piece_size(index)]])
        (findings.good if matches else findings.bad).append(index)


def _check_one(store: Store, index: int, presence: Presence, buffer: memoryview, findings: Findings) -> None:
    offset, size = store.geometry.piece_offset(index), store.geometry.piece_size(index)
    coverage = presence.coverage(offset, size)
    if coverage is Coverage.SHORT:
        is_good = False
    elif coverage is Coverage.EMPTY:
        is_good = store.verifier.is_zeros(index)
    else:
        is_good = _hash_one(store, index, buffer)
    if is_good:
        findings.good.append(index)
    elif coverage is Coverage.FULL:
        findings.bad.append(index)
    else:
        findings.missing.append(index)


def _hash_one(store: Store, index: int, buffer: memoryview) -> bool:
    digest = store.verifier.start(index)
    offset, left = store.geometry.piece_offset(index), store.geometry.piece_size(index)
    while left:
        chunk = buffer[:left]
        store.read(offset, [chunk])
        digest.update(chunk)
        offset += len(chunk)
        left -= len(chunk)
    return digest.digest() == store.verifier.expected(index)
