"""How much a peer may say that moves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.chatter import BURST, MESSAGES_PER_S, chatter_counted, chatter_of
from blobtorrent.core.swarm.uploads import MAX_SEARCHED
from blobtorrent.model.errors import PeerError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RequestRun
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent


def test_what_moves_data_is_no_talk():
    assert chatter_of([RequestRun([1], [2]), HaveRun([1]), wire.Piece(0, 0, b"x"), wire.KeepAlive()]) == 1


def test_a_burst_is_listened_to_and_more_when_it_was_quiet():
    spent_s = chatter_counted(0.0, BURST, 100.0)
    with pytest.raises(PeerError, match="2000 messages"):
        chatter_counted(spent_s, 1, 100.0)
    spent_s = chatter_counted(spent_s, int(MESSAGES_PER_S), 101.0)
    with pytest.raises(PeerError):
        chatter_counted(spent_s, 2, 101.0)
    assert chatter_counted(spent_s, BURST, 200.0)


def test_a_steady_peer_is_never_left():
    spent_s = 0.0
    for second in range(1000):
        spent_s = chatter_counted(spent_s, int(MESSAGES_PER_S), float(second))


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([10 * BLOCK_SIZE], BLOCK_SIZE)


@pytest.mark.parametrize("words", [
    [wire.Interested(), wire.NotInterested()], [wire.Choke(), wire.Unchoke()], [wire.Have(0)], [wire.KeepAlive()],
    [wire.Cancel(0, 0, 1)], [wire.Port(6881)], [wire.Extended(200, b"")],
])
def test_a_peer_that_talks_without_end_is_left(torrent: StoredTorrent, words: list[Any]) -> None:
    one = OneSwarm(torrent)
    link = one.join([0])
    with pytest.raises(PeerError) as caught:
        for _ in range(BURST + 1):     # of some only one in two counts
            one.tell(link, *words)
    assert caught.value.code == "wire.flood"


def test_pieces_that_a_peer_gets_are_no_idle_words() -> None:
    one = OneSwarm(StoredTorrent([(BURST + 1) * 1024], 1024))
    link = one.join([])
    for index in range(BURST + 1):
        one.tell(link, wire.Have(index))
    assert link.is_seed


def test_who_is_served_may_ask_as_often_as_it_takes(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(10))
    link = one.join([])
    one.tell(link, wire.Interested())
    for _ in range(BURST + 1):
        one.tell(link, wire.Request(0, 0, BLOCK_SIZE))
        link.wanted.clear()
    assert link.closing is None


def test_among_very_many_odd_ends_nobody_looks_for_the_one_that_is_taken_back(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(10))
    link = one.join([])
    one.tell(link, wire.Interested())
    for number in range(MAX_SEARCHED):
        link.wanted.append(2 * number, -1)
    one.tell(link, wire.Cancel(0, 4, 1))
    assert len(link.wanted) == MAX_SEARCHED - 1
    link.wanted.append(1, -1)
    link.wanted.append(3, -1)
    one.tell(link, wire.Cancel(0, 6, 1))
    assert (6, -1) in link.wanted
