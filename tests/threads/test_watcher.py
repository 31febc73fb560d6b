"""The watch thread on real folders, before a session that is played."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blobtorrent.config.doors import WatchSettings
from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.watcher import LOOK_S, Watcher
from blobtorrent.model.errors import Invalid, Unavailable
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.clock import FakeClock
from tests.support.rest import PATIENCE_S, PlayedSession, tiny_torrent


class Rig:
    """A watcher whose time the test owns."""

    def __init__(self, *folders: WatchSettings) -> None:
        self.session = PlayedSession()
        self.folders = folders
        self.clock = FakeClock()
        self.watcher = Watcher(self.session.gateway, clock=self.clock)

    def look_until(self, condition: Callable[[], object]) -> None:
        """Let looks happen until it is so."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s
            self.clock.advance(LOOK_S)
            self.watcher.apply(self.folders)
            time.sleep(0.002)


@pytest.fixture
def start() -> Iterator[Callable[..., Rig]]:
    rigs = []

    def start(*folders: WatchSettings) -> Rig:
        rig = Rig(*folders)
        rigs.append(rig)
        rig.session.start()
        rig.watcher.start()
        rig.watcher.apply(folders)
        return rig

    yield start
    for rig in rigs:
        assert rig.watcher.stop(PATIENCE_S)
        rig.session.stop()


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def test_a_torrent_is_added_with_the_options_of_the_folder_and_the_file(tmp_path, start):
    (tmp_path / "a.torrent").write_bytes(tiny_torrent())
    (tmp_path / "a.toml").write_text('labels = ["iso", "new"]\nsequential = true\n')
    rig = start(WatchSettings(path=tmp_path, label="iso", start=False, download_dir=tmp_path / "to"))
    rig.look_until(lambda: names_in(tmp_path / "done") == ["a.toml", "a.torrent"])
    assert rig.session.commands == [AddTorrent(
        parse_torrent(tiny_torrent()), raw=tiny_torrent(), labels=("iso", "new"), start=False, is_sequential=True,
        download_dir=tmp_path / "to",
    )]
    assert names_in(tmp_path) == ["done"]


def test_what_is_no_torrent_goes_to_failed_with_the_reason(tmp_path, start):
    (tmp_path / "a.torrent").write_bytes(b"no torrent")
    rig = start(WatchSettings(path=tmp_path))
    rig.look_until(lambda: names_in(tmp_path / "failed") == ["a.torrent", "a.torrent.error"])
    assert "(bencode." in (tmp_path / "failed" / "a.torrent.error").read_text()
    assert rig.session.commands == []


def test_bad_options_keep_a_torrent_from_being_added_without_them(tmp_path, start):
    (tmp_path / "a.torrent").write_bytes(tiny_torrent())
    (tmp_path / "a.json").write_text('{"strat": false}')
    rig = start(WatchSettings(path=tmp_path))
    rig.look_until(lambda: len(names_in(tmp_path / "failed")) == 3)
    assert "strat" in (tmp_path / "failed" / "a.torrent.error").read_text()
    assert rig.session.commands == []


def test_what_the_session_refuses_goes_to_failed(tmp_path, start):
    (tmp_path / "a.torrent").write_bytes(tiny_torrent())
    rig = start(WatchSettings(path=tmp_path))
    rig.session.refuse_with = Invalid("torrent.no-piece-hashes", "no hashes")
    rig.look_until(lambda: (tmp_path / "failed" / "a.torrent").exists())
    assert (tmp_path / "failed" / "a.torrent.error").read_text() == "no hashes (torrent.no-piece-hashes)\n"


def test_a_torrent_that_is_there_already_is_done(tmp_path, start):
    for name in ("a.torrent", "b.torrent"):
        (tmp_path / name).write_bytes(tiny_torrent())
    rig = start(WatchSettings(path=tmp_path))
    rig.look_until(lambda: names_in(tmp_path / "done") == ["a.torrent", "b.torrent"])
    assert names_in(tmp_path) == ["done"]


def test_a_session_that_has_no_time_is_asked_again(tmp_path, start):
    (tmp_path / "a.torrent").write_bytes(tiny_torrent())
    rig = start(WatchSettings(path=tmp_path))
    rig.session.refuse_with = Unavailable("session.starting", "not yet")
    rig.look_until(lambda: len(rig.session.commands) >= 3)
    assert names_in(tmp_path) == ["a.torrent"]
    rig.session.refuse_with = None
    rig.look_until(lambda: names_in(tmp_path / "done") == ["a.torrent"])


def test_nothing_in_done_is_overwritten(tmp_path, start):
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "a.torrent").write_bytes(b"older")
    (tmp_path / "a.torrent").write_bytes(tiny_torrent())
    start(WatchSettings(path=tmp_path)).look_until(lambda: names_in(tmp_path / "done") == ["a.torrent", "a.torrent.2"])
    assert (tmp_path / "done" / "a.torrent").read_bytes() == b"older"


def test_links_are_not_followed(tmp_path, start):
    folder = tmp_path / "watched"
    folder.mkdir()
    (tmp_path / "outside.torrent").write_bytes(tiny_torrent("outside"))
    (folder / "a.torrent").symlink_to(tmp_path / "outside.torrent")
    (folder / "b.torrent").write_bytes(tiny_torrent())
    rig = start(WatchSettings(path=folder))
    rig.look_until(lambda: names_in(folder / "done") == ["b.torrent"])
    assert [command.metainfo.name for command in rig.session.commands] == ["tiny"]
    assert (folder / "a.torrent").is_symlink()


def test_a_folder_that_comes_later_is_watched_then(tmp_path, start):
    late, other = tmp_path / "late", tmp_path / "other"
    other.mkdir()
    rig = start(WatchSettings(path=late), WatchSettings(path=other))
    (other / "a.torrent").write_bytes(tiny_torrent())
    rig.look_until(lambda: names_in(other / "done"))
    late.mkdir()
    (late / "b.torrent").write_bytes(tiny_torrent("b"))
    rig.look_until(lambda: names_in(late / "done") == ["b.torrent"])


def test_other_folders_can_be_watched_from_now_on(tmp_path, start):
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    rig = start(WatchSettings(path=before))
    rig.folders = ()
    rig.watcher.apply(())
    rig.folders = (WatchSettings(path=after),)
    (before / "a.torrent").write_bytes(tiny_torrent("a"))
    (after / "b.torrent").write_bytes(tiny_torrent("b"))
    rig.look_until(lambda: names_in(after / "done") == ["b.torrent"])
    assert names_in(before) == ["a.torrent"]


def test_what_came_of_a_folder_is_told(start, tmp_path):
    folder = WatchSettings(path=tmp_path / "in")
    rig = start(folder)
    rig.look_until(lambda: rig.watcher.statuses and not rig.watcher.statuses[0].is_readable)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.torrent").write_bytes(tiny_torrent("a"))
    rig.look_until(lambda: rig.watcher.statuses[0].added)
    [told] = rig.watcher.statuses
    assert (told.path, told.is_readable, told.added, told.failed) == (str(tmp_path / "in"), True, 1, 0)
    assert (told.last_file, told.error_code) == ("a.torrent", "")
    assert told.last_at >= 1_700_000_000.0
    (tmp_path / "in" / "b.torrent").write_bytes(b"no torrent")
    rig.look_until(lambda: rig.watcher.statuses[0].failed)
    [told] = rig.watcher.statuses
    assert (told.added, told.failed, told.last_file) == (1, 1, "b.torrent")
    assert told.error_code and told.error_detail
