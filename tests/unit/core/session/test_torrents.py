"""The way of a torrent through a session, from added to gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    AddPeers,
    AddTorrent,
    ApplySettings,
    ChangeTorrent,
    FilePriority,
    HandlePeer,
    RecheckTorrent,
    RemoveTorrent,
    SeedGoal,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.swarm.messages import ChangeSwarm, CloseSwarm, OpenSwarm, PeersFound, PeerSource, TreatPeer
from blobtorrent.discovery.messages import PeersResolved, ResolvePeers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerTreatment
from blobtorrent.model.errors import Conflict, DiskFull, NotFound
from blobtorrent.model.events import StateChanged, TorrentAdded, TorrentFailed, TorrentFinished, TorrentRemoved
from blobtorrent.storage.filejobs import FilesStamped, StampFiles
from blobtorrent.storage.jobs import CheckPieces, CloseStore, PrepareStore
from blobtorrent.storage.stamps import FileStamp
from tests.support.sessions import PIECE, SessionRig, only, settings_of, torrent_of
from tests.support.stored import StoredTorrent

FULL = DiskFull("storage.disk-full", "no space left")
TWO_FILES = StoredTorrent([2 * PIECE, 2 * PIECE], PIECE).metainfo
PEER = Endpoint("127.0.0.1", 6881)


def test_a_torrent_with_nothing_on_disk_goes_straight_to_its_swarm(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(8)
    rig.add(torrent, tmp_path, peers=(PEER,))
    rig.answer_prepare(has_data=False)
    opened, found = rig.shard.drain()
    assert isinstance(opened, OpenSwarm)
    assert len(opened.have) == 0
    assert found == PeersFound(torrent.info_hash, (PEER,), PeerSource.STATIC)
    assert rig.hashers.depth == 0
    assert rig.state(torrent) == "downloading"


def test_what_lies_on_disk_is_checked_before_the_swarm_opens(tmp_path: Path) -> None:
    rig, torrent = SessionRig(check_jobs=2), torrent_of(10, piece_length=16 << 20)
    rig.add(torrent, tmp_path)
    rig.answer_prepare(has_data=True)
    jobs = rig.hashers.drain()
    assert [job.indices for job in jobs] == [range(2), range(2, 4)]
    rig.answer_check(jobs[0])
    rig.answer_check(jobs[1], good=False)
    assert rig.status(torrent).checked_bytes == 4 * (16 << 20)
    assert rig.status(torrent).done_bytes == 2 * (16 << 20)
    assert rig.shard.depth == 0
    rig.check_all(good=False)
    opened = only(OpenSwarm, rig.shard.drain())
    assert sorted(opened.have) == [0, 1]
    assert rig.state(torrent) == "downloading"
    assert rig.status(torrent).done_bytes == 2 * (16 << 20)


def test_a_complete_torrent_seeds_and_is_not_announced_as_finished(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_seeding(torrent, tmp_path)
    assert rig.state(torrent) == "seeding"
    assert rig.status(torrent).is_finished and rig.status(torrent).was_whole
    assert not any(isinstance(event, TorrentFinished) for event in rig.events())


def test_a_complete_torrent_that_need_not_seed_opens_no_swarm(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_seeding(torrent, tmp_path, goal=SeedGoal(time_s=0.0))
    assert rig.shard.depth == 0
    rig.answer_close_store()
    assert rig.state(torrent) == "stopped"
    assert rig.status(torrent).is_finished


def test_the_last_piece_makes_a_download_a_seed(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.report(torrent, have=3)
    assert rig.status(torrent).done_bytes == 3 * PIECE
    rig.events()
    rig.report(torrent, have=4)
    assert rig.state(torrent) == "seeding"
    assert rig.events() == [
        StateChanged(torrent.info_hash, "downloading", "seeding"),
        TorrentFinished(torrent.info_hash, 4 * PIECE),
    ]


def test_a_piece_that_cannot_be_read_any_more_is_downloaded_again(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_seeding(torrent, tmp_path)
    rig.report(torrent, have=3)
    assert rig.state(torrent) == "downloading"
    rig.report(torrent, have=4)
    assert rig.state(torrent) == "seeding"


def test_seeding_ends_when_its_time_is_over(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_seeding(torrent, tmp_path, goal=SeedGoal(time_s=60.0))
    rig.advance(59.0)
    assert rig.state(torrent) == "seeding"
    assert not any(isinstance(message, CloseSwarm) for message in rig.shard.drain())
    rig.advance(1.0)
    rig.answer_close(torrent, have=4)
    assert rig.state(torrent) == "stopped"


def test_seeding_ends_when_its_ratio_is_reached(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path, goal=SeedGoal(ratio=1.5))
    rig.report(torrent, have=3, uploaded=6 * PIECE)
    assert rig.state(torrent) == "downloading"
    rig.report(torrent, have=4, uploaded=6 * PIECE - 1)
    assert rig.state(torrent) == "seeding"
    rig.report(torrent, have=4, uploaded=6 * PIECE)
    rig.answer_close(torrent, have=4, uploaded=6 * PIECE)
    assert rig.state(torrent) == "stopped"
    assert rig.status(torrent).uploaded_bytes == 6 * PIECE


def test_the_store_is_closed_only_after_the_swarm_and_every_job(tmp_path: Path) -> None:
    rig, torrent = SessionRig(check_jobs=2), torrent_of(10, piece_length=8 << 20)
    rig.add(torrent, tmp_path)
    rig.answer_prepare(has_data=True)
    first, second = rig.hashers.drain()
    rig.ask(StopTorrent(torrent.info_hash))
    rig.answer_check(first)
    assert rig.hashers.depth == 0
    assert rig.disks.depth == 0
    rig.answer_check(second)
    rig.answer_close_store()
    assert rig.state(torrent) == "stopped"


def test_a_torrent_stopped_while_it_is_prepared_closes_after_the_answer(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add(torrent, tmp_path)
    rig.ask(StopTorrent(torrent.info_hash))
    assert rig.state(torrent) == "checking"
    rig.answer_prepare(has_data=True)
    assert rig.hashers.depth == 0
    rig.answer_close_store()
    assert rig.state(torrent) == "stopped"


def test_a_stopped_torrent_starts_with_a_new_check(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.ask(StopTorrent(torrent.info_hash))
    rig.answer_close(torrent, have=2)
    assert rig.status(torrent).done_bytes == 2 * PIECE
    rig.ask(StartTorrent(torrent.info_hash))
    rig.answer_prepare(has_data=True)
    rig.check_all()
    assert rig.state(torrent) == "seeding"


def test_a_disk_that_cannot_be_prepared_is_an_error_and_stop_brings_it_home(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add(torrent, tmp_path)
    rig.answer_prepare(has_data=False, error=FULL)
    status = rig.status(torrent)
    assert (status.state, status.error_code, status.error_detail) == ("error", FULL.code, FULL.detail)
    assert TorrentFailed(torrent.info_hash, FULL.code, FULL.detail) in rig.events()
    rig.ask(StopTorrent(torrent.info_hash))
    rig.answer_close_store()
    rig.ask(StartTorrent(torrent.info_hash))
    assert rig.status(torrent).error_code == ""
    rig.answer_prepare(has_data=False)
    assert rig.state(torrent) == "downloading"


def test_a_disk_that_fails_under_a_check_is_an_error(tmp_path: Path) -> None:
    rig, torrent = SessionRig(check_jobs=1), torrent_of(10, piece_length=8 << 20)
    rig.add(torrent, tmp_path)
    rig.answer_prepare(has_data=True)
    rig.answer_check(only(CheckPieces, rig.hashers.drain()), error=FULL)
    assert rig.hashers.depth == 0
    assert rig.state(torrent) == "error"


def test_a_swarm_without_disk_space_is_an_error_until_the_disk_takes_bytes_again(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.report(torrent, have=1, error=FULL)
    rig.report(torrent, have=1, error=FULL)
    assert rig.state(torrent) == "error"
    rig.report(torrent, have=2)
    assert (rig.state(torrent), rig.status(torrent).error_code) == ("downloading", "")


def test_torrents_of_one_device_are_checked_one_after_the_other(tmp_path: Path) -> None:
    rig, first, second = SessionRig(), torrent_of(4, seed=1), torrent_of(4, seed=2)
    for torrent in (first, second):
        rig.add(torrent, tmp_path)
        rig.answer_prepare(has_data=True)
    job = only(CheckPieces, rig.hashers.drain())
    assert job.info_hash == first.info_hash
    rig.answer_check(job)
    assert only(CheckPieces, rig.hashers.drain()).info_hash == second.info_hash


def test_a_torrent_that_is_stopped_in_the_line_lets_the_next_one_pass(tmp_path: Path) -> None:
    rig = SessionRig()
    torrents = [torrent_of(4, seed=seed) for seed in (1, 2, 3)]
    for torrent in torrents:
        rig.add(torrent, tmp_path)
        rig.answer_prepare(has_data=True)
    rig.ask(StopTorrent(torrents[1].info_hash))
    assert only(CloseStore, rig.disks.drain()).info_hash == torrents[1].info_hash
    rig.ask(StopTorrent(torrents[0].info_hash))
    jobs = rig.hashers.drain()
    assert [job.info_hash for job in jobs] == [torrents[0].info_hash, torrents[2].info_hash]


def test_a_removed_torrent_is_gone_when_all_of_it_is_closed(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.ask(RemoveTorrent(torrent.info_hash))
    assert rig.state(torrent) == "downloading"
    rig.answer_close(torrent, have=0)
    assert rig.board.read(torrent.info_hash) is None
    assert rig.events()[-1] == TorrentRemoved(torrent.info_hash, "t")
    rig.add(torrent, tmp_path)
    assert rig.state(torrent) == "checking"


def test_a_stopped_torrent_is_removed_at_once(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.ask(StopTorrent(torrent.info_hash))
    rig.answer_close(torrent, have=0)
    rig.ask(RemoveTorrent(torrent.info_hash))
    assert rig.board.read(torrent.info_hash) is None


def test_reports_of_a_swarm_that_is_being_closed_change_nothing(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.ask(StopTorrent(torrent.info_hash))
    rig.report(torrent, have=4)
    assert rig.state(torrent) == "downloading"


def test_peers_added_later_reach_the_swarm_and_stay_for_the_next_one(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add(torrent, tmp_path)
    rig.ask(AddPeers(torrent.info_hash, (PEER,)))
    assert rig.shard.depth == 0
    rig.answer_prepare(has_data=False)
    found = PeersFound(torrent.info_hash, (PEER,), PeerSource.STATIC)
    assert rig.shard.drain()[-1] == found
    rig.ask(AddPeers(torrent.info_hash, (PEER,)))
    assert rig.shard.drain() == [found]


def test_a_swarm_hears_how_its_owner_wants_a_peer_dealt_with(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.shard.drain()
    rig.ask(HandlePeer(torrent.info_hash, PEER, PeerTreatment.BAN))
    assert rig.shard.drain() == [TreatPeer(torrent.info_hash, PEER, PeerTreatment.BAN)]
    rig.ask(StopTorrent(torrent.info_hash))
    rig.shard.drain()
    rig.ask(HandlePeer(torrent.info_hash, PEER, PeerTreatment.BAN))
    assert rig.shard.drain() == []


NODES = (Endpoint("10.0.0.7", 6881), Endpoint("10.0.0.8", 6881))


def test_who_is_found_by_the_names_of_a_torrent_and_of_the_settings_reaches_the_swarm(tmp_path: Path) -> None:
    rig = SessionRig(network__static_peers=("_bittorrent._tcp.fleet.example",))
    torrent = torrent_of(4)
    rig.command(AddTorrent(torrent, tmp_path, peer_names=("node.example:6881",)))
    rig.answer_prepare(has_data=False)
    rig.ask(AddPeers(torrent.info_hash, (), ("late.example:6881",)))
    orders = rig.outcalls.drain()
    assert {order.name for order in orders if isinstance(order, ResolvePeers)} == {
        "_bittorrent._tcp.fleet.example", "node.example:6881", "late.example:6881"}
    rig.shard.drain()
    for order in orders:
        rig.tell(PeersResolved(order.name, NODES))
    assert rig.shard.drain() == [PeersFound(torrent.info_hash, NODES, PeerSource.DNS)] * 3


def test_names_that_the_settings_get_later_are_for_running_torrents_too(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), torrent_of(4)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    assert not rig.outcalls.drain()
    rig.ask(ApplySettings(settings_of(network__static_peers=("node.example:6881",))))
    assert [order.name for order in rig.outcalls.drain()] == ["node.example:6881"]
    rig.ask(ApplySettings(settings_of()))
    rig.tell(PeersResolved("node.example:6881", NODES))
    assert not [told for told in rig.shard.drain() if isinstance(told, PeersFound)]


def test_swarms_share_the_connections(tmp_path: Path) -> None:
    rig = SessionRig(max_links=300)
    first, second = torrent_of(4, seed=1), torrent_of(4, seed=2)
    rig.add_downloading(first, tmp_path)
    assert only(OpenSwarm, rig.shard.drain()).settings.max_links == 200
    rig.add_downloading(second, tmp_path)
    assert only(OpenSwarm, rig.shard.drain()).settings.max_links == 100
    rig.report(second, have=1, links=100, peers_known=180)
    rig.advance(1.0)
    changes = {message.info_hash: message.settings.max_links for message in rig.shard.drain()
               if isinstance(message, ChangeSwarm)}
    assert changes[second.info_hash] >= 180
    assert sum(changes.values()) <= 300


def test_commands_that_do_not_fit_are_refused_and_change_nothing(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    for command in (StartTorrent, StopTorrent, RemoveTorrent):
        with pytest.raises(NotFound):
            rig.ask(command(torrent.info_hash))
    rig.add(torrent, tmp_path)
    assert rig.events() == [
        TorrentAdded(torrent.info_hash, "t"), StateChanged(torrent.info_hash, "stopped", "checking")]
    with pytest.raises(Conflict):
        rig.ask(StartTorrent(torrent.info_hash))
    with pytest.raises(Conflict):
        rig.ask(AddTorrent(torrent, tmp_path))
    rig.ask(RemoveTorrent(torrent.info_hash))
    with pytest.raises(Conflict):
        rig.ask(RemoveTorrent(torrent.info_hash))
    with pytest.raises(Conflict, match="add it again when it is gone") as caught:
        rig.ask(AddTorrent(torrent, tmp_path))
    assert caught.value.code == "torrent.removing"
    only(PrepareStore, rig.disks.drain())


def test_what_nobody_wants_is_not_counted_before_the_first_start(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), TWO_FILES
    rig.add_kept(torrent, tmp_path, start=False, file_priorities={0: FilePriority.SKIP})
    assert (rig.status(torrent).wanted_bytes, rig.status(torrent).size_bytes) == (2 * PIECE, 4 * PIECE)


def test_wishes_about_files_of_a_torrent_that_never_ran_count_at_once(tmp_path: Path) -> None:
    rig, torrent = SessionRig(keeps=True), TWO_FILES
    rig.add_kept(torrent, tmp_path, start=False)
    for priority, wanted in ((FilePriority.SKIP, 2), (FilePriority.NORMAL, 4)):
        rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(file_priorities={1: priority})))
        assert rig.status(torrent).wanted_bytes == wanted * PIECE


def believed(tmp_path: Path) -> SessionRig:
    """A stopped torrent that was added as complete, and nobody has looked yet."""
    rig = SessionRig(keeps=True)
    rig.open_listeners()
    rig.add_kept(TWO_FILES, tmp_path, start=False, skip_check=True)
    return rig


def stamped(rig: SessionRig) -> None:
    """Its files have their sizes."""
    rig.answer_prepare(has_data=True)
    job = only(StampFiles, rig.files.drain())
    rig.tell(FilesStamped(job.info_hash, {number: FileStamp(2 * PIECE, 1, number) for number in (0, 1)}))


def test_what_is_to_be_believed_is_looked_at_without_a_start(tmp_path: Path) -> None:
    rig = believed(tmp_path)
    rig.ask(RecheckTorrent(TWO_FILES.info_hash, if_unknown=True))
    rig.answer_load(TWO_FILES)
    stamped(rig)
    assert rig.hashers.depth == 0
    assert rig.status(TWO_FILES).done_bytes == 4 * PIECE
    assert not rig.status(TWO_FILES).is_started


def test_a_check_that_is_asked_for_believes_nothing(tmp_path: Path) -> None:
    rig = believed(tmp_path)
    rig.ask(RecheckTorrent(TWO_FILES.info_hash))
    rig.answer_load(TWO_FILES)
    rig.answer_prepare(has_data=True)
    assert rig.hashers.depth > 0
