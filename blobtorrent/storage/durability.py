"""Durability: which files of a store were written since they were last synced, and syncing them.

The disk thread marks, one other thread at a time syncs. Nothing here needs a lock: sets are added to and popped from in
single operations, and a file is marked after it was written, so a mark that is taken covers all writes before it.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.folders import Parts
from blobtorrent.storage.stamps import FileStamp, stamp_of

if TYPE_CHECKING:
    from blobtorrent.storage.store import Store


class Look(NamedTuple):
    """At a file that was written to, in a round of syncs; in none while it is dirty."""

    file: int
    round: int


class Durability:
    """Of one store."""

    def __init__(self, store: Store) -> None:
        self._store: Store = weakref.proxy(store)          # which has us: it is to be gone without a collection
        self._dirty: set[int] = set()
        self._unlooked: set[Look] = set()      # at files whose sync has begun, still to be taken
        self._round = 0                        # of syncs
        self._synced: dict[int, FileStamp] = {}            # what files looked like when they were synced last
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
        self._round += 1
        self._unlooked.update([Look(number, self._round) for number in written if len(self._pieces_of(number)) > 1])
        self._dirty.difference_update(written)
        for number in written:
            try:
                stamps[number] = self.sync_file(number)
            except StorageError as error:
                failure = failure or error
                if isinstance(error, FileMissing):
                    self._gone.append(number)
        self._synced.update(stamps)
        self._sync_all_names(stamps)
        if failure is not None:
            raise failure
        return stamps

    def whole(self, have: int) -> list[Look]:
        """Looks to be taken at files that were written to, and are in the mask `have` as a whole.

        Without those of one piece: a single write made them. What was looked at is told to `looked`, and not before:
        another thread that asks in between must not take it for well.
        """
        return [look for look in {Look(number, 0) for number in self._dirty.copy()} | self._unlooked.copy()
                if len(self._pieces_of(look.file)) > 1 and self._is_whole(look.file, have)]

    def looked(self, looks: Iterable[Look]) -> None:
        """These need not be taken again. A file that was written to since has a look of a later round."""
        self._unlooked.difference_update(looks)

    def touched(self, have: int) -> list[int]:
        """Files in the mask `have` as a whole that are not as they were when they were synced last, although nothing
        was written to them since."""
        found = []
        for number, stamp in self._synced.copy().items():
            if number not in self._dirty and self._is_whole(number, have) and self._stamp_of(number) != stamp:
                found.append(number)
        return found

    def _stamp_of(self, number: int) -> FileStamp | None:
        try:
            return stamp_of(os.stat(self._store.path_of(number)))
        except OSError:
            return None

    def _is_whole(self, number: int, have: int) -> bool:
        pieces = self._pieces_of(number)
        everything = (1 << len(pieces)) - 1
        return have >> pieces.start & everything == everything

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
