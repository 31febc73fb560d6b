"""What seems complete is looked at before anybody is told; what somebody cut out of it is fetched again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobtorrent.config.schema import StorageSettings
from blobtorrent.core.session.commands import StopTorrent
from blobtorrent.core.swarm.messages import LosePieces
from blobtorrent.model.errors import StorageError
from blobtorrent.model.events import DamageFound, TorrentFinished
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.jobs import CloseStore, FindLost, LostFound
from blobtorrent.storage.state.statethread import PROGRESS
from tests.support.sessions import SessionRig, only, torrent_of


def downloading(folder: Path, *, keeps: bool = False, looks_at_once: bool = True) -> tuple[SessionRig, Metainfo]:
    rig, torrent = SessionRig(keeps=keeps, looks_at_once=looks_at_once), torrent_of(8)
    if keeps:
        rig.open_listeners()
        rig.add_kept(torrent, folder)
        rig.answer_prepare(has_data=False)
    else:
        rig.add_downloading(torrent, folder)
    rig.shard.drain()
    rig.events()
    return rig, torrent


def lost_masks(rig: SessionRig) -> list[int]:
    return [message.mask for message in rig.shard.drain() if isinstance(message, LosePieces)]


def finished(rig: SessionRig) -> int:
    return sum(isinstance(event, TorrentFinished) for event in rig.events())


def test_a_complete_torrent_of_which_nothing_is_lost_is_finished(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path)
    rig.report(torrent, have=8)
    assert (rig.state(torrent), finished(rig), lost_masks(rig)) == ("seeding", 1, [])


@pytest.mark.parametrize("keeps", [False, True])
def test_what_was_cut_out_of_it_is_told_and_fetched_again_before_it_is_finished(tmp_path: Path, keeps: bool) -> None:
    rig, torrent = downloading(tmp_path, keeps=keeps)
    rig.lost = [2, 3]
    rig.report(torrent, have=8)
    assert (rig.state(torrent), rig.status(torrent).done_bytes) == ("downloading", 6 * torrent.geometry.piece_length)
    (told,) = [event for event in rig.events() if not isinstance(event, TorrentFinished)]
    assert isinstance(told, DamageFound)
    assert (told.what, told.where) == ("file", str(tmp_path / "t/folder0/file0"))
    assert lost_masks(rig) == [0b1100]
    rig.lost = []
    rig.report(torrent, have=8, losses=1)
    assert (rig.state(torrent), finished(rig)) == ("seeding", 1)


def test_while_it_is_looked_at_it_is_neither_finished_nor_looked_at_again(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, looks_at_once=False)
    rig.report(torrent, have=8)
    rig.report(torrent, have=8)
    job = only(FindLost, rig.disks.drain())
    assert (job.have, rig.state(torrent)) == (0b11111111, "downloading")
    rig.tell(LostFound(job.info_hash, []))
    assert (rig.state(torrent), finished(rig)) == ("seeding", 1)


def test_one_that_is_stopped_meanwhile_keeps_its_files_open_until_the_answer(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, looks_at_once=False)
    rig.report(torrent, have=8)
    job = only(FindLost, rig.disks.drain())
    rig.command(StopTorrent(torrent.info_hash))
    rig.report_last(torrent, have=8)
    assert rig.disks.drain() == []
    rig.tell(LostFound(job.info_hash, []))
    assert only(CloseStore, rig.disks.drain()).info_hash == torrent.info_hash
    assert finished(rig) == 0


def test_files_that_cannot_be_looked_at_keep_it_from_nothing(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, looks_at_once=False)
    rig.report(torrent, have=8)
    rig.tell(LostFound(only(FindLost, rig.disks.drain()).info_hash, [], StorageError("storage.io", "no")))
    assert rig.state(torrent) == "seeding"


def test_what_a_sync_finds_lost_is_not_claimed(tmp_path: Path) -> None:
    rig, torrent = downloading(tmp_path, keeps=True)
    rig.report(torrent, have=5)
    rig.advance(StorageSettings().sync_after_s)
    rig.sync(lost=(1,))
    assert lost_masks(rig) == [0b10]
    assert [event.what for event in rig.events() if isinstance(event, DamageFound)] == ["file"]
    (row,) = [row for row in rig.save() if row.kind == PROGRESS]
    assert json.loads(row.body)["have"] == "uA=="          # all but piece 1
