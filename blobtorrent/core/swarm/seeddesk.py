"""SeedDesk: which swarms of a shard may read from web seeds now. Owned by a host, on its receive thread.

So much is read at a time as there are threads for it: an order that waited would hold memory for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, PartsFetched
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.core.swarm.guard import Guard
    from blobtorrent.core.swarm.webseeds import WebSeeds


class SeedDesk:
    """`post` hands an order to the threads, of which there are `limit`; answers come to `inbox`."""

    def __init__(self, post: Callable[[FetchParts], None], limit: int, bytes_per_s: int, inbox: Mailbox[Any],
                 guard: Guard) -> None:
        self.limit = limit
        self.inbox = inbox
        self._post = post
        self._guard = guard
        self._bytes_per_s = bytes_per_s                    # of all of them together; 0 is no limit
        self.running = 0               # orders that the threads have
        self.received_bytes = 0
        self.results: dict[str, int] = {}                  # how orders ended: ok, or the code of the error
        self._waiting: dict[WebSeeds, None] = {}
        self.handlers: dict[type, Callable[[Any], None]] = {
            PartsFetched: self._on_fetched, FetchEnded: self._on_ended}

    def has_room(self, seeds: WebSeeds) -> bool:
        """Whether one more may be posted; if not, `seeds.on_room` is called when it may."""
        if self.running < self.limit:
            self._waiting.pop(seeds, None)
            return True
        self._waiting[seeds] = None
        return False

    def is_short_for_others(self, seeds: WebSeeds) -> bool:
        """Another torrent than that of `seeds` waits for a thread."""
        return any(waiting is not seeds for waiting in self._waiting)

    def post(self, order: FetchParts) -> None:
        self.running += 1
        if self._bytes_per_s:
            share = max(1, self._bytes_per_s // self.running)
            order.bytes_per_s = min(order.bytes_per_s or share, share)
        self._post(order)

    def forget(self, seeds: WebSeeds) -> None:
        """Its swarm closes."""
        self._waiting.pop(seeds, None)

    def _on_fetched(self, message: PartsFetched) -> None:
        self.received_bytes += sum(part.length for part in message.parts)
        seeds = message.token.seeds
        self._guard.run(seeds.swarm, seeds.on_fetched, message.token, message)

    def _on_ended(self, message: FetchEnded) -> None:
        result = "ok" if message.error is None else message.error.code
        self.results[result] = self.results.get(result, 0) + 1
        seeds = message.token.seeds
        self._guard.run(seeds.swarm, seeds.on_ended, message.token, message)  # who waited comes before its next order
        self.running -= 1
        while self._waiting and self.running < self.limit:
            seeds = next(iter(self._waiting))
            del self._waiting[seeds]
            self._guard.run(seeds.swarm, seeds.on_room)
