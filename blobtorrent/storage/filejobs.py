"""Work on a torrent's files as a whole: move, rename, delete, measure; and what the threads answer.

Every job is answered exactly once, at its end. While one of these is under way no other job of the same store is: the
session closes the swarm and waits for its answers first. All but SkipFiles are posted to FileLanes.

Moving and renaming survive a kill at any moment: commit what is going to happen, post the job, commit what happened. If
the record says after a start that one was under way, post the same job again with `is_resumed`.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.model.errors import BlobTorrentError, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.store import Store


class Abort:
    """Tells a job under way to give up: whoever posted it sets `is_set`, its thread looks between chunks."""

    __slots__ = ("is_set",)

    def __init__(self) -> None:
        self.is_set = False


class MoveStore(NamedTuple):
    """Bring all files of the store below the folder `target`, across filesystems too.

    Posted to FileLanes; answered by some MoveProgress and one StoreMoved. With `abort` set it is undone.
    """

    info_hash: InfoHash
    store: Store
    target: Path
    reply_to: Mailbox[Any]
    is_resumed: bool = False
    abort: Abort | None = None


class MoveProgress(NamedTuple):
    info_hash: InfoHash
    done_bytes: int
    total_bytes: int


class StoreMoved(NamedTuple):
    """The store's root is `target` and `stamps` are those of its files; or `error`, and all is where it was.

    Only "storage.interrupted", when the threads were stopped meanwhile, and "storage.half-moved", when it could not be
    found out where the files are, leave the move half done, to be resumed.
    """

    info_hash: InfoHash
    stamps: Mapping[int, FileStamp]
    error: StorageError | None = None


class RenamePaths(NamedTuple):
    """Rename the file or folder that is `old` now, below the store's root, to `new`. Parts are joined by slashes.

    Posted to FileLanes; answered by PathsRenamed.
    """

    info_hash: InfoHash
    store: Store
    old: str
    new: str
    reply_to: Mailbox[Any]
    is_resumed: bool = False


class PathsRenamed(NamedTuple):
    """The store has its new names and `renames` are to be kept for Naming; or `error`, and all is as it was.

    The error is a CommandError when the names cannot be, otherwise a StorageError, as for StoreMoved.
    """

    info_hash: InfoHash
    renames: Mapping[str, str]
    stamps: Mapping[int, FileStamp]
    error: BlobTorrentError | None = None


class DeleteData(NamedTuple):
    """Delete the torrent's own files, links and the folders that are empty then; close the store.

    Posted to FileLanes; answered by DataDeleted.
    """

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]


class DataDeleted(NamedTuple):
    """`error` is the first of those that kept files from being deleted; all others are gone."""

    info_hash: InfoHash
    error: StorageError | None = None


class StampFiles(NamedTuple):
    """Look at all files of the store, after a check of all pieces. Posted to FileLanes; answered by FilesStamped."""

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]


class FilesStamped(NamedTuple):
    info_hash: InfoHash
    stamps: Mapping[int, FileStamp]
    error: StorageError | None = None


class FindFiles(NamedTuple):
    """See whether anything of the torrent lies below the store's root. Posted to FileLanes; answered by FilesFound."""

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]


class FilesFound(NamedTuple):
    info_hash: InfoHash
    has_data: bool
    error: StorageError | None = None


class SkipFiles(NamedTuple):
    """From now on the files with these numbers, and no others, are unwanted: see Store.skip.

    Posted to the store's disk lane, where it comes between two writes; answered by FilesSkipped.
    """

    info_hash: InfoHash
    store: Store
    skipped: frozenset[int]
    reply_to: Mailbox[Any]


class FilesSkipped(NamedTuple):
    info_hash: InfoHash
    error: StorageError | None = None


class MeasureSpace(NamedTuple):
    """Ask how much room the filesystem of `path` has. `device` names the lane, so that a dead mount stalls only its
    own. Posted to FileLanes; answered by SpaceMeasured."""

    device: int
    path: Path
    reply_to: Mailbox[Any]


class SpaceMeasured(NamedTuple):
    """`free_bytes` is what we may still write of `total_bytes`."""

    device: int
    free_bytes: int
    total_bytes: int
    error: StorageError | None = None
