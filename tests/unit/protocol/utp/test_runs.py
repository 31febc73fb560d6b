"""Datagrams that came together are taken as if they had come one by one."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.packet import DATA, FIN, HEADER, RESET, STATE, SYN
from blobtorrent.protocol.utp.states import Accepted, Readable
from blobtorrent.protocol.utp.stream import ACK_PACKETS, UtpStream

PEER = Endpoint("198.51.100.2", 6882)
SYN_ID, FIRST = 0xFFFF, 0xFFF0         # so that ids and numbers wrap
NOW = 50.0


def accepted() -> tuple[UtpNode, UtpStream, int]:
    """A node with a stream that a peer opened, and what the peer has to acknowledge."""
    node = UtpNode(Random(1), may_accept=lambda _: True)
    node.receive(HEADER.pack(SYN, 0, SYN_ID, 1, 0, 1 << 20, FIRST, 0), PEER, NOW)
    ((_, (answer,), _),) = node.take_outgoing(NOW)
    ack = HEADER.unpack_from(answer)[6] - 1 & 0xFFFF
    node.receive(HEADER.pack(STATE, 0, 0, 2, 0, 1 << 20, FIRST, ack), PEER, NOW)
    (event,) = node.take_events()
    assert isinstance(event, Accepted)
    node.take_outgoing(NOW)
    return node, event.stream, ack


def data(place: int, ack: int, payload: bytes, *, kind: int = DATA, room: int = 1 << 20, to_id: int = 0,
         extension: int = 0) -> bytes:
    return HEADER.pack(kind, extension, to_id, 1000 + place, 0, room, FIRST + 1 + place & 0xFFFF, ack) + payload


def read(stream: UtpStream) -> bytes:
    return b"".join(stream.read(1 << 30))


def test_a_run_in_order_is_taken_whole_and_acknowledged_once():
    node, stream, ack = accepted()
    run = [data(place, ack, bytes((place,)) * 100) for place in range(3 * ACK_PACKETS)] + [data(48, ack, b"last")]
    whole = b"".join(run)
    assert node.receive_run(whole, 120, PEER, NOW + 1) == len(whole)
    assert [type(event) for event in node.take_events()] == [Readable]
    assert read(stream) == b"".join(one[20:] for one in run)
    sent = [HEADER.unpack_from(one) for _, packets, _ in node.take_outgoing(NOW + 1) for one in packets]
    assert [fields[7] for fields in sent] == [FIRST + 3 * ACK_PACKETS & 0xFFFF]
    assert sent[0][4] == int((NOW + 1) * 1e6) - (1000 + 3 * ACK_PACKETS - 1), "as long as the last whole packet took"
    node.tick(NOW + 2)
    ((_, (late,), _),) = node.take_outgoing(NOW + 2)
    assert HEADER.unpack_from(late)[7] == FIRST + 3 * ACK_PACKETS + 1 & 0xFFFF


def test_what_is_not_utp_ends_it_and_is_left_to_others():
    node, stream, ack = accepted()
    one, strange = data(0, ack, b"x" * 30), b"d1:ad2:id20:" + bytes(38)
    assert node.receive_run(one + strange + data(1, ack, b"y" * 30), 50, PEER, NOW) == 50
    assert node.receive_run(memoryview(strange), 50, PEER, NOW) == 0
    assert read(stream) == b"x" * 30 and not node.counts


@pytest.mark.parametrize("size", [1, 19, 20])
def test_runs_of_packets_without_content_do_no_harm(size):
    node, stream, ack = accepted()
    run = b"".join(data(place, ack, b"")[:size] for place in range(5))
    assert node.receive_run(run, size, PEER, NOW) == len(run)
    assert read(stream) == b"" and node.counts["malformed"] == (5 if size < 20 else 0)


def test_more_than_there_is_room_for_is_refused_packet_by_packet():
    node, stream, ack = accepted()
    for start in range(0, 900, 30):
        node.receive_run(b"".join(data(start + place, ack, bytes(1400)) for place in range(30)), 1420, PEER, NOW)
        node.take_outgoing(NOW)
    got = stream.stats.received_bytes
    assert (1 << 20) < got <= (1 << 20) + (1 << 17) and got % 1400 == 0
    assert len(read(stream)) == got


@pytest.mark.parametrize("seed", range(40))
def test_it_makes_no_difference_whether_packets_come_together(seed):
    rng = Random(seed)
    one, other = accepted(), accepted()
    ack = one[2]
    now, place = NOW, 0
    for _ in range(30):
        now += rng.choice((0.0, 0.001, 0.3))
        size = rng.choice((1, 50, 1400))
        run = []
        for _ in range(rng.randint(1, 12)):
            odd = rng.random() if seed % 2 else 1.0
            ahead = rng.choice((0, 0, 1, 3)) if odd < 0.2 else 0
            run.append(data(
                place + ahead, ack if odd > 0.05 else ack + rng.randint(-2, 2) & 0xFFFF, rng.randbytes(size),
                kind=rng.choice((DATA, STATE, SYN, FIN if place > 100 else DATA, RESET if odd < 0.02 else DATA))
                if odd < 0.1 else DATA,
                room=rng.choice((1 << 20, 5000)) if odd < 0.1 else 1 << 20,
                to_id=rng.choice((0, 7)) if odd < 0.1 else 0, extension=1 if odd < 0.03 else 0))
            if odd > 0.15:
                place += 1
        if rng.random() < 0.5:
            run[-1] = run[-1][:20 + rng.randint(0, size)]
        whole = b"".join(run)
        assert one[0].receive_run(whole, size + 20, PEER, now) == len(whole)
        for packet in run:
            other[0].receive(packet, PEER, now)
        if rng.random() < 0.5:
            written = rng.randbytes(rng.choice((3, 4000)))
            assert one[1].write(written) == other[1].write(written)
        sent = [[packet for _, packets, _ in node.take_outgoing(now) for packet in packets]
                for node, *_ in (one, other)]
        assert [packet for packet in sent[0] if packet[0] != STATE] == [
            packet for packet in sent[1] if packet[0] != STATE]
        assert sent[0][-1:] == sent[1][-1:], "what is acknowledged in the end"
        assert read(one[1]) == read(other[1])
        assert one[1].stats == other[1].stats and one[1].state is other[1].state
        assert one[0].counts == other[0].counts and one[1].deadline_s == other[1].deadline_s
