"""Seal: a keyed BLAKE2b digest over everything that we save, which tells damage and tampering from our own writing.

The key lies in the state directory: this stops a disk, a program or a user that changes a file, not one who may read
the key. Nor does a digest notice an old copy put back in place of a newer one: generation numbers do.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

KEY_BYTES = 32
DIGEST_BYTES = 16
MOST_PARTS = 8

_LENGTHS = [Struct(f">{number}Q").pack for number in range(MOST_PARTS + 1)]


class Seal:
    """Digests of byte strings under one key. Any thread may use it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes")
        # A copied state spares every digest the compression of the key.
        self._keyed = blake2b(key=key, digest_size=DIGEST_BYTES)

    def digest(self, *parts: bytes | memoryview) -> bytes:
        """16 bytes over at most MOST_PARTS parts. Their lengths go in first: ("ab", "c") and ("a", "bc") differ."""
        state = self._keyed.copy()
        state.update(b"".join([_LENGTHS[len(parts)](*map(len, parts)), *parts]))
        return state.digest()

    def matches(self, digest: bytes, *parts: bytes | memoryview) -> bool:
        """Whether `digest` is that of the parts. Nobody can time us on a local file: a plain comparison will do."""
        return digest == self.digest(*parts)

    def wrap(self, label: bytes, body: bytes) -> bytes:
        """A small record for a file of its own: the body, then its digest. The label says what it is the record of."""
        return body + self.digest(label, body)

    def unwrap(self, label: bytes, record: bytes) -> bytes | None:
        """The body of a record that `wrap` made; None when it is damaged, cut short or something else."""
        body, digest = record[:-DIGEST_BYTES], record[-DIGEST_BYTES:]
        return body if self.matches(digest, label, body) else None
