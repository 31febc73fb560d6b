"""Torrents of other programs on their way into a state directory that no daemon uses.

Each is read, weighed against its files and written as rows, some at a time; the next daemon finds them as its own.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from blobtorrent.core.session import rows
from blobtorrent.core.session.importing import Imported, Left, import_record, renames_of
from blobtorrent.core.session.record import Place
from blobtorrent.model.errors import ConfigError, Conflict, Invalid, ResumeCorrupt, StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.keyfile import read_key
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.statedir import STATE_NAME, StateDir, refuse_newer
from blobtorrent.storage.state.statethread import PEERS, PROGRESS, STAMPS, TORRENT, Row, row_key
from blobtorrent.storage.store import Store

AT_ONCE = 100                          # torrents in one commit

_OPEN_FILES = 64
_INFO_HASH = re.compile(r"[0-9A-Fa-f]{40}")


class Find(NamedTuple):
    """A torrent as its program left it: the bytes of its .torrent file, and `path` of that, if it is a file.

    It lies at the first of `places` where any of its files is, else at the last. A file that is not there may lie
    beside its place with `suffix` at the end of its name, as some programs have it until it is complete.
    """

    raw: bytes
    path: Path | None
    metainfo: Metainfo
    left: Left
    places: Sequence[Place]
    suffix: str = ""


class FoundLink(NamedTuple):
    """A magnet link whose torrent had not come when its program ended."""

    imported: Imported


class Program(Protocol):
    """A session of another program."""

    def close(self) -> None: ...

    def refuse_while_used(self) -> None:
        """Raises Conflict ("import.*-runs") while the program itself runs on it."""

    def names(self) -> list[str]:
        """Of all its torrents; info-hashes where that is how the program calls them."""

    def find(self, name: str, moved: Mapping[str, str]) -> Find | FoundLink:
        """Raises FormatError, Invalid, NotFound or StorageError: it cannot be had. `moved` as in `map_folder`."""


class Source(NamedTuple):
    """A torrent as it was found, and what becomes of it."""

    raw: bytes                         # of its .torrent file; empty for a magnet link
    path: Path | None                  # of that, if it is a file
    imported: Imported


class Reader:
    """Reads torrents of one session.

    `moved` gives folders that have another path here than the program knew them by; `start` says whether all are to run
    or none, None as each did.
    """

    def __init__(self, program: Program, moved: Mapping[str, str], *, start: bool | None = None) -> None:
        self._program = program
        self._moved = moved
        self._start = start
        self._pool = FilePool(_OPEN_FILES)
        self._booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def read(self, name: str) -> Source:
        """The torrent of this name. Raises FormatError, Invalid, NotFound or StorageError: it cannot be had."""
        find = self._program.find(name, self._moved)
        if isinstance(find, FoundLink):
            if self._start is not None:
                find.imported.record.should_run = self._start
            return Source(b"", None, find.imported)
        place, found, num_suffixed = self._look(find)
        left = find.left
        if num_suffixed:
            left = left._replace(notes=(
                *left.notes, f"unfinished files that keep {find.suffix} at the end of their names: {num_suffixed}"))
        imported = import_record(find.metainfo, left, place, found, booted_at=self._booted_at, start=self._start)
        return Source(find.raw, find.path, imported)

    def _look(self, find: Find) -> tuple[Place, dict[int, FileStamp], int]:
        """Where it lies, how its files look, and how many of them have the suffix."""
        for place in find.places:
            found = self._stamps(find.metainfo, place)
            beside: dict[int, FileStamp] = {}
            missing = [number for number, entry in enumerate(find.metainfo.files)
                       if entry.length and not entry.is_pad and number not in found]
            if find.suffix and missing:
                with suppress(Invalid):            # names that are too long: there are no such files
                    beside = self._stamps(find.metainfo, _suffixed(find, place, missing), missing)
            if beside:
                place = _suffixed(find, place, beside)
            if found or beside:
                break
        return place, {**found, **beside}, len(beside)

    def _stamps(self, metainfo: Metainfo, place: Place, numbers: Iterable[int] | None = None) -> dict[int, FileStamp]:
        names = Naming(metainfo.files, place.renames) if place.renames else None
        store = Store(place.root, metainfo, self._pool, names=names)
        try:
            return store.stamps(numbers)
        finally:
            store.close()


def _suffixed(find: Find, place: Place, numbers: Iterable[int]) -> Place:
    """The place with these files under their names with the suffix."""
    paths = {number: "/".join(path) for number, path in enumerate(Naming(find.metainfo.files, place.renames).paths)}
    paths.update({number: paths[number] + find.suffix for number in numbers})
    return place._replace(renames=renames_of(find.metainfo, paths))


class Writer:
    """Puts torrents into an open state directory; they are safe when `flush` returns."""

    def __init__(self, state_dir: StateDir) -> None:
        self._state = state_dir.state
        self._library = Library(state_dir, state_dir.damages.append)
        loaded = self._state.load((TORRENT,))
        state_dir.damages += loaded.damaged
        self.known = {row.key for row in loaded.rows}
        self._rows: list[Row] = []
        self._num_waiting = 0

    def add(self, source: Source) -> None:
        """One that is not known. Raises StorageError."""
        imported, info_hash = source.imported, source.imported.record.info_hash
        key = row_key(info_hash)
        if source.raw:
            self._rows.append(self._library.keep(info_hash, source.raw))
        self._rows += [
            Row(TORRENT, key, rows.torrent_body(imported.record)),
            Row(PROGRESS, key, rows.progress_body(imported.record)),
            Row(STAMPS, key, rows.stamps_body(imported.stamps)),
            Row(PEERS, key, rows.peers_body(imported.peers)),
        ]
        self.known.add(key)
        self._num_waiting += 1
        if self._num_waiting == AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Raises StorageError."""
        if self._rows:
            self._state.commit(self._rows)
        self._rows, self._num_waiting = [], 0


@contextmanager
def open_state(folder: Path) -> Iterator[Writer]:
    """A state directory to write to, made if need be. It is left as cleanly ended as it was found.

    Raises Conflict ("import.daemon-runs", "import.other-user"), ConfigError, StorageError.
    """
    is_new = not (folder / "torrents").exists()
    _require_owner(folder)
    try:
        state_dir = StateDir(folder)
    except ConfigError as error:
        if error.code != "state.locked":
            raise
        raise Conflict("import.daemon-runs", f"{error.detail}: stop the daemon, or import through it with --url"
                       ) from None
    try:
        writer = Writer(state_dir)
        is_sound = (is_new or state_dir.was_clean) and not state_dir.damages
        try:
            yield writer
        finally:
            # Whatever ended it, rows are whole: the next daemon need not look at all torrents as after a crash.
            if is_sound:
                with suppress(StorageError):
                    state_dir.mark_clean()
    finally:
        state_dir.close()


def known_torrents(folder: Path) -> set[bytes]:
    """The keys of the torrents of a state directory, whoever uses it. Nothing that it keeps changes.

    Raises Conflict ("import.other-user"), ConfigError ("state.newer"), ResumeCorrupt when it is damaged.
    """
    _require_owner(folder)
    key = read_key(folder)
    if key is None or not (folder / STATE_NAME).exists():
        return set()
    refuse_newer(folder)
    try:
        with closing(RowFile(folder / STATE_NAME, Seal(key), read_only=True)) as file:
            return {row.key for row in file.rows_of(TORRENT)[0]}
    except sqlite3.Error as error:
        raise ResumeCorrupt("state.damaged", f"{folder / STATE_NAME}: {error}; run `blobtorrent doctor`") from error


def _require_owner(folder: Path) -> None:
    """What root writes, if only by looking at rows, the daemon of another user could not open."""
    if folder.exists() and folder.stat().st_uid != os.geteuid():
        raise Conflict("import.other-user", f"{folder} belongs to another user: import as that user")


def key_of(name: str) -> bytes | None:
    """The key of a torrent that its program calls by its info-hash of the first version; None for another name."""
    return bytes.fromhex(name) if _INFO_HASH.fullmatch(name) else None


def map_folder(folder: str, moved: Mapping[str, str]) -> str:
    """Where a folder is now, if it lies in one that has another path here: the longest that fits counts.

    "." stands for the folder that the program was started in, to which relative paths belong.
    """
    path = os.path.normpath(folder)
    for old, new in sorted(moved.items(), key=lambda item: len(os.path.normpath(item[0])), reverse=True):
        base = os.path.normpath(old)
        if base == ".":
            is_inside = not os.path.isabs(path)
        else:
            is_inside = path == base or path.startswith(base.rstrip("/") + "/")
        if is_inside:
            return os.path.normpath(os.path.join(new, os.path.relpath(path, base)))
    return path
