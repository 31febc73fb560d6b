"""Peers that are asked at the same time, where that is limited: the first that give, and the slowest makes room."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings
from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.wire import messages as wire
from tests.support.accounts import check_requests
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024
BLOCKS = 1024
PIECE = 4                              # blocks


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([BLOCKS * 16 * K], PIECE * 16 * K)


def asked(links: list[PeerLink]) -> list[bool]:
    return [bool(outstanding(link)) for link in links]


def test_only_so_many_peers_are_asked_and_the_next_when_one_gives_no_more(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, download_slots=2)
    links = [one.join() for _ in range(4)]
    assert asked(links) == [True, True, False, False]
    one.tell(links[0], wire.Choke())
    one.pass_time(1.1)
    one.pass_time(1.1)
    assert asked(links) == [False, True, True, False]
    one.swarm.lose(links[1], NetworkError("net.reset", "it is gone"))
    one.pass_time(1.1)
    assert asked(links)[2:] == [True, True]
    check_requests(one.swarm)


def test_the_slowest_makes_room_for_who_waits_longest(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, download_slots=2, choke_interval_s=5.0, snub_timeout_s=1000.0)
    slow, fast, third, fourth = (one.join() for _ in range(4))
    one.pass_time(5.1)                 # the first round
    one.give(fast, [outstanding(fast)[0]])
    one.pass_time(5.1)
    assert asked([fast, third, fourth]) == [True, True, False]
    before = len(outstanding(slow))
    one.give(slow, [outstanding(slow)[0]])
    assert len(outstanding(slow)) == before - 1            # what it was asked for may come; no more is asked


def test_without_a_limit_all_are_asked(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, download_slots=1)
    links = [one.join() for _ in range(3)]
    assert asked(links) == [True, False, False]
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings(download_slots=0)))
    one.pass_time(1.1)
    assert asked(links) == [True, True, True]


@pytest.mark.parametrize(("own", "granted", "together"), [
    (0, None, None), (3, None, 3), (0, 2, 2), (3, 2, 2), (3, 9, 3), (3, 0, 0)])
def test_all_torrents_together_may_leave_it_less(own: int, granted: int | None, together: int | None) -> None:
    assert SwarmSettings(download_slots=own, granted_download_slots=granted).asked_at_once == together


def test_the_session_is_told_how_many_would_give(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, granted_download_slots=0)
    links = [one.join(), one.join(), one.join(unchoked=False)]
    assert one.swarm.make_report().givers == 2
    assert asked(links) == [False, False, False]
