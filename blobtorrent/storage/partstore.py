"""PartStore: unverified blocks of stalled pieces, moved out of memory to one nameless file beside the torrent's.

Used by the disk and hashing threads. It needs no lock: every step is one atomic operation of a dict, a deque or a
counter, and a piece is spilled, read and dropped in this order, each after the answer to the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from itertools import count
from pathlib import Path

from blobtorrent.model.errors import StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.filepool import FilePool, OpenFile
from blobtorrent.storage.files import open_anonymous, read_all, write_all

_NUMBER = -1                           # no file of a torrent has it


class PartStore:
    """Places of 16 KiB in an anonymous file, given to (piece, block) and used again. Raises StorageError."""

    def __init__(self, root: Path, pool: FilePool, owner: Hashable) -> None:
        self._root = root
        self._pool = pool
        self._owner = owner
        self._places: dict[int, dict[int, int]] = {}       # piece -> block -> place
        self._free: deque[int] = deque()
        self._fresh = count()

    @property
    def num_blocks(self) -> int:
        return sum(len(blocks) for blocks in list(self._places.values()))

    def save(self, index: int, blocks: Sequence[tuple[int, memoryview]]) -> None:
        """Keep (block, its 16 KiB) of a piece. On an error none of them is kept."""
        places = [self._new_place() for _ in blocks]
        try:
            file = self._pin()
            try:
                for first, last in _runs(places):
                    buffers = [data for _, data in blocks[first:last]]
                    write_all(file.descriptor, buffers, places[first] * BLOCK_SIZE)
            finally:
                self._pool.unpin(file)
        except OSError as error:
            self._free.extend(places)
            raise storage_error(error, self._root) from error
        kept = self._places.setdefault(index, {})
        kept.update({block: place for (block, _), place in zip(blocks, places, strict=True)})

    def load(self, index: int, first_block: int, views: Sequence[memoryview]) -> None:
        """Fill each view with one block, from `first_block` on. The views may be shorter than a block."""
        kept = self._places.get(index, {})
        try:
            file = self._pin()
            try:
                for block, view in enumerate(views, first_block):
                    if read_all(file.descriptor, [view], kept[block] * BLOCK_SIZE) < len(view):
                        raise StorageError("storage.short-file", f"spilled blocks of piece {index} are cut short")
            finally:
                self._pool.unpin(file)
        except KeyError:
            raise StorageError("storage.parts-lost", f"a spilled block of piece {index} is gone") from None
        except OSError as error:
            raise storage_error(error, self._root) from error

    def drop(self, index: int) -> None:
        """Forget the blocks of a piece, if there are any."""
        self._free.extend(self._places.pop(index, {}).values())

    def _new_place(self) -> int:
        try:
            return self._free.popleft()
        except IndexError:
            return next(self._fresh)

    def _pin(self) -> OpenFile:
        return self._pool.pin((self._owner, _NUMBER), lambda _: open_anonymous(self._root), writable=True, keep=True)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Cut a list of places where they stop being neighbours: (first, end) positions."""
    cuts = [position for position in range(1, len(places)) if places[position] != places[position - 1] + 1]
    return list(zip([0, *cuts], [*cuts, len(places)], strict=True)) if places else []
