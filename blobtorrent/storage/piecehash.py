"""Hashes the pieces of files that become a torrent, on all processors: reading and hashing both leave the GIL."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import local

from blobtorrent.model.errors import StorageError
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.layout import PAD, Layout
from blobtorrent.storage.source import DiskFile
from blobtorrent.storage.verifier import PieceDigest

BUFFER_BYTES = 256 << 10               # read, then hashed while it is still in the processor's cache
BATCH_BYTES = 8 << 20                  # of pieces in one task
Progress = Callable[[int, int], None]  # (bytes hashed, bytes in all)


def hash_pieces(
    files: Sequence[DiskFile | None],
    layout: Layout,
    geometry: PieceGeometry,
    start: Callable[[int], PieceDigest],
    *,
    threads: int,
    progress: Progress | None = None,
) -> list[bytes]:
    """The digest of each piece in order. `files[n]` is file n of the layout (None for padding), `start(index)` begins
    a digest.

    `progress` is called on the caller's thread. Raises StorageError ("storage.*") when a file cannot be read or is
    no longer what `scan` saw.
    """
    batch = max(1, BATCH_BYTES // geometry.piece_length)
    ranges = [range(first, min(first + batch, geometry.num_pieces)) for first in range(0, geometry.num_pieces, batch)]
    readers = _Readers(files, layout, geometry)
    digests: list[bytes] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="author") as pool:
        tasks = [pool.submit(readers.hash_range, indices, start) for indices in ranges]
        try:
            for task in tasks:
                digests += task.result()
                if progress is not None:
                    progress(min(len(digests) * geometry.piece_length, geometry.size), geometry.size)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digests


class _Readers:
    """The hashing threads' work. Each thread has a buffer of its own; all else is read-only."""

    def __init__(self, files: Sequence[DiskFile | None], layout: Layout, geometry: PieceGeometry) -> None:
        self._files = files
        self._layout = layout
        self._geometry = geometry
        self._own = local()

    def hash_range(self, indices: range, start: Callable[[int], PieceDigest]) -> list[bytes]:
        if not hasattr(self._own, "buffer"):
            self._own.buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))     # page-aligned: reads into it cost a third
        digests = []
        with _OpenFile() as file:
            for index in indices:
                digest = start(index)
                for data in self._piece(index, self._own.buffer, file):
                    digest.update(data)
                digests.append(digest.digest())
        return digests

    def _piece(self, index: int, buffer: memoryview, file: _OpenFile) -> Iterator[memoryview]:
        """The bytes of a piece, a buffer at a time: each is only valid until the next is asked for."""
        geometry = self._geometry
        for number, offset, length in self._layout.parts(geometry.piece_offset(index), geometry.piece_size(index)):
            source = None if number == PAD else self._files[number]
            done = 0
            while done < length:
                chunk = buffer[:min(len(buffer), length - done)]
                if source is None:
                    chunk[:] = bytes(len(chunk))
                else:
                    file.read_into(chunk, source, offset + done)
                yield chunk
                done += len(chunk)


class _OpenFile:
    """The file that a thread read last: pieces of one file come in a row, so nearly all reads find it open."""

    def __init__(self) -> None:
        self._source: DiskFile | None = None
        self._descriptor = -1

    def __enter__(self) -> _OpenFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def read_into(self, chunk: memoryview, source: DiskFile, offset: int) -> None:
        try:
            if source is not self._source:
                self._open(source)
            filled = 0
            while filled < len(chunk):
                got = os.preadv(self._descriptor, [chunk[filled:]], offset + filled)
                if not got:
                    raise _changed(source)
                filled += got
        except OSError as error:
            raise storage_error(error, source.path) from None

    def _open(self, source: DiskFile) -> None:
        self._close()
        self._descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        self._source = source
        status = os.fstat(self._descriptor)
        if (status.st_size, status.st_mtime_ns) != (source.length, source.changed_ns):
            raise _changed(source)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._source = -1, None


def _changed(source: DiskFile) -> StorageError:
    return StorageError("storage.file-changed", f"{source.path} changed while it was read: try again at rest")
