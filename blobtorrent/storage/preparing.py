"""Getting a store ready: its root, its empty files and links, reserved space, and what is kept of unwanted files.

For a store of which nothing else is under way.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import make_link
from blobtorrent.storage.folders import make_root
from blobtorrent.storage.layout import Part
from blobtorrent.storage.mounts import mount_point_of
from blobtorrent.storage.repair import remove_leftover

if TYPE_CHECKING:
    from blobtorrent.storage.neighbours import Neighbours
    from blobtorrent.storage.store import Store


def prepare(store: Store) -> bool:
    """Make what must be there before the first write; returns whether any file held a byte. Raises StorageError."""
    _find_root(store)
    had_data = _has_data(store)
    if had_data:
        _remove_half_copies(store)
    if store.neighbours is not None:
        had_data |= _load_neighbours(store, store.neighbours)
    _make_files(store, range(len(store.metainfo.files)))
    return had_data


def skip(store: Store, skipped: Collection[int]) -> None:
    """From now on these files are unwanted, and no others. For the thread that writes.

    One that is not there is not made; one that is grows on as before. What was kept of files that are wanted now is
    written into them. Raises StorageError; then it can be tried again.
    """
    now = frozenset(skipped)
    wanted = store.skipped - now
    if store.neighbours is not None:
        diverted = frozenset(number for number in now if number in store.diverted or _is_absent(store, number))
        _hand_over(store, store.neighbours, wanted)
        store.neighbours.diverted = diverted           # from here on, readers look into the files
        store.neighbours.forget()
    store.skipped = now
    _make_files(store, sorted(wanted))


def _find_root(store: Store) -> None:
    try:
        store.require_mounted()
        if store.mount_point == "":
            store.mount_point = mount_point_of(store.root)
        store.durability.on_roots_made(make_root(store.root))
        store.device = store.folders.device = store.root.stat().st_dev
    except OSError as error:
        raise storage_error(error, store.root) from error


def _has_data(store: Store) -> bool:
    absent: set[str] = set()           # top-level names: most torrents are new, or have one folder
    for number, entry in enumerate(store.metainfo.files):
        if entry.is_pad or not entry.length:
            continue
        path = store.place_of(number)
        if path[0] in absent:
            continue
        try:
            if os.stat(store.root.joinpath(*path), follow_symlinks=False).st_size:
                return True
        except OSError:
            if not os.path.lexists(store.root / path[0]):
                absent.add(path[0])
    return False


def _remove_half_copies(store: Store) -> None:
    """Of hard-linked files, that a killed process left."""
    for number, entry in enumerate(store.metainfo.files):
        *parts, name = store.place_of(number)
        if entry.is_pad or not entry.length:
            continue
        try:
            with store.folders.open(tuple(parts)) as folder:
                remove_leftover(folder, name)
        except OSError:                # no such folder, or not for us to change
            continue


def _wait(_count: int) -> None:
    """Here nobody writes yet: the copy of a hard-linked file may take as long as it takes."""


def _make_files(store: Store, numbers: Iterable[int]) -> None:
    """Make empty files and links, and reserve space if that is asked for."""
    links = []
    for number in numbers:
        entry = store.metainfo.files[number]
        if number in store.skipped or entry.is_pad:
            continue
        if entry.symlink_target is not None:
            links.append(number)
        elif not entry.length or store.reserves_space:
            _allocate(store, number, entry.length)
    for number in links:               # last, so that nothing above can meet one of them
        try:
            make_link(store.root, store.place_of(number), store.link_target(number))
        except OSError as error:
            raise storage_error(error, store.path_of(number)) from error


def make_files(store: Store, made: Collection[int], sized: Collection[int]) -> None:
    """Have these files there, and those `sized` of their whole length, as far as they are wanted and hold any bytes.

    What is longer, or written already, stays as it is. Raises StorageError.
    """
    for number in sorted({*made, *sized}):
        if not 0 <= number < len(store.metainfo.files) or number in store.skipped:
            continue
        entry = store.metainfo.files[number]
        if entry.length and not entry.is_pad:
            _lengthen(store, number, entry.length if number in sized else 0)


def _lengthen(store: Store, number: int, length: int) -> None:
    try:
        found = store.folders.status(store.place_of(number))
        if found is not None and found.st_size >= length:
            return                     # opened for writing, a hard-linked file would be copied for nothing
        if found is not None:
            store.unshare(number, _wait)
        file = store.pin(number, writable=True)
        try:
            if length:
                os.ftruncate(file.descriptor, length)
        finally:
            store.unpin(file)
            store.durability.mark(number)
    except OSError as error:
        raise storage_error(error, store.path_of(number)) from error


def _allocate(store: Store, number: int, length: int) -> None:
    try:
        found = store.folders.status(store.place_of(number))
        if found is not None and found.st_size >= length and found.st_blocks * 512 >= length:
            return                     # opened for writing, a hard-linked file would be copied for nothing
        if found is not None:
            store.unshare(number, _wait)
        file = store.pin(number, writable=True)
        try:
            if length:
                os.posix_fallocate(file.descriptor, 0, length)
        finally:
            store.unpin(file)
            store.durability.mark(number)
    except OSError as error:
        raise storage_error(error, store.path_of(number)) from error


def _load_neighbours(store: Store, neighbours: Neighbours) -> bool:
    """Find what is kept, and put in its place what is no longer to be. Returns whether anything was there."""
    neighbours.load()
    had_data = not neighbours.is_empty
    kept = neighbours.files()
    absent = frozenset(number for number in store.skipped if _is_absent(store, number))
    neighbours.diverted = absent | _foreign(store, neighbours, kept & store.skipped - absent)
    _hand_over(store, neighbours, kept - store.skipped)
    neighbours.forget()
    return had_data


def _foreign(store: Store, neighbours: Neighbours, present: Collection[int]) -> frozenset[int]:
    """Which unwanted files, of which bytes are kept, lack those: somebody else put them there, and may keep them."""
    return frozenset(part.file for part, data in neighbours.parts_of(present) if not _holds(store, part, data))


def _hand_over(store: Store, neighbours: Neighbours, wanted: Collection[int]) -> None:
    """Write what is kept of these files into them, durably."""
    written: set[int] = set()
    for part, data in neighbours.parts_of(wanted):
        if not _holds(store, part, data):
            if part.file not in written and not _is_absent(store, part.file):
                store.unshare(part.file, _wait)
            store.write_part(part, [data])
            written.add(part.file)
    for number in written:
        store.durability.sync_file(number)
    store.durability.sync_names(written)


def _holds(store: Store, part: Part, data: memoryview) -> bool:
    """Whether a file has these bytes already: a write would only change its time."""
    found = memoryview(bytearray(len(data)))
    try:
        store.read_part(part, [found])
    except StorageError:
        return False
    return bytes(found) == bytes(data)


def _is_absent(store: Store, number: int) -> bool:
    """Whether a file that would hold bytes is not there."""
    entry = store.metainfo.files[number]
    if not entry.length or entry.is_pad:
        return False
    try:
        return store.folders.status(store.place_of(number)) is None
    except OSError as error:
        raise storage_error(error, store.path_of(number)) from error
