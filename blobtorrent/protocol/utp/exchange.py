"""What the streams of one node share: the time of now, what is to be sent, what happened, who has work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.packet import Buffer, microseconds
from blobtorrent.protocol.utp.states import UtpEvent

if TYPE_CHECKING:
    from blobtorrent.protocol.utp.stream import UtpStream


class Run(NamedTuple):
    """Datagrams to one address, all of one size but for the last, which may be smaller.

    `parts` has a header and a payload for each: nobody joins them who need not. Those that are `is_whole` must not be
    cut by routers, the others must not carry the mark: they are the last resort where a path takes less than was
    thought.
    """

    to: Endpoint
    parts: list[Buffer]
    is_whole: bool = False

    def datagrams(self) -> list[bytes]:
        """Joined, one by one."""
        parts = self.parts
        return [b"".join(parts[at:at + 2]) for at in range(0, len(parts), 2)]


SPARE_BYTES = 64 << 20                 # for buffers beyond what every stream has


class Exchange:
    """Filled by streams, emptied by their node."""

    __slots__ = ("now", "now_us", "outgoing", "events", "stirred", "counts", "spare_bytes")

    def __init__(self) -> None:
        self.now = 0.0
        self.now_us = 0                # as it stands in headers
        self.outgoing: list[Run] = []
        self.events: list[UtpEvent] = []
        self.stirred: list[UtpStream] = []                 # have something to send, or another deadline; once each
        self.counts: Counter[str] = Counter()              # of packets that were not taken, by reason
        self.spare_bytes = SPARE_BYTES                     # that no stream has

    def widen(self, limit: int, most: int) -> int:
        """What a buffer of `limit` bytes may hold from now on: twice as much, up to `most`, while there is some left.
        """
        wanted = min(limit, most - limit)
        if not 0 < wanted <= self.spare_bytes:
            return limit
        self.spare_bytes -= wanted
        return limit + wanted

    def set_time(self, now: float) -> None:
        if now > self.now:
            self.now = now
            self.now_us = microseconds(now)
