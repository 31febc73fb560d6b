"""What is wrong with a state directory that nobody uses: looks at everything, changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import Durable, PartStore
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.keyfile import damaged_keys, read_key
from blobtorrent.storage.state.library import metafile_digest, parse_copy
from blobtorrent.storage.state.rowfile import RowFile, Scan
from blobtorrent.storage.state.sessionrecord import read_session
from blobtorrent.storage.state.statedir import STATE_NAME, read_version
from blobtorrent.storage.state.statethread import METAFILE, TORRENT, info_hash_of
from blobtorrent.storage.state.writeaheadlog import forgotten_frames

_FROM_OTHER_COPY = "a repair, or the next start, takes it from the other copy"


class Findings(NamedTuple):
    num_rows: int
    num_torrents: int
    num_blocks: int                    # sound ones in part stores
    damages: list[Damage]


def examine(folder: Path) -> Findings:
    """Check every row, file and block of the state directory, which must be locked or a copy. Changes nothing."""
    return _Examiner(folder).findings()


class _Examiner:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._damages: list[Damage] = []

    def findings(self) -> Findings:
        key = read_key(self._folder)
        for path in damaged_keys(self._folder):
            self._found("key", path, "damaged or missing", _FROM_OTHER_COPY)
        if key is None:
            self._found("key", self._folder / "key", "there is no sound copy", "rows are rebuilt from torrent files")
            return Findings(0, 0, 0, self._damages)
        seal = Seal(key)
        self._examine_records(seal)
        scan = self._examine_rows(seal)
        num_torrents = self._examine_torrents(seal, scan)
        return Findings(len(scan.rows), num_torrents, self._examine_parts(seal), self._damages)

    def _found(self, what: str, where: object, detail: str, remedy: str) -> None:
        self._damages.append(Damage(what, str(where), detail, remedy))

    def _examine_records(self, seal: Seal) -> None:
        if read_version(self._folder, seal) is None:
            self._found("format", self._folder / "format", "damaged or missing", "it can be written anew")
        if read_session(self._folder, seal) is None:
            self._found("session record", self._folder / "session", "damaged or missing",
                        "torrents that ran are checked at the next start")

    def _examine_rows(self, seal: Seal) -> Scan:
        path = self._folder / STATE_NAME
        log = path.with_name(f"{path.name}-wal")
        forgotten = forgotten_frames(log.read_bytes()) if log.exists() else 0
        if forgotten:
            self._found("saved changes", log, f"{forgotten} pages of the write-ahead log are damaged",
                        "the last changes before the stop are lost")
        scan = _scan(path, seal)
        for flaw in scan.flaws:
            self._found("state file", path, flaw, "what is missing comes from the previous generation")
        previous = path.with_name(f"{path.name}.1")
        for flaw in _scan(previous, seal).flaws if previous.exists() else ():
            self._found("previous generation", previous, flaw, "a repair, or an hour of running, writes it anew")
        return scan

    def _examine_torrents(self, seal: Seal, scan: Scan) -> int:
        """Both copies of the .torrent file of each torrent that has a row or a file."""
        digests = {key: sealed.row.body for (kind, key), sealed in scan.rows.items() if kind == METAFILE}
        in_rows = {key for kind, key in scan.rows if kind == TORRENT}
        folder = self._folder / "torrents"
        in_files = {key for path in folder.glob("*.torrent*") if (key := _key_of(path)) is not None}
        for key in sorted(in_rows | in_files):
            path = folder / f"{key.hex()}.torrent"
            if key not in in_rows:
                self._found("row", f"{TORRENT} {key.hex()}", "a torrent file without a row",
                            "the next start lists it as a stopped torrent")
            copies = [path, path.with_name(f"{path.name}.1")]
            bad = [copy for copy in copies if not _is_whole(copy, key, digests.get(key), seal)]
            for copy in bad:
                remedy = _FROM_OTHER_COPY if len(bad) == 1 else "add the torrent again"
                self._found("torrent file", copy, "damaged or missing", remedy)
        return len(in_rows | in_files)

    def _examine_parts(self, seal: Seal) -> int:
        """The blocks of all part stores; returns how many are sound."""
        num_blocks = 0
        for path, key in part_stores(self._folder):
            try:
                with open_parts(path, key, seal) as (store, _):
                    num_blocks += store.num_blocks
                    if store.damaged_blocks:
                        self._found("part store", path, f"{store.damaged_blocks} blocks do not match their digest",
                                    "they are fetched again")
            except StorageError as error:
                self._found("part store", path, error.detail, "its blocks are fetched again")
        return num_blocks


def part_stores(folder: Path) -> list[tuple[Path, bytes]]:
    """The part stores of a state directory, and the keys of their torrents."""
    found = [(path, _key_of(path)) for path in sorted((folder / "parts").glob("*.*"))]
    return [(path, key) for path, key in found if key is not None]


@contextmanager
def open_parts(path: Path, key: bytes, seal: Seal) -> Iterator[tuple[PartStore, dict[int, list[int]]]]:
    """Look at every block of a part store; gives also which are sound, by piece. Raises StorageError."""
    pool = FilePool(1)
    store = PartStore(path.parent, pool, path, Durable(path, seal, key))
    try:
        yield store, store.load_existing()
    finally:
        pool.close_owner(path)         # not the store's own way: that would tidy the file


def _scan(path: Path, seal: Seal) -> Scan:
    try:
        with closing(RowFile(path, seal, read_only=True)) as file:
            return file.scan()
    except sqlite3.Error as error:
        return Scan({}, [str(error)], frozenset(), 0)


def _key_of(path: Path) -> bytes | None:
    """The torrent that a file is named after."""
    try:
        key = bytes.fromhex(path.name.partition(".")[0])
    except ValueError:
        return None
    return key if len(key) in (20, 32) else None


def _is_whole(path: Path, key: bytes, digest: bytes | None, seal: Seal) -> bool:
    try:
        raw = path.read_bytes()
    except OSError:
        return False
    if digest is not None:
        return digest == metafile_digest(seal, raw)
    return parse_copy(raw, info_hash_of(key)) is not None
