"""Whole swarms of one torrent that peers talk to: with metadata and without. Each case is a run of events."""

from __future__ import annotations

from functools import cache
from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import UT_METADATA, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.greeting import reserved_bits
from blobtorrent.protocol.wire.metadata import DATA, REJECT, REQUEST, MetadataMessage
from blobtorrent.protocol.wire.pex import PeerExchange
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events
from tests.fuzz.targets.wire import IDS, KEYS, LENGTHS, MESSAGES
from tests.support.onemetadata import OneMetadata
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

MAX_EVENTS = 120
ALL_BITS = reserved_bits(has_fast=True, has_dht=True, has_v2=True)
INFO = encode({b"length": 40_000, b"name": b"x", b"piece length": 16384, b"pieces": bytes(60), b"pad": bytes(20_000)})


@cache
def _torrent() -> StoredTorrent:
    return StoredTorrent([20_000, 40_000, 777], 32768)


def _say(number: int, *messages: Any) -> bytes:
    return bytes((number,)) + b"".join(message.encode() for message in messages)


def swarm_talks() -> list[bytes]:
    hello = ExtendedHandshake(ids={UT_PEX: 1, UT_METADATA: 2}, port=6881, max_requests=100)
    torrent = _torrent()
    return [
        write_events([_say(0, message) for message in MESSAGES]),
        write_events([_say(0, hello), _say(0, wire.HaveAll()), _say(0, wire.Unchoke()), b"\xf3\0", b"\xf0\x05",
                      b"\xf3\0\1", b"\xf0\x20", _say(0, wire.Choke()), _say(0, wire.Unchoke()), b"\xf3\0",
                      b"\xf0\x50"]),
        write_events([_say(0, hello), _say(1, wire.HaveAll(), wire.Unchoke()), b"\xf0\x0a", _say(0, wire.Unchoke()),
                      _say(1, wire.Piece(0, 0, torrent.piece(0)[:16384])), b"\xf1\xff", _say(0, wire.Interested()),
                      _say(0, wire.Request(0, 0, 16384)), _say(0, wire.Reject(0, 0, 16384)), _say(1, wire.Choke())]),
        write_events([_say(2, wire.BitfieldMessage(b"\xc0")), _say(2, wire.Suggest(1), wire.AllowedFast(0)),
                      b"\xf0\x40",
                      _say(2, wire.Extended(1, PeerExchange().encode())), b"\xf2", _say(2, wire.Interested()),
                      b"\xf0\xff"]),
    ]


@target("links.swarm", shape=Shape.EVENTS, seeds=swarm_talks, tokens=LENGTHS + IDS + KEYS)
def _swarm(data: bytes) -> str:
    """Peers 0 to 3 say what the events say; the first byte tells who, 0xf0 lets time pass, 0xf2 ends a link, and with
    0xf3 a peer sends what it was asked for, well or not."""
    one = OneSwarm(_torrent(), have=[1], slots=64)
    links: dict[int, Any] = {}
    ended = 0
    for event in read_events(data)[:MAX_EVENTS]:
        kind, body = event[:1], event[1:]
        if kind == b"\xf0":
            one.pass_time((body[:1] or b"\1")[0] / 10)
        elif kind == b"\xf1":
            one.said()
        elif kind == b"\xf3":
            number = (body[:1] or b"\0")[0] & 3
            try:
                _give_what_is_asked(one, links.get(number), is_spoiled=body[1:2] == b"\1")
            except PeerError as error:             # what it said before was half a message
                ended += 1
                one.swarm.lose(links.pop(number), error)
        elif kind:
            number = kind[0] & 3
            try:
                if number not in links:
                    links[number] = one.join([], unchoked=False, reserved=ALL_BITS)
                if kind[0] == 0xf2:
                    raise PeerError("net.closed", "it is gone")
                links[number].intake.feed(body)
            except PeerError as error:
                ended += 1
                if number in links:
                    one.swarm.lose(links.pop(number), error)
    one.said()
    one.swarm.drain()
    return f"{min(ended, 3)} {len(links)} {bool(one.notes.hashed)} {bool(one.notes.dialled)}"


def _give_what_is_asked(one: OneSwarm, link: Any, *, is_spoiled: bool) -> None:
    one.said()
    if link is not None:
        one.give(link, [pair for pair in outstanding(link) if is_whole(*pair)][:8], spoil=is_spoiled)


def is_whole(index: int, block: int) -> bool:
    return (block + 1) << 14 <= len(_torrent().piece(index))


def metadata_talks() -> list[bytes]:
    hello = ExtendedHandshake(ids={UT_METADATA: 3, UT_PEX: 1}, metadata_size=len(INFO))
    parts = [wire.Extended(2, MetadataMessage(DATA, piece, len(INFO), INFO[piece * 16384:(piece + 1) * 16384]).encode())
             for piece in range(2)]
    return [
        write_events([_say(0, hello), _say(0, *parts), b"\xf0\x10"]),
        write_events([_say(0, hello), _say(1, hello), _say(0, wire.Extended(2, MetadataMessage(REJECT, 0).encode())),
                      _say(1, parts[0]), b"\xf0\xff", _say(1, parts[1]),
                      _say(0, wire.Extended(2, MetadataMessage(REQUEST, 0).encode()))]),
        write_events([_say(2, ExtendedHandshake(ids={UT_METADATA: 3}, metadata_size=1 << 31)), b"\xf0\x50",
                      _say(2, wire.HaveAll(), wire.BitfieldMessage(b"\xff"), wire.Have(1 << 31))]),
    ]


@target("links.metadata", shape=Shape.BENCODED_EVENTS, seeds=metadata_talks, tokens=LENGTHS + IDS + KEYS)
def _metadata(data: bytes) -> str:
    one = OneMetadata(INFO)
    links: dict[int, Any] = {}
    ended = 0
    for event in read_events(data)[:MAX_EVENTS]:
        kind, body = event[:1], event[1:]
        if kind == b"\xf0":
            one.pass_time((body[:1] or b"\1")[0] / 10)
        elif kind == b"\xf1":
            one.said()
        elif kind:
            number = kind[0] & 3
            try:
                if number not in links:
                    link = one.arrive(f"10.0.0.{number + 1}", reserved=ALL_BITS)
                    if isinstance(link, PeerError):
                        continue
                    links[number] = link
                links[number].intake.feed(body)
            except PeerError as error:
                ended += 1
                one.swarm.lose(links.pop(number), error)
    one.said()
    return f"{min(ended, 3)} {len(links)}"


