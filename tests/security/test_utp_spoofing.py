"""uTP spoofing and misbehaving receivers: who acknowledges what it has not got, or lies of the delay, gains nothing.

What blind packets do is in tests/unit/protocol/utp/test_guards.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.packet import HEADER, HEADER_BYTES, STATE
from tests.simulation.utplab.pipe import Pipe
from tests.simulation.utplab.world import Host, Lab

RATE = 400_000.0                       # bytes a second of the bottleneck
DELAY_S = 0.025
BUFFER_S = 0.5
SECONDS = 20.0
MOST = 1.1                             # times what an honest one gets
HONEST_ACKS = 3                        # that it begins with: to get a stream at all

Header = tuple[int, ...]
Lie = Callable[[Header, int], tuple[Header, bool]]         # a header, the highest number seen; whether SACK is kept


def ahead(count: int) -> Lie:
    """Acknowledges as many packets more than it has got."""
    return lambda header, highest: ((*header[:1], 0, *header[2:7], header[7] + count & 0xFFFF), False)


def no_delay(header: Header, highest: int) -> tuple[Header, bool]:
    """As if there were no queue."""
    return (*header[:4], 1, *header[5:]), True


def no_loss(header: Header, highest: int) -> tuple[Header, bool]:
    """Acknowledges the last packet that came, whatever is missing before it."""
    return (*header[:1], 0, *header[2:7], highest), False


def ahead_without_delay(header: Header, highest: int) -> tuple[Header, bool]:
    return no_delay(ahead(1)(header, highest)[0], highest)[0], False


LIES: dict[str, Lie] = {
    "one ahead": ahead(1), "two ahead": ahead(2), "ten ahead": ahead(10), "thousands ahead": ahead(3000),
    "no delay": no_delay, "no loss": no_loss, "one ahead, no delay": ahead_without_delay,
}


class Liar(Lab):
    """A path whose second host changes what it acknowledges."""

    def __init__(self, lie: Lie | None) -> None:
        super().__init__()
        self._lie = lie
        self._acks = 0
        self.highest = 0
        self.arrived_bytes = 0

    def carry(self, packet: bytes, sender: Endpoint, to: Endpoint, *, is_whole: bool) -> None:
        if sender == self.liar.endpoint and packet[0] >> 4 == STATE >> 4 and self._lie is not None:
            self._acks += 1
            if self._acks > HONEST_ACKS:
                header, keeps_sack = self._lie(HEADER.unpack_from(packet), self.highest)
                packet = HEADER.pack(*header) + (packet[HEADER_BYTES:] if keeps_sack else b"")
        super().carry(packet, sender, to, is_whole=is_whole)

    def run(self, loss: float) -> Host:
        """The one who sends, after all has been said."""
        sender, self.liar = self.host(), self.host()
        self.join(sender, self.liar, Pipe(self.events, RATE, DELAY_S, buffer_s=BUFFER_S, loss=loss),
                  Pipe(self.events, 1e8, DELAY_S))
        receive = self.liar.receive

        def watched(data: bytes, source: Endpoint) -> None:
            self.arrived_bytes += max(0, len(data) - HEADER_BYTES)
            self.highest = HEADER.unpack_from(data)[6]
            receive(data, source)

        self.liar.receive = watched    # type: ignore[method-assign]
        sender.connect(self.liar)
        self.run_to(SECONDS)
        return sender


@cache
def honest_bytes(loss: float) -> int:
    lab = Liar(None)
    lab.run(loss)
    return lab.liar.received.total


@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize("lie", LIES)
def test_who_lies_of_what_came_gets_no_more_than_the_honest(lie: str, loss: float) -> None:
    lab = Liar(LIES[lie])
    sender = lab.run(loss)
    assert honest_bytes(0.0) > 0.85 * RATE * SECONDS
    # Of what it says that it has nothing is sent again: in order it gets less, and all together no more than the path.
    assert lab.liar.received.total <= MOST * honest_bytes(loss), "in order"
    assert lab.arrived_bytes <= MOST * honest_bytes(0.0), "of everything"
    assert lab._acks > HONEST_ACKS
    if "ten" in lie or "thousands" in lie:
        assert sender.node.counts["optimistic"] > 0
