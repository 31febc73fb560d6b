"""Moves that end otherwise than they were meant to, and how far one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    ChangeTorrent,
    MoveTorrent,
    RemoveTorrent,
    RenamePath,
    Reply,
    StartTorrent,
    StopSession,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.rows import stamps_body
from blobtorrent.model.errors import BlobTorrentError, Conflict, DiskFull, Invalid, NotFound, StorageError
from blobtorrent.model.events import StateChanged, TorrentMoved
from blobtorrent.storage.filejobs import MoveProgress, MoveStore, PathsRenamed, RenamePaths, StoreMoved
from blobtorrent.storage.jobs import PrepareStore, StorePrepared
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.library import LoadTorrent, TorrentLoaded
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


def begin_seeding(folder: Path) -> SessionRig:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, folder, 0, 1, 2, 3)])
    rig.open_listeners()
    rig.answer_load(TORRENT)
    rig.answer_prepare(has_data=True)
    assert rig.state(TORRENT) == "seeding"
    return rig


@pytest.mark.parametrize("stops", [False, True])
def test_who_sees_the_new_folder_sees_that_it_is_moving(tmp_path: Path, stops: bool) -> None:
    """From the order on, be it that it runs, be it that it was being stopped: its swarm is still to be closed."""
    rig = begin_seeding(tmp_path)
    if stops:
        rig.command(StopTorrent(TORRENT.info_hash))
        assert rig.state(TORRENT) == "seeding"
    rig.events()
    rig.command(MoveTorrent(TORRENT.info_hash, tmp_path / "new"))
    assert not rig.files.depth
    assert (rig.state(TORRENT), rig.status(TORRENT).download_dir) == ("moving", str(tmp_path / "new"))
    assert rig.events() == [StateChanged(TORRENT.info_hash, "seeding", "moving")]


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
    reply = rig.command(StopSession())
    rig.save()
    assert reply.wait(0) is True
    rig.tell(StoreMoved(TORRENT.info_hash, {}, StorageError("storage.interrupted", "to be resumed")))
    assert rig.saves.depth == 0        # the record says that it was under way


def test_a_torrent_whose_metainfo_is_lost_cannot_be_moved(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, run=False)])
    rig.open_listeners()
    rig.command(MoveTorrent(TORRENT.info_hash, tmp_path / "new"))
    only(LoadTorrent, rig.library.drain())
    rig.fail_load(TORRENT, StorageError("storage.io", "cannot be read"))
    assert (rig.state(TORRENT), rig.status(TORRENT).error_code) == ("error", "storage.io")


@pytest.mark.parametrize(("error", "answer", "state"), [
    (FULL, FULL.code, "error"),
    (Conflict("torrent.name-taken", "there"), "torrent.name-taken", "stopped"),
    (StorageError("storage.in-the-way", "there"), "torrent.name-taken", "stopped"),
])
def test_a_rename_that_fails_is_answered_and_the_names_stay(
    tmp_path: Path, error: StorageError | Conflict, answer: str, state: str
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
    with pytest.raises(BlobTorrentError) as caught:
        reply.wait(0)
    assert caught.value.code == answer
    assert rig.state(TORRENT) == state
    assert (torrent.record.place.renames, torrent.record.place.renaming) == ({}, None)


def test_a_rename_that_cannot_begin_is_answered_and_not_tried_again(tmp_path: Path) -> None:
    torrent = saved_torrent(TORRENT, tmp_path, 0, run=False)
    rig = SessionRig(keeps=True, saved=[torrent])
    rig.open_listeners()
    reply = rig.command(RenamePath(TORRENT.info_hash, "t", "new"))
    rig.fail_load(TORRENT, StorageError("storage.io", "cannot be read"))
    with pytest.raises(StorageError, match="cannot be read"):
        reply.wait(0)
    assert (rig.state(TORRENT), torrent.record.place.renaming) == ("error", None)


def test_who_waits_for_a_rename_hears_that_the_torrent_was_removed(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True)
    rig.open_listeners()
    rig.add_kept(TORRENT, tmp_path)
    rig.answer_prepare(has_data=False)
    reply = rig.command(RenamePath(TORRENT.info_hash, "t", "new"))
    rig.command(RemoveTorrent(TORRENT.info_hash))
    rig.answer_close(TORRENT, have=0)
    assert rig.board.read(TORRENT.info_hash) is None
    with pytest.raises(NotFound, match="removed meanwhile"):
        reply.wait(0)


# ---- without the files


def use_files_of(rig: SessionRig, folder: Path) -> Reply[None]:
    reply: Reply[None] = rig.command(MoveTorrent(TORRENT.info_hash, folder, move_files=False))
    return reply


def load_with_stamps(rig: SessionRig, *numbers: int) -> None:
    """The library reads the torrent, of which these files have stamps."""
    only(LoadTorrent, rig.library.drain())
    stamps = stamps_body({number: FileStamp(1, 2, 3) for number in numbers})
    rig.tell(TorrentLoaded(TORRENT.info_hash, TORRENT, stamps, b"", None))


def test_a_stopped_torrent_uses_the_files_of_another_folder_and_nothing_is_moved(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    reply = use_files_of(rig, tmp_path / "new")
    rig.save()
    assert reply.wait(0) is None
    assert TorrentMoved(TORRENT.info_hash, str(tmp_path / "new")) in rig.events()
    assert (rig.state(TORRENT), rig.status(TORRENT).download_dir) == ("stopped", str(tmp_path / "new"))
    assert (rig.status(TORRENT).done_bytes, rig.files.depth) == (TORRENT.payload_bytes, 0)


def test_what_looks_as_it_was_left_is_not_hashed_again(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3)])
    rig.open_listeners()
    load_with_stamps(rig, 0)
    rig.tell(StorePrepared(only(PrepareStore, rig.disks.drain()).info_hash, has_data=True))
    assert rig.state(TORRENT) == "seeding"
    use_files_of(rig, tmp_path / "new")
    rig.save()
    rig.answer_close(TORRENT, have=4)
    load_with_stamps(rig, 0)
    job = only(PrepareStore, rig.disks.drain())
    assert job.store.root == tmp_path / "new"
    rig.tell(StorePrepared(job.info_hash, has_data=True))
    assert (rig.state(TORRENT), rig.hashers.depth) == ("seeding", 0)


def test_without_stamps_all_that_lies_there_is_hashed(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    use_files_of(rig, tmp_path / "new")
    rig.save()
    rig.command(StartTorrent(TORRENT.info_hash))
    rig.save()
    load_with_stamps(rig)
    rig.tell(StorePrepared(only(PrepareStore, rig.disks.drain()).info_hash, has_data=True))
    assert rig.hashers.depth
    assert rig.status(TORRENT).done_bytes == 0
    (row,) = [row for row in rig.save() if row.kind == "progress"]
    assert b'"have"' not in row.body                       # a kill now does not bring the belief back


def test_a_torrent_whose_files_were_moved_by_hand_runs_on_where_they_are(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3)])
    rig.open_listeners()
    load_with_stamps(rig, 0)
    rig.tell(StorePrepared(only(PrepareStore, rig.disks.drain()).info_hash, has_data=False))
    assert rig.status(TORRENT).error_code == "storage.files-gone"
    use_files_of(rig, tmp_path / "new")
    rig.answer_close_store()
    load_with_stamps(rig, 0)
    rig.tell(StorePrepared(only(PrepareStore, rig.disks.drain()).info_hash, has_data=True))
    assert (rig.state(TORRENT), rig.status(TORRENT).error_code) == ("seeding", "")


def test_its_own_file_may_have_another_name_in_the_other_folder(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    reply = rig.command(MoveTorrent(TORRENT.info_hash, tmp_path / "new", move_files=False, name="other"))
    rig.save()
    assert reply.wait(0) is None
    assert rig.status(TORRENT).own_path == str(tmp_path / "new/other")


def test_that_name_is_one_part_of_a_path(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, 0, 1, 2, 3, run=False)])
    rig.open_listeners()
    for name in ("a/b", "..", ""):
        reply = rig.command(MoveTorrent(TORRENT.info_hash, tmp_path / "new", move_files=False, name=name))
        with pytest.raises(Invalid):
            reply.wait(0)


# ---- small texts


def test_small_texts_are_kept_changed_one_by_one_and_taken_away(tmp_path: Path) -> None:
    rig = SessionRig(keeps=True, saved=[saved_torrent(TORRENT, tmp_path, run=False)])
    rig.open_listeners()
    for custom in ({"custom1": "a", "views": "x"}, {"custom1": None, "custom.k": "v"}):
        reply = rig.command(ChangeTorrent(TORRENT.info_hash, TorrentChanges(custom=custom)))
        rig.save()
        assert reply.wait(0) is None
    assert rig.status(TORRENT).custom == {"views": "x", "custom.k": "v"}
