"""Tokens: proof that who announces can receive at the address it announces from (BEP 5). Nothing is kept of them."""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

from blobtorrent.protocol.dht.ids import Randomness

ROTATION_S = 300.0                     # a token is good for at least this long, and for at most twice as long
TOKEN_BYTES = 8


class TokenMaker:
    """Tokens are a keyed digest of the address; the key changes, and the one before it is still honoured."""

    def __init__(self, rng: Randomness, now: float) -> None:
        self._rng = rng
        self._secrets = [rng.randbytes(16), rng.randbytes(16)]         # of now, and before
        self._changes_s = now + ROTATION_S

    def give(self, packed: bytes, now: float) -> bytes:
        self._rotate(now)
        return _digest(self._secrets[0], packed)

    def is_good(self, token: object, packed: bytes, now: float) -> bool:
        self._rotate(now)
        if not isinstance(token, bytes):
            return False
        return any(compare_digest(token, _digest(secret, packed)) for secret in self._secrets)

    def _rotate(self, now: float) -> None:
        if now < self._changes_s:
            return
        older = self._secrets[0] if now < self._changes_s + ROTATION_S else self._rng.randbytes(16)
        self._secrets = [self._rng.randbytes(16), older]
        self._changes_s = now + ROTATION_S


def _digest(secret: bytes, packed: bytes) -> bytes:
    return blake2b(packed, key=secret, digest_size=TOKEN_BYTES).digest()
