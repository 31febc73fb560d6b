"""Copying a file so that its copy may be trusted: shared extents where the filesystem can, otherwise copied, made
durable, and read back from the disk.

Holes stay holes. A copy that was interrupted is taken up again: what is there already is compared, not written.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from hashlib import sha1
from typing import NamedTuple

from blobtorrent.model.errors import StorageError

CHUNK_BYTES = 1 << 20
Watch = Callable[[int], None]          # told of so many more bytes; may raise to stop the copying

_FICLONE = 0x40049409                  # share all extents (btrfs, xfs, bcachefs, NFS 4.2)


class _Segment(NamedTuple):
    start: int
    end: int


def clone(source: int, target: int) -> bool:
    """Let an empty file share the extents of another; False when the filesystem cannot, or it is another one."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def copy(source: int, target: int, watch: Watch) -> None:
    """Make the open file `target` a durable copy of `source`; what it held before counts as an earlier attempt.

    Raises OSError, and StorageError ("storage.copy-differs") when the disk does not give back what was written.
    """
    size = os.fstat(source).st_size
    present = min(size, os.fstat(target).st_size)
    buffer, second = _buffer(), _buffer()
    segments = list(_data_segments(source, 0, size))
    expected = sha1()                  # against accidents, and the quickest here
    for segment in segments:
        for offset, data in _chunks(source, segment, buffer):
            expected.update(data)
            if offset + len(data) > present or not _holds(target, offset, data, second):
                _write(target, offset, data)
            watch(len(data))
    os.ftruncate(target, size)
    os.fsync(target)
    os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)       # what is read back comes from the disk
    found = sha1()
    for segment in segments:
        for _, data in _chunks(target, segment, buffer):
            found.update(data)
    if found.digest() != expected.digest() or not _is_empty_between(target, segments, size, buffer):
        raise StorageError("storage.copy-differs", "a copied file came back different: check the memory and the disk")
    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_DONTNEED)       # leave the page cache to those who need it


def are_equal(one: int, other: int, watch: Watch) -> bool:
    """Whether two open files have the same bytes."""
    size = os.fstat(one).st_size
    if os.fstat(other).st_size != size:
        return False
    buffer, second = _buffer(), _buffer()
    for offset, data in _chunks(one, _Segment(0, size), buffer):
        if not _holds(other, offset, data, second):
            return False
        watch(len(data))
    return True


def _buffer() -> memoryview:
    return memoryview(mmap.mmap(-1, CHUNK_BYTES))      # page-aligned: copies to other addresses cost 3-5 times more


def _data_segments(file: int, at: int, size: int) -> Iterator[_Segment]:
    """Where a file has bytes between `at` and `size`, in order; all between them is holes."""
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:             # a hole up to the end
                return
            raise
        if start >= size:
            return
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield _Segment(start, min(at, size))


def _chunks(file: int, segment: _Segment, buffer: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(offset, bytes) over a segment; the bytes hold until the next are asked for."""
    offset = segment.start
    while offset < segment.end:
        count = os.preadv(file, [buffer[: segment.end - offset]], offset)
        if not count:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        yield offset, buffer[:count]
        offset += count


def _holds(file: int, offset: int, data: memoryview, buffer: memoryview) -> bool:
    found = 0
    while found < len(data):
        count = os.preadv(file, [buffer[found : len(data)]], offset + found)
        if not count:
            return False
        found += count
    # Hashing gives up the GIL; comparing memory does not, and takes longer.
    return sha1(buffer[: len(data)]).digest() == sha1(data).digest()


def _write(file: int, offset: int, data: memoryview) -> None:
    while len(data):
        count = os.pwrite(file, data, offset)
        offset += count
        data = data[count:]


def _is_empty_between(file: int, segments: list[_Segment], size: int, buffer: memoryview) -> bool:
    """Whether a copy has nothing but zeros where its original has holes."""
    ends = [0, *(segment.end for segment in segments)]
    starts = [*(segment.start for segment in segments), size]
    for start, end in zip(ends, starts):
        for segment in _data_segments(file, start, end):
            if any(bytes(data).strip(b"\0") for _, data in _chunks(file, segment, buffer)):
                return False
    return True
