"""What one peer says: handshake, messages, extensions, blocks; first the codecs, then what lives of a link."""

from __future__ import annotations

from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, HaveRun, RejectRun, RequestRun
from blobtorrent.protocol.wire.extended import UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.greeting import GREETING_BYTES, Greeting, GreetingReader, reserved_bits
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest, HashRun
from blobtorrent.protocol.wire.link import LinkState
from blobtorrent.protocol.wire.metadata import DATA, REJECT, REQUEST, MetadataMessage
from blobtorrent.protocol.wire.peerid import client_name
from blobtorrent.protocol.wire.pex import PeerExchange
from tests.fuzz.registry import Shape, target
from tests.support.shaped import Reader

GREETING = Greeting(reserved_bits(has_fast=True, has_dht=True, has_v2=True), b"h" * 20, PeerId(b"-XX0001-abcdefghijkl"))
RUN = HashRun(bytes(32), 0, 0, 4, 2)
MESSAGES = [
    wire.KeepAlive(), wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested(), wire.Have(3),
    wire.BitfieldMessage(b"\xf0\x80"), wire.Request(1, 16384, 16384), wire.Cancel(1, 0, 16384),
    wire.Reject(2, 16384, 100), wire.Piece(1, 16384, b"data" * 30), wire.Port(6881), wire.Suggest(5), wire.HaveAll(),
    wire.HaveNone(), wire.AllowedFast(7), HashRequest(RUN), HashReject(RUN),
    Hashes(RUN, bytes(32 * (4 + RUN.num_uncles))),
    wire.Extended(1, PeerExchange({Endpoint("10.0.0.1", 1): 2}).encode()),
    wire.Extended(2, MetadataMessage(DATA, 0, 20, b"d4:name1:xe").encode()),
]
STREAM = b"".join(message.encode() for message in MESSAGES)
LENGTHS = tuple(number.to_bytes(4, "big") for number in (
    0, 1, 2, 5, 13, 14, 16393, 16394, 1 << 17, (1 << 20) + 13, (1 << 20) + 14, 1 << 31, (1 << 32) - 1))
IDS = tuple(b"\0\0\0\x01" + bytes((number,)) for number in (0, 1, 2, 3, 4, 14, 15, 16, 17, 20, 21, 22, 23, 99))
KEYS = (b"m", b"p", b"v", b"yourip", b"ipv4", b"ipv6", b"reqq", b"metadata_size", b"upload_only", b"ut_pex",
        b"ut_metadata", b"lt_donthave", b"ut_holepunch", b"added", b"added.f", b"added6", b"added6.f", b"dropped",
        b"dropped6", b"msg_type", b"piece", b"total_size")


def greetings() -> list[bytes]:
    return [GREETING.encode(), GREETING.encode() + STREAM[:100], GREETING.encode()[:48], b"\x13BitTorrent protocol"]


@target("wire.greeting", errors=(PeerError,), seeds=greetings, tokens=(b"\x13BitTorrent protocol", bytes(8),
                                                                       b"\xff" * 8))
def _greeting(data: bytes) -> str:
    whole, parts = GreetingReader(), GreetingReader()
    whole.feed(data)
    for at in range(0, len(data), 7):
        parts.feed(data[at:at + 7])
    assert whole.greeting == parts.greeting and whole.early == parts.early
    if whole.greeting is None:
        return "waits"
    assert len(data) >= GREETING_BYTES and whole.greeting.encode() + whole.early == data
    client_name(whole.greeting.peer_id, data[-30:])
    return f"extensions {whole.greeting.has_extensions} fast {whole.greeting.has_fast} v2 {whole.greeting.has_v2}"


@target("wire.decoder", errors=(PeerError,), seeds=lambda: [STREAM, *(message.encode() * 3 for message in MESSAGES)],
        tokens=LENGTHS + IDS)
def _decoder(data: bytes) -> str:
    whole = Decoder()
    messages = whole.feed(data)
    parts, again, step = Decoder(), [], 1 + len(data) % 97
    for at in range(0, len(data), step):
        again += parts.feed(data[at:at + step])
    assert _flat(messages) == _flat(again) and whole.rest == parts.rest
    return " ".join(sorted({type(message).__name__ for message in messages}))


def _flat(messages: list) -> list:
    """Runs as single messages: they are cut where the stream is."""
    flat: list = []
    for message in messages:
        if isinstance(message, RequestRun | RejectRun):
            flat += [(type(message), *pair) for pair in zip(message.keys, message.lengths)]
        elif isinstance(message, HaveRun):
            flat += message.indices
        else:
            flat.append(message)
    return flat


@target("wire.shape", errors=(PeerError,), max_bytes=200_000, tokens=LENGTHS + (b"\x07", b"\0\0\x40\x09\x07"),
        seeds=lambda: [
    wire.Piece(0, 0, b"a" * 16384).encode() + wire.Piece(0, 16384, b"b" * 16384).encode() + STREAM,
    wire.Piece(1, 0, b"c" * 16384).encode() + wire.Piece(7, 0, b"d" * 777).encode() + STREAM[:9], STREAM])
def _shape(data: bytes) -> str:
    """The reader of runs of blocks takes what the general decoder would, and loses no slot, however it is fed."""
    asked = {index << 32 | begin: 16384 for index in range(2) for begin in (0, 16384)} | {7 << 32: 777}
    rng = Random(len(data))
    reader = Reader(asked)
    try:
        reader.receive_all(data, (rng.choice((1, 13, 14, 100, 16384, 16397, 40_000)) for _ in range(10**6)))
    finally:
        reader.check_slots()
    return f"{len(reader.sink.blocks)} {len(reader.sink.said) > 3}"


def handshakes() -> list[bytes]:
    full = ExtendedHandshake(ids={b"ut_pex": 1, UT_METADATA: 2}, version=b"x 1.0", port=6881, max_requests=250,
                             your_ip=bytes(4), ipv4=bytes(4), ipv6=bytes(16), metadata_size=30_000, is_upload_only=True)
    return [full.payload(), ExtendedHandshake().payload(), encode({b"m": {b"ut_pex": 0}, b"p": 1 << 40,
                                                                   b"v": "ä" * 300}),
            encode({b"m": [], b"reqq": -1, b"metadata_size": 1 << 70, b"upload_only": b"1"})]


@target("wire.extended", errors=(PeerError,), seeds=handshakes, tokens=KEYS, shape=Shape.BENCODE)
def _extended(data: bytes) -> str:
    handshake = ExtendedHandshake.decode(data)
    assert ExtendedHandshake.decode(handshake.payload()) == handshake
    later = ExtendedHandshake(ids={b"ut_pex": 9}).updated(handshake).updated(handshake)
    later.message(b"ut_pex", b"")
    client_name(bytes(20), handshake.version)
    return " ".join(name for name, value in handshake._asdict().items() if value)


@target("wire.metadata", errors=(PeerError,), tokens=KEYS, shape=Shape.BENCODE, seeds=lambda: [
    message.encode() for message in (
        MetadataMessage(REQUEST, 0), MetadataMessage(DATA, 1, 30_000, b"x" * 100), MetadataMessage(REJECT, 2),
        MetadataMessage(DATA, 0, 5, b"d1:xe"))])
def _metadata(data: bytes) -> str:
    message = MetadataMessage.decode(data)
    assert message.piece >= 0 and message.total_size >= 0 and len(message.data) <= 16384
    return f"{min(message.kind, 4)} {bool(message.data)}"


@target("wire.pex", errors=(PeerError,), tokens=KEYS, shape=Shape.BENCODE, seeds=lambda: [
    PeerExchange({Endpoint("10.0.0.1", 1): 2, Endpoint("2001:db8::1", 6881): 0x10},
                 (Endpoint("10.0.0.2", 3), Endpoint("2001:db8::2", 4))).encode(),
    PeerExchange().encode(), encode({b"added": bytes(600), b"added.f": bytes(100)})])
def _pex(data: bytes) -> str:
    told = PeerExchange.decode(data)
    assert len(told.added) <= 200 and len(told.dropped) <= 200 and not set(told.added) & set(told.dropped)
    assert PeerExchange.decode(told.encode()) == told
    return f"{bool(told.added)} {bool(told.dropped)}"


@target("wire.bitfield", errors=(PeerError,), seeds=lambda: [bytes((1, 0)) + b"\xff" * 32, bytes((0, 9)) + b"\xff\x80"])
def _bitfield(data: bytes) -> str:
    size = int.from_bytes(data[:2], "big")
    field = Bitfield.from_wire(data[2:], size)
    assert field.to_wire() == data[2:] and len(field) <= size
    return f"full {field.is_full}"


@target("wire.link_state", seeds=lambda: [bytes(range(13)), bytes((4, 5, 6, 7, 8, 10)), bytes((0, 1, 2, 3) * 3)])
def _link_state(data: bytes) -> str:
    """Whatever the peer says, and whatever we do when it makes sense, every state has a way on."""
    state = LinkState()
    for byte in data[:500]:
        kind = byte % 9
        if kind == 0:
            (state.unchoke if state.am_choking else state.choke)()
        elif kind == 1:
            (state.lose_interest if state.am_interested else state.want)()
        elif kind == 2:
            state.on_choke()
            assert state.peer_choking
        elif kind == 3:
            state.on_unchoke()
            assert not state.peer_choking
        elif kind == 4:
            state.on_interested()
            assert state.peer_interested
        elif kind == 5:
            state.on_not_interested()
            assert not state.peer_interested
        else:
            state.on_message()
    return f"{state.am_choking} {state.am_interested} {state.peer_choking} {state.peer_interested}"


