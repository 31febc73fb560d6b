"""Keys of message stream encryption: the Diffie-Hellman exchange, and what is derived from its result.

There is no BEP; the constants are those that all programs use. Secrets are handed in: nothing here is random. Who sits
in the middle of the exchange reads everything, and so does who knows the torrent's hash and took part in it.
"""

from __future__ import annotations

from hashlib import sha1

from blobtorrent.model.errors import PeerError

PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563", 16)
GENERATOR = 2
KEY_BYTES = 96                         # of a public key, and of the shared secret: big-endian, padded with zeros
EXPONENT_BYTES = 20                    # of a private key
MARK_BYTES = 20                        # of what is derived: SHA-1


class KeyPair:
    """Ours for one connection. Making one is a power modulo the prime, `shared` another: some 0.4 ms each."""

    __slots__ = ("_exponent", "public")

    def __init__(self, secret: bytes) -> None:
        """`secret` is EXPONENT_BYTES of randomness."""
        assert len(secret) == EXPONENT_BYTES
        self._exponent = int.from_bytes(secret, "big")
        self.public = pow(GENERATOR, self._exponent, PRIME).to_bytes(KEY_BYTES, "big")

    def shared(self, their_public: bytes) -> bytes:
        """The secret that both sides know now.

        Raises PeerError ("encryption.bad-key") for keys by which everybody would know it: 0, 1, P - 1, and what is no
        number below the prime.
        """
        theirs = int.from_bytes(their_public, "big")
        if not 1 < theirs < PRIME - 1:
            raise PeerError("encryption.bad-key", "its public key is none")
        return pow(theirs, self._exponent, PRIME).to_bytes(KEY_BYTES, "big")


def sync_mark(secret: bytes) -> bytes:
    """What ends the padding of the side that dialled."""
    return sha1(b"req1" + secret).digest()


def torrent_mark(skey: bytes) -> bytes:
    """Of a torrent; `skey` is one of its 20-byte wire forms. The other side finds the torrent by it."""
    return sha1(b"req2" + skey).digest()


def torrent_veil(secret: bytes) -> bytes:
    """What a torrent's mark is combined with (XOR) on its way."""
    return sha1(b"req3" + secret).digest()


def stream_keys(secret: bytes, skey: bytes) -> tuple[bytes, bytes]:
    """The keys that the side which dialled sends with, and the other one."""
    return sha1(b"keyA" + secret + skey).digest(), sha1(b"keyB" + secret + skey).digest()


def veiled(mark: bytes, veil: bytes) -> bytes:
    """The two combined: done twice, it gives back the first."""
    return (int.from_bytes(mark, "big") ^ int.from_bytes(veil, "big")).to_bytes(MARK_BYTES, "big")
