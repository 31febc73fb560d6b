"""An AnnounceManager by itself: its clock is the test's, who answers as a tracker is the test."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceReply
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

STARTED, NONE, COMPLETED, STOPPED = (
    AnnounceEvent.STARTED, AnnounceEvent.NONE, AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED)

Told = list[tuple[str, AnnounceEvent]]


def torrent(number: int) -> InfoHash:
    return InfoHash(v1=number.to_bytes(20, "big"))


class AnnounceRig:
    """`orders` are what trackers are to be told now; each is to be answered once."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        self.clock = FakeClock(start=1000.0)
        self.timers = TimerWheel()
        self._outcalls: Mailbox[Announce] = Mailbox("outcalls")
        self._udp: Mailbox[Announce] = Mailbox("udp")
        outlets: Any = SimpleNamespace(inbox=Mailbox("core"), outcalls=self._outcalls, udp=self._udp)
        self.manager = AnnounceManager(
            outlets, clock=self.clock, timers=self.timers, rng=random.Random(seed), peer_id=PeerId(bytes(20)), key=1,
            **options)

    def orders(self) -> list[Announce]:
        found: list[Announce] = []
        while more := self._outcalls.drain() + self._udp.drain():
            found += more
        return found

    def take(self, order: Announce, *peers: Endpoint, interval_s: int = 1800) -> tuple[Endpoint, ...]:
        """The tracker serves it; returns the peers that are of use."""
        return self.manager.on_done(AnnounceDone(
            order.info_hash, order.url, order.query, peers, AnnounceReply(peers, interval_s=interval_s),
            origin=order.origin))

    def fail(self, order: Announce, code: str = "tracker.timed-out") -> None:
        self.manager.on_done(AnnounceDone(
            order.info_hash, order.url, order.query, error=TrackerError(code, "no"), origin=order.origin))

    def take_all(self) -> Told:
        """All that are asked serve, at once; returns what they were told."""
        told: Told = []
        while orders := self.orders():
            for order in orders:
                told.append((order.url, order.query.event))
                self.take(order)
        return told

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile."""
        end_s = self.clock.now() + seconds
        while (due_s := self.timers.next_deadline()) is not None and due_s <= end_s:
            self.clock.advance(max(0.0, due_s - self.clock.now()))
            self.timers.expire(self.clock.now())
        self.clock.advance(end_s - self.clock.now())


def told(orders: list[Announce]) -> Told:
    return [(order.url, order.query.event) for order in orders]
