"""Backups of a state directory as one tar file, and back.

A backup may be made while the daemon runs: rows are copied first, as they are at one moment, then the files of the
torrents in them; when one was removed meanwhile, all begins anew. The session record is not in it: what is restored is
older than the content on disk, and counts as left by a session that was killed.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import Conflict, Invalid, NotFound, ResumeCorrupt
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.examine import examine
from blobtorrent.storage.state.keyfile import read_key
from blobtorrent.storage.state.library import metafile_digest
from blobtorrent.storage.state.quarantine import QUARANTINE, Quarantine
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.sessionrecord import ID_BYTES, SessionRecord, write_session
from blobtorrent.storage.state.statedir import STATE_NAME, lock_folder, refuse_newer
from blobtorrent.storage.state.statethread import METAFILE, TORRENT

_ALONE = ("format", "key", "key.1", "admin.token")
_FOLDERS = ("torrents", "parts")
_TORRENT_NAME_BYTES = 120              # longer than any name that we give
_INCOMING = ".incoming"
_TRIES = 3

Progress = Callable[[int, int], None]  # how much is done, of how much
Digests = dict[bytes, bytes | None]    # by the key of a torrent: of its .torrent file, if that is known


def _tell_nobody(_done: int, _total: int) -> None:
    """Nobody watches."""


def back_up(folder: Path, target: Path, progress: Progress = _tell_nobody) -> int:
    """Write the tar file `target`, readable by its owner only. Returns how many files it holds. `progress` counts
    torrents.

    Raises NotFound, ResumeCorrupt when rows are damaged or both copies of a .torrent file are, StorageError.
    """
    key = read_key(folder)
    if key is None or not (folder / STATE_NAME).exists():
        raise NotFound("state.none", f"{folder} is no state directory")
    refuse_newer(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".blobtorrent-backup-", dir=target.absolute().parent) as work:
            draft = Path(work) / "tar"
            number = _make_draft(draft, folder, Path(work) / STATE_NAME, Seal(key), progress)
            draft.replace(target)
        sync_folder(target.absolute().parent)
    except OSError as error:
        raise storage_error(error, error.filename or target) from error
    return number


def restore(archive: Path, folder: Path, *, force: bool, progress: Progress = _tell_nobody) -> None:
    """Make a state directory of a backup, after all in it was checked. `progress` counts bytes of the backup.

    What is there already is refused (Conflict), or with `force` moved to quarantine. Raises Invalid for what is no
    backup, ResumeCorrupt when it is damaged, ConfigError when the directory is in use, StorageError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = lock_folder(folder)
        try:
            old = [entry for entry in sorted(folder.iterdir()) if entry.name not in ("lock", QUARANTINE, _INCOMING)]
            if old and not force:
                raise Conflict("state.not-empty", f"{folder} is not empty: use --force to replace what is in it")
            incoming = folder / _INCOMING
            shutil.rmtree(incoming, ignore_errors=True)
            incoming.mkdir(mode=0o700)
            try:
                _unpack(archive, incoming, progress)
                _settle(incoming)
                _replace(folder, old, incoming)
            finally:
                shutil.rmtree(incoming, ignore_errors=True)
        finally:
            os.close(lock)
    except OSError as error:
        raise storage_error(error, error.filename or folder) from error


# ---- making one

def _make_draft(draft: Path, folder: Path, rows: Path, seal: Seal, progress: Progress) -> int:
    for _ in range(_TRIES):
        digests = _copy_rows(folder, seal, rows)
        try:
            return _write_tar(draft, folder, rows, digests, seal, progress)
        except ResumeCorrupt as error:                     # a torrent that was just removed looks the same
            failure = error
    raise failure


def _copy_rows(folder: Path, seal: Seal, target: Path) -> Digests:
    try:
        with closing(RowFile(folder / STATE_NAME, seal, read_only=True)) as file:
            file.copy_to(target)
        with closing(RowFile(target, seal, read_only=True)) as copy:
            known = {row.key: row.body for row in copy.rows_of(METAFILE)[0]}
            return {row.key: known.get(row.key) for row in copy.rows_of(TORRENT)[0]}
    except sqlite3.Error as error:
        raise ResumeCorrupt("state.damaged", f"{folder / STATE_NAME}: {error}; run `blobtorrent doctor`") from error


def _write_tar(draft: Path, folder: Path, rows: Path, digests: Digests, seal: Seal, progress: Progress) -> int:
    with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in _ALONE:
                _add(tar, name, folder / name)
            _add(tar, STATE_NAME, rows)
            for number, (key, digest) in enumerate(digests.items(), start=1):
                name = f"torrents/{key.hex()}.torrent"
                raw = _whole_copy(folder / name, digest, seal)
                for copy in (name, f"{name}.1"):
                    tar.addfile(_member(copy, len(raw)), io.BytesIO(raw))
                for name in (f"parts/{key.hex()}.parts", f"parts/{key.hex()}.kept"):
                    _add(tar, name, folder / name)
                progress(number, len(digests))
            num_files = len(tar.getmembers())
        file.flush()
        os.fsync(file.fileno())
    return num_files


def _whole_copy(path: Path, digest: bytes | None, seal: Seal) -> bytes:
    """The content of a .torrent file, from whichever copy can be trusted. Raises ResumeCorrupt."""
    for copy in (path, path.with_name(f"{path.name}.1")):
        with suppress(FileNotFoundError):
            raw = copy.read_bytes()
            if digest is None or digest == metafile_digest(seal, raw):
                return raw
    raise ResumeCorrupt("state.damaged", f"{path} is damaged or gone; run `blobtorrent doctor`")


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file as long as it is now, if it is there."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        tar.addfile(_member(name, os.fstat(file.fileno()).st_size), _Padded(file))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Padded(io.RawIOBase):
    """A file that may get shorter while it is read: zeros follow. A part store knows that those are no blocks."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


# ---- using one

def _unpack(archive: Path, target: Path, progress: Progress) -> None:
    """Write the files of a backup; whatever else is in the tar file is refused."""
    for name in _FOLDERS:
        (target / name).mkdir(mode=0o700)
    try:
        size = archive.stat().st_size
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if not member.isreg() or not _is_ours(member.name):
                    raise Invalid("state.no-backup", f"{archive} is no backup: it holds {member.name}")
                content = tar.extractfile(member)
                assert content is not None         # it is a regular file
                path = target / member.name
                with open(path, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                progress(tar.offset, size)
    except FileNotFoundError:
        raise NotFound("state.no-file", f"{archive}: no such file") from None
    except (tarfile.TarError, FileExistsError) as error:
        raise Invalid("state.no-backup", f"{archive} is no backup: {error}") from error


def _is_ours(name: str) -> bool:
    head, _, tail = name.rpartition("/")
    if not head:
        return name in (*_ALONE, STATE_NAME)
    return head in _FOLDERS and 0 < len(tail) <= _TORRENT_NAME_BYTES and not tail.startswith(".")


def _settle(incoming: Path) -> None:
    """Make a state directory of what was unpacked. Raises ResumeCorrupt when anything in it is damaged."""
    key = read_key(incoming)
    if key is not None:
        write_session(incoming, Seal(key), SessionRecord(os.urandom(ID_BYTES), is_clean=False, generation=0))
    refuse_newer(incoming)
    # Blocks that were just being written when they were copied are no damage: they are fetched again.
    damages = [damage for damage in examine(incoming).damages if damage.what != "part store"]
    if damages:
        raise ResumeCorrupt("state.damaged", f"the backup is damaged: {_in_words(damages)}")


def _in_words(damages: list[Damage]) -> str:
    first, *others = [f"{damage.what} {Path(damage.where).name}: {damage.detail}" for damage in damages]
    return f"{first}, and {len(others)} more" if others else first


def _replace(folder: Path, old: list[Path], incoming: Path) -> None:
    quarantine = Quarantine(folder / QUARANTINE)
    for path in old:
        quarantine.take(path)
    for path in sorted(incoming.iterdir()):
        path.rename(folder / path.name)
    sync_folder(folder)
