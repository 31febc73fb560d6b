"""The session folders of other programs, as files: which torrents they hold, and what lies beside. Only read."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple, TypeVar

from blobtorrent.model.errors import Conflict, FileMissing, NotFound, StorageError
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import open_in

MAX_FILE_BYTES = 64 << 20
MAX_LOCK_BYTES = 1024

_TORRENT = re.compile(r"([0-9A-F]{40})\.torrent")
_LOCK = re.compile(rb"(.*):\+([0-9]{1,9})\n?")
_PROGRAM = b"rtorrent"
_COPIED_AT_ONCE = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

F = TypeVar("F", bound="ForeignFolder")


class ForeignFolder:
    """An open folder whose files are read whole, and only when they are regular files. A context manager."""

    def __init__(self, path: Path) -> None:
        """Raises NotFound ("import.no-folder")."""
        self.path = path
        try:
            self._folder = os.open(path, _FOLDER)
        except OSError as error:
            raise NotFound("import.no-folder", f"{path}: {error.strerror}") from None

    def __enter__(self: F) -> F:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._folder)

    def files(self) -> list[str]:
        """The names of all that is in it."""
        return os.listdir(self._folder)

    def written_at(self, name: str) -> float:
        """When a file was written: seconds since 1970, 0 if that cannot be told."""
        try:
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime
        except OSError:
            return 0.0

    def size_of(self, name: str) -> int:
        """In bytes, 0 if it is not there."""
        try:
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_size
        except OSError:
            return 0

    def require_file(self, name: str) -> None:
        """Raises StorageError when it is no regular file."""
        try:
            os.close(open_in(self._folder, name, writable=False))
        except OSError as error:
            raise storage_error(error, self.path / name) from error

    def copy_file(self, name: str, target: Path, limit: int) -> None:
        """Raises StorageError as `read_file`."""
        if self.size_of(name) > limit:
            raise StorageError("import.too-large", f"{self.path / name} has more than {limit} bytes")
        try:
            with os.fdopen(open_in(self._folder, name, writable=False), "rb") as file, \
                    open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as copy:
                while data := file.read(_COPIED_AT_ONCE):
                    copy.write(data)
        except OSError as error:
            raise storage_error(error, self.path / name) from error

    def read_file(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """Raises StorageError, also for what is too large or no regular file."""
        try:
            with os.fdopen(open_in(self._folder, name, writable=False), "rb") as file:
                raw = file.read(limit + 1)
        except OSError as error:
            raise storage_error(error, self.path / name) from error
        if len(raw) > limit:
            raise StorageError("import.too-large", f"{self.path / name} has more than {limit} bytes")
        return raw

    def read_if_there(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        """Raises StorageError as `read_file`."""
        try:
            return self.read_file(name, limit)
        except FileMissing:
            return None


class SessionFiles(NamedTuple):
    """Of one torrent; None for what is not there."""

    torrent: bytes
    wanted: bytes | None               # HASH.torrent.rtorrent
    progress: bytes | None             # HASH.torrent.libtorrent_resume


class RtorrentSession(ForeignFolder):
    """The session folder of rTorrent."""

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.rtorrent-runs"): what rTorrent writes on must not be written by another program."""
        try:
            lock = _LOCK.fullmatch(self.read_file("rtorrent.lock", MAX_LOCK_BYTES))
        except StorageError:
            return
        if lock is None or lock[1] != socket.gethostname().encode():
            return                     # of another machine, which we cannot ask
        number = int(lock[2])
        try:
            name = Path(f"/proc/{number}/comm").read_bytes()
        except OSError:                # it was killed
            return
        if name.startswith(_PROGRAM):
            raise Conflict("import.rtorrent-runs", f"rTorrent runs on {self.path} (process {number}): end it first")

    def names(self) -> list[str]:
        """The upper-case info-hashes of the torrents."""
        found = (_TORRENT.fullmatch(name) for name in self.files())
        return sorted(match[1] for match in found if match is not None)

    def read(self, name: str) -> SessionFiles:
        """All there is of one torrent. Raises StorageError, also for what is too large or no regular file."""
        file = f"{name}.torrent"
        return SessionFiles(self.read_file(file), self.read_if_there(f"{file}.rtorrent"),
                            self.read_if_there(f"{file}.libtorrent_resume"))
