"""What a new torrent is made of: the regular files below a path, in the order that they get in the torrent."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from blobtorrent.model.errors import Invalid
from blobtorrent.model.paths import safe_part
from blobtorrent.storage.faults import storage_error


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A file to be put into a torrent: its name parts below the torrent's folder, and what it was when we looked."""

    parts: tuple[bytes, ...]
    path: Path
    length: int                        # bytes
    changed_ns: int                    # modification time


@dataclass(frozen=True, slots=True)
class Source:
    """The content of a new torrent; a single file has no folder, and its one part is the torrent's name."""

    name: str
    files: tuple[DiskFile, ...]
    is_single: bool

    @property
    def size(self) -> int:
        return sum(file.length for file in self.files)


def scan(path: Path, *, exclude: Path | None = None) -> Source:
    """Look at a file, or at everything below a folder, sorted by the bytes of the names (the order BEP 52 asks for).

    Symbolic links are followed: a torrent of links would be worth nothing elsewhere. `exclude` is left out: the torrent
    itself may be written into the folder. Raises Invalid ("create.*") for what a torrent cannot hold, StorageError for
    what cannot be read.
    """
    whole = Path(os.path.abspath(path))
    name = _usable_name(whole.name, whole)
    left_out = None if exclude is None else Path(os.path.abspath(exclude))
    try:
        if not whole.is_dir():
            if not whole.exists():
                raise Invalid("create.no-source", f"{path}: no such file or folder")
            return Source(name, (_disk_file(whole, (os.fsencode(name),), whole.stat()),), is_single=True)
        files = _walk(whole, left_out)
    except OSError as error:
        raise storage_error(error, error.filename or path) from None
    return Source(name, tuple(sorted(files, key=lambda file: file.parts)), is_single=False)


def _walk(root: Path, left_out: Path | None) -> list[DiskFile]:
    files = []
    folders: list[tuple[Path, tuple[bytes, ...], frozenset[tuple[int, int]]]] = [(root, (), frozenset())]
    while folders:
        folder, parts, above = folders.pop()
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            raise Invalid("create.link-loop", f"{folder}: a link to a folder that contains it")
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                below = (*parts, os.fsencode(_usable_name(entry.name, path)))
                if entry.is_dir():
                    folders.append((path, below, above | {identity}))
                elif path != left_out:
                    files.append(_disk_file(path, below, entry.stat()))
    return files


def _disk_file(path: Path, parts: tuple[bytes, ...], status: os.stat_result) -> DiskFile:
    if not stat.S_ISREG(status.st_mode):
        raise Invalid("create.not-a-file", f"{path} is neither a file nor a folder")
    return DiskFile(parts, path, status.st_size, status.st_mtime_ns)


def _usable_name(name: str, path: Path) -> str:
    """Refuse names that a reader of the torrent would have to change: the files could not be seeded from here."""
    if safe_part(os.fsencode(name), instead="") != name:
        raise Invalid("create.bad-name", f"{path}: torrents hold UTF-8 names without control characters or backslashes")
    return name
