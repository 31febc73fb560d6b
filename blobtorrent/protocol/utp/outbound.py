"""Bytes that wait to be sent, cut into payloads without copying them again."""

from __future__ import annotations

from collections import deque

from blobtorrent.protocol.utp.packet import Buffer


class Outbound:
    """`size` is how many bytes wait."""

    __slots__ = ("size", "_chunks", "_start")

    def __init__(self) -> None:
        self.size = 0
        self._chunks: deque[memoryview] = deque()
        self._start = 0                # in the first chunk

    def add(self, data: bytes) -> None:
        if data:
            self._chunks.append(memoryview(data))
            self.size += len(data)

    def cut_run(self, size: int, most: int) -> tuple[Buffer, int]:
        """The next bytes for payloads of `size` bytes, and for how many: at most so many, at least one. All are there.
        """
        chunk, start = self._chunks[0], self._start
        count = min(most, (len(chunk) - start) // size)
        if not count:
            return self.cut(size), 1   # it lies in more than one chunk
        end = self._start = start + count * size
        self.size -= end - start
        if end == len(chunk):
            self._chunks.popleft()
            self._start = 0
        return chunk[start:end], count

    def cut(self, most: int) -> Buffer:
        """The next bytes, `most` of them or all that there are."""
        chunk = self._chunks[0]
        start = self._start
        end = start + most
        if end < len(chunk):
            self._start = end
            self.size -= most
            return chunk[start:end]
        parts = [chunk[start:]]
        got = len(parts[0])
        self._chunks.popleft()
        self._start = 0
        while got < most and self._chunks:
            chunk = self._chunks[0]
            if got + len(chunk) > most:
                self._start = most - got
                parts.append(chunk[:self._start])
                got = most
            else:
                parts.append(self._chunks.popleft())
                got += len(chunk)
        self.size -= got
        return parts[0] if len(parts) == 1 else b"".join(parts)
