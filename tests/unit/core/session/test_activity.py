"""A torrent while it has a swarm: its goals, its pace, and how long it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.activity import WATCH_S
from blobtorrent.core.session.commands import (
    ApplySettings,
    ChangeTorrent,
    GoalAction,
    SeedGoal,
    StartTorrent,
    TorrentChanges,
)
from blobtorrent.model.errors import Conflict
from blobtorrent.storage.filejobs import DataDeleted, DeleteData
from tests.support.sessions import PIECE, SessionRig, only, saved_torrent, settings_of, torrent_of

TORRENT = torrent_of(4)
IDLE_S = 600.0
STALLED_S = 60.0


def seeding(folder: Path, goal: SeedGoal, *, keeps: bool = False) -> SessionRig:
    rig = SessionRig(keeps=keeps)
    rig.open_listeners()
    if keeps:
        rig.add_kept(TORRENT, folder, goal=goal)
        rig.answer_prepare(has_data=False)
        rig.report(TORRENT, have=4)
    else:
        rig.add_downloading(TORRENT, folder, goal=goal)
        rig.report(TORRENT, have=4)
    rig.shard.drain()
    assert rig.state(TORRENT) == "seeding"
    return rig


def is_closing(rig: SessionRig) -> bool:
    return any(type(message).__name__ == "CloseSwarm" for message in rig.shard.drain())


# ---- goals

def test_a_torrent_that_nobody_takes_a_byte_of_has_seeded_enough(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(idle_s=IDLE_S))
    rig.advance(IDLE_S - 1.0)
    assert not is_closing(rig)
    rig.advance(1.0)
    assert is_closing(rig)


def test_every_byte_that_is_taken_puts_the_end_off(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(idle_s=IDLE_S))
    rig.advance(IDLE_S - 1.0)
    rig.report(TORRENT, have=4, uploaded=1)
    rig.advance(IDLE_S - 1.0)
    assert not is_closing(rig)
    rig.advance(1.0)
    assert is_closing(rig)


def test_a_goal_that_is_changed_holds_at_once_although_nothing_moves(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(), keeps=True)
    rig.advance(100.0)
    rig.command(ChangeTorrent(TORRENT.info_hash, TorrentChanges(goal=SeedGoal(time_s=99.0))))
    assert is_closing(rig)


@pytest.mark.parametrize(("action", "deletes"), [(GoalAction.REMOVE, False), (GoalAction.REMOVE_WITH_DATA, True)])
def test_a_torrent_that_has_seeded_enough_can_be_removed_by_itself(
    tmp_path: Path, action: GoalAction, deletes: bool
) -> None:
    rig = seeding(tmp_path, SeedGoal(time_s=60.0, action=action), keeps=True)
    rig.advance(5.0)
    rig.sync()
    rig.save()
    rig.advance(60.0)
    rig.save()
    rig.files.drain()
    rig.report_last(TORRENT, have=4)
    rig.answer_close_store()
    if deletes:
        rig.tell(DataDeleted(only(DeleteData, rig.files.drain()).info_hash))
    assert rig.files.depth == 0
    assert rig.board.read(TORRENT.info_hash) is None


def content(folder: Path, goal: SeedGoal | None = None, **settings: object) -> SessionRig:
    """A daemon's session whose torrent has stopped by its goal, or by that of the settings."""
    left = saved_torrent(TORRENT, folder, 0, 1, 2, 3)
    left.record.wishes = left.record.wishes._replace(goal=goal)
    left.record.lifetime = left.record.lifetime._replace(uploaded_bytes=8 * PIECE)
    rig = SessionRig(keeps=True, saved=[left], **settings)
    rig.open_listeners()
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    rig.answer_close_store()
    rig.save()
    return rig


def test_a_torrent_that_has_seeded_enough_stops_and_says_why(tmp_path: Path) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0))
    assert (rig.state(TORRENT), rig.status(TORRENT).held_by) == ("stopped", "goal")
    assert rig.shard.depth == 0


def test_a_start_that_would_end_at_once_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0))
    with pytest.raises(Conflict, match="a ratio of 2, a goal of its own: .* Raise or clear that goal") as caught:
        rig.ask(StartTorrent(TORRENT.info_hash))
    assert caught.value.code == "torrent.goal-met"
    assert (rig.state(TORRENT), rig.status(TORRENT).held_by) == ("stopped", "goal")


@pytest.mark.parametrize("goal", [SeedGoal(ratio=3.0), SeedGoal()])
def test_when_its_goal_is_raised_or_cleared_it_can_be_started(tmp_path: Path, goal: SeedGoal) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0))
    rig.command(ChangeTorrent(TORRENT.info_hash, TorrentChanges(goal=goal)))
    assert rig.status(TORRENT).held_by == ""
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    assert rig.state(TORRENT) == "seeding"


def test_another_change_leaves_what_it_stopped_for(tmp_path: Path) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0))
    rig.command(ChangeTorrent(TORRENT.info_hash, TorrentChanges(labels=("new",))))
    assert rig.status(TORRENT).held_by == "goal"


def test_a_goal_of_the_settings_is_named_as_such_and_raised_there(tmp_path: Path) -> None:
    rig = content(tmp_path, seeding__ratio=1.0)
    with pytest.raises(Conflict, match="a goal of the settings"):
        rig.ask(StartTorrent(TORRENT.info_hash))
    rig.ask(ApplySettings(settings_of(seeding__ratio=5.0)))
    assert rig.status(TORRENT).held_by == ""
    rig.command(StartTorrent(TORRENT.info_hash))
    assert rig.state(TORRENT) == "checking"


def test_a_torrent_that_stopped_because_nobody_took_a_byte_is_started_for_another_while(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(idle_s=IDLE_S), keeps=True)
    rig.sync()
    rig.save()
    rig.advance(IDLE_S)
    rig.report_last(TORRENT, have=4)
    rig.answer_close_store()
    assert (rig.state(TORRENT), rig.status(TORRENT).held_by) == ("stopped", "goal")
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    assert (rig.state(TORRENT), rig.status(TORRENT).held_by) == ("seeding", "")


def test_what_a_torrent_stopped_for_outlives_the_process(tmp_path: Path) -> None:
    left = saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3, run=False)
    left.record.has_given_enough = True
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    assert rig.status(TORRENT).held_by == "goal"


def test_a_torrent_whose_files_are_gone_is_downloaded_again_whatever_it_has_given(tmp_path: Path) -> None:
    left = saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3)
    left.record.wishes = left.record.wishes._replace(goal=SeedGoal(ratio=0.0))
    rig = SessionRig(keeps=True, saved=[left])
    rig.open_listeners()
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=False)
    assert rig.status(TORRENT).error_code == "storage.files-gone"
    rig.save()
    rig.command(StartTorrent(TORRENT.info_hash))
    assert rig.status(TORRENT).is_started


# ---- pace

def test_a_quiet_torrent_gives_its_place_to_the_next_although_it_reports_nothing(tmp_path: Path) -> None:
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig = SessionRig(keeps=True, queue__active_downloads=1, queue__stalled_after_s=STALLED_S)
    rig.open_listeners()
    rig.add_kept(first, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.clock.advance(1.0)
    rig.add_kept(second, tmp_path)
    for _ in range(int(STALLED_S // WATCH_S) - 1):
        rig.advance(WATCH_S)
    assert rig.state(second) == "queued"
    rig.advance(WATCH_S)
    rig.advance(0.0)
    assert (rig.state(first), rig.state(second)) == ("downloading", "checking")


def test_a_pace_that_is_called_slow_later_is_judged_anew(tmp_path: Path) -> None:
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig = SessionRig(keeps=True, queue__active_downloads=1, queue__stalled_after_s=1e6)
    rig.open_listeners()
    rig.add_kept(first, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.clock.advance(1.0)
    rig.add_kept(second, tmp_path)
    rig.advance(STALLED_S)
    rig.ask(ApplySettings(settings_of(queue__active_downloads=1, queue__stalled_after_s=STALLED_S)))
    rig.advance(WATCH_S)
    rig.advance(0.0)
    assert rig.state(second) == "checking"


# ---- time

def test_the_seconds_of_a_torrent_that_reports_nothing_go_on(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal())
    status, wall = rig.status(TORRENT), rig.clock.wall()
    rig.advance(1000.0)
    assert rig.status(TORRENT) is status
    assert status.seeding_s_at(wall + 1000.0) == 1000.0
    assert status.active_s_at(wall + 1000.0) == 1000.0


def test_the_seconds_of_a_stopped_torrent_stand_still(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(time_s=60.0))
    rig.advance(60.0)
    rig.answer_close(TORRENT, have=4)
    status = rig.status(TORRENT)
    assert status.active_s_at(rig.clock.wall() + 1000.0) == status.active_s == 60.0
    assert status.seeding_s_at(rig.clock.wall() + 1000.0) == 60.0
