"""Presence: how much of a stretch lies on disk at all, so that nobody hashes the holes of sparse files."""

from __future__ import annotations

import errno
import os
from enum import Enum

from blobtorrent.model.errors import FileMissing
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.layout import PAD
from blobtorrent.storage.store import Store


class Coverage(Enum):
    """What files hold of a stretch. Bytes in holes read as zeros; behind the end of a file there is nothing to read."""

    FULL = "full"
    HOLED = "holed"                    # some bytes are in holes
    EMPTY = "empty"                    # all bytes are in holes
    SHORT = "short"                    # a file ends before the stretch does, or is not there


class Presence:
    """Asks for data and holes of one store's files. Owned by one thread, for one walk through ascending offsets.

    The stretch met last is remembered, so a file without holes costs two system calls however it is cut.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = PAD
        self._size = 0                 # bytes of that file
        self._start = self._end = 0    # a stretch of it that is data throughout, or a hole throughout
        self._is_data = False

    def coverage(self, offset: int, length: int) -> Coverage:
        """What there is of `length` bytes of the linear space; padding counts for nothing. Raises StorageError."""
        has_data = has_hole = False
        for part in self._store.layout.parts(offset, length):
            if part.file == PAD:
                continue
            if part.file in self._store.diverted:
                if not self._store.holds_diverted(part):
                    return Coverage.SHORT
                has_data = True
                continue
            if part.file != self._file:
                self._turn_to(part.file)
            at, end = part.offset, part.offset + part.length
            if end > self._size:
                return Coverage.SHORT
            while at < end and not (has_data and has_hole):
                if not self._start <= at < self._end:
                    self._probe(at)
                has_data |= self._is_data
                has_hole |= not self._is_data
                at = self._end
        if has_hole:
            return Coverage.HOLED if has_data else Coverage.EMPTY
        return Coverage.FULL

    def _turn_to(self, number: int) -> None:
        self._file = number
        self._start = self._end = 0
        try:
            file = self._store.pin(number)
        except FileMissing:
            self._size = 0
            return
        try:
            self._size = os.fstat(file.descriptor).st_size
        finally:
            self._store.unpin(file)

    def _probe(self, at: int) -> None:
        """Find the stretch that starts at `at`, which is before the end of the file."""
        file = self._store.pin(self._file)
        try:
            data = self._seek(file.descriptor, at, os.SEEK_DATA)
            self._is_data = data == at
            self._start = at
            self._end = self._seek(file.descriptor, at, os.SEEK_HOLE) if self._is_data else data
        finally:
            self._store.unpin(file)

    def _seek(self, descriptor: int, at: int, whence: int) -> int:
        try:
            return min(os.lseek(descriptor, at, whence), self._size)
        except OSError as error:
            if error.errno == errno.ENXIO:           # no data up to the end, or the file shrank meanwhile
                return self._size
            raise storage_error(error, self._store.path_of(self._file)) from error
