"""The bytes of a full piece as buffers: arena slots as they are, spilled blocks through a thread's own small buffer."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.jobs import SPILLED, FullPiece
from blobtorrent.storage.partstore import PartStore

_DIGEST_BYTES = 8                      # who has one block and wants another of the same digest needs 2**64 tries
_LOADED_AT_ONCE = 16                   # spilled blocks


class ThreadBuffer(threading.local):
    """A page-aligned buffer of `size` bytes for each thread that asks."""

    def __init__(self, size: int) -> None:
        self.view = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class PieceReader:
    """Reads full pieces wherever their blocks lie. Used by all hashing or disk threads at once."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._buffer = ThreadBuffer(_LOADED_AT_ONCE * SLOT_SIZE)

    def buffers(self, piece: FullPiece, parts: PartStore) -> Iterable[memoryview]:
        """The bytes in order. A buffer holds until the next is asked for. Raises StorageError."""
        if SPILLED in piece.slots:
            return self._mixed(piece, parts)
        return self._arena.segments(piece.slots, piece.size)

    def _mixed(self, piece: FullPiece, parts: PartStore) -> Iterator[memoryview]:
        block, left = 0, piece.size
        for is_spilled, length in _stretches(piece.slots):
            size = min(left, length * SLOT_SIZE)
            if is_spilled:
                yield from self._spilled(piece.index, parts, block, size)
            else:
                yield from self._arena.segments(piece.slots[block : block + length], size)
            block += length
            left -= size

    def _spilled(self, index: int, parts: PartStore, block: int, size: int) -> Iterator[memoryview]:
        while size:
            buffer = self._buffer.view[:size]
            views = [buffer[at : at + SLOT_SIZE] for at in range(0, len(buffer), SLOT_SIZE)]
            parts.load(index, block, views)
            yield buffer
            block += len(views)
            size -= len(buffer)


def block_digests(buffers: Iterable[bytes | memoryview]) -> list[bytes]:
    """What tells a block from another that may have come in its place, of each block of a piece."""
    return [blake2b(buffer[at : at + SLOT_SIZE], digest_size=_DIGEST_BYTES).digest()
            for buffer in buffers for at in range(0, len(buffer), SLOT_SIZE)]


def slots_of(piece: FullPiece) -> list[int]:
    """The arena slots that a piece holds."""
    return [slot for slot in piece.slots if slot != SPILLED]


def _stretches(slots: list[int]) -> Iterator[tuple[bool, int]]:
    """Runs of blocks that are all spilled or all in the arena: (is spilled, blocks)."""
    start = 0
    for position in range(1, len(slots) + 1):
        if position == len(slots) or (slots[position] == SPILLED) != (slots[start] == SPILLED):
            yield slots[start] == SPILLED, position - start
            start = position
