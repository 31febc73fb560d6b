"""Arrival: the conversation on a socket that is not a link yet, and its machine. No I/O; owned by the door.

The side that dials greets first, through a proxy as soon as that has reached the peer. The other answers once it knows
the torrent, which is before it knows the peer. Before that they may agree on encryption: what does not begin as a plain
greeting is taken for it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from blobtorrent.model.errors import PeerError
from blobtorrent.network.messages import Dial, Serve
from blobtorrent.protocol.wire.greeting import (
    OUR_RESERVED,
    OUR_RESERVED_V2,
    OUR_RESERVED_V2_WITH_DHT,
    OUR_RESERVED_WITH_DHT,
    PROTOCOL,
    Greeting,
    GreetingReader,
)
from blobtorrent.runtime.machine import Machine, Table

if TYPE_CHECKING:
    from blobtorrent.network.encryption import Encryption
    from blobtorrent.protocol.mse.handshake import Initiator, Obfuscation, Responder
    from blobtorrent.protocol.proxy.tunnel import Tunnel


class State(Enum):
    DIALING = "dialing"
    TUNNELLING = "tunnelling"          # a proxy is asked for the peer
    ENCRYPTING = "encrypting"          # keys are exchanged
    GREETING = "greeting"
    ADMITTED = "admitted"
    REFUSED = "refused"


class Event(Enum):
    CONNECTED = "connected"
    PROXY_REACHED = "proxy-reached"
    DISGUISED = "disguised"
    AGREED = "agreed"
    GREETED = "greeted"
    FAILED = "failed"


ARRIVAL = Table(
    {
        State.DIALING: {
            Event.CONNECTED: State.GREETING, Event.DISGUISED: State.ENCRYPTING, Event.PROXY_REACHED: State.TUNNELLING,
            Event.FAILED: State.REFUSED},
        State.TUNNELLING: {
            Event.CONNECTED: State.GREETING, Event.DISGUISED: State.ENCRYPTING, Event.FAILED: State.REFUSED},
        State.ENCRYPTING: {Event.AGREED: State.GREETING, Event.FAILED: State.REFUSED},
        State.GREETING: {
            Event.DISGUISED: State.ENCRYPTING, Event.GREETED: State.ADMITTED, Event.FAILED: State.REFUSED},
    },
    home=State.ADMITTED,
    start=State.DIALING,
    ends=(State.ADMITTED, State.REFUSED),
)


class Arrival:
    """One half-made connection. `purpose` is the Dial it came from, or the Serve that the peer's greeting asked for."""

    __slots__ = ("_encryption", "_find", "_handshake", "_knock", "_machine", "_reader", "_site", "_tunnel",
                 "is_incoming", "must_wait", "obfuscation", "purpose")

    def __init__(self, purpose: Dial | None, find: Callable[[bytes], Serve | None], tunnel: Tunnel | None = None,
                 encryption: Encryption | None = None, site: str = "") -> None:
        """Outgoing with a `purpose`; without one incoming, and `find` tells who serves a 20-byte hash. With a `tunnel`
        it is a proxy that was dialled. Without `encryption` all is plain; `site` is for whom it works."""
        self.is_incoming = purpose is None
        self.purpose: Dial | Serve | None = purpose
        self._find = find
        self._tunnel = tunnel
        self._encryption = encryption
        self._site = site
        # What it said first, until that shows whether it is a plain greeting.
        self._knock: bytes | None = b"" if self.is_incoming and encryption is not None and encryption.is_used else None
        self._handshake: Initiator | Responder | None = None
        self.must_wait = False         # the door has done enough handshakes for now: see resume()
        self.obfuscation: Obfuscation | None = None
        self._reader = GreetingReader()
        self._machine = Machine(ARRIVAL, State.GREETING if self.is_incoming else State.DIALING)

    @property
    def state(self) -> State:
        return self._machine.state

    def connected(self) -> bytes:
        """The dial went through: what to send."""
        if self._tunnel is not None and not self._tunnel.is_open:
            self._machine.fire(Event.PROXY_REACHED)
            return self._tunnel.begin()
        assert isinstance(self.purpose, Dial)
        wire_hash = self.purpose.info_hash.wire_forms[0]
        ours = self._our_greeting(self.purpose, wire_hash)
        if self._encryption is None or not self._encryption.is_for(self.purpose):
            self._machine.fire(Event.CONNECTED)
            return ours
        self._machine.fire(Event.DISGUISED)
        self._handshake = self._encryption.initiate(wire_hash, ours)
        return self._handshake.begin()

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the peer; return what to send now, usually nothing.

        Raises PeerError: "wire.bad-greeting", "wire.wrong-torrent" when nobody serves what it asks for,
        "encryption.required" for a plain greeting where that is not enough, or as a handshake of encryption does.
        Raises ProxyFailed or DialFailed as a Tunnel does.
        """
        if self._tunnel is not None and self.state is State.TUNNELLING:
            outgoing = self._tunnel.feed(data)
            if not self._tunnel.is_open:
                return outgoing
            return outgoing + self.connected() + self.feed(self._tunnel.early)
        if self._knock is not None:
            return self._on_knock(self._knock + data)
        if self._handshake is not None:
            return self._on_handshake(self._handshake, data)
        if self.obfuscation is None or self.obfuscation.incoming is None:
            return self._on_greeting(data)
        return self._on_greeting(self.obfuscation.incoming.update(data))

    def resume(self) -> bytes:
        """What `feed` had to leave undone, as it `must_wait`. Raises what `feed` does."""
        return self.feed(b"")

    def _on_knock(self, data: bytes) -> bytes:
        """The first bytes of who came to us."""
        self._knock, self.must_wait = data, False
        head = data[:len(PROTOCOL)]
        if head != PROTOCOL:
            if PROTOCOL.startswith(head):
                return b""
            assert self._encryption is not None
            self._handshake = self._encryption.respond(self._site)
            if self._handshake is None:
                self.must_wait = True
                return b""
            self._machine.fire(Event.DISGUISED)
        self._knock = None
        return self.feed(data)

    def _on_handshake(self, handshake: Initiator | Responder, data: bytes) -> bytes:
        outgoing = handshake.feed(data)
        if not handshake.is_done:
            return outgoing
        self._machine.fire(Event.AGREED)
        self._handshake, self.obfuscation = None, handshake.obfuscation
        return outgoing + self._on_greeting(handshake.early)

    def _on_greeting(self, data: bytes) -> bytes:
        self._reader.feed(data)
        wire_hash = self._reader.info_hash
        if self.purpose is not None or wire_hash is None:
            return b""
        self.purpose = self._find(wire_hash)
        if self.purpose is None:
            raise PeerError("wire.wrong-torrent", f"asked for {wire_hash.hex()}")
        self._require_encryption()
        ours = self._our_greeting(self.purpose, wire_hash)
        if self.obfuscation is None or self.obfuscation.outgoing is None:
            return ours
        return self.obfuscation.outgoing.update(ours)

    def _require_encryption(self) -> None:
        if self._encryption is not None and not self._encryption.admits(self.obfuscation):
            raise PeerError("encryption.required", "its stream is not encrypted")

    def admit(self) -> tuple[Greeting, bytes] | None:
        """The peer's greeting and the bytes behind it, once it is complete and right; None until then.

        Raises PeerError: "wire.wrong-torrent" for an answer about another torrent, "wire.self" when we met ourselves,
        "encryption.required" when the settings want more by now.
        """
        greeting = self._reader.greeting
        if greeting is None or self.purpose is None:
            return None
        if greeting.info_hash not in self.purpose.info_hash.wire_forms:
            raise PeerError("wire.wrong-torrent", f"answered with {greeting.info_hash.hex()}")
        if greeting.peer_id == self.purpose.peer_id:
            raise PeerError("wire.self", "connected to ourselves")
        self._require_encryption()
        self._machine.fire(Event.GREETED)
        return greeting, self._reader.early

    def refuse(self) -> None:
        self._machine.fire(Event.FAILED)

    @staticmethod
    def _our_greeting(purpose: Dial | Serve, wire_hash: bytes) -> bytes:
        # libtorrent takes hash requests of those that dialled it only if they set the bit for v2, whichever hash they
        # greeted with; the answer to the v1 hash of a hybrid may be its v2 hash then (BEP 52).
        if purpose.info_hash.v2:
            reserved = OUR_RESERVED_V2_WITH_DHT if purpose.has_dht else OUR_RESERVED_V2
        else:
            reserved = OUR_RESERVED_WITH_DHT if purpose.has_dht else OUR_RESERVED
        return Greeting(reserved, wire_hash, purpose.peer_id).encode()
