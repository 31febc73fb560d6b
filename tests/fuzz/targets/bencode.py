"""Bencoding and what is written in it to files: torrents, and the addresses and links that lead to them."""

from __future__ import annotations

from blobtorrent.model.errors import BencodeError, FormatError
from blobtorrent.protocol.bencode import decode, decode_prefix, encode, read_document
from tests.fuzz.registry import Shape, target
from tests.support.oddtorrents import odd_torrents

MARKS = (b"i0e", b"i-1e", b"le", b"de", b"l", b"d", b"e", b"0:", b"1:a", b"20:", b"99999999999:", b"i", b"-", b"4:info",
         b"4:name", b"6:length", b"6:pieces", b"i9223372036854775808e")


def documents() -> list[bytes]:
    return [encode(value) for value in (
        0, -5, b"spam", [], {}, [1, [2, [3, b"x"]]], {b"a": {b"b": [b"c", 1]}, b"z": b""}, [b"x" * 300] * 3,
    )] + [odd.data for odd in odd_torrents() if len(odd.data) < 2000]


@target("bencode.decode", errors=(BencodeError,), seeds=documents, tokens=MARKS, shape=Shape.BENCODE)
def _decode(data: bytes) -> str:
    value = decode(data)
    assert encode(value) == data
    return type(value).__name__


@target("bencode.lenient", errors=(BencodeError,), seeds=documents, tokens=MARKS, shape=Shape.BENCODE)
def _lenient(data: bytes) -> str:
    value = decode(data, lenient=True)
    document = read_document(data, lenient=True)
    assert document.value == value and document.end <= len(data)
    for start, end in document.spans.values():
        assert 0 <= start < end <= document.end
    if document.is_canonical:
        assert encode(value) == data[:document.end]
    return f"{type(value).__name__} {document.is_canonical}"


@target("bencode.prefix", errors=(FormatError,), seeds=lambda: [data + b"behind" for data in documents()], tokens=MARKS,
        shape=Shape.BENCODE)
def _prefix(data: bytes) -> str:
    value, end = decode_prefix(data)
    assert encode(value) == data[:end]
    return type(value).__name__
