"""What brings nobody anything is counted, and who says it without end is left; what moves data may be said at will."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.manners import BURST_WORDS, WORDS_PER_S, words_counted
from blobtorrent.core.swarm.uploads import MAX_SEARCHED
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 10
ENOUGH = BURST_WORDS + 1


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([COUNT * 16 * K], 16 * K)


def test_a_burst_is_tolerated_and_its_time_passes() -> None:
    spent_s = words_counted(0.0, 100.0, BURST_WORDS)
    with pytest.raises(PeerError) as caught:
        words_counted(spent_s, 100.0, 1)
    assert caught.value.code == "wire.flood"
    assert words_counted(spent_s, 101.0, WORDS_PER_S) == spent_s + 1.0


@pytest.mark.parametrize("words", [
    [wire.Interested(), wire.NotInterested()], [wire.Choke(), wire.Unchoke()], [wire.Have(0)], [wire.KeepAlive()],
    [wire.Cancel(0, 0, 1)], [wire.Port(6881)], [wire.Extended(200, b"")],
])
def test_a_peer_that_talks_without_end_is_left(torrent: StoredTorrent, words: list[Any]) -> None:
    one = OneSwarm(torrent)
    link = one.join([0])
    with pytest.raises(PeerError) as caught:
        for _ in range(ENOUGH // len(words) + 1):
            one.tell(link, *words)
    assert caught.value.code == "wire.flood"


def test_pieces_that_a_peer_gets_are_no_idle_words() -> None:
    many = StoredTorrent([ENOUGH * K], K)
    one = OneSwarm(many)
    link = one.join([])
    for index in range(ENOUGH):
        one.tell(link, wire.Have(index))
    assert link.is_seed


def test_who_is_served_may_ask_as_often_as_it_takes(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join([])
    one.tell(link, wire.Interested())
    for _ in range(ENOUGH):
        one.tell(link, wire.Request(0, 0, 16 * K))
        link.wanted.clear()
    assert link.closing is None


def test_among_very_many_odd_ends_nobody_looks_for_the_one_that_is_taken_back(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join([])
    one.tell(link, wire.Interested())
    link.wanted.extend((2 * number, -1) for number in range(MAX_SEARCHED))
    one.tell(link, wire.Cancel(0, 4, 1))
    assert len(link.wanted) == MAX_SEARCHED - 1
    link.wanted.extend((2 * number + 1, -1) for number in range(2))
    one.tell(link, wire.Cancel(0, 6, 1))
    assert (6, -1) in link.wanted
