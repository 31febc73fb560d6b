"""Packets that came, put into order: what is complete can be read, what is beyond a hole waits for it."""

from __future__ import annotations

from collections import deque

from blobtorrent.protocol.utp.packet import SEQUENCE_MASK

MAX_AHEAD = 2000                       # packets beyond a hole that are kept; so many a SACK can tell
SLACK_BYTES = 1 << 17                  # what fills a hole is taken although there is no room


class Inbound:
    """`expected` is the number of the next packet in order, without the wrap; `buffered` is how many bytes wait."""

    __slots__ = ("expected", "buffered", "limit", "received_bytes", "beyond", "_ready", "_waiting", "_end")

    def __init__(self, expected: int, limit: int) -> None:
        self.expected = expected
        self.buffered = 0
        self.limit = limit
        self.received_bytes = 0                            # that came for the first time
        self.beyond = 0                                    # bit n: packet expected + 1 + n waits
        self._ready: deque[bytes] = deque()
        self._waiting: dict[int, bytes] = {}
        self._end: int | None = None                       # number of the last packet of all

    @property
    def room(self) -> int:
        """Bytes that the peer may send."""
        return max(0, self.limit - self.buffered)

    @property
    def is_ended(self) -> bool:
        """All that the peer had to say came."""
        return self._end is not None and self.expected > self._end

    @property
    def has_some(self) -> bool:
        return bool(self._ready)

    def take(self, number: int, payload: bytes, *, is_last: bool = False) -> bool:
        """A packet came. `number` is that of the wire. False when it is not kept: it came before, or is too much."""
        distance = (number - self.expected) & SEQUENCE_MASK
        size = len(payload)
        if not distance and size and not self.beyond and self._end is None and not is_last:
            if self.buffered + size > self.limit + SLACK_BYTES:
                return False
            self.buffered += size      # as nearly all packets come
            self.received_bytes += size
            self.expected += 1
            self._ready.append(payload)
            return True
        if distance >= MAX_AHEAD or self._is_beyond_end(self.expected + distance, is_last):
            return False
        if distance:
            position = self.expected + distance
            if position in self._waiting or self.buffered + size > self.limit:
                return False
            self._waiting[position] = payload
            self.beyond |= 1 << distance - 1
        elif self.buffered + size > self.limit + SLACK_BYTES:
            return False
        if is_last:
            self._end = self.expected + distance
        self.buffered += size
        self.received_bytes += size
        if distance:
            return True
        if size:
            self._ready.append(payload)
        self.expected += 1
        if self.beyond:
            self._fill()
        return True

    def take_run(self, payloads: list[bytes]) -> bool:
        """The next packets in order came together, none of them empty or the last of all. False when none is kept:
        something is missing before them, or there is not room for all."""
        size = sum(map(len, payloads))
        if self.beyond or self._end is not None or self.buffered + size > self.limit + SLACK_BYTES:
            return False
        self.buffered += size
        self.received_bytes += size
        self.expected += len(payloads)
        self._ready.append(b"".join(payloads))            # to be handled as one from now on
        return True

    def _is_beyond_end(self, position: int, is_last: bool) -> bool:
        if is_last:                    # behind all that is known, and there is one end only
            return position != self._end if self._end is not None else any(one > position for one in self._waiting)
        return self._end is not None and position >= self._end

    def _fill(self) -> None:
        """The hole is closed: move on to the next one."""
        while self.beyond & 1:
            payload = self._waiting.pop(self.expected)
            if payload:
                self._ready.append(payload)
            self.expected += 1
            self.beyond >>= 1
        self.beyond >>= 1

    def read(self, limit: int) -> list[bytes]:
        """Up to `limit` bytes in order. A payload is cut only when nothing else would be given."""
        ready, taken, size = self._ready, [], 0
        while ready and size < limit:
            payload = ready[0]
            if size + len(payload) <= limit:
                taken.append(ready.popleft())
                size += len(payload)
            elif not taken:
                taken.append(payload[:limit])
                ready[0] = payload[limit:]
                size = limit
            else:
                break
        self.buffered -= size
        return taken
