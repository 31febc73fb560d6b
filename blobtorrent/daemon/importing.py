"""Torrents of rTorrent on their way into a state directory that no daemon uses.

Each is read, weighed against its files and written as rows, some at a time; the next daemon finds them as its own.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from blobtorrent.core.session import rows
from blobtorrent.core.session.importing import Imported, import_record, locate
from blobtorrent.model.errors import ConfigError, Conflict, FormatError, NotFound, ResumeCorrupt, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.rtorrentsession import Progress, read_progress, read_wanted, unresolved_magnet
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.foreignsession import RtorrentSession
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import read_key
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.statedir import STATE_NAME, StateDir, refuse_newer
from blobtorrent.storage.state.statethread import PEERS, PROGRESS, STAMPS, TORRENT, Row, row_key
from blobtorrent.storage.store import Store

AT_ONCE = 100                          # torrents in one commit

_OPEN_FILES = 64


class Source(NamedTuple):
    """A torrent as it was found: the bytes of its .torrent file, and what becomes of it."""

    raw: bytes
    metainfo: Metainfo
    imported: Imported


class Reader:
    """Reads torrents of one session folder.

    `moved` gives folders that have another path here than rTorrent knew them by; `start` says whether all are to run or
    none, None as each did.
    """

    def __init__(self, session: RtorrentSession, moved: Mapping[str, str], *, start: bool | None = None) -> None:
        self._session = session
        self._moved = moved
        self._start = start
        self._pool = FilePool(_OPEN_FILES)
        self._booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def read(self, name: str) -> Source:
        """The torrent with this info-hash. Raises FormatError, Invalid, NotFound or StorageError: it cannot be had."""
        raw, wanted_raw, progress_raw = self._session.read(name)
        metainfo = _parsed(raw, name)
        if wanted_raw is None:
            raise NotFound("import.no-wishes", f"{name}.torrent.rtorrent is gone, which says where its files are")
        wanted = read_wanted(wanted_raw)
        location = locate(metainfo, map_folder(os.fsdecode(wanted.directory), self._moved))
        progress, note = _progress(progress_raw, metainfo)
        names = Naming(metainfo.files, location.renames) if location.renames else None
        store = Store(location.root, metainfo, self._pool, names=names)
        try:
            found = store.stamps()
        finally:
            store.close()
        imported = import_record(
            metainfo, wanted, progress, location, found, written_at=self._session.written_at(name),
            booted_at=self._booted_at, start=self._start)
        return Source(raw, metainfo, imported._replace(notes=(*note, *imported.notes)))


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
        """Raises StorageError."""
        imported, info_hash = source.imported, source.metainfo.info_hash
        key = row_key(info_hash)
        self._rows += [
            self._library.keep(info_hash, source.raw),
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


def key_of(name: str) -> bytes:
    """The key of a torrent of rTorrent's, which knows the first version only."""
    return row_key(InfoHash(v1=bytes.fromhex(name)))


def map_folder(folder: str, moved: Mapping[str, str]) -> str:
    """Where a folder is now, if it lies in one that has another path here: the longest that fits counts.

    "." stands for the folder that rTorrent was started in, to which relative paths belong.
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


def _parsed(raw: bytes, name: str) -> Metainfo:
    link = unresolved_magnet(raw)
    if link is not None:
        raise NotFound("import.magnet", f"its torrent had not come yet: add the link again: {link}")
    metainfo = parse_torrent(raw)
    if metainfo.info_hash.v1.hex().upper() != name:
        raise FormatError("import.other-torrent", f"{name}.torrent is another torrent, {metainfo.info_hash.hex}")
    return metainfo


def _progress(raw: bytes | None, metainfo: Metainfo) -> tuple[Progress | None, tuple[str, ...]]:
    """What is known of its progress; without that, why all is checked."""
    if raw is None:
        return None, ("how far it was is not known: checked",)
    try:
        return read_progress(raw, metainfo.geometry.num_pieces, len(metainfo.files)), ()
    except FormatError as error:
        return None, (f"how far it was cannot be read ({error.detail}): checked",)
