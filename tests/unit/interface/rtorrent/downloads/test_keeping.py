"""The session folder as clients look into it."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.interface.rtorrent.downloads.keeping import FILES_AT_ONCE, SessionFolder
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FIXTURES

NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


def folder_of(stage: Stage, path: str) -> SessionFolder:
    folder = SessionFolder(lambda: path)
    folder.downloads = stage.side.downloads
    return folder


def test_a_download_has_its_file_there_and_it_goes_with_it(tmp_path: Path) -> None:
    stage = Stage()
    stage.engine.add("alpha")
    folder, download = folder_of(stage, str(tmp_path / "session")), stage.only()
    folder.on_event("inserted_new", download)
    file = tmp_path / "session" / f"{download.hash}.torrent"
    assert file.read_bytes() == (FIXTURES / "alpha.torrent").read_bytes()
    folder.on_event("erased", download)
    assert not file.exists()


def test_what_a_client_has_written_there_is_left(tmp_path: Path) -> None:
    stage = Stage()
    stage.engine.add("alpha")
    file = tmp_path / f"{stage.only().hash}.torrent"
    file.write_bytes(b"a client's")
    folder_of(stage, str(tmp_path)).on_event("inserted_new", stage.only())
    assert file.read_bytes() == b"a client's"


def test_those_of_the_session_are_written_a_few_at_a_time(tmp_path: Path) -> None:
    stage = Stage()
    for name in NAMES:
        stage.engine.add(name)
    folder = folder_of(stage, str(tmp_path))
    for download in stage.side.downloads:
        folder.on_event("inserted_session", download)
    assert not list(tmp_path.iterdir())
    assert folder.fill()
    assert len(list(tmp_path.iterdir())) == FILES_AT_ONCE
    assert not folder.fill()
    assert len(list(tmp_path.iterdir())) == len(NAMES)


def test_the_folder_is_there_for_clients_before_any_download(tmp_path: Path) -> None:
    folder = folder_of(Stage(), str(tmp_path / "a" / "session"))
    assert not folder.fill()
    assert (tmp_path / "a" / "session").is_dir()


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    stage = Stage()
    stage.engine.add("alpha")
    folder = folder_of(stage, "")
    folder.write(stage.only())
    assert not folder.fill()
    assert not list(tmp_path.iterdir())
