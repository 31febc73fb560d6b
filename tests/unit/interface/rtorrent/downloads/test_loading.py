"""load.*: what is run on a new download, and what becomes of what cannot be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentdownloads import NOW, Stage
from tests.support.rtorrentengine import FIXTURES

ALPHA = FIXTURES / "alpha.torrent"
RAW = ALPHA.read_bytes().decode("utf-8", "surrogateescape")


def test_commands_are_run_before_it_is_started_and_events_surround_them() -> None:
    stage = Stage()
    stage.call("load.raw_start", "", RAW, "d.custom1.set=a%20b;d.priority.set=3", "d.custom.set=addtime,17")
    digits = stage.only().hash
    assert stage.called[:2] == ["inserted", "inserted_new"]
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
