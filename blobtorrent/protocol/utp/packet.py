"""Packets of uTP: a header of 20 bytes, a chain of extensions, the payload. BEP 29, version 1.

    type << 4 | version (8)   first extension (8)   connection id (16)
    timestamp of the sender, microseconds (32)
    difference between our clock and the timestamp of what came last, microseconds (32)
    room in the receive buffer, bytes (32)
    sequence number (16)      number of the last packet that came in order (16)

All numbers wrap: those of packets at 16 bits, times at 32. An extension is (next one, length, body).
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from blobtorrent.model.errors import PeerError

HEADER = Struct(">BBHIIIHH")
HEADER_BYTES = 20
NUMBERS = Struct(">HH")                # the end of it: of the packet, and of the last that came

SEQUENCE_MASK = 0xFFFF
TIME_MASK = 0xFFFFFFFF

SACK = 1                               # extension: which packets came beyond a hole
LARGE = 0x4C                           # extension of ours, in SYN and its answer: datagrams of up to so many bytes
LARGE_BODY = Struct(">I")
MAX_SACK_BYTES = 252                   # the largest multiple of four that a length can tell
MAX_EXTENSIONS = 8                     # of one packet


class PacketType(IntEnum):
    """The upper half of the first byte."""

    DATA = 0
    FIN = 1                            # the last packet of a direction
    STATE = 2                          # an acknowledgement: takes no sequence number
    RESET = 3
    SYN = 4


VERSION = 1
DATA, FIN, STATE, RESET, SYN = (kind << 4 | VERSION for kind in PacketType)               # first bytes

Buffer = bytes | memoryview


Fields = tuple[int, int, int, int, int, int, int, int, bytes]          # of a packet without extensions


@lru_cache(maxsize=16)
def whole_packets(size: int) -> Struct:
    """Header and payload of packets of `size` bytes without extensions; it unpacks `Fields`."""
    return Struct(f"{HEADER.format}{size - HEADER_BYTES}s")


class Extensions(NamedTuple):
    """What the chain said."""

    payload_at: int                    # bytes from the start of the packet
    sack: int = 0                      # bit n: packet ack + 2 + n came
    largest_bytes: int = 0             # datagrams that the sender takes; 0: it did not say


def read_extensions(data: Buffer, first: int) -> Extensions:
    """Read the chain that begins behind the header with an extension of the type `first`. Unknown ones are skipped.

    Raises PeerError ("utp.bad-extension") when it leaves the packet or does not end.
    """
    at, kind = HEADER_BYTES, first
    sack = largest = 0
    for _ in range(MAX_EXTENSIONS):
        if at + 2 > len(data):
            break
        following, length = data[at], data[at + 1]
        body = data[at + 2:at + 2 + length]
        if len(body) < length:
            break
        if kind == SACK:               # a multiple of four, says the BEP; libtorrent 2.1 sends as many as it needs
            sack = int.from_bytes(body, "little")
        elif kind == LARGE and length == LARGE_BODY.size:
            (largest,) = LARGE_BODY.unpack(body)
        at, kind = at + 2 + length, following
        if not kind:
            return Extensions(at, sack, largest)
    raise PeerError("utp.bad-extension", "a chain of extensions that does not end in its packet")


def write_sack(bits: int) -> bytes:
    """The extension, last in its chain, that tells of `bits` (as in `Extensions.sack`)."""
    length = min(MAX_SACK_BYTES, (bits.bit_length() + 31) // 32 * 4)
    return bytes((0, length)) + (bits & (1 << 8 * length) - 1).to_bytes(length, "little")


def write_large(largest_bytes: int) -> bytes:
    """The extension, last in its chain, that says how large a datagram may be."""
    return bytes((0, LARGE_BODY.size)) + LARGE_BODY.pack(largest_bytes)


def microseconds(now: float) -> int:
    """`now` as it stands in headers."""
    return int(now * 1e6) & TIME_MASK
