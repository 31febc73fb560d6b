"""Durability: which files of a store were written since they were last synced, and syncing them.

The disk thread marks, one other thread at a time syncs. Nothing here needs a lock: sets are added to and popped from in
single operations, and a file is marked after it was written, so a mark that is taken covers all writes before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.folders import Parts
from blobtorrent.storage.stamps import FileStamp, stamp_of

if TYPE_CHECKING:
    from blobtorrent.storage.store import Store


class Durability:
    """Of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dirty: set[int] = set()
        self._unlooked: set[int] = set()       # files whose sync has begun, and not asked for by `take_whole` since
        self._gone: list[int] = []             # files that were not there when they were to be synced
        self._named: set[int] = set()          # files whose names are known to be durable
        self._roots: list[Path] = []           # folders that were made for the root, and above it
        self.mark = self._dirty.add            # once for each write

    def on_roots_made(self, folders: Iterable[Path]) -> None:
        self._roots += folders

    def on_moved(self) -> None:
        """The files have other names, which are durable or not: look after them again."""
        self._named.clear()

    def sync(self) -> dict[int, FileStamp]:
        """Make durable what was written and created before; returns what the files look like now.

        Raises StorageError after it has tried all files: the system may have thrown away what it could not write, and
        does not say so twice.
        """
        stamps: dict[int, FileStamp] = {}
        failure: StorageError | None = None
        written = self._dirty.copy()
        # Before they are no longer dirty: who asks for them meanwhile, on another thread, must miss none.
        self._unlooked.update([number for number in written if len(self._pieces_of(number)) > 1])
        self._dirty.difference_update(written)
        for number in written:
            try:
                stamps[number] = self.sync_file(number)
            except StorageError as error:
                failure = failure or error
                if isinstance(error, FileMissing):
                    self._gone.append(number)
        self._sync_all_names(stamps)
        if failure is not None:
            raise failure
        return stamps

    def take_whole(self, have: int) -> list[int]:
        """Files that were written to since they were asked for here last, and that are in the mask `have` as a whole.

        Without those of one piece: a single write made them.
        """
        whole = []
        for number in self._dirty.copy() | self._unlooked:
            pieces = self._pieces_of(number)
            everything = (1 << len(pieces)) - 1
            if len(pieces) > 1 and have >> pieces.start & everything == everything:
                whole.append(number)
        self._unlooked.difference_update(whole)
        return whole

    def _pieces_of(self, number: int) -> range:
        entry = self._store.metainfo.files[number]
        return self._store.geometry.pieces_of_span(entry.offset, entry.length)

    def take_gone(self) -> list[int]:
        """The files that were not there, since this was asked last: nothing that was written to them is."""
        gone, self._gone = self._gone, []
        return gone

    def sync_file(self, number: int) -> FileStamp:
        """Raises StorageError; FileMissing when the file lost its name since it was opened."""
        store = self._store
        file = store.pin(number)
        try:
            os.fdatasync(file.descriptor)
            status = os.fstat(file.descriptor)
        except OSError as error:
            raise storage_error(error, store.path_of(number)) from error
        finally:
            store.unpin(file)
        if not status.st_nlink:
            store.close_file(number)
            raise FileMissing("storage.file-missing", f"{store.path_of(number)} was deleted while it was written")
        return stamp_of(status)

    def sync_names(self, numbers: Iterable[int]) -> None:
        """Make the names of files durable, below the root. Raises StorageError."""
        folders: set[Parts] = set()
        for number in numbers:
            path = self._store.place_of(number)
            folders.update(path[:length] for length in range(len(path)))
        try:
            for parts in sorted(folders, key=len, reverse=True):
                self._store.folders.sync(parts)
        except OSError as error:
            raise storage_error(error, self._store.root) from error

    def _sync_all_names(self, numbers: Iterable[int]) -> None:
        fresh = [number for number in numbers if number not in self._named]
        self.sync_names(fresh)
        try:
            while self._roots:
                sync_folder(self._roots[-1].parent)
                self._roots.pop()
        except OSError as error:
            raise storage_error(error, self._store.root) from error
        self._named.update(fresh)
