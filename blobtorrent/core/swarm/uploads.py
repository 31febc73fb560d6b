"""UploadManager: answers requests from spans of 256 KiB that were read once.

Requests wait with their link until its queue to the socket has room, so a slow peer holds little memory. A span that is not
cached is read by the disk thread; whoever asked meanwhile waits for the same read. Owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.pieces import PieceManager
from blobtorrent.model.errors import PeerError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire.shape import HEADER, PIECE_ID
from blobtorrent.storage.cache import SpanCache
from blobtorrent.storage.jobs import Span

SPAN_BITS = 18
SPAN_BYTES = 1 << SPAN_BITS            # what is read at once
QUEUE_BYTES = 1 << 20                  # of one link: being read or waiting for the socket
MAX_WAITING = 4000                     # requests of one link; more is an attack
OUR_QUEUE = 2000                       # `reqq` that we advertise (BEP 10)

SpanKey = tuple[int, int]              # piece, number of the span in it; or a request's key and minus its length
Batch = tuple[SpanKey, int]            # the token of a batch: which span it pins, payload bytes


class Memory(Protocol):
    views: list[memoryview]

    def reserve(self, count: int) -> bool: ...

    def take(self, count: int) -> list[int]: ...

    def release(self, slots: Sequence[int]) -> None: ...


class UploadManager:
    """All uploads of one torrent."""

    def __init__(self, pieces: PieceManager, memory: Memory, cache: SpanCache[SpanKey]) -> None:
        self._pieces = pieces
        self._memory = memory
        self._cache = cache
        self._loading: dict[SpanKey, dict[PeerLink, list[tuple[int, int]]]] = {}
        self.to_read: list[Span] = []          # what this pass wants read
        self.hungry: dict[PeerLink, None] = {} # wait for memory

    def on_requests(self, link: PeerLink, keys: list[int], lengths: list[int]) -> None:
        """Queue what a peer asks for. Requests of a choked peer are void (BEP 3).

        Raises PeerError for blocks outside the torrent, pieces that we never had, or far too many requests.
        """
        if link.state.am_choking:
            return
        have, geometry = self._pieces.have, self._pieces.geometry
        last = -1
        size = 0
        for key, length in zip(keys, lengths):
            index = key >> 32
            if index != last:
                if index not in have:
                    raise PeerError("wire.bad-request", f"request for piece {index}, which we do not have")
                last, size = index, geometry.piece_size(index)
            if (key & 0xFFFFFFFF) + length > size:
                raise PeerError("wire.bad-request", f"request beyond the end of piece {index}")
        link.wanted.extend(zip(keys, lengths))
        if len(link.wanted) > MAX_WAITING:
            raise PeerError("wire.too-many-requests", f"{len(link.wanted)} requests wait")
        self.serve(link)

    def on_cancel(self, link: PeerLink, key: int, length: int) -> None:
        try:
            link.wanted.remove((key, length))
        except ValueError:
            pass                       # on its way already

    def on_choked(self, link: PeerLink) -> None:
        """We choke the peer: what it asked for is void."""
        link.wanted.clear()
        self.hungry.pop(link, None)

    def serve(self, link: PeerLink) -> None:
        """Move waiting requests to the socket as long as the link's queue has room."""
        wanted = link.wanted
        while wanted and link.queued_upload_bytes < QUEUE_BYTES:
            span_key = _span_of(*wanted[0])
            span = self._cache.get(span_key)
            waiting = self._loading.get(span_key)
            if span is None and waiting is None:
                if not self._load(span_key, *wanted[0]):
                    self.hungry[link] = None
                    return
                waiting = self._loading[span_key]
            run = [wanted.popleft()]
            while wanted and _span_of(*wanted[0]) == span_key:
                run.append(wanted.popleft())
            link.queued_upload_bytes += sum([length for _, length in run])
            if span is not None:
                self._send(link, span_key, span, run)
            elif waiting is not None:
                waiting.setdefault(link, []).extend(run)

    def on_read(self, spans: list[Span], failed: list[Span]) -> list[PeerLink]:
        """Reads came back: answer who waits. Returns the links whose requests cannot be answered."""
        for span in spans:
            self._cache.put(span.token, span)
            for link, run in self._loading.pop(span.token).items():
                if link.state.am_choking:
                    link.queued_upload_bytes -= sum([length for _, length in run])
                else:
                    self._send(link, span.token, span, run)
        unanswered: list[PeerLink] = []
        for span in failed:
            self._memory.release(span.slots)
            unanswered += self._loading.pop(span.token)
        self._serve_hungry()
        return unanswered

    def on_sent(self, link: PeerLink | None, batch: Batch) -> None:
        """A batch is with the kernel, or was dropped with its link (None)."""
        span_key, size = batch
        self._cache.unpin(span_key)
        if link is not None:
            link.queued_upload_bytes -= size
            link.up.add(size)
            self.serve(link)
        self._serve_hungry()

    def forget(self, link: PeerLink) -> None:
        """The link is gone."""
        link.wanted.clear()
        self.hungry.pop(link, None)
        for waiting in self._loading.values():
            waiting.pop(link, None)

    def drop_cached(self, count: int) -> bool:
        """Give up to `count` slots of spans that nobody is being sent back to the arena; False when there are none."""
        slots = self._cache.evict(count)
        self._memory.release(slots)
        return bool(slots)

    def close(self) -> None:
        """The torrent closes: everything that is cached and not being sent goes."""
        self.hungry.clear()
        self.drop_cached(1 << 40)

    @property
    def is_idle(self) -> bool:
        """Nothing is being read."""
        return not self._loading

    def _serve_hungry(self) -> None:
        if self.hungry:
            hungry, self.hungry = self.hungry, {}
            for link in hungry:
                self.serve(link)

    def _load(self, span_key: SpanKey, key: int, length: int) -> bool:
        """Have a span read; False when there is no memory for it now."""
        index, begin = key >> 32, key & 0xFFFFFFFF
        if span_key[1] >= 0:
            begin = span_key[1] << SPAN_BITS
            length = min(SPAN_BYTES, self._pieces.geometry.piece_size(index) - begin)
        count = -(-length // BLOCK_SIZE)
        if not self._memory.reserve(count) and not (self.drop_cached(count) and self._memory.reserve(count)):
            return False
        self._loading[span_key] = {}
        self.to_read.append(Span(index, begin, length, self._memory.take(count), span_key))
        return True

    def _send(self, link: PeerLink, span_key: SpanKey, span: Span, run: list[tuple[int, int]]) -> None:
        views, slots, begin = self._memory.views, span.slots, span.begin
        buffers: list[Buffer] = []
        for key, length in run:
            offset = (key & 0xFFFFFFFF) - begin
            buffers.append(HEADER.pack(9 + length, PIECE_ID, key))
            if length == BLOCK_SIZE and not offset & BLOCK_SIZE - 1:
                buffers.append(views[slots[offset // BLOCK_SIZE]])
            else:
                buffers += _slices(views, slots, offset, length)
        size = sum([length for _, length in run])
        self._cache.pin(span_key)
        link.send_batch(buffers, size + HEADER.size * len(run), (span_key, size))


def _span_of(key: int, length: int) -> SpanKey:
    """The cached span that holds a request; one that crosses spans has a span of its own."""
    begin = key & 0xFFFFFFFF
    if begin >> SPAN_BITS == begin + length - 1 >> SPAN_BITS:
        return key >> 32, begin >> SPAN_BITS
    return key, -length


def _slices(views: list[memoryview], slots: list[int], offset: int, length: int) -> list[Buffer]:
    """`length` bytes from `offset` on of what lies in `slots`."""
    parts: list[Buffer] = []
    while length:
        slot, start = divmod(offset, BLOCK_SIZE)
        part = views[slots[slot]][start:start + length]
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts
