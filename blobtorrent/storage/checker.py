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

    `indices` is not empty; `buffer` is used for reading. Raises StorageError when a file cannot be read.
    """
    findings = Findings()
    presence = Presence(store)
    all_is_there = presence.coverage(*_stretch(store, indices)) is Coverage.FULL
    at_once = max(1, len(buffer) // store.geometry.piece_length)
    for first in range(indices.start, indices.stop, at_once):
        group = range(first, min(first + at_once, indices.stop))
        offset, length = _stretch(store, group)
        if length <= len(buffer) and (all_is_there or presence.coverage(offset, length) is Coverage.FULL):
            _check_group(store, group, buffer[:length], findings)
        else:
            for index in group:
                _check_one(store, index, presence, buffer, findings)
    return findings


def _stretch(store: Store, indices: range) -> tuple[int, int]:
    """Offset and length of neighbouring pieces in the linear space, without what pads the last one."""
    offset = store.geometry.piece_offset(indices[0])
    return offset, store.geometry.piece_offset(indices[-1]) + store.geometry.piece_size(indices[-1]) - offset


def _check_group(store: Store, group: range, buffer: memoryview, findings: Findings) -> None:
    """Check pieces that are all there and fit into the buffer, with one read."""
    geometry, matches = store.geometry, store.verifier.matches
    step, short_pieces = geometry.piece_length, geometry.short_pieces
    store.read(geometry.piece_offset(group[0]), [buffer])
    at = 0
    for index in group:
        data = buffer[at : at + short_pieces.get(index, step)]         # the last piece ends with the buffer
        (findings.good if matches(index, (data,)) else findings.bad).append(index)
        at += step


def _check_one(store: Store, index: int, presence: Presence, buffer: memoryview, findings: Findings) -> None:
    coverage = presence.coverage(store.geometry.piece_offset(index), store.geometry.piece_size(index))
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
