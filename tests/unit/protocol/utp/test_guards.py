"""What forged and hostile packets do: nothing to streams that are there, and little for whoever sends them."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.halfopen import MAX_HALF_OPEN
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.packet import DATA, FIN, HEADER, RESET, SACK, STATE, SYN, write_sack
from blobtorrent.protocol.utp.states import Accepted, UtpState
from blobtorrent.protocol.utp.stream import UtpStream
from tests.support.utplink import A, B, Link, Party, perfect

BLIND = 1_000_000                      # packets
STRANGER = Endpoint("203.0.113.9", 4000)


def packet(kind: int, receive_id: int, number: int, ack: int, payload: bytes = b"", *, room: int = 1 << 20) -> bytes:
    return HEADER.pack(kind, 0, receive_id & 0xFFFF, 7, 7, room, number & 0xFFFF, ack & 0xFFFF) + payload


def node(seed: int = 1, **options: int) -> UtpNode:
    return UtpNode(Random(seed), may_accept=lambda _: True, **options)


def taken(node: UtpNode, now: float) -> list[bytes]:
    return [one for _, packets, _ in node.take_outgoing(now) for one in packets]


def connected(data: bytes = b"") -> tuple[Link, UtpStream, UtpStream]:
    """A's stream to B and B's to A, after `data` went there."""
    link = Link(Party(A, 1), Party(B, 2), perfect)
    a, b = link.parties[A], link.parties[B]
    stream = a.node.connect(B, link.now)
    a.send(stream, data or b"hello", link.now, close=False)
    link.run(5.0)
    return link, stream, b.accepted[0]


# ---- blind packets


def test_a_million_blind_packets_reset_nothing_and_are_not_amplified():
    """Whoever sends them knows both addresses, and ids and numbers not at all. Data is on its way meanwhile."""
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    data = Random(4).randbytes(2_000_000)
    a.send(stream, data, link.now, close=False)
    link.run(0.3)
    rng, sent, answered = Random(5), 0, 0
    for number in range(BLIND):
        kind = (DATA, FIN, STATE, RESET, SYN)[number % 5]
        forged = packet(kind, rng.getrandbits(16), rng.getrandbits(16), rng.getrandbits(16))
        sent += len(forged)
        a.node.receive(forged, B, link.now)
        if number % 1000 == 0:
            link.now += 0.01
            a.node.tick(link.now)
            answered += sum(len(one) for one in taken(a.node, link.now) if one[0] in (STATE, RESET))
    assert stream.state is UtpState.CONNECTED and a.ended(stream) == []
    assert answered <= sent
    assert a.node.counts["stray"] > 0
    link.run(60.0)
    assert bytes(b.received[other]) == b"hello" + data


@pytest.mark.parametrize("kind", [DATA, FIN, STATE, RESET])
def test_a_packet_of_another_address_is_nobodys(kind):
    link, stream, _ = connected()
    for sender in (STRANGER, Endpoint(B.host, B.port + 1), Endpoint("198.51.100.3", B.port)):
        link.inject(packet(kind, stream.receive_id, 0, 0, b"x"), sender, A)
    link.run(1.0)
    assert stream.state is UtpState.CONNECTED
    assert link.parties[A].node.counts["stray"] == 3


def test_a_reset_is_believed_only_when_it_names_what_we_sent():
    link, stream, _ = connected()
    node_a = link.parties[A].node
    last = stream._sender.flight.next - 1
    for ack in (last + 2, last - 1, last - 20, last + 0x8000):
        node_a.receive(packet(RESET, stream.receive_id, 0, ack), B, link.now)
    assert stream.state is UtpState.CONNECTED and node_a.counts["reset-out-of-window"] == 4
    node_a.receive(packet(RESET, stream.receive_id, 0, last), B, link.now)
    assert stream.state is UtpState.RESET
    link.run(1.0)
    assert link.parties[A].ended(stream) == ["reset by the peer"]


def test_a_peer_that_forgot_us_names_us_by_the_id_that_we_send_with():
    link, stream, _ = connected()
    link.parties[B] = Party(B, 9)      # it was started anew
    link.parties[A].send(stream, b"are you there?", link.now, close=False)
    link.run(5.0)
    assert link.parties[A].ended(stream) == ["reset by the peer"]
    assert link.parties[B].node.counts["stray"] >= 1


def test_a_fin_far_beyond_what_was_received_ends_nothing():
    link, stream, other = connected()
    node_b = link.parties[B].node
    for ahead in (3000, 0x7000, 0xF000):
        node_b.receive(packet(FIN, other.receive_id, other._inbound.expected + ahead, other._sender.flight.next - 1), A,
                       link.now)
    link.parties[A].send(stream, b"more", link.now, close=False)
    link.run(1.0)
    assert bytes(link.parties[B].received[other]) == b"hellomore"
    assert not other.is_eof


def test_acknowledgements_of_what_was_never_sent_are_dropped_and_counted():
    link, stream, _ = connected()
    a = link.parties[A]
    link.fate = lambda _datagram, _rng: []                 # nothing arrives, so nothing can be acknowledged
    stream.write(bytes(100_000))
    a.node.take_outgoing(link.now)
    flight = stream._sender.flight
    before, window = flight.first, stream.stats.window_bytes
    assert flight.next > before + 1
    for ack in (flight.next, flight.next + 5, flight.next + 3000):
        a.node.receive(packet(STATE, stream.receive_id, 0, ack), B, link.now)
    header = HEADER.pack(STATE, SACK, stream.receive_id, 7, 7, 1 << 20, 0, before - 1 & 0xFFFF)
    a.node.receive(header + write_sack(1 << 200), B, link.now)
    assert a.node.counts["optimistic"] == 4
    assert (flight.first, stream.stats.window_bytes) == (before, window)


# ---- SYNs


def test_nothing_but_short_answers_goes_to_an_address_that_proved_nothing():
    """A victim's address in a SYN, and the SYN again and again: four answers as long as a SYN."""
    node_b, now, out, into = node(), 50.0, 0, 0
    syn = packet(SYN, 77, 5, 0)
    for _ in range(20):
        node_b.receive(syn, STRANGER, now)
        into += len(syn)
        for _ in range(10):
            now += 0.05
            node_b.tick(now)
            out += sum(map(len, taken(node_b, now)))
    assert out == 4 * len(syn) <= 3 * into
    assert node_b.take_events() == [] and len(node_b) == 0


def test_a_stream_is_there_once_the_number_of_our_answer_comes_back():
    node_b, now = node(), 50.0
    node_b.receive(packet(SYN, 77, 5, 0), STRANGER, now)
    (answer,) = taken(node_b, now)
    kind, _, receive_id, _, _, _, number, ack = HEADER.unpack(answer)
    assert (kind, receive_id, ack) == (STATE, 77, 5)
    node_b.receive(packet(DATA, 78, 6, number - 1, b"greeting"), STRANGER, now)
    accepted, readable = node_b.take_events()
    assert isinstance(accepted, Accepted) and accepted.stream.endpoint == STRANGER
    assert readable.stream.read(100) == [b"greeting"]


def test_who_guesses_the_number_gets_three_tries():
    node_b, now = node(), 50.0
    node_b.receive(packet(SYN, 77, 5, 0), STRANGER, now)
    number = HEADER.unpack(taken(node_b, now)[0])[6]
    for wrong in (1, 2, 3):
        node_b.receive(packet(DATA, 78, 6, number - 1 + wrong), STRANGER, now)
    node_b.receive(packet(DATA, 78, 6, number - 1), STRANGER, now)
    assert node_b.take_events() == [] and len(node_b) == 0


def test_a_flood_of_syns_leaves_a_bounded_number_of_notes_and_no_streams():
    node_b, now = node(), 50.0
    rng, into, out = Random(3), 0, 0
    for number in range(30_000):
        sender = Endpoint(f"10.{rng.getrandbits(8)}.{rng.getrandbits(8)}.{rng.getrandbits(8)}", rng.getrandbits(15) + 1)
        syn = packet(SYN, rng.getrandbits(16), 1, 0)
        into += len(syn)
        node_b.receive(syn, sender, now)
        if number % 1000 == 0:
            now += 0.1
            node_b.tick(now)
            out += sum(map(len, taken(node_b, now)))
    assert len(node_b) == 0 and node_b.next_due is None
    assert len(node_b._backlog) <= MAX_HALF_OPEN
    assert out <= into
    link = Link(Party(A, 1), Party(B, 2), perfect)
    link.now, link.parties[B].node = now, node_b
    link.parties[A].node.connect(B, now)
    link.run(1.0)
    assert len(link.parties[B].accepted) == 1, "a real peer still gets in"


def test_packets_of_strangers_are_answered_rarely():
    node_b, now = node(), 50.0
    for number in range(10_000):
        node_b.receive(packet(DATA, number, 1, 1, b"x" * 100), STRANGER, now)
    assert len(taken(node_b, now)) == 50
    for _ in range(100):
        now += 0.1
        node_b.receive(packet(RESET, 5, 1, 1), STRANGER, now)
    assert taken(node_b, now) == [], "and RESETs never"


def test_who_may_not_come_hears_nothing():
    asked = []
    node_b = UtpNode(Random(1), may_accept=lambda endpoint: bool(asked.append(endpoint)))
    node_b.receive(packet(SYN, 77, 5, 0), STRANGER, 50.0)
    assert asked == [STRANGER]
    assert taken(node_b, 50.0) == [] and node_b.counts["refused"] == 1


def test_there_are_no_more_streams_than_allowed():
    node_b = node(max_streams=2)
    streams = [node_b.connect(Endpoint("192.0.2.7", 1 + number), 50.0) for number in range(3)]
    assert [one.state for one in streams] == [UtpState.SYN_SENT, UtpState.SYN_SENT, UtpState.CLOSED]
    (ended,) = node_b.take_events()
    assert (ended.stream, ended.reason) == (streams[2], "too many streams")
    node_b.receive(packet(SYN, 77, 5, 0), STRANGER, 50.0)
    assert node_b.counts["refused"] == 1


@pytest.mark.parametrize("data", [
    b"", b"\x01", bytes(19), bytes(20), packet(DATA, 1, 1, 1)[:19], b"\x51" + bytes(19), b"\x02" + bytes(19),
    HEADER.pack(DATA, 1, 1, 0, 0, 0, 1, 1), HEADER.pack(DATA, 1, 1, 0, 0, 0, 1, 1) + b"\x00\x08abc",
    HEADER.pack(DATA, 9, 1, 0, 0, 0, 1, 1) + b"\x09\x00" * 30,
])
def test_what_is_no_packet_is_counted(data):
    node_b = node()
    node_b.receive(data, STRANGER, 50.0)
    assert node_b.counts["malformed"] == 1
    assert taken(node_b, 50.0) == []


def test_random_bytes_do_no_harm():
    link, stream, other = connected()
    rng = Random(8)
    for _ in range(20_000):
        data = bytearray(rng.randbytes(rng.choice((0, 5, 19, 20, 21, 26, 40, 60))))
        if data and rng.random() < 0.8:
            data[0] = rng.choice((0x01, 0x11, 0x21, 0x41))
        if len(data) > 4 and rng.random() < 0.5:
            data[2:4] = stream.receive_id.to_bytes(2, "big")
        link.parties[A].node.receive(bytes(data), B, link.now)
    link.run(5.0)
    assert stream.state in (UtpState.CONNECTED, UtpState.FIN_SENT)
