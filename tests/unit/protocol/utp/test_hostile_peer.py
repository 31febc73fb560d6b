"""A peer that says anything, with the right ids and numbers near those in use: nothing breaks, sums stay right."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.inbound import MAX_AHEAD, SLACK_BYTES
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.packet import DATA, FIN, HEADER, RESET, SACK, STATE, SYN, write_sack
from blobtorrent.protocol.utp.sending import MOST_BUFFER_BYTES
from blobtorrent.protocol.utp.states import OVER
from blobtorrent.protocol.utp.stream import UtpStream

PEER = Endpoint("198.51.100.2", 6882)


def check(stream: UtpStream) -> None:
    """The sums that the stream keeps are those of what it has."""
    flight, inbound = stream._sender.flight, stream._inbound
    packets = [*flight._packets.values(), *(one for run in flight._runs for one in run.packets())]
    assert flight.unacked_bytes == sum(one.size for one in packets)
    assert flight.bytes_out == sum(one.size for one in packets if not one.is_lost)
    assert all(flight.first <= one.number < flight.next for one in packets)
    assert len(flight) == len(packets) and (not packets or flight.first == packets[0].number)
    assert stream._sender.buffered_bytes <= stream._sender.limit + 1
    waiting = inbound._waiting
    assert inbound.buffered == sum(map(len, inbound._ready)) + sum(map(len, waiting.values()))
    assert inbound.buffered <= MOST_BUFFER_BYTES + SLACK_BYTES and len(waiting) <= MAX_AHEAD
    assert {inbound.expected + 1 + bit for bit in range(inbound.beyond.bit_length())
            if inbound.beyond >> bit & 1} == waiting.keys()


@pytest.mark.parametrize("seed", range(16))
def test_whatever_a_peer_says_the_books_are_right(seed):
    rng = Random(seed)
    node = UtpNode(Random(seed), may_accept=lambda _: True)
    now = 100.0
    stream = node.connect(PEER, now)
    flight = stream._sender.flight
    node.receive(HEADER.pack(STATE, 0, stream.receive_id, 1, 1, 1 << 20, 77, flight.first & 0xFFFF), PEER, now)
    likely = (DATA, DATA, DATA, STATE, STATE, STATE, STATE, FIN if seed % 3 == 0 else DATA, SYN)
    for step in range(600):
        flight = stream._sender.flight
        if rng.random() < 0.3:
            stream.write(bytes(rng.choice((1, 100, 5_000, 200_000))))
        kind = RESET if rng.random() < 0.001 else rng.choice(likely)
        outstanding = flight.next - flight.first
        ack = flight.first - 1 + rng.choice((0, 0, 0, rng.randint(-3, outstanding + 2), rng.randint(0, outstanding)))
        number = stream._inbound.expected + rng.choice((0, 0, 1, 2, 5, rng.randint(-5, 60), rng.randint(-9, 3000)))
        sack = rng.getrandbits(rng.choice((1, 8, 40, max(1, outstanding)))) if rng.random() < 0.5 else 0
        extension = write_sack(sack) if sack else b""
        room = rng.choice((1 << 20, 1 << 20, 0, 500, 40_000))
        node.receive(HEADER.pack(
            kind, SACK if sack else 0, stream.receive_id, rng.getrandbits(32),
            rng.choice((0, rng.getrandbits(32), 90_000)), room, number & 0xFFFF, ack & 0xFFFF,
        ) + extension + bytes(rng.choice((0, 1, 500, 1400))), PEER, now)
        if rng.random() < 0.5:
            now += rng.choice((0.0, 0.001, 0.03, 0.2, 3.0))
            node.tick(now)
        if rng.random() < 0.4:
            stream.read(rng.choice((1, 1000, 1 << 20)))
        if rng.random() < 0.002:
            stream.close(now)
        if rng.random() < 0.5:
            sent = [one for _, run, _ in node.take_outgoing(now) for one in run]
            assert all(20 <= len(one) <= 1472 for one in sent)
        if step % 3 == 0:
            check(stream)
        node.take_events()
    assert stream.state in OVER or stream.stats.received_bytes > 0
    node.close_all(now)
    for _ in range(5):
        now += 10.0
        node.take_outgoing(now)
        node.tick(now)
    assert len(node) == 0
