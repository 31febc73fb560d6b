"""The sessions of programs made with libtorrent, as files: folders of HASH.fastresume and HASH.torrent. Only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.model.errors import Conflict
from blobtorrent.storage.foreignsession import ForeignFolder
from blobtorrent.storage.foreignuse import Habits, lock_holder, using_process

QBITTORRENT = Habits(("qbittorrent",), ("--profile",), "QBT_PROFILE")
DELUGE = Habits(("deluged", "deluge-gtk"), ("-c", "--config"))

COLLECTION = "torrents.fastresume"     # of Deluge, for all its torrents
CATEGORIES = "categories.json"         # of qBittorrent
LOCK = "lockfile"                      # of qBittorrent, locked while it runs
MAX_COLLECTION_BYTES = 256 << 20
MAX_CATEGORIES_BYTES = 4 << 20

_FASTRESUME = re.compile(r"([0-9a-f]{40})\.fastresume")


class Kept(NamedTuple):
    """What is kept of one torrent. `beside` are members that the resume data leaves out, `path` of the .torrent file if
    it is a file. `torrent` is empty when its metadata had not come yet."""

    torrent: bytes
    resume: bytes
    beside: Mapping[bytes, Any]
    saved_at: float                    # seconds since 1970
    path: Path | None


class BackupFolder(ForeignFolder):
    """BT_backup of qBittorrent."""

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.qbittorrent-runs")."""
        refuse_while_locked(self.path)

    def names(self) -> list[str]:
        """The torrents' info-hashes, of which those of the second version are cut."""
        found = (_FASTRESUME.fullmatch(name) for name in self.files())
        return sorted(match[1] for match in found if match is not None)

    def read(self, name: str) -> Kept:
        """Raises StorageError, also for what is too large or no regular file."""
        file = f"{name}.fastresume"
        resume = self.read_file(file)
        return Kept(self.read_if_there(f"{name}.torrent") or b"", resume, {}, self.written_at(file),
                    self.path / f"{name}.torrent")


class DelugeState(ForeignFolder):
    """The folder `state` of Deluge, which has the resume data of all torrents in one file."""

    def __init__(self, path: Path, split: Callable[[bytes], dict[str, bytes]]) -> None:
        """Raises NotFound ("import.no-folder"), StorageError, and what `split` raises of the file of all torrents."""
        super().__init__(path)
        try:
            self._resumes = split(self.read_file(COLLECTION, MAX_COLLECTION_BYTES))
        except BaseException:
            self.close()
            raise

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.deluge-runs")."""
        refuse_while_used(DELUGE, "Deluge", self.path)

    def names(self) -> list[str]:
        """The torrents' info-hashes."""
        return sorted(name for name in self._resumes if _FASTRESUME.fullmatch(f"{name}.fastresume"))

    def read(self, name: str) -> Kept:
        """Raises StorageError, also for what is too large or no regular file."""
        return Kept(self.read_if_there(f"{name}.torrent") or b"", self._resumes[name], {}, self.written_at(COLLECTION),
                    self.path / f"{name}.torrent")


def read_categories(session: Path) -> bytes:
    """What qBittorrent keeps of its categories, beside a session or with its settings; empty if nothing.

    Raises StorageError, also for what is too large or no regular file.
    """
    for folder in _settings_folders(session):
        if folder.is_dir():
            with ForeignFolder(folder) as settings:
                found = settings.read_if_there(CATEGORIES, MAX_CATEGORIES_BYTES)
            if found is not None:
                return found
    return b""


def refuse_while_locked(session: Path) -> None:
    """Whether qBittorrent uses it: by the lock that it holds, or by its processes.

    Raises Conflict ("import.qbittorrent-runs").
    """
    for folder in _settings_folders(session):
        number = lock_holder(folder / LOCK)
        if number is not None:
            raise _runs("qBittorrent", session, number)
    refuse_while_used(QBITTORRENT, "qBittorrent", session)


def refuse_while_used(habits: Habits, program: str, path: Path) -> None:
    """Raises Conflict ("import.PROGRAM-runs")."""
    number = using_process(habits, path)
    if number is not None:
        raise _runs(program, path, number)


def _settings_folders(session: Path) -> tuple[Path, ...]:
    """Where the settings of qBittorrent may be, by its folder BT_backup or its torrents.db."""
    data = session.absolute().parent
    home = data.parents[min(2, len(data.parents) - 1)]     # when `data` is ~/.local/share/qBittorrent
    return (data, data.parent / "config", home / ".config" / data.name)


def _runs(program: str, path: Path, number: int) -> Conflict:
    shown = f"process {number}" if number else "in a container"
    return Conflict(f"import.{program.lower()}-runs",
                    f"{program} seems to run on {path} ({shown}): end it first; if it does not use it, say --force")
