"""StateFile: the saved rows in two generations, and how they come back when one of them is damaged.

Whatever is wrong (an unreadable file, a row that does not match its digest, one that vanished or is out of date, an old
file put back) ends the same way: a new file is written of all that is sound, what is missing comes from the previous
generation, and the damaged file goes to quarantine.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import Denied, DiskFull, StorageError
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.quarantine import Quarantine
from blobtorrent.storage.state.rowfile import RowFile, Scan
from blobtorrent.storage.state.rowsums import SealedRow
from blobtorrent.storage.state.statethread import LoadedRows, Row, RowName
from blobtorrent.storage.state.writeaheadlog import forgotten_frames

T = TypeVar("T")

MOST_REASONS = 5                       # told of one damaged file

# SQLite's texts; Python tells its error numbers only from 3.11 on.
_FULL = "database or disk is full"
_READ_ONLY = "attempt to write a readonly database"
_NOT_ITS_FAULT = (_FULL, _READ_ONLY, "disk I/O error", "unable to open database file", "database is locked",
                  "database table is locked", "out of memory", "interrupted", "access permission denied")


class Rescued(NamedTuple):
    """What a new file is made of."""

    rows: Sequence[SealedRow]
    generation: int


def _always(_name: RowName) -> bool:
    return True


class StateFile:
    """The file `path`; beside it `path`.1, the previous generation. Owned by one thread at a time.

    `may_return` is asked before a row that vanished is taken from the previous generation: it may have been dropped
    since. What is found damaged is kept for `take_damages`.
    """

    def __init__(
        self, path: Path, seal: Seal, quarantine: Quarantine, may_return: Callable[[RowName], bool] = _always
    ) -> None:
        """Open or make the file. Raises StorageError only when there is none and none can be made."""
        self.path = path
        self.previous = path.with_name(f"{path.name}.1")
        self._next = path.with_name(f"{path.name}.new")
        self._seal = seal
        self._quarantine = quarantine
        self._may_return = may_return
        self._damages: list[Damage] = []
        self._stale: set[RowName] = set()
        self._file: RowFile | None = None
        self._rescued: Rescued | None = None
        self.generation = 0            # the number of the last commit
        self._finish_switch()
        self._open()

    def load(self, kinds: Sequence[str]) -> LoadedRows:
        """All rows of these kinds. Damage is repaired first, and told in the answer."""
        rows, flaws = self._read(kinds)
        if flaws:
            self._salvage(flaws)
            rows, _ = self._read(kinds)
        return LoadedRows(rows, self.take_damages(), frozenset(self._stale))

    def fetch(self, kind: str, key: bytes) -> Row | None:
        """One row, or None when there is none. Raises StorageError."""
        return self._repairing(lambda file: file.row(kind, key))

    def commit(self, puts: Iterable[Row], drops: Iterable[RowName] = ()) -> None:
        """Put and drop rows in one transaction; they are durable when this returns. Raises StorageError."""
        puts, drops = list(puts), list(drops)
        self.generation = self._repairing(lambda file: file.commit(puts, drops))
        self._stale.difference_update([(row.kind, row.key) for row in puts])

    def fold(self) -> None:
        """Copy what was committed from the log into the file; to be called after commits, when there is time.

        A damaged log costs every commit that is still in it, a damaged file the rows where the damage is.
        """
        try:
            self._opened().fold()
        except (sqlite3.Error, StorageError):
            pass                       # the commits are safe where they are; what is damaged, the next one will meet

    def keep_previous(self) -> None:
        """Write the previous generation anew, of rows that are all checked on the way. Raises StorageError."""
        draft = self.previous.with_name(f"{self.previous.name}.tmp")
        try:
            self._repairing(lambda file: file.copy_to(draft))
            draft.replace(self.previous)
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error(error, self.previous) from error

    def take_damages(self) -> list[Damage]:
        """What was found damaged since the last call."""
        damages, self._damages = self._damages, []
        return damages

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    # ---- opening

    def _open(self) -> None:
        if not self.path.exists():
            if self.previous.exists():
                self._salvage(["the file is gone"])
            else:
                self._switch(Rescued([], 0))
            return
        log = self._log.read_bytes() if self._log.exists() else b""
        try:
            self._file = RowFile(self.path, self._seal)
            self._file.use_log()
            self.generation = self._file.generation()
            newer = self._generation_of_previous()
        except sqlite3.Error as error:
            self._salvage([str(error)])
            return
        if newer > self.generation:
            self._salvage(["the file is older than its previous generation"])
        forgotten = forgotten_frames(log)
        if forgotten:
            self._quarantine.keep(self._log.name, log)
            self._damages.append(Damage(
                "saved changes", str(self._log), f"{forgotten} pages of the write-ahead log are damaged",
                "the last changes before the stop are lost; torrents that ran have to be checked"))

    @property
    def _log(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def _generation_of_previous(self) -> int:
        try:
            with closing(RowFile(self.previous, self._seal, read_only=True)) as file:
                return file.generation()
        except sqlite3.Error:          # there is none, or it is damaged: the next one replaces it
            return 0

    # ---- reading and writing in spite of damage

    def _read(self, kinds: Sequence[str]) -> tuple[list[Row], list[str]]:
        if self._rescued is not None:
            return [sealed.row for sealed in self._rescued.rows if sealed.row.kind in kinds], []
        rows: list[Row] = []
        flaws: list[str] = []
        try:
            for kind in kinds:
                found, wrong = self._opened().rows_of(kind)
                rows += found
                flaws += wrong
        except sqlite3.Error as error:
            flaws.append(str(error))
        return rows, flaws

    def _opened(self) -> RowFile:
        """The file; after a salvage that could not be written, the next try. Raises StorageError."""
        if self._rescued is not None:
            self._switch(self._rescued)
        if self._file is None:
            self._file = RowFile(self.path, self._seal)
            self._file.use_log()
        return self._file

    def _repairing(self, action: Callable[[RowFile], T]) -> T:
        """Do something with the file; when it turns out damaged, salvage it and try once more."""
        try:
            try:
                return action(self._opened())
            except sqlite3.Error as error:
                if not _is_damage(error, self.path):
                    raise
                self._salvage([str(error)])
                return action(self._opened())
        except sqlite3.Error as error:
            raise _storage_error(error, self.path) from error

    # ---- salvage

    def _salvage(self, reasons: list[str]) -> None:
        """Write a new file of all sound rows of both generations. When even that fails, keep them in memory."""
        self.close()
        here, before = self._scan(self.path), self._scan(self.previous)
        rows = {**here.rows, **{name: before.rows[name] for name in self._missed(here, before)}}
        old = [name for name in rows if rows[name] is not here.rows.get(name)]
        self._stale.update(old)
        rescued = Rescued(list(rows.values()), 1 + max(here.generation, before.generation))
        remedy = f"{len(rows)} rows are kept, {len(old)} of them from the previous generation"
        try:
            self._switch(rescued)
        except StorageError as error:
            self._rescued = rescued
            remedy += f"; in memory only, until the file can be written: {error.detail}"
        reasons = list(dict.fromkeys([*reasons, *here.flaws]))
        self._damages.append(Damage("state file", str(self.path), "; ".join(reasons[:MOST_REASONS]), remedy))

    def _missed(self, here: Scan, before: Scan) -> list[RowName]:
        """Rows that the previous generation has, and the file lacks or has only in an older form."""
        whole_kinds = here.whole_kinds if here.generation >= before.generation else frozenset()
        return [
            name for name, sealed in before.rows.items()
            if (sealed.generation > here.rows[name].generation if name in here.rows
                else name[0] not in whole_kinds and self._may_return(name))
        ]

    def _scan(self, path: Path) -> Scan:
        try:
            with closing(RowFile(path, self._seal)) as file:
                return file.scan()
        except sqlite3.Error as error:
            return Scan({}, [str(error)] if path.exists() else [], frozenset(), 0)

    def _switch(self, rescued: Rescued) -> None:
        """Put a new file of these rows in the place of the damaged one. Raises StorageError."""
        draft = self._next.with_name(f"{self._next.name}.tmp")
        try:
            RowFile.make(draft, self._seal, rescued.rows, rescued.generation)
            draft.replace(self._next)
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error(error, self.path) from error
        except sqlite3.Error as error:
            raise _storage_error(error, self.path) from error
        self._finish_switch()
        self._rescued = None
        self.generation = rescued.generation

    def _finish_switch(self) -> None:
        """A whole new file lies beside the old one: put it there. A crash on the way is made good at the next start."""
        if not self._next.exists():
            return
        try:
            # Never the old log beside the new file: SQLite would play it back into it.
            for path in (self.path, self._log):
                self._quarantine.take(path)
            self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
            self._next.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error(error, self.path) from error


def _is_damage(error: sqlite3.Error, path: Path) -> bool:
    """Whether the file is at fault; else the disk, or (not caught here) ourselves."""
    if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.NotSupportedError)):
        return False
    text = str(error)
    if text.startswith(_READ_ONLY):
        return os.access(path, os.W_OK)        # a flipped bit in the header says so too
    return not (isinstance(error, sqlite3.OperationalError) and text.startswith(_NOT_ITS_FAULT))


def _storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    text = str(error)
    if text.startswith(_FULL):
        return DiskFull("storage.disk-full", f"no space left for {path}: free some")
    if text.startswith(_READ_ONLY):
        return Denied("storage.denied", f"{path} cannot be written: check the owner and mode of the folder")
    return StorageError("storage.state", f"{path}: {text}; check the disk")
