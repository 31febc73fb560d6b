"""Peer exchange (BEP 11): who joined and who left since the last message, as the payload of a ut_pex message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BencodeError, PeerError
from blobtorrent.protocol import bencode

PREFERS_ENCRYPTION = 0x01
UPLOAD_ONLY = 0x02                     # a seed, or a peer that wants nothing more
HAS_UTP = 0x04
HAS_HOLEPUNCH = 0x08
IS_REACHABLE = 0x10                    # its teller dialled it

MAX_ENTRIES = 50                       # of those that joined in one message, both families together; so of those gone
MAX_READ = 100                         # of a foreign one: the first may be longer, and libtorrent's is
_LIMITS = bencode.Limits(size_bytes=16 << 10, depth=4, tokens=200)
_FAMILIES = ((b"", 6), (b"6", 18))     # what the keys end with, and the bytes of an address


class PeerExchange(NamedTuple):
    """`added` has the flags of each."""

    added: Mapping[Endpoint, int] = {}
    dropped: tuple[Endpoint, ...] = ()

    def encode(self) -> bytes:
        """The payload: a bencoded dictionary with the keys of both families."""
        told: dict[bytes, bytes] = {}
        for suffix, size in _FAMILIES:
            added = {peer: flags for peer, flags in self.added.items() if peer.is_ipv6 == (size == 18)}
            told[b"added" + suffix] = _pack(added)
            told[b"added" + suffix + b".f"] = bytes(added.values())
            told[b"dropped" + suffix] = _pack(peer for peer in self.dropped if peer.is_ipv6 == (size == 18))
        return bencode.encode(told)

    @classmethod
    def decode(cls, payload: bytes) -> PeerExchange:
        """Read a foreign message: at most MAX_READ of each kind. An address with port 0 is passed over, what is in both
        lists is gone. Flags that are not one for each address are none.

        Raises PeerError ("wire.bad-pex") when it is no dictionary of a sane size, or has half an address.
        """
        try:
            told = bencode.decode(payload, limits=_LIMITS, lenient=True)
        except BencodeError as error:
            raise PeerError("wire.bad-pex", f"peer exchange: {error.detail}") from None
        if not isinstance(told, dict):
            raise PeerError("wire.bad-pex", "peer exchange that is no dictionary")
        added: dict[Endpoint, int] = {}
        dropped: dict[Endpoint, None] = {}
        for suffix, size in _FAMILIES:
            records, flags = _records(told.get(b"added" + suffix), size), told.get(b"added" + suffix + b".f")
            if not isinstance(flags, bytes) or len(flags) * size != len(records):
                flags = bytes(len(records) // size)
            added.update(zip(_unpack(records, size), flags))
            dropped.update(dict.fromkeys(_unpack(_records(told.get(b"dropped" + suffix), size), size)))
        fit = [peer for peer in added if peer.port and peer not in dropped]
        return cls({peer: added[peer] for peer in fit[:MAX_READ]}, tuple(dropped)[:MAX_READ])


def _pack(peers: Iterable[Endpoint]) -> bytes:
    return b"".join([peer.compact for peer in peers])


def _records(value: object, size: int) -> bytes:
    if not isinstance(value, bytes):
        return b""
    if len(value) % size:
        raise PeerError("wire.bad-pex", f"addresses of {len(value)} bytes")
    return value


def _unpack(records: bytes, size: int) -> list[Endpoint]:
    """The addresses of a run, no more than are looked at."""
    return [Endpoint.from_compact(records[at:at + size]) for at in range(0, min(len(records), MAX_READ * size), size)]
