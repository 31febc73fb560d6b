"""torrents.db of qBittorrent: its SQLite file of all torrents, read as what a stranger wrote, and never written to.

A file with a log of changes beside it (it was not closed in order) is copied first: SQLite would write to its folder.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blobtorrent.model.errors import NotFound, StorageError
from blobtorrent.storage.foreignsession import MAX_FILE_BYTES, ForeignFolder
from blobtorrent.storage.libtorrentsession import Kept, refuse_while_locked

FILE_NAME = "torrents.db"
MAX_ROW_BYTES = 4 * MAX_FILE_BYTES
MAX_COPIED_BYTES = 4 << 30
MAX_STEPS = 1000                       # of STEP_OPERATIONS each, for one answer
STEP_OPERATIONS = 100_000

_LOG = "-wal"
_NAME = re.compile(rb"[0-9a-f]{40}")
_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'torrents' AND type = 'table'"
_NAMES = "SELECT torrent_id FROM torrents WHERE typeof(torrent_id) = 'text' AND length(torrent_id) = 40"
_ROW = ("SELECT * FROM torrents WHERE torrent_id = ? AND length(libtorrent_resume_data) <= ?"
        " AND ifnull(length(metadata), 0) <= ?")

# Columns, and the members of a HASH.fastresume that say the same.
_MEMBERS = {
    "name": b"qBt-name", "category": b"qBt-category", "comment": b"qBt-comment", "target_save_path": b"qBt-savePath",
    "ratio_limit": b"qBt-ratioLimit", "seeding_time_limit": b"qBt-seedingTimeLimit",
    "inactive_seeding_time_limit": b"qBt-inactiveSeedingTimeLimit", "share_limit_action": b"qBt-shareLimitAction",
    "share_limits_mode": b"qBt-shareLimitsMode",
}


class TorrentsDatabase:
    """An open torrents.db."""

    def __init__(self, path: Path) -> None:
        """Raises NotFound ("import.no-session"), StorageError ("import.damaged", "import.too-large", "storage.*")."""
        self.path = path
        self._copy: TemporaryDirectory[str] | None = None
        with ForeignFolder(path.parent) as folder:
            folder.require_file(path.name)
            self._saved_at = max(folder.written_at(path.name), folder.written_at(path.name + _LOG))
            file = self._copied(folder) if folder.size_of(path.name + _LOG) else path
        self._steps = 0
        try:
            self._database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1" if file == path
                                             else file.as_uri(), uri=True)
        except sqlite3.Error as error:
            self._drop_copy()
            raise self._damaged(error) from error
        self._database.text_factory = bytes
        if sys.version_info >= (3, 11):
            self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
        self._database.set_progress_handler(self._is_too_much, STEP_OPERATIONS)
        try:
            self._database.execute("PRAGMA trusted_schema = OFF")
            is_there = bool(self._ask(_TABLE))
        except BaseException:
            self.close()
            raise
        if not is_there:
            self.close()
            raise NotFound("import.no-session", f"{path} is no database of torrents")

    def close(self) -> None:
        self._database.close()
        self._drop_copy()

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.qbittorrent-runs")."""
        refuse_while_locked(self.path)

    def names(self) -> list[str]:
        """The torrents' info-hashes, of which those of the second version are cut. Raises StorageError."""
        found = (name for row in self._ask(_NAMES) for name in row.values())
        return sorted(name.decode() for name in found if isinstance(name, bytes) and _NAME.fullmatch(name))

    def read(self, name: str) -> Kept:
        """Raises StorageError ("import.damaged", "import.too-large")."""
        rows = self._ask(_ROW, name, MAX_FILE_BYTES, MAX_FILE_BYTES)
        if not rows:
            raise StorageError("import.too-large", f"{name} has more than {MAX_FILE_BYTES} bytes in {self.path}")
        row = rows[0]
        torrent, resume = row.get("metadata") or b"", row.get("libtorrent_resume_data")
        if not isinstance(torrent, bytes) or not isinstance(resume, bytes):
            raise StorageError("import.damaged", f"{name} in {self.path} is of a wrong type")
        return Kept(torrent, resume, _members(row), self._saved_at, None)

    def _ask(self, question: str, *values: Any) -> list[dict[str, Any]]:
        self._steps = 0
        try:
            with closing(self._database.execute(question, values)) as cursor:
                columns = [column[0] for column in cursor.description]
                return [dict(zip(columns, row)) for row in cursor]
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def _is_too_much(self) -> bool:
        self._steps += 1
        return self._steps > MAX_STEPS

    def _damaged(self, error: Exception) -> StorageError:
        return StorageError("import.damaged", f"{self.path} cannot be read: {error}")

    def _copied(self, folder: ForeignFolder) -> Path:
        self._copy = TemporaryDirectory(prefix="blobtorrent-import-")
        target = Path(self._copy.name) / FILE_NAME
        try:
            for ending in ("", _LOG):
                folder.copy_file(self.path.name + ending, target.with_name(FILE_NAME + ending), MAX_COPIED_BYTES)
        except BaseException:
            self._drop_copy()
            raise
        return target

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.cleanup()


def _members(row: dict[str, Any]) -> dict[bytes, Any]:
    members = {member: row[column] for column, member in _MEMBERS.items()
               if isinstance(row.get(column), (bytes, int)) and row[column] != b""}
    tags, is_stopped = row.get("tags"), row.get("stopped")
    if isinstance(tags, bytes):
        members[b"qBt-tags"] = [tag for tag in tags.split(b",") if tag]
    if isinstance(is_stopped, int):
        members |= {b"paused": is_stopped, b"auto_managed": int(not is_stopped)}
    return members
