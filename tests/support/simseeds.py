"""Web seeds that are simulated: the host of a URL says what becomes of an order, which is answered as a whole."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

from blobtorrent.core.swarm.guard import Guard
from blobtorrent.core.swarm.seeddesk import SeedDesk
from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, PartsFetched
from blobtorrent.discovery.seedreader import SeedReader
from blobtorrent.model.errors import BlobTorrentError, NetworkError, WebSeedError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena
from tests.support.stored import StoredTorrent

THREADS = 4
LATENCY_S = 0.1
BYTES_PER_S = 1e6
DRIP_BYTES_PER_S = 100


class SimSeeds:
    """What the threads do that read from web seeds. `torrents` are the content of URLs.

    Hosts: `good` has everything, `liar` sends zeros, `gone` has no file, `flaky` cuts orders short, `dripping` brings
    next to nothing.
    """

    def __init__(self, arena: Arena, rng: random.Random) -> None:
        self.torrents: dict[str, StoredTorrent] = {}
        self.asked: list[str] = []     # hosts
        self._arena = arena
        self._rng = rng
        self._now = 0.0
        self._orders: list[tuple[float, FetchParts]] = []

    def open_desk(self, inbox: Mailbox[Any], guard: Guard) -> SeedDesk:
        return SeedDesk(self._post, THREADS, 0, inbox, guard)

    def add(self, torrent: StoredTorrent, *hosts: str) -> StoredTorrent:
        """Have the torrent read from these hosts, too."""
        urls = tuple(f"http://{host}/{len(self.torrents)}/{number}" for number, host in enumerate(hosts))
        torrent.metainfo = torrent.metainfo._replace(web_seeds=urls)
        self.torrents.update(dict.fromkeys(urls, torrent))
        return torrent

    def run(self, now: float) -> None:
        elapsed_s, self._now = now - self._now, now
        orders, self._orders = self._orders, []
        for due_at, order in orders:
            if _host(order) == "dripping" and not order.is_cancelled:
                order.received_bytes += int(DRIP_BYTES_PER_S * elapsed_s)
                self._orders.append((due_at, order))
            elif now >= due_at or order.is_cancelled:
                self._answer(order)
            else:
                self._orders.append((due_at, order))

    def _post(self, order: FetchParts) -> None:
        self.asked.append(_host(order))
        size = sum([part.length for part in order.parts])
        self._orders.append((self._now + LATENCY_S + size / BYTES_PER_S, order))

    def _answer(self, order: FetchParts) -> None:
        host, came = _host(order), len(order.parts)
        error: BlobTorrentError | None = None
        file: int | None = None
        if order.is_cancelled or host in ("gone", "dripping"):
            came = 0
        elif host == "flaky":
            came = self._rng.randrange(came + 1)
        if host == "gone":
            error = WebSeedError("webseed.no-file", "HTTP status 404")
            first = order.parts[0]
            file = order.content.ranges([(first.piece, first.begin, first.length)])[0].file
        elif came < len(order.parts) and not order.is_cancelled:
            error = NetworkError("net.reset", "cut")
        for part in order.parts[:came]:
            data = self.torrents[order.seed].piece(part.piece)[part.begin : part.begin + part.length]
            for number, slot in enumerate(part.slots):
                block = data[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]
                self._arena.views[slot][:len(block)] = bytes(len(block)) if host == "liar" else block
        if came:
            order.received_bytes += sum([part.length for part in order.parts[:came]])
            order.reply_to.post(PartsFetched(order.token, order.parts[:came]))
        for part in order.parts[came:]:
            self._arena.release(part.slots)
        reader = order.reader or SeedReader(order.seed, order.content)
        order.reply_to.post(FetchEnded(order.token, reader, order.parts[came:], error, file))


def _host(order: FetchParts) -> str:
    return urlsplit(order.seed).hostname or ""
