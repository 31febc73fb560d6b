"""ScrapeManager: asks trackers how large swarms are (BEP 48), where their answers to announces do not say it all. Owned
by `core`.

Once an hour for each torrent, many torrents of a tracker with one question, after a moment in which more may come up.
A tracker that does not serve scrapes is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.core.session.announcequeue import is_udp
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.discovery.messages import Scrape, ScrapeDone
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceReply, SwarmCounts
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

INTERVAL_S = 3600.0
GATHER_S = 5.0
MANY = 100_000                         # torrents times trackers: then those that are due are forgotten
MAX_HASHES = 50                        # of one question: URLs have an end, and so have datagrams

OnScraped = Callable[[InfoHash, bytes, str, SwarmCounts], None]


class ScrapeManager:
    """`on_scraped(info_hash, wire_hash, url, counts)` gets what was told."""

    def __init__(self, outlets: Outlets, on_scraped: OnScraped, *, clock: Clock, timers: TimerWheel) -> None:
        self._outlets = outlets
        self._on_scraped = on_scraped
        self._clock = clock
        self._timers = timers
        self._wanted: dict[str, dict[bytes, InfoHash]] = {}            # by tracker and wire form
        self._asked: dict[str, dict[bytes, InfoHash]] = {}             # one question to a tracker at a time
        self._next_s: dict[tuple[str, bytes], float] = {}
        self._refused: set[str] = set()

    def on_served(self, info_hash: InfoHash, wire_hash: bytes, url: str, reply: AnnounceReply) -> None:
        """A tracker answered an announce: ask it for what it did not tell."""
        if None not in (reply.seeds, reply.leechers, reply.downloads) or url in self._refused:
            return
        now = self._clock.now()
        if now < self._next_s.get((url, wire_hash), 0.0):
            return
        if len(self._next_s) >= MANY:
            self._next_s = {key: due_s for key, due_s in self._next_s.items() if due_s > now}
        self._next_s[url, wire_hash] = now + INTERVAL_S
        if url not in self._wanted and url not in self._asked:
            self._timers.at(now + GATHER_S, lambda: self._ask(url))
        self._wanted.setdefault(url, {})[wire_hash] = info_hash

    def on_done(self, answer: ScrapeDone) -> None:
        asked = self._asked.pop(answer.url)
        if answer.error is not None and answer.error.code in ("tracker.no-scrape", "tracker.http-status"):
            self._refused.add(answer.url)
            self._wanted.pop(answer.url, None)
        for wire_hash, counts in answer.counts.items():
            self._on_scraped(asked[wire_hash], wire_hash, answer.url, counts)
        if answer.url in self._wanted:
            self._ask(answer.url)

    def _ask(self, url: str) -> None:
        wanted = self._wanted.get(url)
        if not wanted:
            return
        hashes = tuple(wanted)[:MAX_HASHES]
        self._asked[url] = {wire_hash: wanted.pop(wire_hash) for wire_hash in hashes}
        if not wanted:
            del self._wanted[url]
        outlet: Any = self._outlets.udp if is_udp(url) else self._outlets.outcalls
        outlet.post(Scrape(url, hashes, self._outlets.inbox))
