"""PartStore: blocks of pieces that cannot go to the torrent's files, each at a place of its own in one file.

Unverified blocks move here when memory runs short or might not survive a power cut; verified ones when they belong to
files that nobody wants. Without `durable` the file has no name and ends with the process. With it every place ends
with a seal, so that the next process finds what is sound and nothing else; what it was killed in the middle of writing
has none yet.

Used by several threads without a lock: every step is one atomic operation of a dict, a deque or a counter. Only one
thread at a time saves and tidies, and a piece is saved, loaded and dropped in this order, each after the answer to the
one before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.model.errors import StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.files import open_anonymous, read_all, write_all

if TYPE_CHECKING:
    from blobtorrent.storage.sealed import Seal

DAMAGED = "storage.parts-damaged"      # the code of an error: a block is not what was saved
SEAL_BYTES = 512                       # keeps places on the sectors of the disk
_SEAL = Struct("<8sIIQ16s")          # magic, piece, block, generation, digest
_NAME = Struct("<IIQ")                 # piece, block, generation
_MAGIC = b"BTPART\r\n"
_NO_SEAL = bytes(SEAL_BYTES)

Block = tuple[int, memoryview]         # number in its piece, and 16 KiB


class Durable(NamedTuple):
    """Where the file is, and what makes it known again: a seal, and the key of the torrent that the blocks are of."""

    path: Path
    seal: Seal
    key: bytes


class PartStore:
    """Places of 16 KiB, given to (piece, block) and used again. Methods that touch the file raise StorageError."""

    def __init__(self, root: Path, pool: FilePool, owner: Hashable, durable: Durable | None = None) -> None:
        """A file without a name is made in the folder `root`. The pool closes all files of `owner` together."""
        self.damaged_blocks = 0        # found by load_existing
        self._root = root
        self._pool = pool
        self._owner = owner
        self._durable = durable
        self._place_bytes = BLOCK_SIZE + (SEAL_BYTES if durable else 0)
        self._is_known = False         # what an earlier process left in the file
        self._generations = count(1)
        self._is_dirty = False
        self._is_new = False           # the folder may not know of the file after a power cut
        self._failure: StorageError | None = None
        self._begin()

    def _begin(self) -> None:
        """With no block, at the start of the file."""
        self._places: dict[int, dict[int, int]] = {}       # piece -> block -> place
        self._free: deque[int] = deque()
        self._fresh = count()
        self._dropped: deque[int] = deque()                # their seals still stand in the file

    @property
    def num_blocks(self) -> int:
        return sum(len(blocks) for blocks in list(self._places.values()))

    def held(self) -> dict[int, list[int]]:
        """All that is here: piece -> its blocks, ascending."""
        return {index: sorted(blocks) for index, blocks in self._places.items()}

    # ---- the thread that saves

    def load_existing(self) -> dict[int, list[int]]:
        """Find what was saved before the last `close`: piece -> its blocks, ascending. Comes before all other methods,
        and may come again after `close`."""
        self._begin()
        self.damaged_blocks = 0
        if self._durable is None or not self._durable.path.exists():
            self._is_known = True
            return {}
        newest: dict[tuple[int, int], tuple[int, int]] = {}
        with self._file() as descriptor:
            num_places = -(-os.fstat(descriptor).st_size // self._place_bytes)
            for place in range(num_places):
                found = self._examine(descriptor, place)
                if found is None:
                    self._free.append(place)
                    continue
                index, block, generation = found
                older = newest.get((index, block))
                newest[index, block] = max((generation, place), older or (0, 0))
                if older is not None:
                    self._dropped.append(min((generation, place), older)[1])
        for (index, block), (_, place) in sorted(newest.items()):
            self._places.setdefault(index, {})[block] = place
        self._fresh = count(num_places)
        self._generations = count(1 + max((generation for generation, _ in newest.values()), default=0))
        self._is_dirty = self._is_new = bool(newest)       # a process that was killed may not have synced it
        self._is_known = True
        return self.held()

    def save(self, index: int, blocks: Sequence[Block]) -> None:
        """Keep blocks of a piece; those that are here already are. On an error no new one is kept."""
        known = self._places.get(index, {})
        blocks = [(block, data) for block, data in blocks if block not in known]
        if not blocks:
            return
        self._reclaim()
        places = sorted(self._new_place() for _ in blocks)
        try:
            with self._file() as descriptor:
                for first, last in _runs(places):
                    buffers = [part for block, data in blocks[first:last] for part in self._sealed(index, block, data)]
                    write_all(descriptor, buffers, places[first] * self._place_bytes)
        except StorageError:
            self._dropped.extend(places)
            raise
        self._is_dirty = True
        self._places.setdefault(index, {}).update(zip([block for block, _ in blocks], places))

    def adopt(self, pieces: Mapping[int, Sequence[Block]]) -> None:
        """Save blocks of many pieces, durably."""
        for index, blocks in pieces.items():
            self.save(index, blocks)
        self.sync()

    def tidy(self) -> None:
        """Make the room of dropped pieces free; the whole file, when nothing is left."""
        if self._dropped:
            self._reclaim()
            if not self._places:
                with self._file() as descriptor:
                    os.ftruncate(descriptor, 0)
                self._free.clear()
                self._fresh = count()
                self._failure = None

    def close(self) -> None:
        """Close the owner's files. What is here stays for the next process, or goes with a file without a name."""
        if self._durable is not None and self._is_known:
            with suppress(OSError, StorageError):
                self.tidy()
                if not self._places:
                    self._durable.path.unlink(missing_ok=True)
        self._pool.close_owner(self._owner)

    # ---- any disk or hashing thread

    def load(self, index: int, first_block: int, views: Sequence[memoryview]) -> None:
        """Fill each view with one block, from `first_block` on. The views may be shorter than a block."""
        kept = self._places.get(index, {})
        try:
            with self._file() as descriptor:
                for block, view in enumerate(views, first_block):
                    self._load_block(descriptor, kept[block], view, index, block)
        except KeyError:
            raise StorageError("storage.parts-lost", f"a spilled block of piece {index} is gone") from None

    def sync(self) -> None:
        """Make durable what was saved before. After one failure nothing that is here counts as durable any more."""
        if self._failure is not None:
            raise self._failure
        if not self._is_dirty:
            return
        self._is_dirty = False
        try:
            with self._file() as descriptor:
                os.fdatasync(descriptor)
                if self._is_new and self._durable is not None:
                    self._is_new = False
                    sync_folder(self._durable.path.parent)
        except StorageError as error:
            self._failure = error
            raise

    # ---- any thread

    def drop(self, index: int) -> None:
        """Forget the blocks of a piece, if there are any. Does not touch the file: that is for `tidy`."""
        # In this order: `tidy` must not find the file empty before it knows of its last places.
        self._dropped.extend(self._places.get(index, {}).values())
        self._places.pop(index, None)

    def drop_block(self, index: int, block: int) -> None:
        """Forget one block, so that it can be saved anew."""
        place = self._places.get(index, {}).pop(block, None)
        if place is not None:
            self._dropped.append(place)

    # ---- places

    def _new_place(self) -> int:
        try:
            return self._free.popleft()
        except IndexError:
            return next(self._fresh)

    def _reclaim(self) -> None:
        """Dropped places are free once nobody can find their blocks in the file."""
        places = [self._dropped.popleft() for _ in range(len(self._dropped))]      # others only append
        if places and self._durable is not None:
            try:
                with self._file() as descriptor:
                    for place in places:
                        os.pwrite(descriptor, _NO_SEAL, place * self._place_bytes + BLOCK_SIZE)
            except StorageError:
                self._dropped.extend(places)
                raise
        self._free.extend(places)

    def _sealed(self, index: int, block: int, data: memoryview) -> list[memoryview]:
        """What stands at a place."""
        if self._durable is None:
            return [data]
        name = _NAME.pack(index, block, next(self._generations))
        seal = bytearray(SEAL_BYTES)
        digest = self._durable.seal.digest(b"parts", self._durable.key, name, data)
        _SEAL.pack_into(seal, 0, _MAGIC, *_NAME.unpack(name), digest)
        return [data, memoryview(seal)]

    def _load_block(self, descriptor: int, place: int, view: memoryview, index: int, block: int) -> None:
        offset = place * self._place_bytes
        if self._durable is None:
            if read_all(descriptor, [view], offset) < len(view):
                raise StorageError("storage.short-file", f"spilled blocks of piece {index} are cut short")
            return
        data, seal = _read_place(descriptor, offset)
        found = _read_seal(self._durable, data, seal)
        if found is None or found[:2] != (index, block):
            raise StorageError(DAMAGED, f"a spilled block of piece {index} is not what was written")
        view[:] = data[: len(view)]

    def _examine(self, descriptor: int, place: int) -> tuple[int, int, int] | None:
        """(piece, block, generation) of a sound place. One that is none is counted unless it was never used."""
        assert self._durable is not None
        try:
            data, seal = _read_place(descriptor, place * self._place_bytes)
        except OSError:
            self.damaged_blocks += 1
            return None
        found = _read_seal(self._durable, data, seal)
        if found is None and seal != _NO_SEAL:
            self.damaged_blocks += 1
        return found

    # ---- the file

    @contextmanager
    def _file(self) -> Iterator[int]:
        """The open file. Errors of the system on the way are StorageErrors."""
        try:
            file = self._pool.pin((self._owner, self), self._open, writable=True, keep=self._durable is None)
            try:
                yield file.descriptor
            finally:
                self._pool.unpin(file)
        except OSError as error:
            raise storage_error(error, self._durable.path if self._durable else self._root) from error

    def _open(self, _writable: bool) -> int:
        if self._durable is None:
            return open_anonymous(self._root)
        path = self._durable.path
        self._is_new = self._is_new or not path.exists()
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _read_place(descriptor: int, offset: int) -> tuple[memoryview, memoryview]:
    """Payload and seal; zeros where the file ends before."""
    place = memoryview(bytearray(BLOCK_SIZE + SEAL_BYTES))
    read_all(descriptor, [place], offset)
    return place[:BLOCK_SIZE], place[BLOCK_SIZE:]


def _read_seal(durable: Durable, data: memoryview, seal: memoryview) -> tuple[int, int, int] | None:
    """(piece, block, generation), when the seal is one of this torrent and the data is what it is of."""
    magic, index, block, generation, digest = _SEAL.unpack_from(seal)
    name = _NAME.pack(index, block, generation)
    if magic != _MAGIC or any(seal[_SEAL.size :]):
        return None
    return (index, block, generation) if durable.seal.matches(digest, b"parts", durable.key, name, data) else None


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Cut a list of places where they stop being neighbours: (first, end) positions."""
    cuts = [position for position in range(1, len(places)) if places[position] != places[position - 1] + 1]
    return list(zip([0, *cuts], [*cuts, len(places)], strict=True)) if places else []
