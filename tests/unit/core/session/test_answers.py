"""What the session tells of peers, pieces, trackers, web seeds and the .torrent file when somebody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import (
    AddTrackers,
    ChangeTorrent,
    FilePriority,
    FilesOf,
    OpenListeners,
    RemoveTorrent,
    Reply,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.queries import MetainfoOf, OverviewsOf, PeersOf, PieceOf, PiecesOf, TrackersOf, WebSeedsOf
from blobtorrent.core.session.record import Wishes
from blobtorrent.core.swarm.messages import (
    PeersTold,
    PieceCounts,
    PiecesTold,
    PieceTold,
    TellPeers,
    TellPiece,
    TellPieces,
)
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.details import PartialPiece, PeerStatus, PieceReport, PieceStory
from blobtorrent.model.errors import FileMissing, NotFound, TrackerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.state.library import LoadTorrent, ReadTorrent, SurveyTorrents, TorrentRead, TorrentsSurveyed
from tests.support.sessions import PIECE, SessionRig, only, saved_torrent, torrent_of

A, B = "http://a.test/announce?passkey=0123456789abcdef", "http://b.test/announce"
UDP = "udp://c.test:6969"
PEER = PeerStatus(
    host="10.0.0.1", port=6881, peer_id=bytes(20), client="x", source="tracker", transport="tcp", is_encrypted=False,
    is_incoming=False, connected_s=1.0, am_choking=True, am_interested=True, peer_choking=True, peer_interested=False,
    is_optimistic=False, is_snubbed=False, is_seed=False, pieces_had=1, progress=0.25, blocks_asked=0,
    upload_queue_bytes=0, down_bytes_per_s=0, up_bytes_per_s=0, downloaded_bytes=0, uploaded_bytes=0)


@pytest.fixture
def rig() -> SessionRig:
    rig = SessionRig(keeps=True)
    rig.ask(OpenListeners(()))
    return rig


def begin_download(rig: SessionRig, metainfo: Metainfo, folder: Path) -> Metainfo:
    rig.add_kept(metainfo, folder)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    return metainfo


def answer_now(reply: Reply[Any]) -> Any:
    return reply.wait(0)


@pytest.mark.parametrize("query", [PeersOf, PiecesOf, TrackersOf, WebSeedsOf, MetainfoOf])
def test_of_an_unknown_torrent_nothing_can_be_told(rig: SessionRig, query: Any) -> None:
    with pytest.raises(NotFound):
        rig.ask(query(InfoHash(v1=bytes(20))))


def test_peers_are_those_that_the_swarm_tells(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(PeersOf(torrent.info_hash))
    question = only(TellPeers, rig.shard.drain())
    rig.tell(PeersTold(torrent.info_hash, question.token, (PEER,)))
    assert answer_now(reply).peers == (PEER,)


def test_two_who_ask_are_both_answered(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    replies = [rig.command(PeersOf(torrent.info_hash)) for _ in range(2)]
    for question, peers in zip(rig.shard.drain(), [(PEER,), ()]):
        rig.tell(PeersTold(torrent.info_hash, question.token, peers))
    assert [answer_now(reply).peers for reply in replies] == [(PEER,), ()]


def test_a_stopped_torrent_has_no_peers(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    report = rig.ask(PeersOf(torrent.info_hash))
    assert report.peers == () and {source.state for source in report.sources} == {"rests", "off"}


def test_pieces_are_those_that_the_swarm_tells(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(PiecesOf(torrent.info_hash))
    question = only(TellPieces, rig.shard.drain())
    partial = (PartialPiece(2, 4, 1),)
    rig.tell(PiecesTold(torrent.info_hash, question.token, PieceCounts(0b0001, (0b1010, 0b1000), 1, partial)))
    assert answer_now(reply) == PieceReport(4, PIECE, Bitfield(4, [0]).to_wire(), bytes((1, 2, 1, 4)), partial)


def test_pieces_of_a_torrent_without_a_swarm_are_those_of_its_record(tmp_path: Path) -> None:
    torrent = torrent_of(9)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 8, run=False)])
    assert rig.ask(PiecesOf(torrent.info_hash)) == PieceReport(9, PIECE, Bitfield(9, [0, 8]).to_wire(), bytes(9))


def test_a_swarm_that_closed_meanwhile_leaves_the_pieces_of_the_record(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(PiecesOf(torrent.info_hash))
    question = only(TellPieces, rig.shard.drain())
    rig.tell(PiecesTold(torrent.info_hash, question.token))
    assert answer_now(reply).availability == bytes(4)


def test_a_piece_is_told_of_by_the_swarm(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    reply = rig.command(PieceOf(torrent.info_hash, 3))
    question = only(TellPiece, rig.shard.drain())
    story = PieceStory(3, PIECE, "partial", "it is asked of a peer")
    rig.tell(PieceTold(torrent.info_hash, question.token, story))
    assert (question.piece, answer_now(reply)) == (3, story)


def test_a_piece_of_a_torrent_without_a_swarm_is_as_its_record_says(tmp_path: Path) -> None:
    torrent = torrent_of(9)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0, 8, run=False)])
    replies = [rig.command(PieceOf(torrent.info_hash, index)) for index in (8, 1)]
    rig.answer_load(torrent)
    told = [answer_now(reply) for reply in replies]
    assert [(story.state, story.size_bytes, story.blocks_here) for story in told] == [
        ("have", torrent.geometry.piece_size(8), torrent.geometry.num_blocks(8)), ("missing", PIECE, 0)]


def test_there_is_no_piece_behind_the_last(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    with pytest.raises(NotFound, match="the last one is 3"):
        rig.ask(PieceOf(torrent.info_hash, 4))


def test_trackers_are_told_in_every_state_and_without_the_owners_secret(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4, tiers=((A,), (B,), (UDP,))), tmp_path)
    first, second = rig.outcalls.drain()
    a, b, udp = rig.ask(TrackersOf(torrent.info_hash))
    assert [a.state, b.state, udp.state] == ["announcing", "announcing", "announcing"]
    assert (a.url, a.url_shown) == (A, "http://a.test/announce?passkey=***")

    rig.answer_announce(first, Endpoint("10.0.0.1", 1), interval_s=900, seeds=5, leechers=7, downloads=11,
                        warning="be \x1b[31mnice")
    refusal = TrackerError("tracker.refused", f"not registered: {A}")
    rig.tell(AnnounceDone(second.info_hash, second.url, second.query, error=refusal))
    wall = rig.clock.wall()
    rig.advance(5.0)
    a, b, udp = rig.ask(TrackersOf(torrent.info_hash))
    assert (a.state, a.result, a.error_code) == ("waiting", "1 peer; it warns: be \\x1b[31mnice", "")
    assert (a.seeds, a.leeches, a.downloads, a.peers_got) == (5, 7, 11, 1)
    assert (a.last_announce_at, a.next_announce_at) == (pytest.approx(wall), pytest.approx(wall + 900))
    assert (b.state, b.error_code, b.failures) == ("backoff", "tracker.refused", 1)
    assert b.result == "not registered: http://a.test/announce?passkey=***"
    assert b.next_announce_at > rig.clock.wall()


def test_of_one_tier_the_tracker_that_serves_waits_and_the_others_are_idle(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4, tiers=((A, B),)), tmp_path)
    order = only(Announce, rig.outcalls.drain())
    rig.answer_announce(order)
    states = {status.url: status.state for status in rig.ask(TrackersOf(torrent.info_hash))}
    assert states.pop(order.url) == "waiting"
    assert list(states.values()) == ["idle"]


def test_failures_in_a_row_are_counted_and_the_counts_of_before_stay(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4, tiers=((B,),)), tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()), seeds=3, leechers=0, downloads=0, interval_s=60)
    error = TrackerError("tracker.refused", "full")
    for _ in range(2):
        rig.advance(60.0)
        order = only(Announce, rig.outcalls.drain())
        rig.tell(AnnounceDone(order.info_hash, order.url, order.query, error=error))
    (status,) = rig.ask(TrackersOf(torrent.info_hash))
    assert (status.failures, status.seeds, status.peers_got) == (2, 3, 0)


def test_both_swarms_of_a_hybrid_torrent_are_told(rig: SessionRig, tmp_path: Path) -> None:
    metainfo = torrent_of(4, tiers=((B,),))
    hybrid = metainfo._replace(info_hash=InfoHash(metainfo.info_hash.v1, bytes(range(32))))
    begin_download(rig, hybrid, tmp_path)
    told = rig.ask(TrackersOf(hybrid.info_hash))
    assert [(status.swarm, status.state) for status in told] == [("v1", "announcing"), ("v2", "announcing")]


def test_trackers_and_web_seeds_of_a_stopped_torrent_come_from_its_torrent_file(tmp_path: Path) -> None:
    torrent = torrent_of(4, tiers=((B,),))._replace(web_seeds=("http://user:pw@w.test/x",))
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    trackers = rig.command(TrackersOf(torrent.info_hash))
    web_seeds = rig.command(WebSeedsOf(torrent.info_hash))
    rig.answer_load(torrent)
    (tracker,), (web_seed,) = answer_now(trackers), answer_now(web_seeds)
    assert (tracker.url, tracker.state, tracker.next_announce_at) == (B, "idle", 0.0)
    assert (web_seed.url_shown, web_seed.state) == ("http://***@w.test/x", "unused")


def test_overviews_of_many_come_at_once_and_of_those_that_are_not_loaded_from_their_files(tmp_path: Path) -> None:
    unloaded, lost, own = torrents = [torrent_of(4, seed=seed, tiers=((B,),)) for seed in (1, 2, 3)]
    saved = [saved_torrent(torrent, tmp_path, run=False) for torrent in torrents]
    saved[2].record.wishes = Wishes(trackers=((A,),))
    rig = SessionRig(keeps=True, saved=saved)
    reply = rig.command(OverviewsOf((unloaded.info_hash, lost.info_hash, own.info_hash, InfoHash(bytes(20), b""))))
    job = only(SurveyTorrents, rig.library.drain())
    assert job.info_hashes == (unloaded.info_hash, lost.info_hash, own.info_hash)
    rig.tell(TorrentsSurveyed(job.token, {unloaded.info_hash: unloaded, own.info_hash: own}))
    told = answer_now(reply)
    assert {info_hash: [status.url for status in overview.trackers] for info_hash, overview in told.items()} == {
        unloaded.info_hash: [B], own.info_hash: [A]}
    assert told[unloaded.info_hash].shape == unloaded.shape


def test_overviews_of_what_is_loaded_read_nothing(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4, tiers=((B,),)), tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()), seeds=3)
    rig.library.drain()
    (overview,) = answer_now(rig.command(OverviewsOf((torrent.info_hash,)))).values()
    assert overview.shape == torrent.shape
    assert [status.seeds for status in overview.trackers] == [3]
    assert rig.library.drain() == []


def test_a_torrent_that_is_stopped_tells_no_old_answers(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4, tiers=((B,),)), tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()), seeds=3)
    rig.command(StopTorrent(torrent.info_hash))
    (status,) = rig.ask(TrackersOf(torrent.info_hash))
    assert (status.state, status.seeds) == ("idle", None)


def test_what_cannot_be_loaded_is_answered_with_the_reason(tmp_path: Path) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    reply = rig.command(TrackersOf(torrent.info_hash))
    only(LoadTorrent, rig.library.drain())
    rig.fail_load(torrent, FileMissing("storage.file-missing", "gone"))
    with pytest.raises(FileMissing):
        reply.wait(0)


def test_the_torrent_file_is_told_as_it_was_kept(rig: SessionRig, tmp_path: Path) -> None:
    torrent = begin_download(rig, torrent_of(4), tmp_path)
    replies = [rig.command(MetainfoOf(torrent.info_hash)) for _ in range(2)]
    first, second = rig.library.drain()
    assert isinstance(first, ReadTorrent)
    rig.tell(TorrentRead(torrent.info_hash, first.token, b"d4:infoe", None))
    rig.tell(TorrentRead(torrent.info_hash, second.token, b"", FileMissing("storage.file-missing", "gone")))
    assert answer_now(replies[0]) == b"d4:infoe"
    with pytest.raises(FileMissing):
        answer_now(replies[1])


@pytest.mark.parametrize("ask", [
    TrackersOf, WebSeedsOf, FilesOf,
    lambda info_hash: AddTrackers(info_hash, ((A,),)),
    lambda info_hash: ChangeTorrent(info_hash, TorrentChanges(file_priorities={0: FilePriority.HIGH})),
])
def test_who_asks_of_a_torrent_that_is_removed_before_it_is_read_is_answered(tmp_path: Path, ask: Any) -> None:
    torrent = torrent_of(4)
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, run=False)])
    rig.open_listeners()
    reply = rig.command(ask(torrent.info_hash))
    rig.command(RemoveTorrent(torrent.info_hash))
    rig.save()
    rig.give_metainfo(torrent)
    with pytest.raises(NotFound, match="removed meanwhile"):
        answer_now(reply)
    assert rig.saves.depth == 0        # nothing of it comes back
