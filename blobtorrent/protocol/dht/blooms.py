"""Bloom filters over addresses: how many seeds and peers nodes know of, without naming them (BEP 33)."""

from __future__ import annotations

from hashlib import sha1
from math import log

BLOOM_BYTES = 256
_BITS = 8 * BLOOM_BYTES


class Bloom:
    """Two bits of 2,048 for each address; filters of several nodes are joined with `|`."""

    def __init__(self, bits: bytes = bytes(BLOOM_BYTES)) -> None:
        self.bits = bytearray(bits)

    def add(self, packed: bytes) -> None:
        """`packed`: an address of 4 or 16 bytes, without a port."""
        digest = sha1(packed, usedforsecurity=False).digest()
        for index in (digest[0] | digest[1] << 8, digest[2] | digest[3] << 8):
            index %= _BITS
            self.bits[index // 8] |= 1 << index % 8

    def estimate(self) -> float:
        """How many addresses were added."""
        zeros = max(1, _BITS - bin(int.from_bytes(self.bits, "big")).count("1"))
        return log(min(zeros, _BITS - 1) / _BITS) / (2 * log(1 - 1 / _BITS)) if zeros < _BITS else 0.0
