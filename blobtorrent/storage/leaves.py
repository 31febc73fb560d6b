"""The leaves of a file's SHA-256 tree (BEP 52), from what lies on disk."""

from __future__ import annotations

from hashlib import sha256

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.reader import StoreReader
from blobtorrent.storage.store import Store

READ_BYTES = 16 * BLOCK_SIZE


def read_leaves(store: Store, offset: int, length: int) -> list[bytes]:
    """The SHA-256 of each 16 KiB from `offset` of the linear space; the last may be of less. Raises StorageError."""
    leaves, reader, buffer = [], StoreReader(store), memoryview(bytearray(READ_BYTES))
    try:
        for start in range(offset, offset + length, READ_BYTES):
            data = buffer[:min(READ_BYTES, offset + length - start)]
            reader.read(start, data)
            leaves += [sha256(data[at:at + BLOCK_SIZE]).digest() for at in range(0, len(data), BLOCK_SIZE)]
    finally:
        reader.close()
    return leaves
