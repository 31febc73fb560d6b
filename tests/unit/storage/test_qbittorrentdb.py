"""torrents.db, as qBittorrent writes it and as somebody might who means harm."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blobtorrent.model.errors import NotFound, StorageError
from blobtorrent.storage import qbittorrentdb
from blobtorrent.storage.qbittorrentdb import TorrentsDatabase

NAME = "a" * 40
COLUMNS = ("torrent_id BLOB, name TEXT, category TEXT, tags TEXT, target_save_path TEXT, ratio_limit INTEGER,"
           " seeding_time_limit INTEGER, stopped INTEGER, libtorrent_resume_data BLOB, metadata BLOB")


def make(folder: Path, *rows: tuple[object, ...], schema: str = f"CREATE TABLE torrents ({COLUMNS})") -> Path:
    path = folder / "torrents.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(schema)
        for row in rows:
            database.execute("INSERT INTO torrents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()
    return path


def row(name: object = NAME, *, category: object = "films", resume: object = b"resume",
        metadata: object = b"torrent") -> tuple[object, ...]:
    return (name, "", category, "b,,c", "/done", 2500, -2, 1, resume, metadata)


def test_rows_are_torrents(tmp_path: Path) -> None:
    path = make(tmp_path, row(), row("x"), row(b"b" * 40), row("c" * 41), row(5))
    session = TorrentsDatabase(path)
    assert session.names() == [NAME]
    kept = session.read(NAME)
    session.close()
    assert (kept.torrent, kept.resume, kept.path, kept.saved_at) == (
        b"torrent", b"resume", None, path.stat().st_mtime)
    assert kept.beside == {
        b"qBt-category": b"films", b"qBt-tags": [b"b", b"c"], b"qBt-savePath": b"/done", b"qBt-ratioLimit": 2500,
        b"qBt-seedingTimeLimit": -2, b"paused": 1, b"auto_managed": 0}
    assert os.listdir(tmp_path) == ["torrents.db"]


def test_values_of_other_types_say_nothing(tmp_path: Path) -> None:
    session = TorrentsDatabase(make(tmp_path, row(category=None, metadata=None)))
    kept = session.read(NAME)
    session.close()
    assert kept.torrent == b"" and b"qBt-category" not in kept.beside


@pytest.mark.parametrize("bad", [row(resume=5), row(metadata=2.5)])
def test_resume_data_of_a_wrong_type_is_refused(tmp_path: Path, bad: tuple[object, ...]) -> None:
    session = TorrentsDatabase(make(tmp_path, bad))
    with pytest.raises(StorageError) as caught:
        session.read(NAME)
    session.close()
    assert caught.value.code == "import.damaged"


def test_a_row_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbittorrentdb, "MAX_FILE_BYTES", 6)
    session = TorrentsDatabase(make(tmp_path, row(metadata=b"x" * 7)))
    with pytest.raises(StorageError) as caught:
        session.read(NAME)
    session.close()
    assert caught.value.code == "import.too-large"


@pytest.mark.parametrize("schema", [
    "CREATE TABLE other (x)",
    "CREATE VIEW torrents AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"])
def test_what_is_no_table_of_torrents_is_refused(tmp_path: Path, schema: str) -> None:
    with pytest.raises(NotFound) as caught:
        TorrentsDatabase(make(tmp_path, schema=schema))
    assert caught.value.code == "import.no-session"


def test_an_answer_that_costs_too_much_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbittorrentdb, "STEP_OPERATIONS", 1)
    path = make(tmp_path, *(row(f"{number:040x}") for number in range(2000)))
    session = TorrentsDatabase(path)
    with pytest.raises(StorageError) as caught:
        session.names()
    session.close()
    assert caught.value.code == "import.damaged"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path, row())
    raw = bytearray(path.read_bytes())
    raw[100:] = os.urandom(len(raw) - 100)
    path.write_bytes(raw)
    with pytest.raises(StorageError):
        TorrentsDatabase(path)
    path.write_bytes(b"junk" * 1000)
    with pytest.raises(StorageError):
        TorrentsDatabase(path)


def test_a_pipe_or_a_link_is_refused_and_hangs_nobody(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "torrents.db").symlink_to(make(tmp_path / "real", row()))
    with pytest.raises(StorageError):
        TorrentsDatabase(tmp_path / "torrents.db")
    (tmp_path / "torrents.db").unlink()
    os.mkfifo(tmp_path / "torrents.db")
    with pytest.raises(StorageError):
        TorrentsDatabase(tmp_path / "torrents.db")


def test_a_file_with_changes_beside_it_is_read_from_a_copy(tmp_path: Path) -> None:
    path = make(tmp_path, row())
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE torrents SET category = 'later'")
        database.commit()
        (tmp_path / "torrents.db-shm").unlink()
        session = TorrentsDatabase(path)
        kept = session.read(NAME)
        session.close()
        assert kept.beside[b"qBt-category"] == b"later"
        assert sorted(os.listdir(tmp_path)) == ["torrents.db", "torrents.db-wal"]
