"""Threads `outcall-k`: blocking calls to the outside (trackers, name servers), each under its own deadline."""

from __future__ import annotations

from blobtorrent.discovery import http_tracker
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Pool

THREADS = 4


class Outcalls:
    """Takes Announce messages in its `mailbox`."""

    def __init__(self, threads: int = THREADS, clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._pool: Pool[Announce] = Pool("outcall", threads, self._announce)
        self.mailbox: Mailbox[Announce] = self._pool.mailbox

    def start(self) -> None:
        self._pool.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked before, then end. True when that was done in time."""
        return self._pool.stop(timeout_s)

    def _announce(self, order: Announce) -> None:
        try:
            done = http_tracker.announce(order, self._clock)
        except (TrackerError, NetworkError) as error:
            done = AnnounceDone(order.info_hash, order.url, order.query, error=error)
        order.reply_to.post(done)
