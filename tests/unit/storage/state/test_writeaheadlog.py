"""Damage in a write-ahead log, told from what a crash leaves."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from blobtorrent.storage.state.writeaheadlog import forgotten_frames

FRAME = 24 + 4096
HEADER = 32


@pytest.fixture
def log(tmp_path: Path) -> bytes:
    """Of three commits, as SQLite writes it."""
    db = sqlite3.connect(tmp_path / "db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x BLOB)")
    for _ in range(2):
        db.execute("INSERT INTO t VALUES (?)", (bytes(9000),))
    log = (tmp_path / "db-wal").read_bytes()
    db.close()
    return log


def test_a_whole_log_has_nothing_to_tell(log: bytes) -> None:
    assert len(log) > HEADER + 5 * FRAME
    assert forgotten_frames(log) == 0


@pytest.mark.parametrize("length", [0, 10, HEADER, HEADER + 100, HEADER + FRAME, HEADER + 2 * FRAME + 4000])
def test_a_log_that_a_crash_cut_off_has_nothing_to_tell(log: bytes, length: int) -> None:
    assert forgotten_frames(log[:length]) == 0


def test_frames_of_an_earlier_round_have_nothing_to_tell(log: bytes, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t2 (x BLOB)")
    db.execute("INSERT INTO t2 VALUES (?)", (bytes(90000),))
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("INSERT INTO t2 VALUES (1)")
    log = (tmp_path / "db-wal").read_bytes()
    db.close()
    assert len(log) > HEADER + 10 * FRAME
    assert forgotten_frames(log) == 0


def test_what_a_killed_process_left_of_a_transaction_has_nothing_to_tell(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "db", isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA cache_size = 5", "CREATE TABLE t (x BLOB)", "BEGIN"):
        db.execute(statement)
    for _ in range(20):                    # more than its cache holds
        db.execute("INSERT INTO t VALUES (?)", (bytes(3000),))
    for name in ("db", "db-wal"):          # killed here
        (tmp_path / f"next {name}").write_bytes((tmp_path / name).read_bytes())
    db.close()
    db = sqlite3.connect(tmp_path / "next db", isolation_level=None)
    db.execute("INSERT INTO t VALUES (1)")
    log = (tmp_path / "next db-wal").read_bytes()
    db.close()
    assert len(log) > HEADER + 10 * FRAME
    assert forgotten_frames(log) == 0


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_anywhere_in_the_log_is_noticed(log: bytes, seed: int) -> None:
    damaged = bytearray(log)
    bit = random.Random(seed).randrange(8 * len(log))
    damaged[bit // 8] ^= 1 << bit % 8
    assert forgotten_frames(bytes(damaged)) > 0


def test_every_frame_from_the_damage_on_is_forgotten(log: bytes) -> None:
    frames = (len(log) - HEADER) // FRAME
    damaged = bytearray(log)
    damaged[HEADER + 2 * FRAME + 1000] ^= 1
    assert forgotten_frames(bytes(damaged)) == frames - 2
