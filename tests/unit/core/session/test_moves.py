"""Moves that end otherwise than they were meant to, and how far one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import MoveTorrent, RemoveTorrent, RenamePath, StartTorrent, StopSession
from blobtorrent.model.errors import Conflict, DiskFull, StorageError
from blobtorrent.storage.filejobs import MoveProgress, MoveStore, PathsRenamed, RenamePaths, StoreMoved
from blobtorrent.storage.state.library import LoadTorrent
from tests.support.sessions import SessionRig, only, saved_torrent, torrent_of

TORRENT = torrent_of(4)
FULL = DiskFull("storage.disk-full", "no room at the target")


def begin_move(folder: Path) -> tuple[SessionRig, MoveStore]:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, folder, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    rig.command(MoveTorrent(TORRENT.info_hash, folder / "new"))
    rig.answer_load(TORRENT)
    rig.save()
    rig.save()                         # that it is about to begin
    return rig, only(MoveStore, rig.files.drain())


def test_how_far_it_is_can_be_seen(tmp_path: Path) -> None:
    rig, _ = begin_move(tmp_path)
    assert rig.status(TORRENT).moved_bytes == 0
    rig.tell(MoveProgress(TORRENT.info_hash, 500, 1000))
    assert (rig.state(TORRENT), rig.status(TORRENT).moved_bytes) == ("moving", 500)
    rig.tell(StoreMoved(TORRENT.info_hash, {}))
    rig.save()
    assert (rig.state(TORRENT), rig.status(TORRENT).moved_bytes) == ("stopped", 0)


def test_a_move_that_fails_leaves_everything_where_it_was(tmp_path: Path) -> None:
    rig, _ = begin_move(tmp_path)
    rig.tell(StoreMoved(TORRENT.info_hash, {}, FULL))
    rig.save()
    status = rig.status(TORRENT)
    assert (status.state, status.error_code, status.download_dir) == ("error", FULL.code, str(tmp_path))
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.save()
    assert rig.state(TORRENT) == "checking"                # where it is


def test_a_move_of_which_nobody_knows_how_far_it_came_goes_on_with_the_next_start(tmp_path: Path) -> None:
    rig, _ = begin_move(tmp_path)
    rig.tell(StoreMoved(TORRENT.info_hash, {}, StorageError("storage.half-moved", "the other disk is away")))
    rig.save()
    assert (rig.state(TORRENT), rig.status(TORRENT).error_code) == ("error", "storage.half-moved")
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.save()
    assert only(MoveStore, rig.files.drain()).is_resumed


def test_a_torrent_that_is_removed_while_it_moves_stops_moving_first(tmp_path: Path) -> None:
    rig, job = begin_move(tmp_path)
    assert job.abort is not None
    assert not job.abort.is_set
    reply = rig.command(RemoveTorrent(TORRENT.info_hash))
    assert job.abort.is_set
    rig.save()
    assert reply.wait(0) is None
    assert rig.state(TORRENT) == "moving"
    rig.tell(StoreMoved(TORRENT.info_hash, {}, StorageError("storage.aborted", "given up")))
    assert rig.board.read(TORRENT.info_hash) is None


def test_a_session_that_ends_does_not_wait_for_a_move(tmp_path: Path) -> None:
    rig, _ = begin_move(tmp_path)
    assert rig.ask(StopSession()) is True
    rig.tell(StoreMoved(TORRENT.info_hash, {}, StorageError("storage.interrupted", "to be resumed")))
    assert rig.saves.depth == 0        # the record says that it was under way


def test_a_torrent_whose_metainfo_is_lost_cannot_be_moved(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, run=False)])
    rig.open_listeners()
    rig.command(MoveTorrent(TORRENT.info_hash, tmp_path / "new"))
    only(LoadTorrent, rig.library.drain())
    rig.fail_load(TORRENT, StorageError("storage.io", "cannot be read"))
    assert (rig.state(TORRENT), rig.status(TORRENT).error_code) == ("error", "storage.io")


@pytest.mark.parametrize(("error", "state"), [(FULL, "error"), (Conflict("torrent.name-taken", "there"), "stopped")])
def test_a_rename_that_fails_is_answered_and_the_names_stay(
    tmp_path: Path, error: StorageError | Conflict, state: str
) -> None:
    torrent = saved_torrent(TORRENT, tmp_path, 0, run=False)
    rig = SessionRig(keeps=True, saved=[torrent])
    rig.open_listeners()
    reply = rig.command(RenamePath(TORRENT.info_hash, "t", "new"))
    rig.answer_load(TORRENT)
    rig.save()
    only(RenamePaths, rig.files.drain())
    rig.tell(PathsRenamed(TORRENT.info_hash, {}, {}, error))
    while rig.saves.depth:
        rig.save()
    with pytest.raises(type(error)):
        reply.wait(0)
    assert rig.state(TORRENT) == state
    assert (torrent.record.place.renames, torrent.record.place.renaming) == ({}, None)
