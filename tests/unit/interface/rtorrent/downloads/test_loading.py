"""load.*: what is run on a new download, and what becomes of what cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.downloads import arriving
from blobtorrent.interface.rtorrent.downloads.arriving import matches
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.model.errors import Conflict
from blobtorrent.model.events import TorrentRemoved
from blobtorrent.protocol.bencode import encode
from tests.support.rtorrentdownloads import NOW, Stage
from tests.support.rtorrentengine import FIXTURES

ALPHA = FIXTURES / "alpha.torrent"
RAW = ALPHA.read_bytes().decode("utf-8", "surrogateescape")


def test_commands_are_run_before_it_is_started_and_events_surround_them() -> None:
    stage = Stage()
    stage.call("load.raw_start", "", RAW, "d.custom1.set=a%20b;d.priority.set=3", "d.custom.set=addtime,17")
    digits = stage.only().hash
    assert stage.called[:3] == ["inserted", "hash_queued", "inserted_new"]
    assert [stage.call(f"d.{name}", digits) for name in ("custom1", "priority", "state")] == ["a%20b", 3, 1]
    assert stage.call("d.custom", digits, "addtime") == "17"
    assert stage.kept == ["alpha.bin"]


def test_a_command_that_fails_leaves_it_there_and_idle() -> None:
    stage = Stage()
    stage.call("load.raw_start", "", RAW, "d.custom1.set=x", "nosuch=", "d.custom2.set=y")
    digits = stage.only().hash
    names = ("custom1", "custom2", "state", "is_open", "hashing_failed")
    assert [stage.call(f"d.{name}", digits) for name in names] == ["x", "", 1, 0, 1]
    assert stage.call("d.message", digits) == 'Command on torrent creation failed: Command "nosuch" does not exist.'
    assert stage.called == ["inserted"]


def test_one_that_is_there_stays_as_it_is() -> None:
    stage = Stage()
    for label in ("first", "second"):
        stage.call("load.raw", "", RAW, f"d.custom1.set={label}")
    assert stage.call("d.custom1", stage.only().hash) == "first"


def test_what_is_no_torrent_is_passed_over_unless_it_must_be_loaded() -> None:
    stage = Stage()
    assert stage.call("load.raw", "", "garbage") is None
    assert stage.call("load.normal", "", "/nowhere/x.torrent") is None
    with pytest.raises(Fault):
        stage.call("load.throw", "", "/nowhere/x.torrent")
    assert stage.call("download_list", "") == []


def test_a_file_is_tied_and_goes_with_its_download_and_is_not_loaded_twice(tmp_path: Path) -> None:
    stage, file = Stage(), tmp_path / "a.torrent"
    file.write_bytes(ALPHA.read_bytes())
    stage.side.events()
    stage.call("load.normal", "", str(tmp_path / "*.torrent"))
    assert stage.call("d.tied_to_file", stage.only().hash) == str(file)
    stage.call("d.tied_to_file.set", stage.only().hash, "")
    stage.call("d.erase", stage.only().hash)
    assert file.exists()
    stage.call("load.normal", "", str(file))
    assert stage.call("download_list", "") == []
    os.utime(file, (1, 1))
    stage.call("load.normal", "", str(file))
    stage.call("d.erase", stage.only().hash)
    assert not file.exists()


def test_a_pattern_is_a_shells(tmp_path: Path) -> None:
    for name in ("b/x.torrent", "a/x.torrent", "a/.x.torrent", "a/y.txt", ".c/x.torrent"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert matches(f"{tmp_path}/*/x.*") == [f"{tmp_path}/a/x.torrent", f"{tmp_path}/b/x.torrent"]
    assert matches(f"{tmp_path}/a/.*") == [f"{tmp_path}/a/.x.torrent"]
    assert matches(f"{tmp_path}/[ab]/../?/y.txt") == [f"{tmp_path}/a/../a/y.txt", f"{tmp_path}/b/../a/y.txt"]
    assert matches(f"{tmp_path}/nowhere/*") == []


def test_a_pattern_does_not_walk_the_whole_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MAX_SEEN", 20)
    for number in range(10):
        (tmp_path / str(number) / "x").mkdir(parents=True)
    assert len(matches(f"{tmp_path}/*")) == 10
    with pytest.raises(Fault, match="Too many files"):
        matches(f"{tmp_path}/*/*/*")


@pytest.mark.timeout(10)
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.torrent")
    stage = Stage()
    for path in (tmp_path / "pipe.torrent", Path("/dev/zero"), tmp_path):
        assert stage.call("load.normal", "", str(path)) is None
        with pytest.raises(Fault, match="no file"):
            stage.call("load.throw", "", str(path))
    assert stage.call("download_list", "") == []


def test_whom_nobody_trusts_loads_nothing() -> None:
    stage = Stage()
    with pytest.raises(Fault, match="not allowed for untrusted"):
        stage.call("load.raw", "", RAW, trust=Trust.SAFE)
    assert stage.call("download_list", "", trust=Trust.SAFE) == []


def test_builtin_handlers_note_the_times_and_fail_nowhere() -> None:
    stage = Stage()
    stage.side.events()
    stage.call("load.raw", "", RAW)
    download = stage.only()
    stage.side.follower.tell(download, "resumed", "finished", "hash_done", "opened")
    assert [stage.call(f"d.timestamp.{word}", download.hash) for word in ("started", "finished")] == [NOW, NOW]
    assert stage.logged == []


def test_what_a_configuration_loads_comes_when_there_is_an_engine() -> None:
    stage = Stage()
    stage.side.arrivals.hold()
    stage.call("load.raw", "", "garbage")
    stage.call("load.start_throw", "", "/nowhere/x.torrent")
    stage.call("load.normal", "", str(ALPHA), "d.custom1.set=held")
    stage.call("load.raw", "", RAW, "d.custom1.set=later")
    assert stage.engine.asked == []
    stage.side.begin()
    assert stage.call("d.custom1", stage.only().hash) == "held"
    assert any("/nowhere/x.torrent" in line for line in stage.logged)
    stage.call("d.erase", stage.only().hash)
    stage.call("load.raw", "", RAW)
    assert stage.only().name == "alpha.bin"


def test_a_relative_path_is_below_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "a.torrent").write_bytes(ALPHA.read_bytes())
    stage = Stage(folder=str(tmp_path))
    stage.call("load.normal", "", "*.torrent")
    assert stage.call("d.tied_to_file", stage.only().hash) == str(tmp_path / "a.torrent")


@pytest.mark.parametrize(("uses_udp", "enabled"), [(True, [1, 1, 1, 1]), (False, [1, 1, 1, 0])])
def test_trackers_over_udp_are_off_from_the_start_where_they_are_not_used(uses_udp: bool, enabled: list[int]) -> None:
    stage = Stage(uses_udp=uses_udp)
    raw = (FIXTURES / "charlie.torrent").read_bytes().decode("utf-8", "surrogateescape")
    stage.call("load.raw", "", raw)
    rows = stage.call("t.multicall", stage.only().hash, "", "t.is_enabled=")
    assert rows == [[value] for value in enabled]


class Leaving:
    """An engine that still takes down what was erased, until somebody waits for it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ask = stage.engine.ask
        stage.engine.ask = self.ask  # type: ignore[method-assign]
        self.is_leaving = True

    def ask(self, command: Any, timeout_s: float = 1.0) -> Any:
        if isinstance(command, AddTorrent) and self.is_leaving:
            raise Conflict("torrent.removing", "it is being removed: add it again when it is gone")
        return self._ask(command, timeout_s)


def test_one_that_was_erased_just_now_is_waited_for() -> None:
    stage = Stage()
    stage.bus.start()
    try:
        info_hash = stage.engine.add("alpha")
        engine = Leaving(stage)

        def leave() -> None:
            engine.is_leaving = False
            stage.engine.torrents.withdraw(info_hash)
            stage.bus.publish(TorrentRemoved(info_hash, "alpha.bin"))

        stage.meanwhile = leave        # others have a turn while it is waited for
        stage.call("load.raw", "", RAW)
        assert stage.only().name == "alpha.bin"
        assert stage.called[-2:] == ["inserted", "inserted_new"]
    finally:
        stage.bus.stop(5)


def test_one_that_does_not_leave_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "LEAVE_S", 0.01)
    stage = Stage()
    stage.engine.add("alpha")
    Leaving(stage)
    with pytest.raises(Fault, match="it is being removed"):
        stage.call("load.throw", "", str(ALPHA))


OLD_NAME = "Фильм".encode("cp1251")


def old_torrent(**top: bytes) -> str:
    """Of a time when names were in the charset of whoever made it."""
    info = {"name": OLD_NAME, "piece length": 16384, "pieces": bytes(20),
            "files": [{"length": 7, "path": [OLD_NAME, b"1.avi"]}, {"length": 3, "path": ["é".encode()]}]}
    return encode({"info": info, **top}).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(("added", "told", "folder"), [
    (("cp1251",), {}, "Фильм"), ((), {"encoding": b"Windows-1251"}, "Фильм"),
    (("utf-8", "bogus", "cp1251"), {"encoding": b"UTF-8"}, "Фильм"), (("euc-jp", "KOI8-R"), {}, "тХКЭЛ"),
    ((), {}, ""), (("ascii", "rot13", "unicode_escape"), {"encoding": b"punycode"}, ""),
])
def test_names_that_are_no_utf8_are_those_of_the_encoding_that_fits(
        added: tuple[str, ...], told: dict[str, bytes], folder: str) -> None:
    stage = Stage(encodings=added)
    stage.call("load.raw", "", old_torrent(**told))
    (command,) = [command for command in stage.engine.asked if isinstance(command, AddTorrent)]
    own = OLD_NAME.decode("utf-8", "replace")
    assert command.renames == ({f"{own}/{own}/1.avi": f"{folder}/{folder}/1.avi", f"{own}/é": f"{folder}/é"}
                               if folder else {})


def test_links_are_given_the_encodings_that_their_names_may_have() -> None:
    stage = Stage(encodings=("cp1251",))
    stage.call("load.normal", "", f"magnet:?xt=urn:btih:{20 * 'ab'}")
    stage.call("load.raw", "", old_torrent())
    link, file = [command for command in stage.engine.asked if isinstance(command, AddTorrent)]
    assert (link.encodings, file.encodings) == (("cp1251",), ())


@pytest.mark.parametrize(("word", "shows_few"), [("seed", False), ("initial_seed", True)])
def test_how_downloads_are_to_seed_holds_for_what_is_loaded(word: str, shows_few: bool) -> None:
    stage = Stage()
    stage.seeds_as = word
    stage.call("load.raw", "", RAW)
    (command,) = [command for command in stage.engine.asked if isinstance(command, AddTorrent)]
    assert command.super_seeding is shows_few
