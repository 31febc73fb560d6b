"""How much a peer may say that moves nothing."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.chatter import BURST, MESSAGES_PER_S, chatter_counted, chatter_of
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RequestRun


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
