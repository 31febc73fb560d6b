"""Stream encryption: what either side of its handshake is told, by somebody who knows the keys and by somebody who does
not."""

from __future__ import annotations

import struct

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.mse.cipher import rc4
from blobtorrent.protocol.mse.handshake import CHECK, Initiator, Method, Responder, Secrets
from blobtorrent.protocol.mse.keys import (
    KEY_BYTES,
    KeyPair,
    stream_keys,
    sync_mark,
    torrent_mark,
    torrent_veil,
    veiled,
)
from tests.fuzz.registry import target

SKEY = b"h" * 20
PEER = KeyPair(b"p" * 20)
SECRETS = Secrets(b"s" * 20, b"pad", 5)
BOTH = Method.PLAINTEXT | Method.RC4
STEPS = (1, 7, 96, 1000)               # bytes that come at once
LENGTHS = tuple(struct.pack(">H", number) for number in (0, 1, 5, 512, 513, 8192, 8193, 65535))
OFFERS = tuple(struct.pack(">I", number) for number in (0, 1, 2, 3, 4, 1 << 31, (1 << 32) - 1))


def _find(mark: bytes) -> bytes | None:
    return SKEY if mark == torrent_mark(SKEY) else None


def _fed(side: Initiator | Responder, data: bytes, step: int) -> int:
    """Feed it until it is done; how much it took."""
    for at in range(0, len(data), step):
        if side.is_done:
            return at
        side.feed(data[at:at + step])
    return len(data)


def _word(side: Initiator | Responder) -> str:
    if not side.is_done:
        return "waits"
    made = side.obfuscation
    assert made.method in (Method.PLAINTEXT, Method.RC4)
    assert (made.incoming is not None) == (made.outgoing is not None) == (made.method is Method.RC4)
    return f"{made.method!r} {bool(side.early)}"


@target("mse.responder", errors=(PeerError,), tokens=LENGTHS + OFFERS + (CHECK,), seeds=lambda: [
    bytes((flags,)) + CHECK + struct.pack(">IH", offer, pad) + bytes(pad) + struct.pack(">H",
                                                                                        len(hello)) + hello + b"more"
    for flags, offer, pad, hello in ((0, 3, 0, b""), (1, 3, 5, b"x" * 68), (2, 2, 512, b"hello"),
                                     (5, 1, 0, b"x" * 8192))])
def _responder(data: bytes) -> str:
    """Who dialled has the keys right; the first byte says how long its pad is, how it cuts, and what we prefer."""
    flags, plain = (data[0], data[1:]) if data else (0, b"")
    side = Responder(_find, BOTH, SECRETS, prefers_rc4=bool(flags & 1))
    ours = side.feed(PEER.public + bytes((flags >> 4) * 30))
    secret = PEER.shared(ours[:KEY_BYTES])
    key_of_theirs, _ = stream_keys(secret, SKEY)
    stream = sync_mark(secret) + veiled(torrent_mark(SKEY), torrent_veil(secret)) + rc4(key_of_theirs).update(plain)
    taken = _fed(side, stream, STEPS[flags >> 2 & 3])
    if side.is_done and side.method is Method.RC4:
        assert side.obfuscation.incoming is not None
        side.obfuscation.incoming.update(stream[taken:])
    assert side.skey in (None, SKEY)
    return _word(side)


@target("mse.initiator", errors=(PeerError,), tokens=LENGTHS + OFFERS + (CHECK,), seeds=lambda: [
    bytes((flags,)) + struct.pack(">IH", choice, pad) + bytes(pad) + b"the stream"
    for flags, choice, pad in ((0, 2, 0), (4, 1, 5), (0x18, 2, 512), (0xF2, 3, 0))])
def _initiator(data: bytes) -> str:
    """Who was dialled has the keys right, and says after its check what the case says."""
    flags, plain = (data[0], data[1:]) if data else (0, b"")
    side = Initiator(SKEY, BOTH if flags & 1 == 0 else Method.RC4, b"hello", SECRETS)
    ours = side.begin()
    secret = PEER.shared(ours[:KEY_BYTES])
    _, key_of_theirs = stream_keys(secret, SKEY)
    side.feed(PEER.public)
    _fed(side, bytes((flags >> 4) * 30) + rc4(key_of_theirs).update(CHECK + plain), STEPS[flags >> 2 & 3])
    if side.is_done:
        assert side.method & (BOTH if flags & 1 == 0 else Method.RC4)
    return _word(side)


@target("mse.raw", errors=(PeerError,), seeds=lambda: [
    PEER.public + b"pad", PEER.public + bytes(512 + 20 + 40), bytes(KEY_BYTES), b"\xff" * KEY_BYTES + bytes(100)],
    tokens=(bytes(KEY_BYTES), b"\xff" * KEY_BYTES, PEER.public))
def _raw(data: bytes) -> str:
    """Somebody who knows nothing, to both sides."""
    words = []
    for side in (Responder(_find, BOTH, SECRETS, prefers_rc4=True), Initiator(SKEY, BOTH, b"", SECRETS)):
        if isinstance(side, Initiator):
            side.begin()
        try:
            _fed(side, data, 50)
            words.append(_word(side))
        except PeerError as error:
            words.append(error.code)
    return " ".join(words)
