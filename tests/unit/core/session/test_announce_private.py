"""A private torrent has one tracker at a time (BEP 27)."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.announces import HEDGE_S
from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.swarm.messages import DropPeers, PeersFound, PeerSource
from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import InfoHash
from tests.support.announcing import COMPLETED, NONE, STARTED, STOPPED, AnnounceRig, told, torrent
from tests.support.sessions import SessionRig, torrent_of

A, B, C = (f"http://{name}.test/announce" for name in "abc")
PEER = Endpoint("127.0.0.1", 6881)
T = torrent(1)


def private(*tiers: tuple[str, ...], info_hash: InfoHash = T, to_all: bool = False) -> AnnounceRig:
    rig = AnnounceRig(to_all=to_all)
    rig.manager.begin(info_hash, tiers, 100, is_private=True)
    return rig


def one(rig: AnnounceRig) -> Announce:
    (order,) = rig.orders()
    return order


def fail_over(*tiers: tuple[str, ...]) -> tuple[AnnounceRig, str, str]:
    """The tracker in use does not answer; the next does. Returns both, in that order."""
    rig = private(*tiers)
    ((former, _),) = rig.take_all()
    rig.advance(1800)
    rig.fail(one(rig))
    order = one(rig)
    assert order.query.event is STARTED
    rig.take(order)
    return rig, former, order.url


def test_one_tracker_of_all_tiers_is_asked_also_if_all_are_to_be_told() -> None:
    for to_all in (False, True):
        rig = private((A,), (B, C), to_all=to_all)
        assert told(rig.orders()) == [(A, STARTED)]
        rig.advance(10 * HEDGE_S)
        assert rig.orders() == []


def test_a_public_torrent_has_one_of_each_tier() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,), (B,)), 100)
    assert told(rig.orders()) == [(A, STARTED), (B, STARTED)]


def test_the_next_tier_is_asked_when_all_of_the_first_have_failed() -> None:
    rig = private((A, B), (C,))
    asked = []
    for _ in range(3):
        order = one(rig)
        asked.append(order.url)
        rig.fail(order)
    assert set(asked[:2]) == {A, B} and asked[2] == C
    assert rig.orders() == []


def test_the_former_tracker_is_told_that_we_leave_when_another_serves() -> None:
    rig, former, _ = fail_over((A,), (B,))
    assert told(rig.orders()) == [(former, STOPPED)]


def test_the_former_tracker_serves_again_when_it_is_back() -> None:
    rig, former, other = fail_over((A,), (B,))
    rig.take_all()
    rig.advance(1800)
    assert rig.take_all() == [(former, STARTED), (other, STOPPED)]
    rig.advance(1800)
    assert rig.take_all() == [(former, NONE)]


def test_of_a_tier_the_one_that_served_last_stays() -> None:
    rig, former, other = fail_over((A, B))
    rig.take_all()
    rig.advance(1800)
    assert rig.take_all() == [(other, NONE)]


def test_it_stays_when_others_are_added() -> None:
    for _ in range(8):
        rig, former, other = fail_over((A, B))
        rig.take_all()
        rig.manager.change(T, ((A, B, C), ("http://d.test/announce",)))
        assert rig.take_all() == [(other, NONE)]


def test_another_url_of_the_same_host_is_the_same_tracker() -> None:
    secure = A.replace("http:", "https:")
    rig, former, other = fail_over((A, secure))
    assert {former, other} == {A, secure}
    assert rig.orders() == []
    rig.manager.end(T)
    assert sorted(rig.take_all()) == sorted([(A, STOPPED), (secure, STOPPED)])


def test_the_end_is_told_to_the_one_in_use() -> None:
    rig, _, other = fail_over((A,), (B,))
    rig.take_all()
    rig.manager.complete(T)
    rig.manager.end(T)
    assert rig.take_all() == [(other, COMPLETED), (other, STOPPED)]


def test_both_swarms_of_a_hybrid_begin_with_the_same_tracker() -> None:
    for seed in range(8):
        rig = AnnounceRig(seed)
        rig.manager.begin(InfoHash(v1=b"1" * 20, v2=b"2" * 32), ((A, B, C),), 100, is_private=True)
        assert len({order.url for order in rig.orders()}) == 1


def test_a_family_that_fails_is_no_reason_to_leave() -> None:
    rig = AnnounceRig()
    rig.manager.origins = (Origin(4), Origin(6))
    rig.manager.begin(T, ((A,), (B,)), 100, is_private=True)
    four, six = rig.orders()
    rig.fail(six)
    assert rig.orders() == []
    rig.take(four)
    assert rig.orders() == []


def test_a_torrent_that_turns_out_to_be_private_leaves_all_but_one() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,), (B,), (C,)), 100)
    rig.take_all()
    rig.manager.begin(T, ((A,), (B,), (C,)), 100, is_private=True)
    known = {A, B, C}
    for url, event in rig.take_all():
        if event is STOPPED:
            known.discard(url)
    assert len(known) == 1
    rig.advance(1800)
    assert {url for url, _ in rig.take_all()} == known


def running(folder: Path, tiers: Tiers) -> tuple[SessionRig, InfoHash]:
    rig, metainfo = SessionRig(), torrent_of(4, tiers=tiers)._replace(is_private=True)
    rig.add_downloading(metainfo, folder)
    return rig, metainfo.info_hash


def test_the_peers_of_the_former_tracker_go_when_another_serves(tmp_path: Path) -> None:
    rig, info_hash = running(tmp_path, ((A,), (B,)))
    (order,) = rig.outcalls.drain()
    rig.answer_announce(order, PEER)
    rig.shard.drain()
    rig.advance(1800)
    (order,) = rig.outcalls.drain()
    rig.tell(AnnounceDone(info_hash, order.url, order.query, error=TrackerError("tracker.timed-out", "no")))
    (order,) = rig.outcalls.drain()
    rig.answer_announce(order, PEER)
    assert rig.shard.drain() == [
        DropPeers(info_hash), PeersFound(info_hash, (PEER,), PeerSource.TRACKER, "b.test")]


def test_the_peers_of_a_tracker_that_was_removed_go_when_another_serves(tmp_path: Path) -> None:
    rig, info_hash = running(tmp_path, ((A,), (B,)))
    (order,) = rig.outcalls.drain()
    rig.answer_announce(order, PEER)
    rig.shard.drain()
    rig.session._announces.change(info_hash, ((C,),))
    farewell, order = rig.outcalls.drain()
    assert told([farewell, order]) == [(A, STOPPED), (C, STARTED)]
    assert rig.shard.drain() == []
    rig.answer_announce(order, PEER)
    assert rig.shard.drain() == [
        DropPeers(info_hash), PeersFound(info_hash, (PEER,), PeerSource.TRACKER, "c.test")]


def test_the_peers_stay_while_the_tracker_does(tmp_path: Path) -> None:
    rig, info_hash = running(tmp_path, ((A,), (B,)))
    for _ in range(3):
        (order,) = rig.outcalls.drain()
        rig.answer_announce(order, PEER)
        rig.advance(1800)
    assert DropPeers(info_hash) not in rig.shard.drain()
