"""SeedThreads: the threads that read from web seeds. Most runs have none of them, and do not even load what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.config.schema import Settings
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena

if TYPE_CHECKING:
    from blobtorrent.core.swarm.seeddesk import SeedDesk
    from blobtorrent.discovery.seedpool import SeedPool


class SeedThreads:
    """They start with the first torrent that has web seeds, on the thread that asks for them."""

    def __init__(self, arena: Arena, settings: Settings, clock: Clock, binding: Binding) -> None:
        self._arena = arena
        self._settings = settings
        self._clock = clock
        self._binding = binding
        self._pool: SeedPool | None = None

    def open_desk(self, inbox: Mailbox[Any]) -> SeedDesk:
        """Where the one shard that there is hands in what it wants to have; answers come to its `inbox`."""
        from blobtorrent.core.swarm.seeddesk import SeedDesk
        from blobtorrent.discovery.seedpool import SeedPool

        section = self._settings.webseeds
        self._pool = SeedPool(
            self._arena, section.connections, self._clock, self._binding,
            allow_local=self._settings.network.allow_loopback, headers_file=section.headers_file)
        return SeedDesk(self._pool.post, section.connections, section.down_bytes_per_s, inbox)

    def stop(self, timeout_s: float) -> bool:
        """True when all have ended in time."""
        return self._pool is None or self._pool.stop(timeout_s)
