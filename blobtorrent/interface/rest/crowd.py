"""Crowd: the clients that are there, and who gives way to a new one. Owned by the thread `rest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from blobtorrent.interface.rest.gate import Caller, network_of
from blobtorrent.interface.rest.http import Refused

MAX_CONNECTIONS = 256
MAX_PER_NETWORK = 16                   # TCP connections from one address, or from one IPv6 network

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

    def close(self) -> None: ...


C = TypeVar("C", bound=Client)


class Crowd(Generic[C]):
    """At most MAX_CONNECTIONS clients, `max_per_network` of them from one place of the network.

    Neither slow clients nor many of them keep others out: those that only wait are left first, and those of the same
    network before those of others.
    """

    def __init__(self, max_per_network: int = MAX_PER_NETWORK) -> None:
        self._max_per_network = max_per_network
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

    def _leave_one(self, is_meant: Callable[[C], bool]) -> None:
        idle = next((client for client in self._clients if client.is_waiting and is_meant(client)), None)
        if idle is not None:
            idle.close()
