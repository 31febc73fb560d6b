"""One announce to an HTTP tracker, or one scrape, as a blocking call (BEP 3, 7, 23, 48)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from blobtorrent.discovery.connections import Connections
from blobtorrent.discovery.httpcall import Deadline, look_up
from blobtorrent.discovery.httpget import http_get
from blobtorrent.discovery.messages import ANYWHERE, Announce, AnnounceDone, Origin, Scrape, ScrapeDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, TimedOut, TrackerError
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.tracker.announce import is_dialable, is_tracker_path
from blobtorrent.protocol.tracker.faults import TrackerRefused, of_network
from blobtorrent.protocol.tracker.http import MAX_REPLY_BYTES, announce_url, read_reply, read_scrape, scrape_url
from blobtorrent.runtime.clock import Clock

R = TypeVar("R")

MAX_NAMES = 5                          # peers given by name that are looked up
NAMES_SHARE = 0.5                      # of the time of the call that must be left: a name server takes its own
_OVERLOADED = frozenset((429, 503))


class HttpTrackers:
    """Blocking; any thread may call. What fails raises TrackerError: of a refusal, of nonsense, or of no answer."""

    def __init__(self, clock: Clock, binding: Binding) -> None:
        self.connections = Connections(clock)
        self._clock = clock
        self._binding = binding

    def announce(self, order: Announce) -> AnnounceDone:
        deadline = Deadline(self._clock, order.timeout_s)
        reply, by = self._get(announce_url(order.url, order.query), deadline, read_reply, order.origin)
        named = _look_up(reply.hostnames[:MAX_NAMES], deadline, order.timeout_s * NAMES_SHARE, self._binding)
        endpoints = tuple(endpoint for endpoint in dict.fromkeys((*reply.endpoints, *named))
                          if self._binding.admits(endpoint.host, by))
        return AnnounceDone(
            order.info_hash, order.url, order.query, endpoints=endpoints, reply=reply, origin=order.origin)

    def scrape(self, order: Scrape) -> ScrapeDone:
        deadline = Deadline(self._clock, order.timeout_s)
        counts, _ = self._get(scrape_url(order.url, order.wire_hashes), deadline,
                              partial(read_scrape, wire_hashes=order.wire_hashes), ANYWHERE)
        return ScrapeDone(order.url, order.wire_hashes, counts)

    def _get(self, url: str, deadline: Deadline, read: Callable[[bytes], R], origin: Origin) -> tuple[R, str | None]:
        """What the tracker says, and its address as far as it is known."""
        try:
            response = http_get(
                url, deadline, max_bytes=MAX_REPLY_BYTES, on_loopback=is_tracker_path, origin=origin,
                binding=self._binding, connections=self.connections)
        except NetworkError as error:
            raise of_network(error) from None
        try:
            return read(response.body), response.by
        except TrackerRefused:         # a reason may come with any status, and is worth more than the status
            raise
        except TrackerError:
            if response.status == 200:
                raise
            code = "tracker.overloaded" if response.status in _OVERLOADED else "tracker.http-status"
            raise TrackerError(code, f"HTTP status {response.status}") from None


def _look_up(hostnames: tuple[tuple[str, int], ...], deadline: Deadline, spare_s: float, binding: Binding,
             ) -> list[Endpoint]:
    """Addresses of peers that the tracker named; those of which none is known are left out, and so are all when less
    than `spare_s` are left."""
    endpoints: list[Endpoint] = []
    for name, port in hostnames:
        try:
            if deadline.left_s() < spare_s:
                break
            endpoints += look_up(name, port, deadline, binding)
        except TimedOut:
            break
        except NetworkError:
            continue
    return [endpoint for endpoint in endpoints if is_dialable(endpoint)]
