"""Store: one torrent's bytes on disk, as a linear space to read and write at any place.

It knows nothing of threads: the disk and hashing threads call it at the same time, all I/O is positional, and what is
shared lies in the FilePool. Who calls `write` has checked the hash of what it writes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Container, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.model.errors import StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.durability import Durability
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.filepool import FilePool, OpenFile
from blobtorrent.storage.files import Cutter, advise_wanted, open_counting, open_in, read_all, write_all
from blobtorrent.storage.folders import Folders, Parts, Spot
from blobtorrent.storage.layout import PAD, Layout, Part
from blobtorrent.storage.mounts import device_of, require_mounted
from blobtorrent.storage.partstore import Durable, PartStore
from blobtorrent.storage.preparing import prepare
from blobtorrent.storage.repair import Copies, FileShared, unshare
from blobtorrent.storage.stamps import Comparison, FileStamp, claimed_sizes, compare, stamp_of
from blobtorrent.storage.verifier import verifier_of

if TYPE_CHECKING:
    from blobtorrent.storage.copying import Watch
    from blobtorrent.storage.naming import Naming
    from blobtorrent.storage.neighbours import Neighbours

SPARSE = "sparse"
FULL = "full"

BREAK = "break"                        # a file with several hard links is copied before it is written to
WRITE = "write"                        # all links see what is written
REFUSE = "refuse"                      # writing fails

log = get_logger(__name__)


class Store:
    """The files of `metainfo` below the folder `root`.

    Making one asks no filesystem for anything: a dead one would hang whoever does. `device` tells the filesystems of
    stores apart; once prepared, it is the number of the one that `root` is on. With SPARSE allocation a file appears
    with its first piece; with FULL, `prepare` reserves all space. `names` are the user's own for the files.
    `skipped_files` are unwanted: with a place `kept` for what comes with the pieces of their neighbours, they are not
    made. `parts` is where unverified blocks lie that are to survive the process. `mount_point` is where the root's
    filesystem was mounted when it was last used, empty if that is to be found out, None if nobody cares.
    """

    def __init__(
        self,
        root: Path,
        metainfo: Metainfo,
        pool: FilePool,
        *,
        allocation: str = SPARSE,
        names: Naming | None = None,
        parts: Durable | None = None,
        kept: Durable | None = None,
        skipped_files: Collection[int] = (),
        hardlinks: str = BREAK,
        mount_point: str | None = None,
    ) -> None:
        self.root = root
        self.metainfo = metainfo
        self.geometry = metainfo.geometry
        self.layout = Layout(metainfo.files)
        self.verifier = verifier_of(metainfo)
        self.device = device_of(Path(mount_point) if mount_point else root)
        self.key = object()            # this store among others that share the pool
        self.parts = PartStore(root, pool, self.key, parts)
        self.names = names
        self.mount_point = mount_point
        self.pool = pool
        self.folders = Folders(root, pool, self.key)
        self.neighbours = self._neighbours(kept) if kept is not None else None
        self.skipped = frozenset(skipped_files)
        self.reserves_space = allocation == FULL
        self.copies = Copies()
        self._hardlinks = hardlinks
        self.durability = Durability(self)

    def require_mounted(self) -> None:
        """Raises StorageError ("storage.unmounted") when the filesystem of the root is known to be away: it would seem
        that there are no files."""
        if self.mount_point:
            require_mounted(self.mount_point)

    def prepare(self) -> bool:
        """Make the root, empty files and links, and reserve space if asked to. Existing bytes stay as they are.

        Returns whether any file held a byte before. Raises StorageError; "storage.unmounted" when the filesystem is
        not there that the root was on.
        """
        return prepare(self)

    def settle(self, root: Path, names: Naming | None) -> None:
        """The files are below `root` now, under these names; nothing else of the store is under way."""
        self.close()
        self.root, self.names, self.device = root, names, device_of(root)
        self.mount_point = None if self.mount_point is None else ""
        self.folders = Folders(root, self.pool, self.key)
        self.durability.on_moved()

    def close(self) -> None:
        """Close all files; nameless spilled blocks are lost. A later call of another method opens files again."""
        for blocks in (self.parts, self.neighbours):
            try:
                if blocks is not None:
                    blocks.close()
            except StorageError as error:      # what it did not tidy up, the next process does
                log.warning("blocks were not put in order", code=error.code, detail=error.detail)
        self.pool.close_owner(self.key)

    # ---- bytes

    def write(self, offset: int, buffers: list[memoryview]) -> None:
        """Put checked bytes at `offset` of the linear space: whole blocks, or up to a piece's end.

        Raises StorageError; some bytes may be written then. FileShared: after `unshare` of that file it can be tried
        again.
        """
        parts = self.layout.parts(offset, sum(map(len, buffers)))
        diverted = self.diverted
        if len(parts) == 1 and parts[0].file != PAD and not diverted:
            self.write_part(parts[0], buffers)
            return
        cutter = Cutter(buffers)
        for part in parts:
            cut = cutter.take(part.length)
            if part.file != PAD and part.file not in diverted:
                self.write_part(part, cut)
        if self.neighbours is not None and any(part.file in diverted for part in parts):
            self.neighbours.keep(offset, buffers)

    def read(self, offset: int, buffers: list[memoryview]) -> None:
        """Fill the buffers from `offset` of the linear space; padding reads as zeros.

        Raises StorageError: FileMissing, or "storage.short-file" when a file ends too early.
        """
        parts = self.layout.parts(offset, sum(map(len, buffers)))
        if len(parts) == 1 and parts[0].file != PAD and not self.diverted:
            self.read_part(parts[0], buffers)
            return
        cutter = Cutter(buffers)
        for part in parts:
            cut = cutter.take(part.length)
            if part.file == PAD:
                for buffer in cut:
                    buffer[:] = bytes(len(buffer))
            elif part.file in self.diverted:
                self._read_diverted(part, cut)
            else:
                self.read_part(part, cut)

    def announce(self, offset: int, length: int) -> None:
        """Tell the kernel that these bytes of the linear space will be read soon. Raises StorageError."""
        for part in self.layout.parts(offset, length):
            if part.file == PAD or part.file in self.diverted:
                continue
            file = self.pin(part.file)
            try:
                advise_wanted(file.descriptor, part.offset, part.length)
            finally:
                self.pool.unpin(file)

    def sync(self) -> dict[int, FileStamp]:
        """Make durable what was written and created before; returns the stamps of the files that were.

        May run beside writes, but not beside itself. Raises StorageError: what was written since the last time may be
        lost, and syncing again does not bring it back.
        """
        stamps = self.durability.sync()
        if self.neighbours is not None:
            self.neighbours.sync()
        return stamps

    # ---- files

    @property
    def diverted(self) -> frozenset[int]:
        """Numbers of the unwanted files that are not made: their bytes are kept aside."""
        return _NONE if self.neighbours is None else self.neighbours.diverted

    def place_of(self, number: int) -> Parts:
        """Where a file lies below the root."""
        return self.metainfo.files[number].path if self.names is None else self.names.paths[number]

    def spot(self) -> Spot:
        """Where the files are."""
        return Spot(self.folders, self.place_of, self.link_target)

    def link_target(self, number: int) -> Parts:
        """What the link with this number leads to, below the root."""
        target = self.metainfo.files[number].symlink_target
        assert target is not None
        return target if self.names is None else self.names.place(target)

    def path_of(self, number: int) -> Path:
        return self.root.joinpath(*self.place_of(number))

    def stamps(self, numbers: Iterable[int] | None = None) -> dict[int, FileStamp]:
        """What files look like now, or all files that hold bytes; without those that are not there."""
        if numbers is None:
            numbers = [number for number, entry in enumerate(self.metainfo.files) if entry.length and not entry.is_pad]
        found = {}
        for number in numbers:
            try:
                status = self.folders.status(self.place_of(number))
            except OSError:            # something is in the way: the file is not there
                continue
            if status is not None:
                found[number] = stamp_of(status)
        return found

    def compare(self, known: Mapping[int, FileStamp]) -> Comparison:
        """Which of the files with a known stamp are no longer what they were."""
        return compare(known, self.stamps(known))

    def short_files(self, have: Container[int], known: Collection[int]) -> list[int]:
        """Files that end before the pieces in `have` do, or are not there; `known` need no look. For a prepared store.
        """
        numbers = set(range(len(self.metainfo.files))).difference(known, self.diverted)
        claimed = claimed_sizes(self.metainfo, have, sorted(numbers))
        found = self.stamps(claimed)
        return [number for number, size in claimed.items() if number not in found or found[number].size < size]

    def lacking_files(self, have: Container[int]) -> list[int]:
        """Unwanted files of which not all was kept that the pieces in `have` hold of them. For a prepared store."""
        return [] if self.neighbours is None else self.neighbours.lacking_files(have)

    def pin(self, number: int, *, writable: bool = False) -> OpenFile:
        """Lend the open file of this number; `unpin` gives it back. Raises StorageError."""
        try:
            return self.pool.pin((self.key, number), partial(self._open, number), writable=writable)
        except OSError as error:
            raise storage_error(error, self.path_of(number)) from error

    def unpin(self, file: OpenFile) -> None:
        self.pool.unpin(file)

    def close_file(self, number: int) -> None:
        """Forget an open file that is no longer the one at its path."""
        self.pool.close_file((self.key, number))

    def unshare(self, number: int, watch: Watch) -> None:
        """Give a file that has other hard links an inode of its own, unless the policy says to write to all of them.

        For a thread that may wait: all bytes are copied. `watch` may raise to stop that. Raises StorageError.
        """
        if self._hardlinks == WRITE:
            return
        *parts, name = self.place_of(number)
        try:
            with self.folders.open(tuple(parts)) as folder:
                file = open_in(folder, name, writable=False)
                if os.fstat(file).st_nlink > 1:
                    file = unshare(folder, name, file, refuse=self._hardlinks == REFUSE, watch=watch)
                os.close(file)
        except OSError as error:
            raise storage_error(error, self.path_of(number)) from error

    def _open(self, number: int, writable: bool) -> int:
        if writable:
            self.copies.require_written(number, self.place_of(number)[-1])
        mode = 0o777 if self.metainfo.files[number].is_executable else 0o666
        *parts, name = self.place_of(number)
        with self.folders.open(tuple(parts), create=writable) as folder:
            try:
                file, links = open_counting(folder, name, writable=writable, mode=mode)
            except FileNotFoundError:
                if not writable:
                    raise
                self.folders.forget(tuple(parts))      # it was removed
                with self.folders.open(tuple(parts), create=True) as anew:
                    return open_in(anew, name, writable=True, mode=mode)
            if writable and self._hardlinks != WRITE and links > 1:
                try:
                    return unshare(folder, name, file, refuse=self._hardlinks == REFUSE)
                except BlockingIOError:
                    raise FileShared(number, name) from None
            return file

    def write_part(self, part: Part, buffers: list[memoryview]) -> None:
        """Write to one file. Raises StorageError."""
        file = self.pin(part.file, writable=True)
        try:
            write_all(file.descriptor, buffers, part.offset)
        except OSError as error:
            raise storage_error(error, self.path_of(part.file)) from error
        finally:
            self.pool.unpin(file)
            self.durability.mark(part.file)

    def read_part(self, part: Part, buffers: list[memoryview]) -> None:
        """Read from one file. Raises StorageError, as `read` does."""
        file = self.pin(part.file)
        try:
            count = read_all(file.descriptor, buffers, part.offset)
        except OSError as error:
            raise storage_error(error, self.path_of(part.file)) from error
        finally:
            self.pool.unpin(file)
        if count < part.length:
            path = self.path_of(part.file)
            raise StorageError("storage.short-file", f"{path} is shorter than it was: recheck the torrent")

    def _neighbours(self, kept: Durable) -> Neighbours:
        from blobtorrent.storage.neighbours import Neighbours  # not for who has no state directory

        return Neighbours(PartStore(self.root, self.pool, self.key, kept), self.metainfo, self.layout)

    def holds_diverted(self, part: Part) -> bool:
        """Whether the bytes of an unwanted file are kept."""
        start = self.metainfo.files[part.file].offset + part.offset
        return self.neighbours is not None and self.neighbours.covers(start, part.length)

    def _read_diverted(self, part: Part, buffers: list[memoryview]) -> None:
        assert self.neighbours is not None
        try:
            self.neighbours.read(self.metainfo.files[part.file].offset + part.offset, buffers)
        except StorageError:
            if part.file in self.diverted:
                raise
            self.read_part(part, buffers)         # it became wanted meanwhile


_NONE: frozenset[int] = frozenset()
