"""Hole punching (BEP 55): how two peers that nobody can dial are made to dial each other, as a ut_holepunch message.

Layout: type (8), family (8: 0 is IPv4, 1 is IPv6), address (4 or 16 bytes), port (16), error (32), network order.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError

_HEAD, _TAIL = Struct(">BB"), Struct(">HI")
_ADDRESS_BYTES = (4, 16)               # by family


class PunchKind(IntEnum):
    RENDEZVOUS = 0                     # to a relay: have us meet the peer at this address
    CONNECT = 1                        # from a relay: dial this address now, it dials you
    ERROR = 2                          # from a relay: it cannot be


class PunchError(IntEnum):
    """Why a relay does not help."""

    NONE = 0
    NO_SUCH_PEER = 1                   # the address is none
    NOT_CONNECTED = 2                  # the relay does not know it
    NO_SUPPORT = 3                     # the peer there does not take part
    NO_SELF = 4                        # it is the relay's own


class Punch(NamedTuple):
    """One message. A word that is not known counts as NO_SUCH_PEER."""

    kind: PunchKind
    endpoint: Endpoint
    error: PunchError = PunchError.NONE

    def encode(self) -> bytes:
        compact = self.endpoint.compact
        return (_HEAD.pack(self.kind, int(self.endpoint.is_ipv6)) + compact[:-2]
                + _TAIL.pack(self.endpoint.port, self.error))

    @classmethod
    def decode(cls, payload: bytes) -> Punch:
        """Raises PeerError ("wire.bad-holepunch")."""
        if len(payload) < _HEAD.size:
            raise PeerError("wire.bad-holepunch", f"hole punching of {len(payload)} bytes")
        kind, family = _HEAD.unpack_from(payload)
        if kind > PunchKind.ERROR or family >= len(_ADDRESS_BYTES):
            raise PeerError("wire.bad-holepunch", f"hole punching of type {kind}, family {family}")
        end = _HEAD.size + _ADDRESS_BYTES[family]
        # The error is left out by some where there is none.
        if len(payload) not in (end + 2, end + _TAIL.size):
            raise PeerError("wire.bad-holepunch", f"hole punching of {len(payload)} bytes")
        port, error = _TAIL.unpack(payload[end:].ljust(_TAIL.size, b"\0"))
        endpoint = Endpoint.from_compact(bytes(payload[_HEAD.size:end]) + port.to_bytes(2, "big"))
        known = error in PunchError.__members__.values()
        return cls(PunchKind(kind), endpoint, PunchError(error) if known else PunchError.NO_SUCH_PEER)
