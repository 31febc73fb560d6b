"""A torrent while it has a swarm: its goals, its pace, and how long it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobtorrent.core.session.activity import WATCH_S
from blobtorrent.core.session.commands import (
    ApplySettings,
    ChangeTorrent,
    GoalAction,
    SeedGoal,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.rows import progress_body, read_record, torrent_body
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.discovery.messages import Announce
from blobtorrent.model.errors import Conflict
from blobtorrent.model.events import TorrentFinished
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from blobtorrent.storage.filejobs import DataDeleted, DeleteData, FilesStamped
from blobtorrent.storage.jobs import PrepareStore, StorePrepared
from blobtorrent.storage.state.statethread import PROGRESS
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


# ---- the finish

ANNOUNCED = torrent_of(4, tiers=(("http://tracker.example/announce",),))


def killed(folder: Path, *, goal: SeedGoal | None = None, owes_finish: bool = True, lost: tuple[int, ...] = ()
           ) -> SessionRig:
    """The session after a kill, whose torrent turns out to be complete, but for what is found `lost`."""
    left = saved_torrent(ANNOUNCED, folder, 0, 1, 2, 3)
    left.record.is_suspect, left.record.owes_finish = True, owes_finish
    left.record.wishes = left.record.wishes._replace(goal=goal)
    rig = SessionRig(keeps=True, saved=[left])
    rig.lost = list(lost)
    rig.open_listeners()
    rig.events()
    rig.answer_load(ANNOUNCED)
    job = only(PrepareStore, rig.disks.drain())
    rig.tell(StorePrepared(job.info_hash, True))
    rig.check_all()
    for stamping in rig.files.drain():
        rig.tell(FilesStamped(stamping.info_hash, {}))
    rig.report(ANNOUNCED, have=4)
    return rig


def finishes(rig: SessionRig) -> int:
    return sum(isinstance(event, TorrentFinished) for event in rig.events())


def announced(rig: SessionRig) -> list[AnnounceEvent]:
    """What the tracker is told, and answers."""
    told = []
    while orders := rig.outcalls.drain():
        for order in orders:
            assert isinstance(order, Announce)
            told.append(order.query.event)
            rig.answer_announce(order)
    return told


def test_a_finish_that_a_kill_cut_off_is_told_at_the_next_start_and_only_then(tmp_path: Path) -> None:
    rig = killed(tmp_path)
    assert rig.state(ANNOUNCED) == "seeding"
    assert finishes(rig) == 1
    assert rig.status(ANNOUNCED).finished_at == rig.clock.wall()
    assert announced(rig) == [AnnounceEvent.STARTED, AnnounceEvent.COMPLETED]
    rig.command(StopTorrent(ANNOUNCED.info_hash))
    rig.answer_close(ANNOUNCED, have=4)
    rig.save()
    rig.command(StartTorrent(ANNOUNCED.info_hash))
    rig.answer_load(ANNOUNCED)
    rig.answer_prepare(has_data=True)
    assert rig.state(ANNOUNCED) == "seeding"
    assert finishes(rig) == 0
    assert AnnounceEvent.COMPLETED not in announced(rig)


def test_a_finish_is_not_told_after_a_kill_either_before_it_is_proven(tmp_path: Path) -> None:
    rig = killed(tmp_path, lost=(2,))
    assert (rig.state(ANNOUNCED), finishes(rig)) == ("downloading", 0)
    rig.lost = []
    rig.report(ANNOUNCED, have=3)
    rig.report(ANNOUNCED, have=4, losses=1)
    assert (rig.state(ANNOUNCED), finishes(rig)) == ("seeding", 1)


def test_a_torrent_that_was_complete_when_it_was_added_has_not_finished(tmp_path: Path) -> None:
    rig = killed(tmp_path, owes_finish=False)
    assert rig.state(ANNOUNCED) == "seeding"
    assert (finishes(rig), rig.status(ANNOUNCED).finished_at) == (0, 0.0)
    assert announced(rig) == [AnnounceEvent.STARTED]


def test_a_finish_is_told_also_when_the_torrent_need_not_seed(tmp_path: Path) -> None:
    rig = killed(tmp_path, goal=SeedGoal(ratio=0.0))
    assert finishes(rig) == 1
    assert announced(rig) == [AnnounceEvent.STARTED, AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED]
    rig.shard.drain()
    rig.report_last(ANNOUNCED, have=4)
    rig.answer_close_store()
    assert (rig.state(ANNOUNCED), rig.status(ANNOUNCED).held_by) == ("stopped", "goal")


@pytest.mark.parametrize(("have", "owes_finish"), [(4, True), (3, False)])
def test_a_download_whose_last_piece_came_while_it_was_closed_owes_its_finish_to_the_next_start(
    tmp_path: Path, have: int, owes_finish: bool
) -> None:
    rig = SessionRig(keeps=True)
    rig.open_listeners()
    rig.add_kept(TORRENT, tmp_path)
    rig.answer_prepare(has_data=False)
    rig.advance(5.0)
    rig.command(StopTorrent(TORRENT.info_hash))
    rig.save()
    rig.report_last(TORRENT, have=have)
    rig.sync()
    rig.answer_close_store()
    rig.advance(5.0)
    (progress,) = [row.body for row in rig.save() if row.kind == PROGRESS]
    assert json.loads(progress).get("owes_finish", False) is owes_finish
    assert (rig.state(TORRENT), finishes(rig)) == ("stopped", 0)


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


def test_a_torrent_is_started_now_whatever_its_goal_and_seeds_until_it_is_stopped(tmp_path: Path) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0, time_s=60.0))
    rig.command(StartTorrent(TORRENT.info_hash, now=True))
    rig.save()
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    assert (rig.state(TORRENT), rig.status(TORRENT).held_by) == ("seeding", "")
    rig.advance(120.0)
    rig.report(TORRENT, have=4, uploaded=9 * PIECE)
    assert (rig.state(TORRENT), is_closing(rig)) == ("seeding", False)


def test_that_it_runs_whatever_its_goal_is_known_to_the_next_process(tmp_path: Path) -> None:
    left = saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3)
    left.record.wishes = left.record.wishes._replace(goal=SeedGoal(ratio=0.0))
    left.record.is_forced = True
    rig = SessionRig(keeps=True, saved=[Torrent(read_record(torrent_body(left.record), progress_body(left.record)))])
    rig.open_listeners()
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    assert rig.state(TORRENT) == "seeding"


def test_once_it_is_stopped_its_goal_counts_again(tmp_path: Path) -> None:
    rig = content(tmp_path, SeedGoal(ratio=2.0))
    rig.command(StartTorrent(TORRENT.info_hash, now=True))
    rig.answer_load(TORRENT)
    rig.command(StopTorrent(TORRENT.info_hash))
    rig.answer_prepare(has_data=True)
    rig.answer_close_store()
    with pytest.raises(Conflict, match="start it now") as caught:
        rig.ask(StartTorrent(TORRENT.info_hash))
    assert caught.value.code == "torrent.goal-met"


def test_a_running_torrent_that_is_started_now_passes_its_goal_by(tmp_path: Path) -> None:
    rig = seeding(tmp_path, SeedGoal(time_s=60.0), keeps=True)
    rig.command(StartTorrent(TORRENT.info_hash, now=True))
    rig.advance(61.0)
    assert (rig.state(TORRENT), is_closing(rig)) == ("seeding", False)


# ---- a swarm that failed

def test_a_torrent_whose_swarm_failed_is_in_error_until_it_is_stopped(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.open_listeners()
    rig.add_downloading(TORRENT, tmp_path)
    rig.shard.drain()
    rig.report(TORRENT, have=2, error_code="bug.swarm", error_detail="a bug in the program; the log has the reason")
    rig.report(TORRENT, have=3, error_code="bug.swarm", error_detail="a bug in the program; the log has the reason")
    assert (rig.state(TORRENT), rig.status(TORRENT).error_code) == ("error", "bug.swarm")
    rig.command(StopTorrent(TORRENT.info_hash))
    rig.answer_close(TORRENT, have=2)
    assert rig.state(TORRENT) == "stopped"
