"""When what is saved, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.schema import StorageSettings
from blobtorrent.core.session.commands import (
    AddTorrent,
    ApplySettings,
    ChangeTorrent,
    RemoveTorrent,
    StartTorrent,
    StopSession,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.resume import PATIENCE_S, RETRY_S
from blobtorrent.core.session.rows import read_peers, read_stamps
from blobtorrent.core.swarm.messages import (
    AskPeers,
    ChangeSwarm,
    CloseSwarm,
    KnownAddress,
    LosePieces,
    OpenSwarm,
    PeersKept,
    PeerSource,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DiskFull, FileMissing, Invalid, StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.jobs import CloseStore, PrepareStore, StoreClosed, SyncStore
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.library import DropTorrent, KeepTorrent, TorrentKept
from blobtorrent.storage.state.statethread import (
    METAFILE,
    PEERS,
    PROGRESS,
    STAMPS,
    TORRENT,
    Row,
    SaveState,
    StateSaved,
    row_key,
)
from tests.support.sessions import PIECE, SessionRig, only, settings_of, torrent_of

NORMAL_S = StorageSettings().sync_after_s
FULL = DiskFull("storage.disk-full", "no space left")


def downloading(folder: Path, **settings: object) -> tuple[SessionRig, Metainfo]:
    rig, torrent = SessionRig(keeps=True, **settings), torrent_of(8)
    rig.open_listeners()
    rig.add_kept(torrent, folder)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    return rig, torrent


def claimed(rows: list[Row]) -> Any:
    """What the row of progress says it has."""
    (row,) = [row for row in rows if row.kind == PROGRESS]
    return json.loads(row.body).get("have", "")


def test_an_addition_is_answered_when_file_and_rows_are_durable(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    reply = rig.command(AddTorrent(torrent, tmp_path, raw=b"raw"))
    job = only(KeepTorrent, rig.library.drain())
    assert rig.board.read(torrent.info_hash) is None
    row = Row(METAFILE, b"key", b"digest")
    rig.tell(TorrentKept(job.info_hash, job.token, row, None))
    saved = only(SaveState, rig.saves.drain())
    assert [row.kind for row in saved.puts] == [METAFILE, PROGRESS, TORRENT]
    assert rig.board.read(torrent.info_hash) is None
    rig.tell(StateSaved(saved.token, None))
    assert reply.wait(0) == torrent.info_hash


def test_an_addition_that_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    reply = rig.command(AddTorrent(torrent, tmp_path, raw=b"raw"))
    job = only(KeepTorrent, rig.library.drain())
    rig.tell(TorrentKept(job.info_hash, job.token, None, FULL))
    with pytest.raises(DiskFull):
        reply.wait(0)
    rig.save()
    assert only(DropTorrent, rig.library.drain()).info_hash == torrent.info_hash
    assert rig.board.read(torrent.info_hash) is None


def test_an_addition_without_the_bytes_of_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        SessionRig(keeps=True).ask(AddTorrent(torrent_of(4), tmp_path))


def test_a_row_claims_pieces_only_after_they_were_synced(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    assert rig.saves.depth == 0
    rig.report(torrent, have=5)        # written while the sync is under way: for the next one
    rig.sync()
    rows = rig.save()
    assert claimed(rows) == "4A=="     # pieces 0 to 2
    rig.advance(NORMAL_S)
    rig.sync()
    assert claimed(rig.save()) == "+A=="


def test_a_disk_that_takes_long_keeps_others_from_nothing(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    only(SyncStore, rig.disks.drain())
    rig.advance(PATIENCE_S)
    assert claimed(rig.save()) == ""


def test_pieces_that_could_not_be_synced_are_fetched_again(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    rig.sync(error=StorageError("storage.io", "the disk says no"))
    lost = only(LosePieces, [message for message in rig.shard.drain() if isinstance(message, LosePieces)])
    assert lost.mask == 0b11111111, "also those that no report has told of yet"
    assert rig.status(torrent).done_bytes == 0
    assert claimed(rig.save()) == ""


def test_pieces_that_came_while_a_sync_failed_are_fetched_again_too(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    rig.report(torrent, have=5)
    rig.sync(error=StorageError("storage.io", "the disk says no"))
    lost = only(LosePieces, [message for message in rig.shard.drain() if isinstance(message, LosePieces)])
    assert lost.mask == 0b11111111
    assert rig.status(torrent).done_bytes == 0


def test_a_report_made_before_the_swarm_heard_of_lost_pieces_does_not_bring_them_back(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    rig.sync(error=StorageError("storage.io", "the disk says no"))
    rig.report(torrent, have=4)
    assert rig.status(torrent).done_bytes == 0
    rig.report(torrent, have=1, losses=1)
    assert rig.status(torrent).done_bytes == PIECE


def fail_syncs(rig: SessionRig, torrent: Metainfo, times: int, heeded: int = 0) -> None:
    """`heeded`: how often the swarm was told of lost pieces before."""
    for losses in range(heeded, heeded + times):
        rig.report(torrent, have=3, losses=losses)
        rig.advance(NORMAL_S)
        rig.sync(error=StorageError("storage.io", "the disk says no"))
        rig.save()


def test_a_disk_that_keeps_nothing_is_not_downloaded_onto_for_ever(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    fail_syncs(rig, torrent, 2)
    assert rig.state(torrent) == "downloading"
    fail_syncs(rig, torrent, 1, heeded=2)
    status = rig.status(torrent)
    assert (status.state, status.error_code, status.held_by) == ("error", "storage.io", "disk")
    assert "check it, then start the torrent again" in status.error_detail
    changes = [message for message in rig.shard.drain() if isinstance(message, ChangeSwarm)]
    assert not changes[-1].settings.may_download
    rig.report(torrent, have=0, losses=3)      # the swarm itself is well
    assert rig.state(torrent) == "error"
    rig.command(StopTorrent(torrent.info_hash))
    rig.answer_close(torrent, have=0)
    assert (rig.state(torrent), rig.status(torrent).held_by) == ("stopped", "")


def test_a_sync_that_works_makes_up_for_those_that_failed(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    fail_syncs(rig, torrent, 2)
    rig.report(torrent, have=3, losses=2)
    rig.advance(NORMAL_S)
    rig.sync()
    rig.save()
    rig.report(torrent, have=5, losses=2)
    rig.advance(NORMAL_S)
    rig.sync(error=StorageError("storage.io", "the disk says no"))
    assert rig.state(torrent) == "downloading"


def test_with_sync_always_nothing_waits_long(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, storage__sync="always")
    rig.report(torrent, have=3)
    rig.advance(StorageSettings().sync_always_after_s)
    rig.sync()
    assert claimed(rig.save()) == "4A=="


def test_what_waits_is_saved_as_soon_as_other_settings_say(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, storage__sync_after_s=600.0)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    assert not [job for job in rig.disks.drain() if isinstance(job, SyncStore)]
    rig.ask(ApplySettings(settings_of(storage__sync_after_s=20.0)))
    rig.advance(20.0)
    rig.sync()
    assert claimed(rig.save()) == "4A=="


def test_what_a_command_changed_is_saved_at_once_and_then_answered(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(labels=("new",))))
    assert rig.status(torrent).labels == ("new",)
    rows = rig.save()
    assert reply.wait(0) is None
    assert any(row.kind == TORRENT and b'"new"' in row.body for row in rows)


def test_when_nothing_can_be_saved_the_asker_hears_of_it_and_it_is_tried_again(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(labels=("new",))))
    rig.tell(StateSaved(only(SaveState, rig.saves.drain()).token, FULL))
    with pytest.raises(DiskFull):
        reply.wait(0)
    rig.advance(RETRY_S)
    assert any(b'"new"' in row.body for row in rig.save())


def test_one_commit_is_under_way_at_a_time(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(labels=("a",))))
    reply = rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(labels=("b",))))
    rig.save()
    assert any(b'"b"' in row.body for row in rig.save())
    assert reply.wait(0) is None


def close_swarm(rig: SessionRig, torrent: Metainfo, *, have: int) -> None:
    asked, closed = rig.shard.drain()
    assert isinstance(asked, AskPeers)
    assert isinstance(closed, CloseSwarm)
    rig.tell(PeersKept(torrent.info_hash, ()))
    rig.report_last(torrent, have=have)


def test_a_stopped_torrent_is_synced_before_its_files_are_closed_and_then_only_a_record(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.command(StopTorrent(torrent.info_hash))
    rig.save()
    close_swarm(rig, torrent, have=3)
    rig.sync()
    rig.answer_close_store()
    assert rig.state(torrent) == "stopped"
    rig.advance(NORMAL_S)
    assert claimed(rig.save()) == "4A=="


def test_the_end_of_a_session_is_answered_when_all_is_saved(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    reply = rig.command(StopSession())
    close_swarm(rig, torrent, have=3)
    rig.sync()
    assert only(CloseStore, rig.disks.drain()).info_hash == torrent.info_hash
    rig.tell(StoreClosed(torrent.info_hash))
    assert claimed(rig.save()) == "4A=="
    assert reply.wait(0) is True


def test_a_removed_torrent_leaves_no_row_and_no_file(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    reply = rig.command(RemoveTorrent(torrent.info_hash))
    assert any(row.kind == TORRENT and b'"removal":"keep-data"' in row.body for row in rig.save())
    assert reply.wait(0) is None
    close_swarm(rig, torrent, have=0)
    rig.answer_close_store()
    drops = only(SaveState, rig.saves.drain())
    assert {kind for kind, _ in drops.drops} >= {TORRENT, PROGRESS, METAFILE}
    rig.tell(StateSaved(drops.token, None))
    assert only(DropTorrent, rig.library.drain()).info_hash == torrent.info_hash


def test_a_torrent_that_is_added_again_keeps_its_file_although_the_old_one_is_deleted_late(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.command(RemoveTorrent(torrent.info_hash))
    rig.save()
    close_swarm(rig, torrent, have=0)
    rig.answer_close_store()
    reply = rig.command(AddTorrent(torrent, tmp_path, raw=b"raw"))
    assert rig.library.depth == 0
    drops = only(SaveState, rig.saves.drain())
    rig.tell(StateSaved(drops.token, FULL))
    rig.advance(RETRY_S)
    assert rig.library.depth == 0
    rig.save()
    dropped, kept = rig.library.drain()
    assert (type(dropped), type(kept)) == (DropTorrent, KeepTorrent)
    rig.tell(TorrentKept(torrent.info_hash, kept.token, Row(METAFILE, row_key(torrent.info_hash), b"digest"), None))
    rig.save()
    assert reply.wait(0) == torrent.info_hash


def test_the_swarm_goes_on_with_the_figures_of_the_last_run(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3, uploaded=77)
    rig.command(StopTorrent(torrent.info_hash))
    rig.sync()
    rig.save()
    close_swarm(rig, torrent, have=3)
    rig.answer_close_store()
    rig.command(StartTorrent(torrent.info_hash))
    rig.save()
    rig.answer_load(torrent)
    rig.answer_prepare(has_data=True)
    opened = only(OpenSwarm, rig.shard.drain())
    assert sorted(opened.have) == [0, 1, 2]
    assert opened.totals.downloaded == 3 * torrent.geometry.piece_length


PEER = KnownAddress(Endpoint("10.0.0.1", 6881), PeerSource.TRACKER, 0, 5.0)


def test_peers_are_saved_with_the_commit_after_they_proved_good(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=0, peers_revision=2)
    rig.advance(NORMAL_S)
    assert only(AskPeers, rig.shard.drain()).info_hash == torrent.info_hash
    assert rig.saves.depth == 0        # it goes with what is told now
    rig.tell(PeersKept(torrent.info_hash, (PEER,)))
    (row,) = [row for row in rig.save() if row.kind == PEERS]
    assert read_peers(row.body) == (PEER,)


def test_peers_that_are_saved_are_not_asked_for_again(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=0, peers_revision=2)
    rig.advance(NORMAL_S)
    rig.shard.drain()
    rig.tell(PeersKept(torrent.info_hash, (PEER,)))
    rig.save()
    rig.report(torrent, have=0, uploaded=1, peers_revision=2)
    rig.advance(NORMAL_S)
    assert rig.shard.depth == 0
    assert [row.kind for row in rig.save()] == [PROGRESS]


def test_a_swarm_that_does_not_tell_its_peers_keeps_nothing_from_being_saved(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=0, peers_revision=2)
    rig.advance(NORMAL_S)
    rig.advance(PATIENCE_S)
    assert [row.kind for row in rig.save()] == [PROGRESS]


def test_the_row_of_a_running_torrent_tells_how_long_it_ran_by_then(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=0)
    rig.advance(NORMAL_S)
    (row,) = rig.save()
    assert json.loads(row.body)["totals"][3] == NORMAL_S
    assert json.loads(row.body)["ran_at"] == rig.clock.wall()
    rig.command(StopTorrent(torrent.info_hash))
    rig.save()
    rig.advance(2.0)
    close_swarm(rig, torrent, have=0)
    rig.answer_close_store()
    rig.advance(NORMAL_S)
    (row,) = [row for row in rig.save() if row.kind == PROGRESS]
    assert json.loads(row.body)["totals"][3] == NORMAL_S + 2.0
    assert "ran_at" not in json.loads(row.body)


def test_how_the_files_of_a_stopped_torrent_look_is_saved_although_it_is_only_a_record(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.command(StopTorrent(torrent.info_hash))
    rig.save()
    close_swarm(rig, torrent, have=3)
    rig.sync(stamps={0: FileStamp(1, 2, 3)})
    rig.answer_close_store()
    rig.advance(NORMAL_S)
    (row,) = [row for row in rig.save() if row.kind == STAMPS]
    assert read_stamps(row.body) == {0: FileStamp(1, 2, 3)}


def test_a_torrent_that_is_started_while_its_stamps_are_being_saved_still_knows_them(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.command(StopTorrent(torrent.info_hash))
    rig.save()
    close_swarm(rig, torrent, have=3)
    rig.sync(stamps={0: FileStamp(1, 2, 3)})
    rig.answer_close_store()
    rig.advance(NORMAL_S)              # the row is on its way
    rig.command(StartTorrent(torrent.info_hash))
    rig.answer_load(torrent)           # and was not there yet
    assert only(PrepareStore, rig.disks.drain()).stamps == {0: FileStamp(1, 2, 3)}


def test_stamps_that_came_while_others_were_being_saved_are_saved_next(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=2)
    rig.advance(NORMAL_S)
    rig.sync(stamps={0: FileStamp(1 << 20, 2, 3)})
    rig.command(StopTorrent(torrent.info_hash))
    close_swarm(rig, torrent, have=3)
    rig.sync(stamps={0: FileStamp(1 << 20, 5, 3)})         # while the row of the first is on its way
    rig.answer_close_store()
    saved: list[dict[int, FileStamp]] = []
    while rig.saves.depth:
        saved += [read_stamps(row.body) for row in rig.save() if row.kind == STAMPS]
        rig.advance(NORMAL_S)
    assert [stamps[0].mtime_ns for stamps in saved] == [2, 5]


def test_a_file_that_is_gone_is_had_no_more_whatever_rows_claimed_of_it(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=3)
    rig.advance(NORMAL_S)
    rig.sync()
    rig.save()
    rig.report(torrent, have=5)
    rig.advance(NORMAL_S)
    rig.sync(error=FileMissing("storage.file-missing", "it was deleted"), gone_files=(0,))
    assert only(LosePieces, rig.shard.drain()).mask == 0b11111111
    assert rig.status(torrent).done_bytes == 0


def test_a_file_that_ends_before_the_pieces_that_were_written_to_it_was_cut_short(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=5)
    rig.advance(NORMAL_S)
    rig.sync({0: FileStamp(5 * PIECE - 1, 1, 1)})
    assert only(LosePieces, rig.shard.drain()).mask == 0b11111111
    assert rig.status(torrent).done_bytes == 0


def test_a_file_that_is_as_long_as_its_pieces_ask_for_was_not_cut_short(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=5)
    rig.advance(NORMAL_S)
    rig.sync({0: FileStamp(5 * PIECE, 1, 1)})
    assert rig.shard.drain() == []
