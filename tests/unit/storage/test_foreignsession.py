"""The files of a session folder: read whole, bounded, and only when they are files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from blobtorrent.model.errors import Conflict, FileMissing, NotFound, StorageError
from blobtorrent.storage import foreignsession
from blobtorrent.storage.foreignsession import RtorrentSession, SessionFiles

NAME = "A" * 40


def test_torrents_are_named_by_their_files(tmp_path: Path) -> None:
    for name in (f"{NAME}.torrent", f"{NAME}.torrent.rtorrent", f"{'b' * 40}.torrent", "x.torrent", "rtorrent.lock"):
        (tmp_path / name).touch()
    with RtorrentSession(tmp_path) as session:
        assert session.names() == [NAME]


def test_what_is_beside_a_torrent_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.torrent").write_bytes(b"torrent")
    (tmp_path / f"{NAME}.torrent.rtorrent").write_bytes(b"wanted")
    with RtorrentSession(tmp_path) as session:
        assert session.read(NAME) == SessionFiles(b"torrent", b"wanted", None)
        with pytest.raises(FileMissing):
            session.read("B" * 40)


def test_a_pipe_or_a_link_is_refused_and_hangs_nobody(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / f"{NAME}.torrent").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / f"{'B' * 40}.torrent")
    with RtorrentSession(tmp_path) as session:
        for name in (NAME, "B" * 40):
            with pytest.raises(StorageError):
                session.read(name)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / f"{NAME}.torrent").open("wb") as file:
        file.truncate(foreignsession.MAX_FILE_BYTES + 1)
    with RtorrentSession(tmp_path) as session, pytest.raises(StorageError) as caught:
        session.read(NAME)
    assert caught.value.code == "import.too-large"


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        RtorrentSession(tmp_path / "none")


@pytest.mark.parametrize("lock", [
    "", "junk", f"elsewhere.example:+{os.getpid()}", f"{socket.gethostname()}:+999999999",
    f"{socket.gethostname()}:+{os.getpid()}"])
def test_a_lock_that_no_living_rtorrent_holds_is_passed_over(tmp_path: Path, lock: str) -> None:
    (tmp_path / "rtorrent.lock").write_text(lock)
    with RtorrentSession(tmp_path) as session:
        session.refuse_while_used()


def test_a_lock_that_a_living_rtorrent_holds_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rtorrent.lock").write_text(f"{socket.gethostname()}:+{os.getpid()}\n")
    comm = Path(f"/proc/{os.getpid()}/comm").read_bytes()
    monkeypatch.setattr(foreignsession, "_PROGRAM", comm.strip())
    with RtorrentSession(tmp_path) as session, pytest.raises(Conflict):
        session.refuse_while_used()
