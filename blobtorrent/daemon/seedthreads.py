"""SeedThreads: the threads that read from web seeds. Most runs have none of them, and do not even load what they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from blobtorrent.config.schema import Settings
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled
from blobtorrent.storage.arena import Arena

if TYPE_CHECKING:
    from blobtorrent.core.swarm.guard import Guard
    from blobtorrent.core.swarm.seeddesk import SeedDesk
    from blobtorrent.discovery.seedpool import SeedPool

LEAVE_S = 1.0

_BYTES = "blobtorrent_webseed_received_bytes_total"
_BUSY = "blobtorrent_webseed_connections_busy"
_FETCHES = "blobtorrent_webseed_fetches_total"
_FIGURES = {
    _BYTES: "Bytes of pieces that came from web seeds.",
    _BUSY: "Connections to web seeds that something is read over.",
    _FETCHES: "How reading from web seeds ended: ok, or the code of the error.",
}


class SeedThreads:
    """They start with the first torrent that has web seeds, on the thread that asks for them."""

    def __init__(self, arena: Arena, settings: Settings, clock: Clock, binding: Binding) -> None:
        self._arena = arena
        self._settings = settings
        self._clock = clock
        self._binding = binding
        self._pool: SeedPool | None = None
        self._desk: SeedDesk | None = None

    def open_desk(self, inbox: Mailbox[Any], guard: Guard) -> SeedDesk:
        """Where the one shard that there is hands in what it wants to have; answers come to its `inbox`."""
        from blobtorrent.core.swarm.seeddesk import SeedDesk
        from blobtorrent.discovery.seedpool import SeedPool

        section = self._settings.webseeds
        self._pool = SeedPool(
            self._arena, section.connections, self._clock, self._binding,
            allow_local=self._settings.network.allow_loopback, asks_loopback=section.allow_loopback,
            headers_file=section.headers_file)
        self._desk = SeedDesk(self._pool.post, section.connections, section.down_bytes_per_s, inbox, guard)
        return self._desk

    def measure(self, registry: Registry) -> None:
        """Have what comes from web seeds exported."""
        registry.collect(_FIGURES, self._figures)

    def _figures(self) -> Iterator[Sample]:
        desk = self._desk
        if desk is not None:
            yield Sample(_BYTES, (), desk.received_bytes, COUNTER)
            yield Sample(_BUSY, (), desk.running, GAUGE)
            for result, count in dict(desk.results).items():
                yield Sample(_FETCHES, labelled(result=result), count, COUNTER)

    def stop(self, timeout_s: float) -> bool:
        """What is being read is given up. A name server may not answer for long: nobody needs to wait for that."""
        if self._pool is not None:
            self._pool.stop(min(timeout_s, LEAVE_S))
        return True
