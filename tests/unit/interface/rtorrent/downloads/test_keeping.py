"""The session folder as clients look into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.downloads.download import Phase
from blobtorrent.interface.rtorrent.downloads.following import CHANGED
from blobtorrent.interface.rtorrent.downloads.keeping import DOWNLOADS_AT_ONCE, ROUND_S, SETTLE_S, SessionFolder
from blobtorrent.model.magnet import parse_magnet
from blobtorrent.protocol.rtorrentsession import read_wanted, unresolved_magnet
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
    assert len(list(tmp_path.glob("*.torrent"))) == DOWNLOADS_AT_ONCE
    assert not folder.fill()
    assert len(list(tmp_path.glob("*.torrent"))) == len(NAMES)
    assert len(list(tmp_path.iterdir())) == 3 * len(NAMES)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_magnet_link_is_there_until_what_it_is_the_link_of_has_come(tmp_path: Path, is_restarted: bool) -> None:
    stage = Stage()
    info_hash = stage.engine.add("alpha", lacks_metadata=True)
    whole = stage.engine.status(info_hash)._replace(lacks_metadata=False)
    folder, download = folder_of(stage, str(tmp_path)), stage.only()
    folder.on_event("inserted_new", download)
    file = tmp_path / f"{download.hash}.torrent"
    assert parse_magnet(unresolved_magnet(file.read_bytes()) or "").info_hash == info_hash
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".rtorrent", ".torrent"]
    stage.engine.publish(whole)
    stage.side.downloads.refresh()
    (folder_of(stage, str(tmp_path)) if is_restarted else folder).write_missing(download)
    assert file.read_bytes() == (FIXTURES / "alpha.torrent").read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def kept(stage: Stage, folder: Path) -> tuple[Clock, SessionFolder]:
    clock = Clock()
    session = SessionFolder(lambda: str(folder), clock)
    session.downloads = stage.side.downloads
    return clock, session


def test_what_rtorrent_keeps_beside_is_written_some_time_after_a_change(tmp_path: Path) -> None:
    stage = Stage()
    stage.engine.add("alpha")
    clock, folder = kept(stage, tmp_path)
    assert folder.next_due_s() is None
    for _ in range(2):
        folder.on_event(CHANGED, stage.only())
        clock.now_s += 1.0
    assert folder.next_due_s() == 100.0 + SETTLE_S
    folder.run_due()
    assert not list(tmp_path.iterdir())
    clock.now_s += SETTLE_S
    folder.run_due()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".libtorrent_resume", ".rtorrent"]
    wanted = read_wanted((tmp_path / f"{stage.only().hash}.torrent.rtorrent").read_bytes())
    assert wanted.directory.decode() == stage.side.downloads.directory(stage.only())
    assert folder.next_due_s() == 100.0 + ROUND_S


def test_what_is_as_it_was_written_is_not_written_again(tmp_path: Path) -> None:
    stage = Stage()
    for name in NAMES:
        stage.engine.add(name)
    clock, folder = kept(stage, tmp_path)
    save = next(command for command in folder.commands() if command.name == "session.save")

    def saved() -> int:
        for path in tmp_path.iterdir():
            path.unlink()
        save.run(stage.interpreter.context(), None, ())
        while (due_s := folder.next_due_s()) is not None and due_s - clock.now_s <= SETTLE_S:
            clock.now_s += SETTLE_S
            folder.run_due()
        return len(list(tmp_path.glob("*.rtorrent")))

    assert (saved(), saved()) == (len(NAMES), 0)
    stage.side.downloads.set_texts(stage.side.downloads.all()[0], {"custom1": "another"})
    assert saved() == 1


def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    stage = Stage()
    for name in NAMES:
        stage.engine.add(name)
    _, folder = kept(stage, tmp_path)
    for download in stage.side.downloads:
        folder.on_event("paused", download)
    folder.end()
    assert len(list(tmp_path.glob("*.rtorrent"))) == len(NAMES)


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


@pytest.mark.parametrize("saves", [True, False])
def test_what_is_complete_is_written_at_once_or_with_the_figures(tmp_path: Path, saves: bool) -> None:
    stage = Stage()
    status = stage.engine.status(stage.engine.add("alpha"))
    stage.engine.publish(status._replace(state="seeding", is_started=True))
    stage.side.downloads.refresh()
    clock = Clock()
    folder = SessionFolder(lambda: str(tmp_path), clock, saves_finished=lambda: saves)
    folder.downloads = stage.side.downloads
    download = stage.only()
    download.phase = Phase(is_open=True, is_active=True)
    for name in ("paused", "closed", "finished", "resumed"):           # as it is told of one that is complete now
        folder.on_event(name, download)
    assert len(list(tmp_path.iterdir())) == (2 if saves else 0)
    assert folder.next_due_s() == clock.now_s + ROUND_S
    clock.now_s += ROUND_S
    folder.run_due()
    clock.now_s += SETTLE_S
    folder.run_due()
    assert len(list(tmp_path.iterdir())) == 2
