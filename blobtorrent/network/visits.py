"""Visits: the half-made connections of the door, oldest first, and the places that they take. Owned by its thread."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator

from blobtorrent.model.address import Endpoint
from blobtorrent.network.arrival import Arrival
from blobtorrent.network.utpmessages import Transport
from blobtorrent.runtime.timers import Timer


class Visit:
    """A half-made connection. `site` is whom `model.reach.site_of` takes for one host; empty for those that we dial."""

    __slots__ = ("arrival", "deadline", "endpoint", "site", "sock", "transport")

    def __init__(self, sock: socket.socket, endpoint: Endpoint, arrival: Arrival, site: str = "",
                 transport: Transport = Transport.TCP) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.arrival = arrival
        self.site = site
        self.transport = transport
        self.deadline: Timer | None = None


class Visits:
    """All of them. Who iterates may add and remove meanwhile."""

    def __init__(self) -> None:
        self._all: dict[Visit, None] = {}
        self._per_site: Counter[str] = Counter()           # of those that come to us
        self.outgoing = 0              # those that we dial

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, visit: Visit) -> bool:
        return visit in self._all

    def __iter__(self) -> Iterator[Visit]:
        return iter(list(self._all))

    @property
    def incoming(self) -> int:
        return len(self._all) - self.outgoing

    def of_site(self, site: str) -> int:
        """How many come from there."""
        return self._per_site[site]

    def oldest_incoming(self) -> Visit:
        """Of those that come to us; there must be one."""
        return next(visit for visit in self._all if visit.arrival.is_incoming)

    def add(self, visit: Visit) -> None:
        self._all[visit] = None
        if visit.arrival.is_incoming:
            self._per_site[visit.site] += 1
        else:
            self.outgoing += 1

    def remove(self, visit: Visit) -> None:
        """Give up its place. Raises KeyError when it has none."""
        del self._all[visit]
        if not visit.arrival.is_incoming:
            self.outgoing -= 1
            return
        self._per_site[visit.site] -= 1
        if not self._per_site[visit.site]:
            del self._per_site[visit.site]
