"""The 68-byte greeting that opens a link (BEP 3), and its reserved bits (BEP 5, 6, 10, 52).

Layout: 19, "BitTorrent protocol", 8 reserved bytes, 20-byte info-hash as it goes over the wire, 20-byte peer id.
"""

from __future__ import annotations

from typing import NamedTuple

from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import WIRE_BYTES, PeerId

PROTOCOL = b"\x13BitTorrent protocol"
RESERVED_BYTES = 8
HASH_END = len(PROTOCOL) + RESERVED_BYTES + WIRE_BYTES         # 48: the torrent is known, the peer not yet
GREETING_BYTES = HASH_END + 20

_EXTENSIONS = (5, 0x10)                # BEP 10: (byte of the reserved field, bit)
_DHT = (7, 0x01)                       # BEP 5
_FAST = (7, 0x04)                      # BEP 6
_V2 = (7, 0x10)                        # BEP 52: the sender knows the torrent by its v2 digest too


def reserved_bits(*, has_fast: bool = False, has_dht: bool = False, has_v2: bool = False) -> bytes:
    """The 8 reserved bytes that we send. The extension protocol is always offered."""
    field = bytearray(RESERVED_BYTES)
    offered = ((_EXTENSIONS, True), (_FAST, has_fast), (_DHT, has_dht), (_V2, has_v2))
    for (byte, bit), is_offered in offered:
        if is_offered:
            field[byte] |= bit
    return bytes(field)


OUR_RESERVED = reserved_bits(has_fast=True)
OUR_RESERVED_WITH_DHT = reserved_bits(has_fast=True, has_dht=True)
OUR_RESERVED_V2 = reserved_bits(has_fast=True, has_v2=True)
OUR_RESERVED_V2_WITH_DHT = reserved_bits(has_fast=True, has_dht=True, has_v2=True)


class Greeting(NamedTuple):
    """What each side says first. `info_hash` is one of the 20-byte wire forms of the torrent (see InfoHash)."""

    reserved: bytes
    info_hash: bytes
    peer_id: PeerId

    def encode(self) -> bytes:
        return PROTOCOL + self.reserved + self.info_hash + self.peer_id

    @property
    def has_extensions(self) -> bool:
        return self._has(_EXTENSIONS)

    @property
    def has_dht(self) -> bool:
        return self._has(_DHT)

    @property
    def has_fast(self) -> bool:
        return self._has(_FAST)

    @property
    def has_v2(self) -> bool:
        return self._has(_V2)

    def _has(self, place: tuple[int, int]) -> bool:
        byte, bit = place
        return bool(self.reserved[byte] & bit)


class GreetingReader:
    """Collects a greeting however the stream is cut; what comes behind it is kept for the link.

    `info_hash` is known after 48 bytes: an acceptor answers then, because some peers hold their id back until they
    have seen ours, and NAT checkers send nothing more.
    """

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes of the stream. Raises PeerError ("wire.bad-greeting") at the first byte of another protocol."""
        seen = min(len(self._data), len(PROTOCOL))
        self._data += data
        if self._data[seen:len(PROTOCOL)] != PROTOCOL[seen:len(self._data)]:
            raise PeerError("wire.bad-greeting", "the peer does not speak BitTorrent")

    @property
    def wanted_bytes(self) -> int:
        """How much of the greeting is still to come."""
        return max(0, GREETING_BYTES - len(self._data))

    @property
    def info_hash(self) -> bytes | None:
        """The 20 wire bytes, once they are there."""
        return bytes(self._data[HASH_END - WIRE_BYTES:HASH_END]) if len(self._data) >= HASH_END else None

    @property
    def greeting(self) -> Greeting | None:
        """The whole greeting, once it is there."""
        if self.wanted_bytes:
            return None
        return Greeting(
            reserved=bytes(self._data[len(PROTOCOL):len(PROTOCOL) + RESERVED_BYTES]),
            info_hash=bytes(self._data[HASH_END - WIRE_BYTES:HASH_END]),
            peer_id=PeerId(bytes(self._data[HASH_END:GREETING_BYTES])),
        )

    @property
    def early(self) -> bytes:
        """Bytes that came behind the greeting: the first messages of the link."""
        return bytes(self._data[GREETING_BYTES:])
