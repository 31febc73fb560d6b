"""RC4 as message stream encryption uses it: the first 1024 bytes of each stream are passed over.

The library does it, some 700 MB/s; 1300 where it is loaded for that (runtime.cryptolibrary). An OpenSSL that has no RC4
(that of a system in FIPS mode, or one without its legacy provider) cannot. The handshake needs RC4 whatever is agreed
on for the time after it, so there is one in Python for that; it is far too slow for more. Without the library's,
nothing but plain streams behind the handshake is offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from blobtorrent.runtime import cryptolibrary

PASSED_OVER_BYTES = 1024


class Cipher(Protocol):
    """One direction of a stream. Every byte of it goes through exactly once, in order."""

    def update(self, data: bytes | bytearray | memoryview, /) -> bytes: ...

    def update_into(self, data: bytes | bytearray | memoryview, into: bytearray | memoryview, /) -> int:
        """The same into a buffer that is as long at least, perhaps the same one. Returns how many bytes it were."""


@lru_cache(maxsize=1)
def has_fast_rc4() -> bool:
    """Whether the library can do it here. Looked for once, when it is first needed."""
    cryptolibrary.load()
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _library_rc4(bytes(20))
    except (UnsupportedAlgorithm, ImportError):
        return False
    return True


def rc4(key: bytes) -> Cipher:
    """A stream in its state behind the bytes that are passed over."""
    cipher = _library_rc4(key) if has_fast_rc4() else SlowRc4(key)
    cipher.update(bytes(PASSED_OVER_BYTES))
    return cipher


def _library_rc4(key: bytes) -> Cipher:
    from cryptography.hazmat.primitives import ciphers

    # It moved to `decrepit` with release 43, and leaves its old place one day.
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    except ImportError:
        from cryptography.hazmat.primitives.ciphers.algorithms import ARC4
    return ciphers.Cipher(ARC4(key), mode=None).encryptor()    # noqa: S304  what all peers speak; it hides, no more


class SlowRc4:
    """In Python: 2 MB/s. For handshakes where the library does not have it."""

    __slots__ = ("_i", "_j", "_state")

    def __init__(self, key: bytes) -> None:
        state = list(range(256))
        j = 0
        for i in range(256):
            j = (j + state[i] + key[i % len(key)]) & 0xFF
            state[i], state[j] = state[j], state[i]
        self._state = state
        self._i = self._j = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> bytes:
        state, i, j = self._state, self._i, self._j
        out = bytearray(data)
        for position, byte in enumerate(out):
            i = (i + 1) & 0xFF
            a = state[i]
            j = (j + a) & 0xFF
            b = state[i] = state[j]
            state[j] = a
            out[position] = byte ^ state[(a + b) & 0xFF]
        self._i, self._j = i, j
        return bytes(out)

    def update_into(self, data: bytes | bytearray | memoryview, into: bytearray | memoryview, /) -> int:
        out = self.update(data)
        into[:len(out)] = out
        return len(out)


def decipher(cipher: Cipher, buffers: Iterable[memoryview], count: int) -> None:
    """Turn the first `count` bytes that lie in these buffers, one after the other, into what they mean; in place."""
    for buffer in buffers:
        size = len(buffer)
        if count <= size:
            part = buffer[:count]
            cipher.update_into(part, part)
            return
        cipher.update_into(buffer, buffer)
        count -= size
