"""What the streams of a node share: the spare room for buffers."""

from __future__ import annotations

from blobtorrent.protocol.utp.exchange import SPARE_BYTES, Exchange

MIB = 1 << 20


def test_a_buffer_doubles_up_to_its_most_and_takes_that_from_what_is_spare():
    exchange = Exchange()
    assert exchange.widen(MIB, 3 * MIB) == 2 * MIB
    assert exchange.widen(2 * MIB, 3 * MIB) == 3 * MIB
    assert exchange.widen(3 * MIB, 3 * MIB) == 3 * MIB == exchange.widen(3 * MIB, 2 * MIB)
    assert exchange.spare_bytes == SPARE_BYTES - 2 * MIB


def test_when_nothing_is_spare_buffers_stay_as_they_are():
    exchange = Exchange()
    while exchange.widen(MIB, 4 * MIB) > MIB:
        pass
    assert exchange.spare_bytes == 0 and exchange.widen(MIB, 2 * MIB) == MIB
