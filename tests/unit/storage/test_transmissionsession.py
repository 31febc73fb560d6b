"""The configuration folder of Transmission: which torrents are in it, and what is beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.model.errors import Conflict, FileMissing, NotFound
from blobtorrent.storage import libtorrentsession
from blobtorrent.storage.transmissionsession import SessionFiles, TransmissionSession

NAME = "a" * 40
OLD_NAME = "Some name." + "b" * 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "torrents").mkdir()
    (tmp_path / "resume").mkdir()
    return tmp_path


def test_torrents_are_named_by_their_files(folder: Path) -> None:
    for name in (f"{NAME}.torrent", f"{NAME}.magnet", f"{OLD_NAME}.torrent", "x.torrent", f"{'c' * 40}.magnet"):
        (folder / "torrents" / name).touch()
    session = TransmissionSession(folder)
    assert session.names() == [OLD_NAME, NAME, "c" * 40]
    session.close()


def test_what_is_there_of_a_torrent_is_read(folder: Path) -> None:
    session = TransmissionSession(folder)
    (folder / "torrents" / f"{NAME}.torrent").write_bytes(b"torrent")
    assert session.read(NAME) == SessionFiles(b"torrent", b"", None, 0.0)
    resume = folder / "resume" / f"{NAME}.resume"
    resume.write_bytes(b"resume")
    os.utime(resume, (1000.5, 1000.5))
    (folder / "torrents" / f"{NAME}.magnet").write_bytes(b"magnet:?")
    assert session.read(NAME) == SessionFiles(b"torrent", b"magnet:?", b"resume", 1000.5)
    with pytest.raises(FileMissing):
        session.read(OLD_NAME)
    session.close()


def test_a_folder_that_is_none_of_transmission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torrents").mkdir()
    with pytest.raises(NotFound):
        TransmissionSession(tmp_path)


def test_while_transmission_runs_on_it_it_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = TransmissionSession(folder)
    monkeypatch.setattr(libtorrentsession, "using_process", lambda *_: None)
    session.refuse_while_used()
    monkeypatch.setattr(libtorrentsession, "using_process", lambda *_: 7)
    with pytest.raises(Conflict, match="process 7"):
        session.refuse_while_used()
    session.close()
