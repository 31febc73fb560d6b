"""RowFile: one SQLite file of sealed rows, which tells when one is damaged, has vanished or is an old one put back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from blobtorrent.storage.sealed import DIGEST_BYTES, Seal
from blobtorrent.storage.state.rowsums import (
    EMPTY,
    Manifest,
    SealedRow,
    Sum,
    Sums,
    is_sealed,
    manifest_digest,
    seal_row,
    sums_of,
    tally_of,
)
from blobtorrent.storage.state.statethread import SESSION, Row, RowName

WRITER_BUSY_S = 10.0                   # how long to wait for another program: a backup, a doctor
READER_BUSY_S = 0.2                    # readers wait for nobody but the one who opens a log that a crash left
MOST_LOG_PAGES = 8192                  # 32 MiB; `fold` is called long before
CACHE_PAGES = 2048                     # 8 MiB: a commit of 1,000 rows that is cut in two takes twice as long
ASKED_AT_ONCE = 500                    # keys in one SELECT

_SETTINGS = ("trusted_schema = OFF", "synchronous = FULL", f"wal_autocheckpoint = {MOST_LOG_PAGES}",
             f"cache_size = {CACHE_PAGES}")
_SCHEMA = (
    "CREATE TABLE rows (kind TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL,"
    " generation INTEGER NOT NULL, PRIMARY KEY (kind, key))",
    "CREATE TABLE manifests (kind TEXT PRIMARY KEY, count INTEGER NOT NULL, tally BLOB NOT NULL,"
    " generation INTEGER NOT NULL, digest BLOB NOT NULL)",
)
_ADD = "INSERT INTO rows (kind, key, body, digest, generation) VALUES (?, ?, ?, ?, ?)"
_PUT = (
    f"{_ADD} ON CONFLICT (kind, key)"
    " DO UPDATE SET body = excluded.body, digest = excluded.digest, generation = excluded.generation"
)
_PUT_MANIFEST = "INSERT OR REPLACE INTO manifests (kind, count, tally, generation, digest) VALUES (?, ?, ?, ?, ?)"


class Scan(NamedTuple):
    """All that can still be read of a file: the sound rows, what is wrong, and the kinds of which every row is here."""

    rows: dict[RowName, SealedRow]
    flaws: list[str]
    whole_kinds: frozenset[str]
    generation: int


class RowFile:
    """An open file, for one thread at a time. Methods raise sqlite3.Error: what it means is for the caller to say."""

    def __init__(self, path: Path, seal: Seal, *, read_only: bool = False) -> None:
        self._seal = seal
        self._db = _connect(path, read_only)

    @classmethod
    def make(cls, path: Path, seal: Seal, rows: Iterable[SealedRow], generation: int) -> Sums:
        """Write a new file of these rows, as they are, sync it, and say what they sum up to.

        Raises sqlite3.Error or OSError.
        """
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        file = cls(path, seal)
        try:
            sums = file._fill(rows, generation)
        finally:
            file.close()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return sums

    def close(self) -> None:
        self._db.close()

    # ---- reading

    def rows_of(self, kind: str) -> tuple[list[Row], list[str]]:
        """The sound rows of a kind, and what is wrong: without flaws all rows are here."""
        rows: list[Row] = []
        flaws: list[str] = []
        num_rows = tally = 0
        found = self._db.execute("SELECT key, body, digest, generation FROM rows WHERE kind = ?", (kind,))
        for key, body, digest, generation in found:
            row = Row(kind, key, body)
            if is_sealed(self._seal, row, digest, generation):
                rows.append(row)
                num_rows += 1
                tally ^= int.from_bytes(digest, "big")
            else:
                flaws.append(_mismatch(row))
        if self._manifests().get(kind, EMPTY).sum != (num_rows, tally):
            flaws.append(_incomplete(kind))
        return rows, flaws

    def row(self, kind: str, key: bytes) -> Row | None:
        """One row, None when there is none. Raises sqlite3.DatabaseError when it does not match its digest."""
        query = "SELECT body, digest, generation FROM rows WHERE kind = ? AND key = ?"
        found = self._db.execute(query, (kind, key)).fetchone()
        if found is None:
            return None
        body, digest, generation = found
        row = Row(kind, key, body)
        if not is_sealed(self._seal, row, digest, generation):
            raise sqlite3.DatabaseError(_mismatch(row))
        return row

    def generation(self) -> int:
        """The number of the last commit, as far as manifests are sound; 0 for a new file."""
        return max((manifest.generation for manifest in self._manifests().values()), default=0)

    def scan(self) -> Scan:
        """Read all there is, around damaged places as well as can be: from both ends of the table up to the damage."""
        rows: dict[RowName, SealedRow] = {}
        flaws: list[str] = []
        for order in ("ASC", "DESC"):
            try:
                self._collect(order, rows, flaws)
            except sqlite3.Error as error:
                flaws.append(f"some rows cannot be read: {error}")
            else:
                break
        try:
            manifests = self._manifests()
        except sqlite3.Error as error:
            manifests = {}
            flaws.append(f"the manifests cannot be read: {error}")
        sums = sums_of(rows.values())
        kinds = sorted(sums.keys() | manifests.keys())
        whole = frozenset(kind for kind in kinds if sums.get(kind, Sum()) == manifests.get(kind, EMPTY).sum)
        flaws += [_incomplete(kind) for kind in kinds if kind not in whole]
        generations = [manifest.generation for manifest in manifests.values()]
        generations += [sealed.generation for sealed in rows.values()]
        return Scan(rows, flaws, whole, max(generations, default=0))

    def copy_to(self, path: Path) -> None:
        """Write a new file of the rows as they are at this moment. Raises sqlite3.DatabaseError when one is damaged.

        SQLite's own backup copies pages, and their damage with them.
        """
        self._db.execute("BEGIN")
        try:
            manifests = self._manifests()
            sums = self.make(path, self._seal, self._sound_rows(), self.generation())
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        for kind in sums.keys() | manifests.keys():
            if sums.get(kind, Sum()) != manifests.get(kind, EMPTY).sum:
                raise sqlite3.DatabaseError(_incomplete(kind))

    def _sound_rows(self) -> Iterator[SealedRow]:
        for sealed, is_sound in self._every_row("ASC"):
            if not is_sound:
                raise sqlite3.DatabaseError(_mismatch(sealed.row))
            yield sealed

    def _collect(self, order: str, rows: dict[RowName, SealedRow], flaws: list[str]) -> None:
        for sealed, is_sound in self._every_row(order):
            name = (sealed.row.kind, sealed.row.key)
            if not is_sound:
                flaws.append(_mismatch(sealed.row))
            elif name not in rows or sealed.generation > rows[name].generation:
                rows[name] = sealed

    def _every_row(self, order: str) -> Iterator[tuple[SealedRow, bool]]:
        """Each row of the table, and whether it is sound. The index is not asked: it may be what is damaged."""
        columns = "kind, key, body, digest, generation"
        query = f"SELECT {columns} FROM rows NOT INDEXED ORDER BY rowid {order}"       # noqa: S608  a word of ours
        for kind, key, body, digest, generation in self._db.execute(query):
            row = Row(_text(kind), key, body)
            yield SealedRow(row, digest, generation), is_sealed(self._seal, row, digest, generation)

    def _manifests(self) -> dict[str, Manifest]:
        """The sound manifests."""
        manifests = {}
        found = self._db.execute("SELECT kind, count, tally, generation, digest FROM manifests")
        for raw_kind, count, tally, generation, digest in found:
            kind = _text(raw_kind)
            if isinstance(count, int) and isinstance(tally, bytes) and isinstance(generation, int) \
                    and digest == manifest_digest(self._seal, kind, count, tally, generation):
                manifests[kind] = Manifest(Sum(count, int.from_bytes(tally, "big")), generation)
        return manifests

    # ---- writing

    def commit(self, puts: Iterable[Row], drops: Iterable[RowName]) -> int:
        """One transaction, all or nothing, durable when this returns its generation.

        Of two rows of one name the later is put; a row that is put and dropped is put. Raises sqlite3.DatabaseError
        also when what is replaced turns out damaged.
        """
        latest = {(row.kind, row.key): row for row in puts}
        gone = [name for name in drops if name not in latest]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            generation = self._change(list(latest.values()), gone)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return generation

    def _change(self, puts: list[Row], drops: list[RowName]) -> int:
        manifests = self._manifests()
        last = max((manifest.generation for manifest in manifests.values()), default=0)
        generation = last + 1
        sealed = [seal_row(self._seal, row, generation) for row in puts]
        replaced = self._digests([*[(row.kind, row.key) for row in puts], *drops])
        self._db.executemany(_PUT, map(_columns, sealed))
        self._db.executemany("DELETE FROM rows WHERE kind = ? AND key = ?", drops)
        sums: Sums = {}
        for (kind, _), digest in replaced.items():
            sums[kind] = sums.get(kind, manifests.get(kind, EMPTY).sum).minus(digest)
            if sums[kind].num_rows < 0:
                raise sqlite3.DatabaseError(_incomplete(kind))
        for row in sealed:
            kind = row.row.kind
            sums[kind] = sums.get(kind, manifests.get(kind, EMPTY).sum).plus(row.digest)
        for kind, total in sums.items():
            self._put_manifest(kind, Manifest(total, generation))
        return generation if sums else last

    def _digests(self, names: Iterable[RowName]) -> dict[RowName, bytes]:
        """The digests of those rows that are there."""
        found: dict[RowName, bytes] = {}
        for kind, group in groupby(sorted(names), key=lambda name: name[0]):
            keys = [key for _, key in group]
            for start in range(0, len(keys), ASKED_AT_ONCE):
                some = keys[start:start + ASKED_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, digest FROM rows WHERE kind = ? AND key IN ({marks})"        # noqa: S608
                found.update({(kind, key): digest for key, digest in self._db.execute(query, (kind, *some))})
        if not all(isinstance(digest, bytes) and len(digest) == DIGEST_BYTES for digest in found.values()):
            raise sqlite3.DatabaseError("a row without a digest")
        return found

    def _put_manifest(self, kind: str, manifest: Manifest) -> None:
        (count, number), generation = manifest
        tally = number.to_bytes(DIGEST_BYTES, "big")
        digest = manifest_digest(self._seal, kind, count, tally, generation)
        self._db.execute(_PUT_MANIFEST, (kind, count, tally, generation, digest))

    def use_log(self) -> None:
        """From now on write through a log, which other programs can read beside."""
        self._db.execute("PRAGMA journal_mode = WAL")

    def fold(self) -> None:
        """Copy the log into the file and empty it, unless somebody reads just now: then another time."""
        self._db.execute("PRAGMA busy_timeout = 0")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._db.execute(f"PRAGMA busy_timeout = {WRITER_BUSY_S * 1000:.0f}")

    def _fill(self, rows: Iterable[SealedRow], generation: int) -> Sums:
        # Nobody knows the file yet: no journal while it is written, one sync at the end.
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")
        for statement in _SCHEMA:
            self._db.execute(statement)
        digests: dict[str, list[bytes]] = {}

        def columns() -> Iterator[tuple[object, ...]]:
            for row, digest, row_generation in rows:
                digests.setdefault(row.kind, []).append(digest)
                yield *row, digest, row_generation

        self._db.executemany(_ADD, columns())
        sums = {SESSION: Sum()}        # a file without rows has a generation too
        sums.update({kind: Sum(len(some), tally_of(some)) for kind, some in digests.items()})
        for kind, total in sums.items():
            self._put_manifest(kind, Manifest(total, generation))
        self._db.execute("COMMIT")
        return sums


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open an existing file, also on a full disk, where SQLite cannot make the index of its log.

    A reader then takes the file as it is, and a writer keeps the index in memory, alone with the file.
    """
    address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        return _open(address, read_only)
    except sqlite3.OperationalError:
        if read_only:
            return _open(f"{address}&immutable=1", read_only)
        return _open(address, read_only, "locking_mode = EXCLUSIVE")


def _open(address: str, read_only: bool, *more: str) -> sqlite3.Connection:
    """A connection with settings `more`, which come before anything looks at the file, and ours."""
    db = sqlite3.connect(address, uri=True, timeout=READER_BUSY_S if read_only else WRITER_BUSY_S,
                         isolation_level=None, check_same_thread=False)
    db.text_factory = bytes            # what is damaged need not be UTF-8
    try:
        for setting in (*more, *_SETTINGS):
            db.execute(f"PRAGMA {setting}")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UnicodeDecodeError as error:            # SQLite quotes the damaged schema in its text
        db.close()
        raise sqlite3.DatabaseError("the schema is damaged") from error
    except BaseException:
        db.close()
        raise
    return db


def _columns(sealed: SealedRow) -> tuple[object, ...]:
    return *sealed.row, sealed.digest, sealed.generation


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _mismatch(row: Row) -> str:
    key = row.key.hex() if isinstance(row.key, bytes) else "with a damaged key"
    return f"row {row.kind} {key} does not match its digest"


def _incomplete(kind: str) -> str:
    return f"rows of kind {kind} are missing or out of date"
