"""Threads `outcall-k`: blocking calls to the outside (trackers, name servers), each under its own deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.discovery.messages import (
    Announce,
    AnnounceDone,
    HostResolved,
    ResolveHost,
    Scrape,
    ScrapeDone,
)
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.network.binding import ANYWHERE, Binding
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Pool

if TYPE_CHECKING:
    from blobtorrent.discovery.http_tracker import HttpTrackers

THREADS = 4
RESOLVE_S = 20.0                       # for a name, where the time of asking can be limited


class Outcalls:
    """Takes Announce, Scrape and ResolveHost in its `mailbox`."""

    def __init__(self, threads: int = THREADS, clock: Clock | None = None, binding: Binding = ANYWHERE) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._binding = binding
        self._http: HttpTrackers | None = None
        self._pool: Pool[Announce | Scrape | ResolveHost] = Pool("outcall", threads, self._on_order)
        self.mailbox: Mailbox[Announce | Scrape | ResolveHost] = self._pool.mailbox

    def start(self) -> None:
        self._pool.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked before, then end. True when that was done in time."""
        is_done = self._pool.stop(timeout_s)
        if self._http is not None:
            self._http.connections.close()
        return is_done

    def _on_order(self, order: Any) -> None:
        if isinstance(order, Announce):
            order.reply_to.post(self._announce(order))
        elif isinstance(order, Scrape):
            order.reply_to.post(self._scrape(order))
        else:
            order.reply_to.post(self._resolve(order))

    def _announce(self, order: Announce) -> AnnounceDone:
        try:
            return self._trackers().announce(order)
        except TrackerError as error:
            return AnnounceDone(order.info_hash, order.url, order.query, error=error, origin=order.origin)

    def _scrape(self, order: Scrape) -> ScrapeDone:
        try:
            return self._trackers().scrape(order)
        except TrackerError as error:
            return ScrapeDone(order.url, order.wire_hashes, error=error)

    def _trackers(self) -> HttpTrackers:
        if self._http is None:         # loaded with the first call: many runs make none
            from blobtorrent.discovery.http_tracker import HttpTrackers

            self._http = HttpTrackers(self._clock, self._binding)
        return self._http

    def _resolve(self, order: ResolveHost) -> HostResolved:
        from blobtorrent.discovery.httpcall import Deadline, look_up

        try:
            found = look_up(order.host, order.port, Deadline(self._clock, RESOLVE_S), self._binding)
        except NetworkError as error:
            return HostResolved(order.host, order.port, error=error)
        return HostResolved(order.host, order.port, tuple(found))
