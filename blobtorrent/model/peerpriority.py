"""The canonical priority of a connection (BEP 40): both ends come to the same number, and nobody can choose it.

Who is full gives up the connection of lowest priority, so that swarms stay well mixed however peers find each other.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address

from blobtorrent.model.address import Endpoint

_POLYNOMIAL = 0x82F63B78               # CRC32-C (Castagnoli), reflected


def canonical_priority(one: Endpoint, other: Endpoint) -> int:
    """32 bits, the same whichever end comes first; of two families 0. Addresses are those that the other end sees.

    BEP 40.
    """
    first, second = ip_address(one.host.partition("%")[0]).packed, ip_address(other.host.partition("%")[0]).packed
    if len(first) != len(second):
        return 0
    if first == second:
        low, high = sorted((one.port, other.port))
        return crc32c(low.to_bytes(2, "big") + high.to_bytes(2, "big"))
    mask = _mask(first, second)
    masked = [bytes(byte & bits for byte, bits in zip(packed, mask)) for packed in (first, second)]
    return crc32c(b"".join(sorted(masked)))


def _mask(first: bytes, second: bytes) -> bytes:
    """How much of the addresses counts: all of the network, one byte more than they share, and half of the rest."""
    least = 2 if len(first) == 4 else 6
    shared = next(place for place, (one, other) in enumerate(zip(first, second)) if one != other)
    whole = least if shared < least else min(shared + 1, len(first))
    return b"\xff" * whole + b"\x55" * (len(first) - whole)


def crc32c(data: bytes) -> int:
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL * (crc & 1)
        table.append(crc)
    return table
