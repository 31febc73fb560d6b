"""Outbox: the buffers that wait to be sent on one link. Pure; owned by the send thread."""

from __future__ import annotations

from collections import deque
from typing import Any

Buffer = bytes | memoryview

MAX_BUFFERS = 256                      # of one send; well below IOV_MAX
MAX_SEND_BYTES = 1 << 20


class Outbox:
    """A queue of batches. A batch may carry a token that comes back when its last byte is sent."""

    __slots__ = ("_batches", "_first", "_sent_of_first", "queued_bytes")

    def __init__(self) -> None:
        self._batches: deque[tuple[list[Buffer], int, Any]] = deque()      # (buffers, bytes left, token)
        self._first = 0                # buffers of the first batch that are sent whole
        self._sent_of_first = 0        # bytes of the next buffer that are sent
        self.queued_bytes = 0

    def push(self, buffers: list[Buffer], size: int, token: Any) -> None:
        """Queue `size` bytes in `buffers`; the list is the outbox's from now on."""
        self._batches.append((buffers, size, token))
        self.queued_bytes += size

    def __bool__(self) -> bool:
        return bool(self._batches)

    def gather(self) -> list[Buffer]:
        """The next buffers for one send."""
        buffers, size, _ = self._batches[0]
        if not self._first and not self._sent_of_first and len(buffers) <= MAX_BUFFERS and (
                len(self._batches) == 1 or size >= MAX_SEND_BYTES):
            return buffers
        gathered = buffers[self._first:self._first + MAX_BUFFERS]
        if self._sent_of_first:
            gathered[0] = memoryview(gathered[0])[self._sent_of_first:]
        total = size
        for position in range(1, len(self._batches)):
            if total >= MAX_SEND_BYTES or len(gathered) >= MAX_BUFFERS:
                break
            buffers, size, _ = self._batches[position]
            gathered += buffers[:MAX_BUFFERS - len(gathered)]
            total += size
        return gathered

    def sent(self, count: int) -> list[Any]:
        """`count` bytes of what gather() gave went out; returns the tokens of the batches that are complete."""
        self.queued_bytes -= count
        tokens = []
        while count:
            buffers, left, token = self._batches[0]
            if count >= left:
                count -= left
                self._batches.popleft()
                self._first = self._sent_of_first = 0
                if token is not None:
                    tokens.append(token)
                continue
            self._batches[0] = (buffers, left - count, token)
            count += self._sent_of_first
            first = self._first
            while count >= len(buffers[first]):
                count -= len(buffers[first])
                first += 1
            self._first, self._sent_of_first = first, count
            break
        return tokens

    def unsent(self) -> tuple[list[Any], int]:
        """The tokens of everything that is still queued, and how many bytes of the first one's batch went out."""
        tokens = [token for _, _, token in self._batches if token is not None]
        if not tokens or self._batches[0][2] is None:
            return tokens, 0           # a batch behind another one is not begun
        buffers, left, _ = self._batches[0]
        return tokens, sum(map(len, buffers)) - left
