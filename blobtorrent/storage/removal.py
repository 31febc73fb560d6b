"""Deleting what belongs to a torrent: its own files and links by name, then folders that are empty. Never a tree."""

from __future__ import annotations

import errno
import os
import stat

from blobtorrent.model.errors import StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import link_text
from blobtorrent.storage.folders import Folders, Spot
from blobtorrent.storage.placing import remove
from blobtorrent.storage.store import Store


def workshop_of(metainfo: Metainfo) -> str:
    """The folder in a root where files of a torrent are copied to before they get their names; nobody else has such."""
    return f".blobtorrent-{metainfo.info_hash.hex}"


def delete_data(store: Store) -> None:
    """Delete all that the store has in its root, and close it.

    Raises StorageError: "storage.unmounted" when its files are not to be seen, so that nothing was deleted; else the
    first of those that came, and what could be deleted is.
    """
    store.require_mounted()
    workshop = workshop_of(store.metainfo)
    spot = store.spot()
    failure: StorageError | None = None
    never_made = _never_made(store)
    for number, entry in enumerate(store.metainfo.files):
        if entry.is_pad or number in never_made:
            continue
        try:
            if entry.symlink_target is not None:
                remove_link(spot, number)
            else:
                _remove_file(spot.folders, spot.path_of(number))
        except OSError as error:
            failure = failure or storage_error(error, store.path_of(number))
    try:
        empty_workshop(spot.folders, workshop)
    except OSError as error:
        failure = failure or storage_error(error, store.root / workshop)
    spot.folders.prune(store.place_of(number) for number in range(len(store.metainfo.files)))
    store.close()
    if failure is not None:
        raise failure


def remove_link(spot: Spot, number: int) -> None:
    """Remove a link of the torrent, if it leads where the torrent says: another one is the user's. Raises OSError."""
    *parts, name = path = spot.path_of(number)
    try:
        with spot.folders.open(tuple(parts)) as folder:
            if os.readlink(name, dir_fd=folder) == link_text(path, spot.link_target(number)):
                os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.EINVAL:                # no link
            raise


def empty_workshop(folders: Folders, workshop: str) -> None:
    """Remove what a move left behind. Raises OSError."""
    for name in folders.names((workshop,)):
        remove(folders, (workshop, name))
    folders.prune([(workshop, "any file")])


def _never_made(store: Store) -> set[int]:
    """Unwanted files whose bytes are kept aside: what lies at their places is somebody else's."""
    if store.neighbours is None:
        return set()
    store.neighbours.load()
    return store.neighbours.files() & store.skipped


def _remove_file(folders: Folders, path: tuple[str, ...]) -> None:
    found = folders.status(path)
    if found is not None and stat.S_ISREG(found.st_mode):
        remove(folders, path)
