"""StoreReader: reads one store from front to back, for checks that must keep up with the hash function."""

from __future__ import annotations

import os

from blobtorrent.storage.filepool import OpenFile
from blobtorrent.storage.layout import PAD
from blobtorrent.storage.store import Store


class StoreReader:
    """Keeps hold of the file it is in, so that finding and pinning it is paid once a file instead of once a read.

    Owned by one thread; `close` lets go of the file.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file: OpenFile | None = None
        self._start = self._end = 0    # of that file in the linear space

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer, as Store.read does. Raises StorageError."""
        if not self._start <= offset <= self._end - len(buffer):
            self._turn_to(offset, len(buffer))
        if self._file is not None:
            try:
                if os.preadv(self._file.descriptor, [buffer], offset - self._start) == len(buffer):
                    return
            except OSError:            # met again below, where it gets a name and advice
                pass
        self._store.read(offset, [buffer])         # several files, padding, or trouble

    def close(self) -> None:
        if self._file is not None:
            self._store.unpin(self._file)
            self._file = None
        self._start = self._end = 0

    def _turn_to(self, offset: int, length: int) -> None:
        """Take hold of the file that holds the whole stretch, if there is one."""
        self.close()
        part = self._store.layout.parts(offset, length)[0]
        if part.file != PAD and part.length == length and part.file not in self._store.diverted:
            self._file = self._store.pin(part.file)
            self._start = offset - part.offset
            self._end = self._start + self._store.metainfo.files[part.file].length
