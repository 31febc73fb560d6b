"""Starting, stopping, opening and closing, as rTorrent understands the words."""

from __future__ import annotations

from blobtorrent.core.session.commands import MoveTorrent, RecheckTorrent, RemoveTorrent, StartTorrent
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FOLDER


def stage_with(name: str = "alpha", **status: object) -> tuple[Stage, str]:
    stage = Stage()
    stage.engine.add(name, **status)
    return stage, stage.only().hash


def where(stage: Stage, digits: str) -> tuple[object, ...]:
    return tuple(stage.call(f"d.{word}", digits) for word in ("state", "is_open", "is_active"))


def test_stopping_leaves_the_files_open_and_closing_leaves_the_state() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    stage.call("d.start", digits)
    assert where(stage, digits) == (1, 1, 1)
    stage.call("d.stop", digits)
    assert where(stage, digits) == (0, 1, 0)
    stage.call("d.start", digits)
    stage.call("d.close", digits)
    assert where(stage, digits) == (1, 0, 0)


def test_starting_what_is_started_and_paused_or_closed_does_nothing() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    stage.call("d.start", digits)
    stage.call("d.pause", digits)
    stage.call("d.start", digits)
    assert where(stage, digits) == (1, 1, 0)
    stage.call("d.resume", digits)
    assert where(stage, digits) == (1, 1, 1)
    stage.call("d.close", digits)
    stage.call("d.start", digits)
    assert where(stage, digits) == (1, 0, 0)


def test_a_download_that_failed_is_started_though_it_says_it_is() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    stage.call("d.start", digits)
    stage.call("d.close", digits)
    stage.call("d.hashing_failed.set", digits, 1)
    stage.call("d.try_start", digits)
    assert where(stage, digits) == (1, 0, 0)
    stage.call("d.start", digits)
    assert (where(stage, digits), stage.call("d.hashing_failed", digits)) == ((1, 1, 1), 0)


def test_what_is_to_be_left_alone_is_not_tried() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    assert stage.call("d.ignore_commands.set", digits, 1) == 1
    stage.call("d.try_start", digits)
    assert not any(isinstance(command, StartTorrent) for command in stage.engine.asked)


def test_an_erased_download_is_gone_at_once_and_its_events_were_told() -> None:
    stage, digits = stage_with(have=b"\xff\xc0", state="seeding", is_started=True)
    stage.side.follower.catch_up(stage.only())
    stage.called.clear()
    stage.call("d.erase", digits)
    assert stage.called == ["paused", "hash_removed", "closed", "erased"]
    assert isinstance(stage.engine.asked[-1], RemoveTorrent)
    assert stage.call("download_list", "") == []


def test_a_directory_gets_the_name_of_the_torrent_and_a_base_does_not() -> None:
    stage, digits = stage_with("bravo")
    stage.call("d.directory.set", digits, "/srv/x")
    assert stage.call("d.directory", digits) == "/srv/x/bravo"
    stage.call("d.directory_base.set", digits, "/srv/y/other")
    assert stage.call("d.directory", digits) == "/srv/y/other"
    moves = [command for command in stage.engine.asked if isinstance(command, MoveTorrent)]
    assert not any(move.move_files for move in moves)


def test_the_directory_that_it_has_is_no_move() -> None:
    stage, digits = stage_with("bravo")
    stage.call("d.directory.set", digits, FOLDER)
    assert not any(isinstance(command, MoveTorrent) for command in stage.engine.asked)


def test_what_is_resumed_runs_without_being_started() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    stage.call("d.start", digits)
    stage.call("d.stop", digits)
    stage.call("d.resume", digits)
    assert where(stage, digits) == (0, 1, 1)
    assert stage.call("download_list", "", "stopped") == [digits]
    stage.call("d.start", digits)
    assert where(stage, digits) == (1, 1, 1)
    stage.call("d.stop", digits)
    assert where(stage, digits) == (0, 1, 0)


def test_what_never_ran_is_looked_at_when_it_is_resumed() -> None:
    stage, digits = stage_with()
    stage.call("d.resume", digits)
    assert stage.engine.asked[-1] == RecheckTorrent(stage.only().info_hash, if_unknown=True)
    assert [stage.call(f"d.{name}", digits) for name in ("state", "is_open", "hashing", "complete")] == [0, 1, 1, 0]
    whole = stage.engine.status(stage.only().info_hash)._replace(
        state="stopped", done_bytes=300_000, pieces_wire=b"\xff\xc0")
    stage.engine.publish(whole)
    assert [stage.call(f"d.{name}", digits) for name in ("is_hash_checked", "hashing", "complete")] == [1, 0, 1]


def test_closing_what_was_only_resumed_leaves_it_stopped() -> None:
    stage, digits = stage_with(have=b"\xff\xc0")
    stage.call("d.start", digits)
    stage.call("d.stop", digits)
    stage.call("d.resume", digits)
    stage.call("d.close", digits)
    assert where(stage, digits) == (0, 0, 0)
