"""Arrival: the conversation on a socket that is not a link yet, and its machine. No I/O; owned by the door.

The side that dials greets first, through a proxy as soon as that has reached the peer. The other answers once it knows
the torrent, which is before it knows the peer.
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
    Greeting,
    GreetingReader,
)
from blobtorrent.runtime.machine import Machine, Table

if TYPE_CHECKING:
    from blobtorrent.protocol.proxy.tunnel import Tunnel


class State(Enum):
    DIALING = "dialing"
    TUNNELLING = "tunnelling"          # a proxy is asked for the peer
    GREETING = "greeting"
    ADMITTED = "admitted"
    REFUSED = "refused"


class Event(Enum):
    CONNECTED = "connected"
    PROXY_REACHED = "proxy-reached"
    GREETED = "greeted"
    FAILED = "failed"


ARRIVAL = Table(
    {
        State.DIALING: {
            Event.CONNECTED: State.GREETING, Event.PROXY_REACHED: State.TUNNELLING, Event.FAILED: State.REFUSED},
        State.TUNNELLING: {Event.CONNECTED: State.GREETING, Event.FAILED: State.REFUSED},
        State.GREETING: {Event.GREETED: State.ADMITTED, Event.FAILED: State.REFUSED},
    },
    home=State.ADMITTED,
    start=State.DIALING,
    ends=(State.ADMITTED, State.REFUSED),
)


class Arrival:
    """One half-made connection. `purpose` is the Dial it came from, or the Serve that the peer's greeting asked for."""

    def __init__(self, purpose: Dial | None, find: Callable[[bytes], Serve | None], tunnel: Tunnel | None = None,
                 ) -> None:
        """Outgoing with a `purpose`; without one incoming, and `find` tells who serves a 20-byte hash. With a `tunnel`
        it is a proxy that was dialled."""
        self.is_incoming = purpose is None
        self.purpose: Dial | Serve | None = purpose
        self._find = find
        self._tunnel = tunnel
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
        self._machine.fire(Event.CONNECTED)
        assert self.purpose is not None
        return self._our_greeting(self.purpose, self.purpose.info_hash.wire_forms[0])

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the peer; return what to send now, usually nothing.

        Raises PeerError: "wire.bad-greeting", or "wire.wrong-torrent" when nobody serves what it asks for. Raises
        ProxyFailed or DialFailed as a Tunnel does.
        """
        if self._tunnel is not None and self.state is State.TUNNELLING:
            outgoing = self._tunnel.feed(data)
            if not self._tunnel.is_open:
                return outgoing
            return outgoing + self.connected() + self.feed(self._tunnel.early)
        self._reader.feed(data)
        wire_hash = self._reader.info_hash
        if self.purpose is not None or wire_hash is None:
            return b""
        self.purpose = self._find(wire_hash)
        if self.purpose is None:
            raise PeerError("wire.wrong-torrent", f"asked for {wire_hash.hex()}")
        return self._our_greeting(self.purpose, wire_hash)

    def admit(self) -> tuple[Greeting, bytes] | None:
        """The peer's greeting and the bytes behind it, once it is complete and right; None until then.

        Raises PeerError: "wire.wrong-torrent" for an answer about another torrent, "wire.self" when we met ourselves.
        """
        greeting = self._reader.greeting
        if greeting is None or self.purpose is None:
            return None
        if greeting.info_hash not in self.purpose.info_hash.wire_forms:
            raise PeerError("wire.wrong-torrent", f"answered with {greeting.info_hash.hex()}")
        if greeting.peer_id == self.purpose.peer_id:
            raise PeerError("wire.self", "connected to ourselves")
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
