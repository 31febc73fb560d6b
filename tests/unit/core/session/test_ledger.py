"""Figures of this run and of all runs, exact also for torrents that are gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import RemoveTorrent, StopSession
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.core.session.record import Lifetime
from blobtorrent.core.session.rows import read_past
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import Totals
from blobtorrent.model.details import Figures, SessionStats
from blobtorrent.model.errors import StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.filejobs import SpaceMeasured
from blobtorrent.storage.state.statethread import SESSION, Row, SaveState, StateSaved
from tests.support.sessions import PIECE, SessionRig, only, saved_torrent, torrent_of

PAST = Past(alive_at=1.0, seconds=1000.0, runs=4, removed=2, removed_finished=1, removed_bytes=Totals(50, 60, 7))


def with_history(metainfo: Metainfo, folder: Path) -> Torrent:
    torrent = saved_torrent(metainfo, folder, *range(4), run=False)
    torrent.record.lifetime = Lifetime(100, 200, 30, 5.0, 4.0)
    torrent.record.finished_at = 9.0
    return torrent


def stats(rig: SessionRig) -> SessionStats:
    told = rig.ask(StatsOf())
    assert isinstance(told, SessionStats)
    return told


def past_in(rows: list[Row]) -> Past:
    (body,) = [row.body for row in rows if row.kind == SESSION]
    return read_past(body)


def test_a_first_run_begins_at_nothing() -> None:
    rig = SessionRig(keeps=True)
    assert stats(rig).all_time == stats(rig).this_run == Figures(runs=1)


def test_all_time_is_what_torrents_did_that_are_here_and_that_are_gone(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[with_history(torrent_of(4), tmp_path)], past=PAST)
    rig.advance(10.0)
    told = stats(rig)
    assert told.all_time == Figures(150, 260, 37, 1010.0, 5, 3, 2)
    assert told.this_run == Figures(seconds=10.0, runs=1)


def test_what_was_complete_when_the_program_was_killed_counts_as_finished_at_once(tmp_path: Path) -> None:
    complete, begun = (saved_torrent(torrent_of(4, seed=seed), tmp_path / str(seed), *pieces, run=False)
                       for seed, pieces in ((1, range(4)), (2, range(3))))
    complete.record.owes_finish = begun.record.owes_finish = True
    rig = SessionRig(keeps=True, saved=[complete, begun])
    assert stats(rig).all_time.torrents_finished == 1
    rig.command(RemoveTorrent(complete.info_hash))
    rig.advance(10.0)
    assert stats(rig).all_time.torrents_finished == 1


def test_what_is_done_now_counts_for_both(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[with_history(torrent_of(4), tmp_path / "1")], past=PAST)
    rig.open_listeners()
    torrent = torrent_of(4, seed=2)
    rig.add_kept(torrent, tmp_path / "2")
    rig.answer_prepare(has_data=False)
    rig.report(torrent, have=3, uploaded=11, wasted_bytes=2)
    told = stats(rig)
    assert told.this_run._replace(seconds=0.0) == Figures(3 * PIECE, 11, 2, runs=1, torrents_added=1)
    assert told.all_time.downloaded_bytes == 150 + 3 * PIECE
    assert told.all_time.torrents_added == 4


def test_a_removal_and_what_the_torrent_did_are_saved_together_and_nothing_is_lost(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[with_history(torrent, tmp_path)], past=PAST)
    rig.open_listeners()
    before = stats(rig)
    rig.command(RemoveTorrent(torrent.info_hash))
    job = only(SaveState, rig.saves.drain())
    assert job.drops
    past = past_in(list(job.puts))
    assert past[2:] == (5, 3, 2, Totals(150, 260, 37))
    assert stats(rig).all_time == before.all_time
    assert stats(rig).this_run == before.this_run


def test_a_commit_that_failed_is_made_again_with_what_removed_torrents_did(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[with_history(torrent, tmp_path)])
    rig.open_listeners()
    rig.command(RemoveTorrent(torrent.info_hash))
    job = only(SaveState, rig.saves.drain())
    rig.tell(StateSaved(job.token, StorageError("storage.disk-full", "full")))
    rig.advance(5.0)
    job = only(SaveState, rig.saves.drain())
    assert job.drops
    assert past_in(list(job.puts)).removed_bytes == Totals(100, 200, 30)


def test_a_clean_end_saves_how_long_it_ran() -> None:
    rig = SessionRig(keeps=True, past=PAST)
    rig.open_listeners()
    rig.advance(40.0)
    rig.command(StopSession())
    past = past_in(rig.save())
    assert (past.seconds, past.runs, past.alive_at) == (pytest.approx(1040.0), 5, rig.clock.wall())


def test_filesystems_that_were_measured_are_told(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True, storage__reserve=100), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    assert stats(rig).filesystems == ()
    (question,) = rig.files.drain()
    rig.tell(SpaceMeasured(question.device, 5000, None))
    (room,) = stats(rig).filesystems
    assert (room.path, room.free_bytes, room.reserve_bytes, room.is_short) == (str(tmp_path), 5000, 100, False)
    assert room.measured_at == rig.clock.wall()
