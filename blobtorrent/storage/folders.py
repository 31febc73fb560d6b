"""Folders: the folders below one root, opened without following links, and kept open as files are.

Torrents of thousands of files have few folders: finding each file from the root again would cost four calls instead of
one. Shared by threads as the FilePool is. OSError comes as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

from blobtorrent.model.errors import Denied
from blobtorrent.storage.filepool import FilePool, OpenFile
from blobtorrent.storage.files import open_folder

Parts = tuple[str, ...]

_READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Folders:
    """Below `root`, for the files that `owner` has in the pool. With `device`, `root` must be on that filesystem."""

    def __init__(self, root: Path, pool: FilePool, owner: Hashable, device: int = 0) -> None:
        self.root = root
        self.device = device
        self._pool = pool
        self._owner = owner

    def open(self, parts: Parts, *, create: bool = False) -> Lent:
        """The descriptor of a folder, for calls with `dir_fd`, as a context. With `create` it is made if need be."""
        return Lent(self._pool, self._pool.pin(
            (self._owner, parts), lambda create: open_folder(self.root, parts, create=create, device=self.device),
            writable=create))

    def forget(self, parts: Parts) -> None:
        """Close a folder that is no longer what is at its path."""
        self._pool.close_file((self._owner, parts))

    def status(self, path: Parts) -> os.stat_result | None:
        """What has this path; a link is not followed. None when nothing has it."""
        try:
            with self.open(path[:-1]) as folder:
                return os.stat(path[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, parts: Parts) -> list[str]:
        """What lies in a folder; empty when there is no such folder."""
        try:
            with self.open(parts) as folder:
                readable = os.open(".", _READABLE, dir_fd=folder)
        except FileNotFoundError:
            return []
        try:
            return os.listdir(readable)
        finally:
            os.close(readable)

    def sync(self, parts: Parts) -> None:
        """Make the names in a folder durable."""
        with self.open(parts) as folder:
            sync_open_folder(folder)

    def prune(self, paths: Iterable[Parts]) -> None:
        """Remove the folders of these files, as far as they are empty. The root stays."""
        folders = {path[:length] for path in paths for length in range(1, len(path))}
        self.close()                   # what is removed must not be found open by the next who asks
        for parts in sorted(folders, key=len, reverse=True):
            try:
                with self.open(parts[:-1]) as above:
                    os.rmdir(parts[-1], dir_fd=above)
            except OSError:            # something foreign is in it, or it is gone already
                continue

    def close(self) -> None:
        """Close everything that the owner has in the pool."""
        self._pool.close_owner(self._owner)


class Lent:
    """A pinned file of the pool, until the context ends. One that is made is to be entered."""

    __slots__ = ("_file", "_pool")

    def __init__(self, pool: FilePool, file: OpenFile) -> None:
        self._pool = pool
        self._file = file

    def __enter__(self) -> int:
        return self._file.descriptor

    def __exit__(self, *_raised: object) -> None:
        self._pool.unpin(self._file)


class Spot(NamedTuple):
    """Where the files of a torrent are, or are to be: paths by number, below `folders`."""

    folders: Folders
    path_of: Callable[[int], Parts]
    link_target: Callable[[int], Parts]


def sync_open_folder(folder: int) -> None:
    """Make the names in a folder durable, of which `folder` is a descriptor of any kind."""
    descriptor = os.open(".", _READABLE, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_root(root: Path) -> list[Path]:
    """Make a folder and what is missing above it; returns those that were made, to be synced from above.

    Raises Denied ("storage.no-folder") where there cannot be one, else OSError.
    """
    missing = []
    for folder in (root, *root.absolute().parents):
        if folder.exists():
            break
        missing.append(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise Denied("storage.no-folder", f"cannot make the folder {root}: {error.strerror}") from None
    return missing
