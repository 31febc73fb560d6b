"""Store: one torrent's bytes on disk, as a linear space to read and write at any place.

It knows nothing of threads: the disk and hashing threads call it at the same time, all I/O is positional, and what is
shared lies in the FilePool. Who calls `write` has checked the hash of what it writes.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from blobtorrent.model.errors import StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.filepool import FilePool, OpenFile
from blobtorrent.storage.files import Cutter, make_link, open_beneath, open_folder, open_in, read_all, write_all
from blobtorrent.storage.layout import PAD, Layout, Part
from blobtorrent.storage.partstore import PartStore
from blobtorrent.storage.verifier import verifier_of

SPARSE = "sparse"
FULL = "full"


class Store:
    """The files of `metainfo` below the folder `root`.

    Making one asks the filesystem for nothing but `device`, the number of the filesystem that `root` is (or will be)
    on. With SPARSE allocation a file appears with its first piece; with FULL, `prepare` reserves all space.
    """

    def __init__(self, root: Path, metainfo: Metainfo, pool: FilePool, *, allocation: str = SPARSE) -> None:
        self.root = root
        self.metainfo = metainfo
        self.geometry = metainfo.geometry
        self.layout = Layout(metainfo.files)
        self.verifier = verifier_of(metainfo)
        self.device = _device_of(root)
        self.key = object()            # this store among others that share the pool
        self.parts = PartStore(root, pool, self.key)
        self._pool = pool
        self._allocation = allocation

    def prepare(self) -> bool:
        """Make the root, empty files and links, and reserve space if asked to. Existing bytes stay as they are.

        Returns whether any file held a byte before. Raises StorageError.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, self.root) from error
        had_data = self._has_data()
        links = []
        for number, entry in enumerate(self.metainfo.files):
            if entry.symlink_target is not None:
                links.append((entry.path, entry.symlink_target))
            elif not entry.is_pad and (not entry.length or self._allocation == FULL):
                self._allocate(number, entry.length)
        for path, target in links:     # last, so that nothing above can meet one of them
            try:
                make_link(self.root, path, target)
            except OSError as error:
                raise storage_error(error, self.root.joinpath(*path)) from error
        return had_data

    def write(self, offset: int, buffers: list[memoryview]) -> None:
        """Put checked bytes at `offset` of the linear space. Raises StorageError; some bytes may be written then."""
        parts = self.layout.parts(offset, sum(map(len, buffers)))
        if len(parts) == 1 and parts[0].file != PAD:
            self._write_part(parts[0], buffers)
            return
        cutter = Cutter(buffers)
        for part in parts:
            cut = cutter.take(part.length)
            if part.file != PAD:
                self._write_part(part, cut)

    def read(self, offset: int, buffers: list[memoryview]) -> None:
        """Fill the buffers from `offset` of the linear space; padding reads as zeros.

        Raises StorageError: FileMissing, or "storage.short-file" when a file ends too early.
        """
        parts = self.layout.parts(offset, sum(map(len, buffers)))
        if len(parts) == 1 and parts[0].file != PAD:
            self._read_part(parts[0], buffers)
            return
        cutter = Cutter(buffers)
        for part in parts:
            cut = cutter.take(part.length)
            if part.file == PAD:
                for buffer in cut:
                    buffer[:] = bytes(len(buffer))
            else:
                self._read_part(part, cut)

    def pin(self, number: int, *, writable: bool = False) -> OpenFile:
        """Lend the open file of this number; `unpin` gives it back. Raises StorageError."""
        try:
            return self._pool.pin((self.key, number), partial(self._open, number), writable=writable)
        except OSError as error:
            raise storage_error(error, self.path_of(number)) from error

    def unpin(self, file: OpenFile) -> None:
        self._pool.unpin(file)

    def close(self) -> None:
        """Close all files and lose the spilled blocks. A later call of another method opens files again."""
        self._pool.close_owner(self.key)

    def path_of(self, number: int) -> Path:
        return self.root.joinpath(*self.metainfo.files[number].path)

    def _open(self, number: int, writable: bool) -> int:
        entry = self.metainfo.files[number]
        mode = 0o777 if entry.is_executable else 0o666
        *parts, name = entry.path
        # Torrents of thousands of files have few folders: each stays open as a file does.
        folder = self._pool.pin(
            (self.key, tuple(parts)), lambda create: open_folder(self.root, parts, create=create), writable=writable)
        try:
            return open_in(folder.descriptor, name, writable=writable, mode=mode)
        except FileNotFoundError:
            if not writable:
                raise
            return open_beneath(self.root, entry.path, writable=True, mode=mode)       # the folder was removed
        finally:
            self._pool.unpin(folder)

    def _write_part(self, part: Part, buffers: list[memoryview]) -> None:
        file = self.pin(part.file, writable=True)
        try:
            write_all(file.descriptor, buffers, part.offset)
        except OSError as error:
            raise storage_error(error, self.path_of(part.file)) from error
        finally:
            self._pool.unpin(file)

    def _read_part(self, part: Part, buffers: list[memoryview]) -> None:
        file = self.pin(part.file)
        try:
            count = read_all(file.descriptor, buffers, part.offset)
        except OSError as error:
            raise storage_error(error, self.path_of(part.file)) from error
        finally:
            self._pool.unpin(file)
        if count < part.length:
            path = self.path_of(part.file)
            raise StorageError("storage.short-file", f"{path} is shorter than it was: recheck the torrent")

    def _has_data(self) -> bool:
        absent: set[str] = set()       # top-level names: most torrents are new, or have one folder
        for entry in self.metainfo.files:
            top = entry.path[0]
            if entry.is_pad or not entry.length or top in absent:
                continue
            try:
                if os.stat(self.root.joinpath(*entry.path), follow_symlinks=False).st_size:
                    return True
            except OSError:
                if not os.path.lexists(self.root / top):
                    absent.add(top)
        return False

    def _allocate(self, number: int, length: int) -> None:
        file = self.pin(number, writable=True)
        try:
            found = os.fstat(file.descriptor)
            if found.st_size < length or found.st_blocks * 512 < length:
                os.posix_fallocate(file.descriptor, 0, length)
        except OSError as error:
            raise storage_error(error, self.path_of(number)) from error
        finally:
            self._pool.unpin(file)


def _device_of(root: Path) -> int:
    """The filesystem of `root`, or of its nearest parent that exists; 0 when none can be asked."""
    for folder in (root, *root.absolute().parents):
        try:
            return folder.stat().st_dev
        except OSError:
            continue
    return 0
