"""Which session of which program a path stands for."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from blobtorrent.cli.commands.import_ import PROGRAMS as OFFERED
from blobtorrent.daemon.programs import PROGRAMS, open_program
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound

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


def test_the_link_of_a_torrent_that_never_came_is_not_told_with_its_secrets(tmp_path: Path) -> None:
    for folder in ("torrents", "resume"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "torrents" / f"{NAME}.magnet"
    file.write_text("magnet:?xt=urn:btih:" + NAME + "&tr=http://t/secret/announce")
    with closing(open_program("transmission", tmp_path)) as session, pytest.raises(NotFound) as caught:
        session.find(NAME, {})
    assert str(file) in caught.value.detail and "secret" not in caught.value.detail


def test_a_session_whose_settings_are_locked_is_in_use(tmp_path: Path) -> None:
    put_folder(tmp_path / "BT_backup")
    put_database(tmp_path / "data")
    (tmp_path / "lockfile").touch()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "lockfile").touch()
    code = ("import fcntl, sys; files = [open(name, 'r+') for name in sys.argv[1:]]; "
            "[fcntl.lockf(file, fcntl.LOCK_EX) for file in files]; print(); input()")
    files = [str(tmp_path / "lockfile"), str(tmp_path / "config" / "lockfile")]
    with subprocess.Popen([sys.executable, "-c", code, *files], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        for path in (tmp_path / "BT_backup", tmp_path / "data"):
            with closing(open_program("qbittorrent", path)) as session, pytest.raises(Conflict, match=str(holder.pid)):
                session.refuse_while_used()
        holder.communicate(b"\n")
    with closing(open_program("qbittorrent", tmp_path / "BT_backup")) as session:
        session.refuse_while_used()
