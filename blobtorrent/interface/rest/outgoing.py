"""What a connection still has to send, in parts that are never joined. Pure."""

from __future__ import annotations

from collections import deque
from itertools import islice

MAX_PARTS = 64                         # in one turn; the kernel takes no more than 1024


class Outgoing:
    """Bytes in the order they were put; `size_bytes` of them are left."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._parts: deque[memoryview] = deque()

    def put(self, data: bytes) -> None:
        if data:
            self._parts.append(memoryview(data))
            self.size_bytes += len(data)

    def peek(self, max_bytes: int) -> list[memoryview]:
        """The first bytes, `max_bytes` of them at most."""
        taken: list[memoryview] = []
        for part in islice(self._parts, MAX_PARTS):
            taken.append(part[:max_bytes])
            max_bytes -= len(taken[-1])
            if not max_bytes:
                break
        return taken

    def drop(self, num_bytes: int) -> None:
        """The first bytes were sent."""
        self.size_bytes -= num_bytes
        while num_bytes:
            first = self._parts[0]
            if num_bytes < len(first):
                self._parts[0] = first[num_bytes:]
                return
            num_bytes -= len(first)
            self._parts.popleft()

    def clear(self) -> None:
        self._parts.clear()
        self.size_bytes = 0
