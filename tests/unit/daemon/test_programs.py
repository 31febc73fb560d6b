"""Which session of which program a path stands for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blobtorrent.cli.commands.import_ import PROGRAMS as OFFERED
from blobtorrent.daemon.programs import PROGRAMS, open_program
from blobtorrent.model.errors import BlobTorrentError

NAME = "a" * 40


def put_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.fastresume").write_bytes(b"de")


def put_database(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "torrents.db")) as database:
        database.execute("CREATE TABLE torrents (torrent_id TEXT)")
        database.execute("INSERT INTO torrents VALUES (?)", (NAME,))
        database.commit()


def test_what_the_command_offers_can_be_opened() -> None:
    assert tuple(PROGRAMS) == OFFERED


@pytest.mark.parametrize("where", [".", "BT_backup", "data/BT_backup"])
def test_the_folder_of_qbittorrent_is_found(tmp_path: Path, where: str) -> None:
    put_folder(tmp_path / where)
    with closing(open_program("qbittorrent", tmp_path)) as session:
        assert session.names() == [NAME]


@pytest.mark.parametrize(("where", "path"), [(".", "torrents.db"), (".", "."), ("data", ".")])
def test_the_database_of_qbittorrent_is_found(tmp_path: Path, where: str, path: str) -> None:
    put_database(tmp_path / where)
    (tmp_path / "BT_backup").mkdir()
    with closing(open_program("qbittorrent", tmp_path / path)) as session:
        assert session.names() == [NAME]


def test_of_two_sessions_one_must_be_given(tmp_path: Path) -> None:
    put_folder(tmp_path / "BT_backup")
    put_database(tmp_path)
    with pytest.raises(BlobTorrentError) as caught:
        open_program("qbittorrent", tmp_path)
    assert caught.value.code == "import.two-sessions"
    open_program("qbittorrent", tmp_path / "BT_backup").close()
    open_program("qbittorrent", tmp_path / "torrents.db").close()


@pytest.mark.parametrize(("program", "code"), [
    ("rtorrent", "import.no-folder"), ("transmission", "import.no-folder"), ("qbittorrent", "import.no-session"),
    ("deluge", "import.no-folder")])
def test_a_folder_that_is_not_there_is_told(tmp_path: Path, program: str, code: str) -> None:
    with pytest.raises(BlobTorrentError) as caught:
        open_program(program, tmp_path / "none")
    assert caught.value.code == code


def test_the_state_of_deluge_is_found(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "torrents.fastresume").write_bytes(b"d40:" + NAME.encode() + b"2:dee")
    for path in (tmp_path, state):
        with closing(open_program("deluge", path)) as session:
            assert session.names() == [NAME]
