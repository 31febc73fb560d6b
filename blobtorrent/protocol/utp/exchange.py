"""What the streams of one node share: the time of now, what is to be sent, what happened, who has work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.packet import microseconds
from blobtorrent.protocol.utp.states import UtpEvent

if TYPE_CHECKING:
    from blobtorrent.protocol.utp.stream import UtpStream

Run = tuple[Endpoint, list[bytes], bool]                   # to whom, datagrams, whether routers may not cut them


class Exchange:
    """Filled by streams, emptied by their node."""

    __slots__ = ("now", "now_us", "outgoing", "events", "stirred", "counts")

    def __init__(self) -> None:
        self.now = 0.0
        self.now_us = 0                # as it stands in headers
        self.outgoing: list[Run] = []
        self.events: list[UtpEvent] = []
        self.stirred: list[UtpStream] = []                 # have something to send, or another deadline; once each
        self.counts: Counter[str] = Counter()              # of packets that were not taken, by reason

    def set_time(self, now: float) -> None:
        if now > self.now:
            self.now = now
            self.now_us = microseconds(now)
