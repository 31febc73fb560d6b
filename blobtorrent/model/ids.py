"""Identities: of torrents (info-hashes), and of peers."""

from __future__ import annotations

from typing import NamedTuple, NewType

PeerId = NewType("PeerId", bytes)      # 20 bytes (BEP 3, BEP 20)

V1_BYTES = 20
V2_BYTES = 32
WIRE_BYTES = 20                        # what handshakes, trackers and the DHT carry of either version


class _Digests(NamedTuple):
    v1: bytes
    v2: bytes


class InfoHash(_Digests):
    """Names one torrent: digest(s) of the raw `info` value as it stands in the file.

    `v1` is its SHA-1 (20 bytes, BEP 3) or empty, `v2` its SHA-256 (32 bytes, BEP 52) or empty; a hybrid has both.
    """

    __slots__ = ()

    def __new__(cls, v1: bytes = b"", v2: bytes = b"") -> InfoHash:
        """Raises ValueError unless there is a digest, and each has its length."""
        if not (v1 or v2) or len(v1) not in (0, V1_BYTES) or len(v2) not in (0, V2_BYTES):
            raise ValueError(f"info-hash of {len(v1)} and {len(v2)} bytes")
        return super().__new__(cls, v1, v2)

    @property
    def wire_forms(self) -> tuple[bytes, ...]:
        """The 20-byte names of this torrent's swarms, v1 first (BEP 52 truncates the SHA-256)."""
        return tuple(digest[:WIRE_BYTES] for digest in (self.v1, self.v2) if digest)

    @property
    def hex(self) -> str:
        """The torrent's name in APIs and logs: the v1 digest if there is one, else the full v2 digest."""
        return (self.v1 or self.v2).hex()

    def __str__(self) -> str:
        return self.hex
