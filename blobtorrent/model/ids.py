"""Identities: of torrents (info-hashes), and of peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

PeerId = NewType("PeerId", bytes)      # 20 bytes (BEP 3, BEP 20)

V1_BYTES = 20
V2_BYTES = 32
WIRE_BYTES = 20                        # what handshakes, trackers and the DHT carry of either version


@dataclass(frozen=True, slots=True, order=True)
class InfoHash:
    """Names one torrent: digest(s) of the raw `info` value as it stands in the file.

    `v1` is its SHA-1 (20 bytes, BEP 3) or empty, `v2` its SHA-256 (32 bytes, BEP 52) or empty; a hybrid has both.
    """

    v1: bytes = b""
    v2: bytes = b""

    def __post_init__(self) -> None:
        if not (self.v1 or self.v2) or len(self.v1) not in (0, V1_BYTES) or len(self.v2) not in (0, V2_BYTES):
            raise ValueError(f"info-hash of {len(self.v1)} and {len(self.v2)} bytes")

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
