"""The leaves of SHA-256 trees, by the book (BEP 52)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from blobtorrent.model.geometry import BLOCK_SIZE


def leaf_hashes(data: bytes | memoryview) -> Iterator[bytes]:
    """The SHA-256 of each 16 KiB block of `data`; only the last may be short."""
    view = memoryview(data)
    for start in range(0, len(view), BLOCK_SIZE):
        yield sha256(view[start:start + BLOCK_SIZE]).digest()
