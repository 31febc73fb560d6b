"""The handshake of message stream encryption, as two machines: bytes in, bytes out. No I/O, nothing random.

    dialled     Ya, PadA
    accepted    Yb, PadB
    dialled     H("req1", S), H("req2", SKEY) ^ H("req3", S),
                encrypted: VC, offer (4), length of PadC (2), PadC, length of IA (2), IA
    accepted    encrypted: VC, choice (4), length of PadD (2), PadD; then the stream as it was chosen

Y are public keys, S is the shared secret, SKEY a wire form of the torrent, VC eight zeros, H is SHA-1. Pads are 512
bytes at most. IA is the start of the dialling side's stream: encrypted even if the choice is a plain stream.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntFlag
from struct import Struct
from typing import NamedTuple

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.mse.cipher import Cipher, rc4
from blobtorrent.protocol.mse.keys import (
    KEY_BYTES,
    MARK_BYTES,
    KeyPair,
    stream_keys,
    sync_mark,
    torrent_mark,
    torrent_veil,
    veiled,
)
from blobtorrent.runtime.machine import Machine, Table

MAX_PAD = 512
MAX_HELLO = 8192                       # of IA: a greeting has 68 bytes, and some messages may follow
CHECK = bytes(8)                       # VC
_OFFER = Struct(">IH")                 # offer or choice, and the length of the pad behind it
_LENGTH = Struct(">H")


class Method(IntFlag):
    """What the stream behind the handshake is."""

    PLAINTEXT = 1
    RC4 = 2


_ALL = Method.PLAINTEXT | Method.RC4


class Obfuscation(NamedTuple):
    """What was agreed on; without ciphers the stream is plain. Each is for the one thread that reads, or writes."""

    method: Method
    incoming: Cipher | None
    outgoing: Cipher | None


class Secrets(NamedTuple):
    """All that is random in one handshake: the private key (20 bytes), the pad behind the public one, and how long the
    other pad is, which is zeros."""

    exponent: bytes
    pad: bytes
    inner_pad_bytes: int = 0


class State(Enum):
    KEY = "key"                        # the other side's is to come
    SYNC = "sync"                      # as is the end of its pad,
    TORRENT = "torrent"                # the torrent, if it dialled,
    OFFER = "offer"                    # what it offers, or chooses,
    PAD = "pad"                        # another pad,
    HELLO = "hello"                    # the start of its stream
    DONE = "done"


class Event(Enum):
    KEYED = "keyed"
    SYNCED = "synced"
    NAMED = "named"
    OFFERED = "offered"
    PADDED = "padded"
    READ = "read"


INITIATOR: Table[State, Event] = Table(
    {
        State.KEY: {Event.KEYED: State.SYNC},
        State.SYNC: {Event.SYNCED: State.OFFER},
        State.OFFER: {Event.OFFERED: State.PAD},
        State.PAD: {Event.PADDED: State.DONE},
    },
    home=State.DONE,
    start=State.KEY,
    ends=(State.DONE,),
)
RESPONDER: Table[State, Event] = Table(
    {
        State.KEY: {Event.KEYED: State.SYNC},
        State.SYNC: {Event.SYNCED: State.TORRENT},
        State.TORRENT: {Event.NAMED: State.OFFER},
        State.OFFER: {Event.OFFERED: State.PAD},
        State.PAD: {Event.PADDED: State.HELLO},
        State.HELLO: {Event.READ: State.DONE},
    },
    home=State.DONE,
    start=State.KEY,
    ends=(State.DONE,),
)


class _Side:
    """What both sides do. A step returns the event of its state, or None while bytes are lacking."""

    def __init__(self, table: Table[State, Event], secrets: Secrets) -> None:
        self._machine = Machine(table)
        self._secrets = secrets
        self._data = bytearray()       # not understood yet
        self._wanted = 0               # bytes of what comes next, where that was told
        self._mark = b""               # that ends the pad
        self._out = bytearray()
        self._incoming: Cipher
        self._outgoing: Cipher
        self._steps: dict[State, Callable[[], Event | None]]
        self.method = Method(0)        # what was agreed on
        self.early = b""               # what came of the stream, deciphered; once it is done

    @property
    def is_done(self) -> bool:
        return self._machine.state is State.DONE

    @property
    def obfuscation(self) -> Obfuscation:
        """Once it is done."""
        if self.method is Method.RC4:
            return Obfuscation(self.method, self._incoming, self._outgoing)
        return Obfuscation(self.method, None, None)

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the other side; returns what to send now. Not to be called when it is done.

        Raises PeerError: "encryption.bad-key", "encryption.no-sync", "encryption.bad-check", "encryption.bad-pad",
        "encryption.no-common-method", or "wire.wrong-torrent" when nobody has the torrent.
        """
        self._data += data
        while not self.is_done:
            event = self._steps[self._machine.state]()
            if event is None:
                break
            self._machine.fire(event)
        if self.is_done:
            rest = bytes(self._data)
            self.early += self._incoming.update(rest) if self.method is Method.RC4 else rest
            self._data.clear()
        out = bytes(self._out)
        self._out.clear()
        return out

    def _take(self, count: int) -> bytes:
        taken = bytes(self._data[:count])
        del self._data[:count]
        return taken

    def _read(self, count: int) -> bytes:
        """The same of what is encrypted."""
        return self._incoming.update(self._take(count))

    def _sync(self) -> Event | None:
        place = self._data.find(self._mark, 0, MAX_PAD + len(self._mark))
        if place < 0:
            if len(self._data) >= MAX_PAD + len(self._mark):
                raise PeerError("encryption.no-sync", "its handshake makes no sense")
            return None
        del self._data[:place]
        return Event.SYNCED

    def _pad(self) -> bytes:
        """The inner one of ours, with its length before it."""
        return _LENGTH.pack(self._secrets.inner_pad_bytes) + bytes(self._secrets.inner_pad_bytes)


class Initiator(_Side):
    """The side that dialled."""

    def __init__(self, skey: bytes, offer: Method, hello: bytes, secrets: Secrets) -> None:
        """`hello` is the start of our stream, and goes out with the first write that is encrypted."""
        super().__init__(INITIATOR, secrets)
        self._skey = skey
        self._offer = offer
        self._hello = hello
        self._pair: KeyPair
        self._steps = {State.KEY: self._on_key, State.SYNC: self._on_sync, State.OFFER: self._on_choice,
                       State.PAD: self._on_pad}

    def begin(self) -> bytes:
        """What to send first."""
        self._pair = KeyPair(self._secrets.exponent)
        return self._pair.public + self._secrets.pad

    def _on_key(self) -> Event | None:
        if len(self._data) < KEY_BYTES:
            return None
        secret = self._pair.shared(self._take(KEY_BYTES))
        key_of_ours, key_of_theirs = stream_keys(secret, self._skey)
        self._outgoing, self._incoming = rc4(key_of_ours), rc4(key_of_theirs)
        self._mark = rc4(key_of_theirs).update(CHECK)
        self._out += sync_mark(secret) + veiled(torrent_mark(self._skey), torrent_veil(secret))
        self._out += self._outgoing.update(
            CHECK + self._offer.to_bytes(4, "big") + self._pad() + _LENGTH.pack(len(self._hello)) + self._hello)
        return Event.KEYED

    def _on_sync(self) -> Event | None:
        event = self._sync()
        if event is not None:
            self._read(len(CHECK))
        return event

    def _on_choice(self) -> Event | None:
        if len(self._data) < _OFFER.size:
            return None
        choice, self._wanted = _OFFER.unpack(self._read(_OFFER.size))
        if choice not in (Method.PLAINTEXT, Method.RC4) or not choice & self._offer:
            raise PeerError("encryption.no-common-method", f"it chose {choice} of {int(self._offer)}")
        _check_pad(self._wanted)
        self.method = Method(choice)
        return Event.OFFERED

    def _on_pad(self) -> Event | None:
        if len(self._data) < self._wanted:
            return None
        self._read(self._wanted)
        return Event.PADDED


class Responder(_Side):
    """The side that was dialled. `skey` is the torrent that the other side named, once it has."""

    def __init__(self, find: Callable[[bytes], bytes | None], accepted: Method, secrets: Secrets, *,
                 prefers_rc4: bool) -> None:
        """`find` gives the wire form that has a `torrent_mark`, if we have such a torrent. Of what both `accepted` and
        the offer have, RC4 is chosen if it is preferred, else a plain stream."""
        super().__init__(RESPONDER, secrets)
        self._find = find
        self._accepted = accepted
        self._prefers_rc4 = prefers_rc4
        self._veil = b""
        self._secret = b""
        self.skey: bytes | None = None
        self._steps = {State.KEY: self._on_key, State.SYNC: self._on_sync, State.TORRENT: self._on_torrent,
                       State.OFFER: self._on_offer, State.PAD: self._on_pad, State.HELLO: self._on_hello}

    def _on_key(self) -> Event | None:
        if len(self._data) < KEY_BYTES:
            return None
        pair = KeyPair(self._secrets.exponent)
        self._secret = pair.shared(self._take(KEY_BYTES))
        self._mark, self._veil = sync_mark(self._secret), torrent_veil(self._secret)
        self._out += pair.public + self._secrets.pad
        return Event.KEYED

    def _on_sync(self) -> Event | None:
        event = self._sync()
        if event is not None:
            self._take(len(self._mark))
        return event

    def _on_torrent(self) -> Event | None:
        if len(self._data) < MARK_BYTES:
            return None
        self.skey = self._find(veiled(self._take(MARK_BYTES), self._veil))
        if self.skey is None:
            raise PeerError("wire.wrong-torrent", "asked for a torrent that is not here")
        key_of_theirs, key_of_ours = stream_keys(self._secret, self.skey)
        self._incoming, self._outgoing = rc4(key_of_theirs), rc4(key_of_ours)
        return Event.NAMED

    def _on_offer(self) -> Event | None:
        if len(self._data) < len(CHECK) + _OFFER.size:
            return None
        if self._read(len(CHECK)) != CHECK:
            raise PeerError("encryption.bad-check", "what it encrypted makes no sense")
        offer, self._wanted = _OFFER.unpack(self._read(_OFFER.size))
        _check_pad(self._wanted)
        common = offer & self._accepted
        if not common:
            raise PeerError("encryption.no-common-method", f"it offers {offer}, we take {int(self._accepted)}")
        favourite = Method.RC4 if self._prefers_rc4 else Method.PLAINTEXT
        self.method = favourite if common & favourite else Method(_ALL & ~favourite)
        return Event.OFFERED

    def _on_pad(self) -> Event | None:
        if len(self._data) < self._wanted + _LENGTH.size:
            return None
        self._read(self._wanted)
        (self._wanted,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if self._wanted > MAX_HELLO:
            raise PeerError("encryption.bad-pad", f"{self._wanted} bytes before we agreed")
        return Event.PADDED

    def _on_hello(self) -> Event | None:
        if len(self._data) < self._wanted:
            return None
        self.early = self._read(self._wanted)
        self._out += self._outgoing.update(CHECK + self.method.to_bytes(4, "big") + self._pad())
        return Event.READ


def _check_pad(size: int) -> None:
    if size > MAX_PAD:
        raise PeerError("encryption.bad-pad", f"a pad of {size} bytes")
