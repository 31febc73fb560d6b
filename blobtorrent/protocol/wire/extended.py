"""The handshake of the extension protocol (BEP 10): which extensions, under which ids, and facts about the sender.

It may come again; a later one changes only what it names, and some facts stay as they were said first. Foreign ones
are read key by key: what has a wrong type is as if it had not been said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.model.errors import BencodeError, PeerError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.wire.messages import Extended

HANDSHAKE_ID = 0
UT_PEX = b"ut_pex"                     # BEP 11
UT_METADATA = b"ut_metadata"           # BEP 9
UT_HOLEPUNCH = b"ut_holepunch"         # BEP 55
OUR_IDS = {UT_PEX: 1, UT_METADATA: 2, UT_HOLEPUNCH: 3}     # under which peers send them to us, whenever we offer them
HANDSHAKE_INTERVAL_S = 1.0             # between two of one peer, on average ...
HANDSHAKE_BURST = 20                   # ... over so many
MAX_METADATA_BYTES = 10 << 20          # a larger claim is not believed
MAX_VERSION_BYTES = 256                # of the sender's name for itself
_LIMITS = bencode.Limits(size_bytes=64 << 10, depth=8, tokens=2000)


class ExtendedHandshake(NamedTuple):
    """Absent facts are None or empty, so that a later handshake does not undo them."""

    ids: Mapping[bytes, int] = {}                         # extension that we know -> id its sender wants; 0: off
    version: bytes = b""                                       # name of the program: untrusted text
    port: int | None = None                                    # where the sender listens
    max_requests: int | None = None                            # how many requests it will queue ("reqq")
    your_ip: bytes = b""                                       # how it sees us: 4 or 16 bytes
    ipv4: bytes = b""                                          # addresses of its own, as it thinks: 4 bytes
    ipv6: bytes = b""                                          # 16 bytes
    metadata_size: int | None = None                           # bytes of the info dictionary (BEP 9), unproven
    is_upload_only: bool | None = None                         # wants nothing more (BEP 21)

    def encode(self) -> bytes:
        """The whole message, ready to send."""
        return Extended(HANDSHAKE_ID, self.payload()).encode()

    def payload(self) -> bytes:
        """What the message carries; `decode` reads it."""
        facts: dict[bytes, Any] = {
            b"m": dict(self.ids),
            b"v": self.version,
            b"p": self.port,
            b"reqq": self.max_requests,
            b"yourip": self.your_ip,
            b"ipv4": self.ipv4,
            b"ipv6": self.ipv6,
            b"metadata_size": self.metadata_size,
            b"upload_only": None if self.is_upload_only is None else int(self.is_upload_only),
        }
        return bencode.encode({key: value for key, value in facts.items() if value is not None and value != b""})

    @classmethod
    def decode(cls, payload: bytes) -> ExtendedHandshake:
        """Read the payload of an Extended message with sub-id 0.

        Raises PeerError ("wire.bad-extended") when it is no bencoded dictionary of a sane size.
        """
        try:
            facts = bencode.decode(payload, limits=_LIMITS, lenient=True)
        except BencodeError as error:
            raise PeerError("wire.bad-extended", f"extension handshake: {error.detail}") from None
        if not isinstance(facts, dict):
            raise PeerError("wire.bad-extended", "extension handshake that is no dictionary")
        version, upload_only = facts.get(b"v"), facts.get(b"upload_only")
        return cls(
            ids=_extension_ids(facts.get(b"m")),
            version=version[:MAX_VERSION_BYTES] if isinstance(version, bytes) else b"",
            port=_number(facts.get(b"p"), 65535),
            max_requests=_number(facts.get(b"reqq"), 1 << 31),
            your_ip=_address(facts.get(b"yourip"), 4, 16),
            ipv4=_address(facts.get(b"ipv4"), 4),
            ipv6=_address(facts.get(b"ipv6"), 16),
            metadata_size=_number(facts.get(b"metadata_size"), MAX_METADATA_BYTES),
            is_upload_only=bool(upload_only) if isinstance(upload_only, int) else None,
        )

    def updated(self, later: ExtendedHandshake) -> ExtendedHandshake:
        """What holds after a later handshake of the same peer. While a link lasts its ends do not move: where the
        sender listens, and how it sees us, is not said twice."""
        return ExtendedHandshake(
            ids={**self.ids, **later.ids},
            version=later.version or self.version,
            port=later.port if self.port is None else self.port,
            max_requests=self.max_requests if later.max_requests is None else later.max_requests,
            your_ip=self.your_ip or later.your_ip,
            ipv4=later.ipv4 or self.ipv4,
            ipv6=later.ipv6 or self.ipv6,
            metadata_size=self.metadata_size if later.metadata_size is None else later.metadata_size,
            is_upload_only=self.is_upload_only if later.is_upload_only is None else later.is_upload_only,
        )

    def message(self, extension: bytes, payload: bytes) -> bytes | None:
        """A message of an extension to whoever sent this handshake, ready to send; None when it does not take it."""
        number = self.ids.get(extension)
        return Extended(number, payload).encode() if number else None


NOTHING_SAID = ExtendedHandshake()     # yet


def handshake_counted(spent_s: float, now: float) -> float:
    """Count one handshake of a peer: what it has spent by then, from `spent_s` before; 0 before the first.

    Raises PeerError ("wire.extended-flood") when it says too often what it can.
    """
    spent_s = max(spent_s, now) + HANDSHAKE_INTERVAL_S
    if spent_s > now + HANDSHAKE_BURST * HANDSHAKE_INTERVAL_S:
        raise PeerError("wire.extended-flood", "extension handshakes all the time")
    return spent_s


def _extension_ids(offered: object) -> dict[bytes, int]:
    """Those of extensions that we take part in: what else a peer offers is never asked for."""
    if not isinstance(offered, dict):
        return {}
    return {name: number for name in OUR_IDS
            if isinstance(number := offered.get(name), int) and 0 <= number <= 255}


def _address(value: object, *lengths: int) -> bytes:
    return value if isinstance(value, bytes) and len(value) in lengths else b""


def _number(value: object, highest: int) -> int | None:
    return value if isinstance(value, int) and 0 < value <= highest else None
