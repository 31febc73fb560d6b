"""The micro transport: headers with extensions, and a node with streams among forged and odd packets."""

from __future__ import annotations

from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.packet import (
    DATA,
    FIN,
    HEADER,
    HEADER_BYTES,
    LARGE,
    RESET,
    SACK,
    STATE,
    SYN,
    read_extensions,
    write_large,
    write_sack,
)
from blobtorrent.protocol.utp.sending import BUFFER_BYTES
from blobtorrent.protocol.utp.states import Accepted, Ended
from blobtorrent.protocol.utp.stream import UtpStream
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events

PEER = Endpoint("203.0.113.9", 4000)
KINDS = (DATA, FIN, STATE, RESET, SYN)
MAX_STREAMS = 8


@target("utp.extensions", errors=(PeerError,), seeds=lambda: [
    bytes((SACK,)) + bytes(HEADER_BYTES) + write_sack(0b1011),
    bytes((LARGE,)) + bytes(HEADER_BYTES) + write_large(9000),
    bytes((SACK,)) + bytes(HEADER_BYTES) + bytes((LARGE, 4)) + bytes(4) + write_large(1400) + b"data",
    bytes((9,)) + bytes(HEADER_BYTES) + bytes((9, 0)) * 9])
def _extensions(data: bytes) -> str:
    if len(data) < 1 + HEADER_BYTES:
        return "short"
    found = read_extensions(data[1:], data[0])
    assert HEADER_BYTES < found.payload_at <= len(data) - 1
    return f"{found.sack > 0} {found.largest_bytes > 0}"


def _packet(kind: int, number: int, ack: int, payload: bytes = b"", *, room: int = 16) -> bytes:
    """An event: a packet to the newest stream, with numbers relative to what it expects."""
    return b"p" + bytes((kind, number & 0xFF, ack & 0xFF, room, 0)) + payload


def talks() -> list[bytes]:
    sack = b"\x01" + write_sack(5)
    return [
        write_events([b"s", b"w\x04", _packet(2, 0, 0), b"t\x05", _packet(0, 0, 0, b"data"), b"r", _packet(1, 1, 0),
                      b"c",
                      b"t\xff"]),
        write_events([b"y\0\1", _packet(0, 0, 0, b"hello"), b"r", b"w\xff", b"t\x02", _packet(2, 0, -3 & 0xFF, sack),
                      b"t\x20",
                      _packet(3, 0, 0), b"t\xff"]),
        write_events([b"y\0\1", _packet(0, 2, 0, b"later"), _packet(0, 1, 0, b"x"), _packet(0, 0, 0, b"first"), b"r",
                      b"a"]),
        write_events([b"y\0\1", b"g\x20\x05", b"w\xff", _packet(2, 0, 0), b"g\x03\x40tail", b"r", b"g\x05\0", b"c"]),
        write_events([b"s", b"t\xff", b"t\xff", b"t\xff", b"x" + HEADER.pack(STATE, SACK, 7, 1, 2, 3, 4,
                                                                             5) + b"\0\xff"]),
    ]


@target("utp.node", shape=Shape.EVENTS, seeds=talks,
        tokens=(b"s", b"y\0\1", b"g\x30\x09", b"w\xff", b"t\xff", b"c", b"a", b"r"))
def _node(data: bytes) -> str:
    """s: we connect; y: a SYN and what proves its sender; p: a packet that nearly fits; g: packets that fit come
    together, and anything behind them; x: any; w, r, c, a: the owner writes, reads, closes, breaks off; t: time."""
    node = UtpNode(Random(1), may_accept=lambda endpoint: True, max_streams=MAX_STREAMS)
    streams: list[UtpStream] = []
    ended: list[UtpStream] = []
    now, connects = 1.0, 0
    for event in read_events(data)[:150]:
        kind, body = event[:1], event[1:]
        if kind == b"s":
            connects += 1
            streams.append(node.connect(PEER, now))
        elif kind == b"y":
            _join(node, int.from_bytes(body[:2], "big"), now)
        elif kind == b"x":
            node.receive(body, PEER, now)
        elif kind == b"p" and streams and len(body) >= 5:
            node.receive(_forged(streams[-1], body), PEER, now)
        elif kind == b"g" and streams and len(body) >= 2:
            run = b"".join(_forged(streams[-1], bytes((0, place, 0, 16, 0)) + bytes(body[1]))
                           for place in range(body[0] % 64)) + body[2:]
            assert 0 <= node.receive_run(run, HEADER_BYTES + body[1], PEER, now) <= len(run)
        elif kind == b"t":
            now += (body[:1] or b"\1")[0] / 8
            node.tick(now)
        elif kind in (b"w", b"r", b"c", b"a") and streams:
            _use(streams[-1], kind, body, now)
        node.take_outgoing(now)
        for told in node.take_events():
            if isinstance(told, Accepted):
                streams.append(told.stream)
            elif isinstance(told, Ended):
                ended.append(told.stream)
        assert len(node) <= MAX_STREAMS
    node.close_all(now)
    for _ in range(20):
        now += 60.0
        node.tick(now)
        node.take_outgoing(now)
        ended += [told.stream for told in node.take_events() if isinstance(told, Ended)]
    assert len(set(map(id, ended))) == len(ended) == len(streams)
    return f"{min(len(streams), 3)} {node.counts['stray'] > 0}"


def _join(node: UtpNode, syn_id: int, now: float) -> None:
    node.receive(HEADER.pack(SYN, 0, syn_id, 1, 0, 1 << 20, 10, 0), PEER, now)
    answers = [data for _, packets, _ in node.take_outgoing(now) for data in packets if data[0] == STATE]
    if answers:
        *_, number, _ = HEADER.unpack_from(answers[-1])
        first = HEADER.pack(DATA, 0, syn_id + 1 & 0xFFFF, 2, 0, 1 << 20, 11, number - 1 & 0xFFFF)
        node.receive(first + b"hi", PEER, now)


def _forged(stream: UtpStream, body: bytes) -> bytes:
    kind, ahead, acked, room, extension = body[:5]
    number = stream._inbound.expected + (ahead ^ 0x80) - 0x80
    ack = stream._sender.flight.next - 1 + (acked ^ 0x80) - 0x80
    payload, first = body[5:], 0
    if payload[:1] in (b"\x01", bytes((LARGE,))):
        first, payload = payload[0], payload[1:]
    return HEADER.pack(KINDS[kind % len(KINDS)], first, stream.receive_id, 5, extension << 12, room << 12,
                       number & 0xFFFF, ack & 0xFFFF) + payload


def _use(stream: UtpStream, kind: bytes, body: bytes, now: float) -> None:
    if kind == b"w":
        size = 1 << (body[:1] or b"\4")[0] % 20
        assert 0 <= stream.write(bytes(size)) <= min(size, BUFFER_BYTES)
    elif kind == b"r":
        stream.read(1 << 16)
    elif kind == b"c":
        stream.close(now)
    else:
        stream.abort(now)
    stats = stream.stats
    assert stats.window_bytes >= 0 and stats.sent_bytes >= 0 and stats.received_bytes >= 0
