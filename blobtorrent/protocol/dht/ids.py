"""Node ids: their distance, and how an id is tied to an address (BEP 42), so that nobody can choose a place.

Numbers are ids read as 160-bit integers: distances are their exclusive or. `packed` is an address of 4 or 16 bytes.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol

from blobtorrent.model import reach
from blobtorrent.model.reach import Reach, reach_of

ID_BYTES = 20
ID_BITS = 8 * ID_BYTES

_V4_MASK = bytes.fromhex("030f3fff")
_V6_MASK = bytes.fromhex("0103070f1f3f7fff")
_CASTAGNOLI = 0x82F63B78


class Randomness(Protocol):
    """The part of `random.Random` that the DHT needs. Outside of tests it is the system's, which nobody can foresee."""

    def randbytes(self, n: int, /) -> bytes: ...

    def random(self) -> float: ...

    def sample(self, population: Any, k: int) -> list[Any]: ...


def number_of(node_id: bytes) -> int:
    return int.from_bytes(node_id, "big")


def shared_bits(one: int, other: int) -> int:
    """How many leading bits two numbers have in common."""
    return ID_BITS - (one ^ other).bit_length()


@lru_cache(maxsize=4096)
def pack_host(host: str) -> bytes:
    """An address in text form as 4 or 16 bytes. Raises ValueError."""
    return ip_address(host).packed


@lru_cache(maxsize=4096)
def host_of(packed: bytes) -> str:
    """The other way round."""
    return str(ip_address(packed))


@lru_cache(maxsize=4096)
def is_local(packed: bytes) -> bool:
    """Addresses that are not of the internet: BEP 42 exempts them, and only who is local may name them."""
    return reach_of(host_of(packed)) is not Reach.GLOBAL


@lru_cache(maxsize=4096)
def is_usable(packed: bytes) -> bool:
    """Whether a node or peer can have this address at all."""
    address = ip_address(packed)
    is_nobody = address.is_multicast or address.is_unspecified or packed[:1] == b"\xff"
    return not is_nobody and not (len(packed) == 4 and packed[0] == 0)


def may_name(sender: bytes, named: bytes) -> bool:
    """Whether a sender can know of an address: who is outside cannot lead us to hosts of our own network."""
    return is_usable(named) and (
        not is_local(named) or reach.may_name(host_of(sender), host_of(named), allow_loopback=False))


def host_key(packed: bytes) -> bytes:
    """Whom limits are for: an IPv4 address, or the /64 of which one host has as many addresses as it likes."""
    return packed if len(packed) == 4 or is_local(packed) else packed[:8]


def network_of(packed: bytes) -> bytes:
    """What one small site has: /24, /64. One bucket takes one node of it."""
    return packed[:3] if len(packed) == 4 else packed[:8]


def provider_of(packed: bytes) -> bytes:
    """What one provider has: /16, /32. The nodes closest to a target are at most two of it."""
    return packed[:2] if len(packed) == 4 else packed[:4]


def make_node_id(packed: bytes | None, rng: Randomness) -> bytes:
    """An id that fits our outer address (BEP 42); any id while that is unknown or local."""
    random = rng.randbytes(ID_BYTES)
    if packed is None or is_local(packed):
        return random
    return _tie(packed, random)


def is_secure(node_id: bytes, packed: bytes) -> bool:
    """Whether the id fits the address, as far as BEP 42 wants it: the first 21 bits; local addresses need not."""
    if is_local(packed):
        return True
    prefix = _prefix(packed, node_id[-1] & 7)
    return node_id[:2] == prefix[:2] and (node_id[2] ^ prefix[2]) & 0xF8 == 0


def _tie(packed: bytes, random: bytes) -> bytes:
    prefix = _prefix(packed, random[-1] & 7)
    return prefix[:2] + bytes([prefix[2] & 0xF8 | random[2] & 7]) + random[3:]


def _prefix(packed: bytes, seed: int) -> bytes:
    mask = _V4_MASK if len(packed) == 4 else _V6_MASK
    masked = bytearray(byte & keep for byte, keep in zip(packed, mask, strict=False))
    masked[0] |= seed << 5
    return crc32c(bytes(masked)).to_bytes(4, "big")


def _castagnoli_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_CASTAGNOLI if byte & 1 else 0)
    return byte


_ROWS = tuple(_castagnoli_row(byte) for byte in range(256))


def crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial; `zlib.crc32` has another one."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _ROWS[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
