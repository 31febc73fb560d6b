"""Crowd: the clients that are there, and who gives way to a new one. Owned by the thread `rest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from blobtorrent.interface.rest.gate import Caller, network_of
from blobtorrent.interface.rest.http import Refused

MAX_CONNECTIONS = 256
MAX_PER_NETWORK = 16                   # TCP connections from one address, or from one IPv6 network
MAX_HELD_BYTES = 128 << 20             # of requests that are not answered, and of answers that are not taken, together

_RETRY = (("Retry-After", "1"),)
_CROWDED = Refused(503, "rest.crowded", "too many clients at once", _RETRY)
_TOO_MANY = Refused(503, "rest.too-many", "too many connections from this address", _RETRY)


class Client(Protocol):
    """A connection, as far as its place is concerned. Once closed it is removed by who owns it."""

    @property
    def caller(self) -> Caller: ...

    @property
    def is_waiting(self) -> bool:
        """It has asked for nothing: it may be left for another one."""

    @property
    def is_receiving(self) -> bool:
        """Its request has begun to come."""

    @property
    def is_sending(self) -> bool:
        """Its answer has begun to go out."""

    @property
    def held_bytes(self) -> int:
        """Of its request and its answer, that are in memory for it."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Client)


class Crowd(Generic[C]):
    """At most MAX_CONNECTIONS clients, `max_per_network` of them from one place of the network.

    Neither slow clients nor many of them keep others out: those that only wait are left first, then those that take
    longest to send, and those of the same network before those of others. All of them hold `max_held_bytes` at most,
    but for requests that are worked on.
    """

    def __init__(self, max_per_network: int = MAX_PER_NETWORK, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_per_network = max_per_network
        self._max_held_bytes = max_held_bytes
        self._clients: dict[C, None] = {}             # the one without a request for longest first
        self._networks: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[C]:
        """Those that are there now: they may be removed meanwhile."""
        return iter(list(self._clients))

    def make_room(self, caller: Caller) -> Refused | None:
        """A place for one more, if need be that of a client who only waits; else what to tell the new one."""
        network = network_of(caller.address)
        if not caller.is_local and self._networks[network] >= self._max_per_network:
            self._leave_one(lambda other: network_of(other.caller.address) == network)
            if self._networks[network] >= self._max_per_network:
                return _TOO_MANY
        if len(self._clients) >= MAX_CONNECTIONS:
            self._leave_one(lambda other: True)
        return _CROWDED if len(self._clients) >= MAX_CONNECTIONS else None

    def add(self, client: C) -> None:
        self._clients[client] = None
        self._networks[network_of(client.caller.address)] += 1

    def remove(self, client: C) -> None:
        del self._clients[client]
        network = network_of(client.caller.address)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]

    def on_request(self, client: C) -> None:
        """It is the last to be left now."""
        self._clients[client] = self._clients.pop(client)

    @property
    def held_bytes(self) -> int:
        """Of all of them. May be asked by any thread."""
        return sum([client.held_bytes for client in self])

    def on_growth(self) -> None:
        """A client holds more than before. Those that take longest are left until all hold no more than they may; it
        may be one of them."""
        excess_bytes = self.held_bytes - self._max_held_bytes
        for client in self if excess_bytes > 0 else ():
            if excess_bytes > 0 and client.held_bytes and (client.is_receiving or client.is_sending):
                excess_bytes -= client.held_bytes
                client.close()

    def _leave_one(self, is_meant: Callable[[C], bool]) -> None:
        meant = [client for client in self._clients if is_meant(client)]
        idle = next((client for client in meant if client.is_waiting), None)
        slowest = idle or next((client for client in meant if client.is_receiving), None)
        if slowest is not None:
            slowest.close()
