"""Integer overflow: Python's integers do not wrap, but sizes and ranges of any size come in. Each is judged where it is
read, before anything is made of its size.
"""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from blobtorrent.interface.rest.http import Head, Refused
from blobtorrent.interface.rest.jsonbody import parse_json
from blobtorrent.interface.rest.ranges import wanted_range
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.xmlrpc import parse_call
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.tracker.http import read_reply
from blobtorrent.protocol.tracker.udp import read_announced
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.extended import ExtendedHandshake
from blobtorrent.protocol.wire.metadata import MetadataMessage
from tests.support.oddtorrents import listed, multi, single, torrent

NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1,
           2**64, 10**19, 10**400, -(10**400))
HUGE = b"1" + b"0" * 5000              # 10^5000: more digits than int() takes
CALL = ("<methodCall><methodName>a</methodName><params><param><value><{tag}>|</{tag}></value></param></params>"
        "</methodCall>")
MOST_BYTES = 8 << 20
MOST_S = 0.5


def read_range(data: bytes) -> range | None:
    return wanted_range(Head("GET", ("x",), {}, {"range": data.decode()}, 0, True), 100, '"tag"')


def raw(number: int | bytes) -> bytes:
    return number if isinstance(number, bytes) else b"%d" % number


def info(field: str) -> Callable[[Any], bytes]:
    """A torrent with a number in this field."""
    marker = 777_777
    data = torrent(single(**{field: marker}))
    return lambda number: data.replace(b"i777777e", b"i" + raw(number) + b"e")


def file_length(number: Any) -> bytes:
    data = torrent(multi([listed(777_777, b"a"), listed(777_777, b"b")]))
    return data.replace(b"i777777e", b"i" + raw(number) + b"e")


def xml(tag: str) -> Callable[[Any], bytes]:
    before, after = CALL.format(tag=tag).encode().split(b"|")
    return lambda number: before + raw(number) + after


def bencoded(field: bytes) -> Callable[[Any], bytes]:
    return lambda number: b"d%d:%si%see" % (len(field), field, raw(number))


READERS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "length": (info("length"), parse_torrent),
    "piece length": (info("piece_length"), parse_torrent),
    "length of a file": (file_length, parse_torrent),
    "creation date": (lambda number: torrent(single(), creation_date=777_777).replace(
        b"i777777e", b"i" + raw(number) + b"e"), parse_torrent),
    "any bencoded number": (lambda number: b"i" + raw(number) + b"e", bencode.decode),
    "length of bencoded bytes": (lambda number: raw(number) + b":abc", bencode.decode),
    **{f"tracker {field.decode()}": (bencoded(field), read_reply) for field in (
        b"interval", b"min interval", b"complete", b"incomplete", b"downloaded", b"peers", b"retry in")},
    **{f"handshake {field.decode()}": (bencoded(field), ExtendedHandshake.decode) for field in (
        b"p", b"reqq", b"metadata_size", b"upload_only")},
    "metadata piece": (lambda number: b"d8:msg_typei1e5:piecei" + raw(number) + b"e10:total_sizei5ee",
                       MetadataMessage.decode),
    "metadata total": (lambda number: b"d8:msg_typei1e5:piecei0e10:total_sizei" + raw(number) + b"ee",
                       MetadataMessage.decode),
    "metadata kind": (lambda number: b"d8:msg_typei" + raw(number) + b"e5:piecei0ee", MetadataMessage.decode),
    **{f"XML-RPC {tag}": (xml(tag), parse_call) for tag in ("i4", "int", "i8", "boolean", "double")},
    "JSON": (lambda number: b'{"a":' + raw(number) + b"}", parse_json),
    "JSON exponent": (lambda number: b'{"a":1e' + raw(number) + b"}", parse_json),
    "range": (lambda number: b"bytes=" + raw(number) + b"-", read_range),
    "range end": (lambda number: b"bytes=0-" + raw(number), read_range),
    "range of the end": (lambda number: b"bytes=-" + raw(number), read_range),
}


@pytest.mark.parametrize("name", READERS)
def test_any_number_is_read_or_refused_soon_and_in_little_memory(name: str) -> None:
    write, read = READERS[name]
    for number in (*NUMBERS, HUGE, b"-" + HUGE):
        data = write(number)
        tracemalloc.start()
        began_s = time.thread_time()
        try:
            read(data)
        except (BlobTorrentError, Fault, Refused):
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MOST_BYTES, (name, number)
        assert time.thread_time() - began_s < MOST_S, (name, number)


@pytest.mark.parametrize("number", [-1, 2**53 + 1, 2**63, 2**64, 10**400])
def test_no_torrent_is_larger_than_numbers_are_exact(number: int) -> None:
    for data in (info("length")(number), file_length(number)):
        with pytest.raises(BlobTorrentError):
            parse_torrent(data)


def test_sizes_are_judged_by_their_sum() -> None:
    with pytest.raises(BlobTorrentError):
        parse_torrent(torrent(multi([listed(2**53, b"%d" % number) for number in range(3)], pieces=bytes(20))))


@pytest.mark.parametrize("number", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", range(24))
def test_any_number_in_any_field_of_the_wire_is_read_or_refused(kind: int, number: int) -> None:
    for size in (1, 5, 9, 13, 49):
        fields = struct.pack(">I", number) * 12
        try:
            Decoder().feed(struct.pack(">IB", size, kind) + fields[:size - 1])
        except BlobTorrentError:
            pass
    if number > wire.MAX_LENGTH:
        with pytest.raises(BlobTorrentError):
            Decoder().feed(struct.pack(">IB", number, kind))


@pytest.mark.parametrize("number", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_any_number_of_a_udp_tracker_is_read(number: int) -> None:
    reply = read_announced(struct.pack(">IIIII", 1, 7, number, number, number), is_ipv6=False)
    assert 60 <= reply.interval_s <= 86_400
