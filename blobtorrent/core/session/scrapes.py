"""ScrapeManager: asks trackers how large swarms are (BEP 48), where their answers to announces do not say it all. Owned
by `core`.

Once an hour for each torrent, or when somebody wants to know, many torrents of a tracker with one question, after a
moment in which more may come up. A tracker that does not serve scrapes is left alone for a day. A host is asked one
thing at a time, and few hosts are at once: these questions wait on the threads that announces need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from blobtorrent.core.session.announcequeue import is_udp
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.discovery.messages import Scrape, ScrapeDone
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.urls import authority_of
from blobtorrent.protocol.tracker.announce import AnnounceReply, SwarmCounts
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

INTERVAL_S = 3600.0
FRESH_S = 600.0                        # for which what was told is new enough for who asks for it
GATHER_S = 5.0
REFUSED_S = 86_400.0                   # for which a tracker that serves no scrapes is not asked
MANY = 100_000                         # torrents times trackers of which it is remembered when they were asked for
MANY_REFUSED = 1000                    # trackers that serve no scrapes; more are asked again
MAX_HASHES = 50                        # of one question: URLs have an end, and so have datagrams
MAX_OPEN = 4                           # questions at a time

OnScraped = Callable[[InfoHash, bytes, str, SwarmCounts], None]


class ScrapeManager:
    """`on_scraped(info_hash, wire_hash, url, counts)` gets what was told."""

    def __init__(self, outlets: Outlets, on_scraped: OnScraped, *, clock: Clock, timers: TimerWheel) -> None:
        self._outlets = outlets
        self._on_scraped = on_scraped
        self._clock = clock
        self._timers = timers
        self._wanted: dict[str, dict[bytes, InfoHash]] = {}            # by tracker and wire form
        self._ready: dict[str, None] = {}                  # trackers of which enough was gathered, in their order
        self._asked: dict[str, dict[bytes, InfoHash]] = {}             # who has not answered, each of another host
        self._asked_s: dict[tuple[str, bytes], float] = {}             # when, the latest last
        self._refused_until_s: dict[str, float] = {}

    def on_served(self, info_hash: InfoHash, wire_hash: bytes, url: str, reply: AnnounceReply) -> None:
        """A tracker answered an announce: ask it for what it did not tell."""
        if None in (reply.seeds, reply.leechers, reply.downloads):
            self._want(info_hash, wire_hash, url, INTERVAL_S)

    def again(self, info_hash: InfoHash, serving: Iterable[tuple[bytes, str, float]]) -> None:
        """Somebody wants to know now what trackers have to tell; `serving` as of AnnounceManager.serving()."""
        wall = self._clock.wall()
        for wire_hash, url, told_at in serving:
            if wall >= told_at + FRESH_S:
                self._want(info_hash, wire_hash, url, FRESH_S)

    def _want(self, info_hash: InfoHash, wire_hash: bytes, url: str, interval_s: float) -> None:
        """Ask for it soon, unless that was done less than `interval_s` ago, or the tracker serves no scrapes."""
        now, key = self._clock.now(), (url, wire_hash)
        asked_s = self._asked_s.get(key)
        if now < self._refused_until_s.get(url, 0.0) or asked_s is not None and now < asked_s + interval_s:
            return
        self._asked_s.pop(key, None)
        self._asked_s[key] = now
        if len(self._asked_s) > MANY:
            del self._asked_s[next(iter(self._asked_s))]
        if url not in self._wanted:
            self._timers.at(now + GATHER_S, lambda: self._gathered(url))
        self._wanted.setdefault(url, {})[wire_hash] = info_hash

    def on_done(self, answer: ScrapeDone) -> None:
        asked = self._asked.pop(answer.url)
        if answer.error is not None and answer.error.code in ("tracker.no-scrape", "tracker.http-status"):
            self._refuse(answer.url)
        for wire_hash, counts in answer.counts.items():
            self._on_scraped(asked[wire_hash], wire_hash, answer.url, counts)
        self._ask()

    def _gathered(self, url: str) -> None:
        if url in self._wanted:
            self._ready[url] = None
            self._ask()

    def _refuse(self, url: str) -> None:
        self._refused_until_s.pop(url, None)
        self._refused_until_s[url] = self._clock.now() + REFUSED_S
        if len(self._refused_until_s) > MANY_REFUSED:
            del self._refused_until_s[next(iter(self._refused_until_s))]
        self._wanted.pop(url, None)
        self._ready.pop(url, None)

    def _ask(self) -> None:
        """Ask who is ready, as far as there is room."""
        busy = {authority_of(url) for url in self._asked}
        for url in list(self._ready):
            if len(self._asked) >= MAX_OPEN:
                return
            host = authority_of(url)
            if host not in busy:
                busy.add(host)
                self._ask_one(url)

    def _ask_one(self, url: str) -> None:
        wanted = self._wanted[url]
        hashes = tuple(wanted)[:MAX_HASHES]
        self._asked[url] = {wire_hash: wanted.pop(wire_hash) for wire_hash in hashes}
        del self._ready[url]
        if wanted:
            self._ready[url] = None
        else:
            del self._wanted[url]
        outlet: Any = self._outlets.udp if is_udp(url) else self._outlets.outcalls
        outlet.post(Scrape(url, hashes, self._outlets.inbox))
