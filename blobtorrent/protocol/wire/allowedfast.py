"""Which pieces a peer may have while it is choked (BEP 6): the same few for an address, however often it comes."""

from __future__ import annotations

from hashlib import sha1
from ipaddress import IPv4Address, ip_address
from struct import Struct

SET_SIZE = 10                          # pieces, as the BEP has it

_NUMBERS = Struct(">5I")               # that a SHA-1 digest is taken for


def allowed_fast_set(host: str, info_hash: bytes, num_pieces: int, size: int = SET_SIZE) -> list[int]:
    """The pieces for a peer at this address, in the order of the BEP; fewer when the torrent has fewer.

    `info_hash` are the 20 bytes of the greeting.

    Addresses of one /24 get the same, so that nobody gathers pieces with many of them. None for IPv6, of which the BEP
    says nothing.
    """
    address = ip_address(host)
    if not isinstance(address, IPv4Address):
        return []
    size = min(size, num_pieces)
    chosen: dict[int, None] = {}
    digest = address.packed[:3] + b"\0" + info_hash
    while len(chosen) < size:
        digest = sha1(digest).digest()
        for number in _NUMBERS.unpack(digest):
            if len(chosen) < size:
                chosen[number % num_pieces] = None
    return list(chosen)
