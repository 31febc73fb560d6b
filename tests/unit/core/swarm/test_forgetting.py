"""Of links that are gone a swarm keeps what they gave in mind, and nothing of those that gave nothing."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import NetworkError, PeerError
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
GONE = NetworkError("net.closed", "gone")


@pytest.fixture
def one() -> OneSwarm:
    return OneSwarm(StoredTorrent([4 * 64 * K], 64 * K))


def test_who_was_asked_and_gave_nothing_is_not_kept_in_mind_by_open_pieces(one: OneSwarm) -> None:
    giver = one.join([0])
    one.give(giver, [(0, 0)])
    for _ in range(50):
        mute = one.join([0])
        one.swarm.lose(mute, GONE)
    (assembly,) = one.swarm.pieces.open.values()
    assert list(assembly.taken_from) == [giver]


def test_who_gave_something_is_known_when_the_piece_is_spoiled(one: OneSwarm) -> None:
    giver = one.join([0])
    one.give(giver, [(0, 0)])
    one.swarm.lose(giver, GONE)
    other = one.join([0])
    one.said()
    one.give(other, [(0, 1)])
    (assembly,) = one.swarm.pieces.open.values()
    assert assembly.shares == {giver: 0b1, other: 0b10}


def test_an_error_keeps_nothing_of_what_came_with_it(one: OneSwarm) -> None:
    link = one.join([0])
    try:
        raise PeerError("wire.flood", "too much")
    except PeerError as error:
        one.swarm.lose(link, error)
    assert link.closing is not None and link.closing.__traceback__ is None
