"""UploadManager: answers requests from spans of 512 KiB that were read once.

Requests wait with their link until its queue to the socket has room, so a slow peer holds little memory. A span that
is not cached is read by the disk thread; whoever asked meanwhile waits for the same read. A link with a rate limit is
served when it is its turn (core.swarm.throttle). Owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Protocol

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.outstanding import BLOCK_BITS
from blobtorrent.core.swarm.pieces import PieceManager
from blobtorrent.core.swarm.preload import ADVISE, MAX_AHEAD_BYTES, NO_PRELOAD, Preload
from blobtorrent.core.swarm.waiting import SPAN_BITS, SPAN_BYTES, Run
from blobtorrent.model.errors import PeerError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire.encode import rejects
from blobtorrent.protocol.wire.shape import FULL_LENGTH, HEADER, PIECE_ID
from blobtorrent.storage.cache import SpanCache
from blobtorrent.storage.jobs import Span

if TYPE_CHECKING:
    from blobtorrent.core.swarm.throttle import Valve

SPAN_BLOCKS = SPAN_BYTES // BLOCK_SIZE
# Of one link, being read or waiting for the socket. Deep queues mean few passes: from 1 to 4 MiB (and spans from 256 to
# 512 KiB) the CPU of seeding to one fast peer fell from 1.5 to 1.0 s/GiB.
MAX_QUEUE_BYTES = 4 << 20
MIN_QUEUE_BYTES = 256 << 10
MIN_PACED_QUEUE_BYTES = 64 << 10       # of a link with a rate limit; a second of its share, if that is more
MAX_QUEUED_RUNS = 500                  # of one link, the same: of a byte each, the bytes above would be millions
MAX_SEARCHED = 512                     # waiting runs among which one is looked for that is taken back
MAX_WAITING = 4000                     # requests of one link; more is an attack
OUR_QUEUE = 2000                       # `reqq` that we advertise (BEP 10)

SpanKey = tuple[int, int]              # piece, number of the span in it; or a request's key and minus its length
# The token of a batch: which span it pins, payload bytes, blocks they are, and where in the piece the first begins.
Batch = tuple[SpanKey, int, int, int]

_HEADER = HEADER.pack


class Memory(Protocol):
    views: list[memoryview]
    capacity: int

    def reserve(self, count: int) -> bool: ...

    def take(self, count: int) -> list[int]: ...

    def release(self, slots: Sequence[int]) -> None: ...


class UploadManager:
    """All uploads of one torrent."""

    def __init__(self, pieces: PieceManager, memory: Memory, cache: SpanCache[SpanKey],
                 preload: Preload = NO_PRELOAD) -> None:
        self._pieces = pieces
        self._memory = memory
        self._cache = cache
        self.preload = preload
        self._loading: dict[SpanKey, dict[PeerLink, list[Run]]] = {}    # who waits for it
        self._loading_slots = 0
        self._queue_bytes = MAX_QUEUE_BYTES
        self.to_read: list[Span] = []          # what this pass wants read
        self.hungry: dict[PeerLink, None] = {} # wait for memory
        self.valves: dict[PeerLink, Valve] = {}            # of links with a rate limit

    def share_among(self, links: int) -> None:
        """So many links may be served at once: together they hold no more than half the memory."""
        share = self._memory.capacity * BLOCK_SIZE // 2 // max(1, links)
        self._queue_bytes = max(MIN_QUEUE_BYTES, min(MAX_QUEUE_BYTES, share))

    @property
    def is_at_limit(self) -> bool:
        """Links wait for their turns at a rate limit: it is used up."""
        return any(valve.is_waiting for valve in self.valves.values())

    def on_requests(self, link: PeerLink, keys: list[int], lengths: list[int]) -> None:
        """Queue what a peer asks for. Requests of a choked peer are void (BEP 3), or refused but for a few (BEP 6).

        Raises PeerError for blocks outside the torrent, pieces that we do not have, or far too many requests.
        """
        if link.state.am_choking:
            keys, lengths = self._granted(link, keys, lengths)
        have, geometry, wanted, shown = self._pieces.have, self._pieces.geometry, link.wanted, link.shown
        done, total = 0, len(keys)
        while done < total:
            key, length = keys[done], lengths[done]
            index, begin = key >> 32, key & 0xFFFFFFFF
            if length != BLOCK_SIZE or begin % BLOCK_SIZE:
                run, count = 1, -length
                end = begin + length
            else:
                limit = min(total - done, SPAN_BLOCKS - (begin >> BLOCK_BITS) % SPAN_BLOCKS)
                run = count = _run_length(keys[done:done + limit], lengths[done:done + limit])
                end = begin + (run << BLOCK_BITS)
            is_known = index < have.size and index in have and (shown is None or shown >> index & 1)
            if index >= have.size or not is_known and link.fast is None:
                raise PeerError("wire.bad-request", f"request for piece {index}, which we do not have")
            if end > geometry.piece_size(index):
                raise PeerError("wire.bad-request", f"request beyond the end of piece {index}")
            if not is_known and link.fast is not None:
                self._refuse(link, [(key, count)])
                link.fast.note_rejected(run)
            else:
                wanted.append(key, count)
            done += run
        if len(wanted) > MAX_WAITING:
            raise PeerError("wire.too-many-requests", f"{len(wanted)} requests wait")
        self.serve(link)

    def on_cancel(self, link: PeerLink, key: int, length: int) -> None:
        """Forget a request that still waits; what is on its way stays there. With BEP 6 either is an answer.

        Who asks for very many odd ends has them all: to look through these for each would take more than to send them.
        """
        found = link.wanted.cancel(key, length) if len(link.wanted) <= MAX_SEARCHED else 0
        self._refuse(link, [(key, -length)] * found)

    def on_choked(self, link: PeerLink) -> None:
        """We choke the peer: what it asked for is void, and with BEP 6 refused, but for the pieces that it may have."""
        waiting = list(link.wanted)
        link.wanted.clear()
        if link.fast is not None:
            granted = link.fast.granted if link.is_starting else {}
            for run in waiting:
                if run[0] >> 32 in granted:
                    link.wanted.append(*run)
            self._refuse(link, [run for run in waiting if run[0] >> 32 not in granted])
        if not link.wanted:
            self.hungry.pop(link, None)

    def deny(self, link: PeerLink) -> None:
        """The peer gets nothing any more, nor what it may have while it is choked."""
        if link.fast is not None:
            link.fast.granted.clear()
        self.on_choked(link)

    def _granted(self, link: PeerLink, keys: list[int], lengths: list[int]) -> tuple[list[int], list[int]]:
        """What a choked peer gets of what it asks for; the rest is refused."""
        fast = link.fast
        if fast is None:
            return [], []
        is_starting = link.is_starting
        granted = [is_starting and fast.spend(key >> 32) for key in keys]
        refused = [(key, -length) for key, length, is_granted in zip(keys, lengths, granted) if not is_granted]
        self._refuse(link, refused)
        fast.note_rejected(len(refused))
        return list(compress(keys, granted)), list(compress(lengths, granted))

    def _refuse(self, link: PeerLink, runs: list[Run]) -> None:
        """Say that these requests are not answered, to who has agreed to hear it (BEP 6)."""
        if link.fast is not None and runs:
            link.send(rejects([(key + (place << BLOCK_BITS), BLOCK_SIZE if count > 0 else -count)
                               for key, count in runs for place in range(max(1, count))]))

    def serve(self, link: PeerLink) -> None:
        """Move waiting requests to the socket as long as the link's queue has room."""
        if self.valves and link in self.valves:
            if link.wanted and _has_room(link, self._paced_queue_bytes(link)):
                self.valves[link].want()
            return
        wanted = link.wanted
        while (run := wanted.first) and _has_room(link, self._queue_bytes) and self._serve_run(link, run):
            pass

    def serve_within(self, link: PeerLink, budget: int) -> int:
        """It is the turn of a limited link: move requests of about `budget` bytes; returns of how many."""
        limit, served = self._paced_queue_bytes(link), 0
        while (run := link.wanted.first) and served < budget and _has_room(link, limit):
            blocks = max(1, (budget - served) // BLOCK_SIZE)
            size = self._serve_run(link, run if run[1] <= blocks else (run[0], blocks))
            if not size:
                break
            served += size
        return served

    def _paced_queue_bytes(self, link: PeerLink) -> float:
        """A peer that does not read must not hold more of a limit than it can use."""
        return max(MIN_PACED_QUEUE_BYTES, min(self._queue_bytes, self.valves[link].share_bytes_per_s))

    def _serve_run(self, link: PeerLink, run: Run) -> int:
        """Move the first waiting run or the beginning of it to the socket; returns its bytes, 0 without memory for it.
        """
        key, blocks = run
        span_key = _span_of(key, blocks)
        span = self._cache.get(span_key)
        if span is None and span_key not in self._loading:
            if not self._load(span_key, key, -blocks):
                self.hungry[link] = None
                return 0
            if self.preload.suits(self._pieces.geometry.piece_size(span_key[0]), link.up.rate) and span_key[1] >= 0:
                self._load_ahead(span_key)
        link.wanted.take(run)
        size = blocks << BLOCK_BITS if blocks > 0 else -blocks     # `_run_bytes`, whose call took 1 % of the time
        link.queued_upload_bytes += size
        link.queued_runs += 1
        if span is not None:
            self._send(link, span_key, span, run)
        else:
            self._loading[span_key].setdefault(link, []).append(run)
        return size

    def on_read(self, spans: list[Span], failed: list[Span]) -> list[PeerLink]:
        """Reads came back: answer who waits. Returns the links whose requests cannot be answered."""
        for span in spans:
            self._loading_slots -= len(span.slots)
            self._cache.put(span.token, span, is_ahead=span.token[1] >= 0)
            for link, runs in self._loading.pop(span.token).items():
                for run in runs:
                    if link.state.am_choking and not (link.fast and run[0] >> 32 in link.fast.granted):
                        link.queued_upload_bytes -= _run_bytes(run)
                        link.queued_runs -= 1
                        self._refuse(link, [run])
                    else:
                        self._send(link, span.token, span, run)
        unanswered: list[PeerLink] = []
        for span in failed:
            self._loading_slots -= len(span.slots)
            self._memory.release(span.slots)
            unanswered += self._loading.pop(span.token)
        self.serve_hungry()
        return unanswered

    def on_sent(self, link: PeerLink, batch: Batch) -> None:
        """A batch is with the kernel. The link may have ended meanwhile."""
        size = batch[1]
        self._cache.unpin(batch[0])
        self._note_given(link, batch, size)
        if link.closing is None:
            link.queued_upload_bytes -= size
            link.queued_runs -= 1
            link.up.add(size)
            if link not in self.hungry:                    # else it has its turn, or the others would never have theirs
                self.serve(link)
        self.serve_hungry()

    def on_part_sent(self, link: PeerLink, batch: Batch, sent_bytes: int) -> int:
        """The first so many bytes of a batch are with the kernel, and its link has ended; returns the payload in them.
        """
        size = payload_in(batch, sent_bytes)
        self._note_given(link, batch, size)
        return size

    def on_dropped(self, batch: Batch) -> None:
        """A batch went with its link before all of it was sent."""
        self._cache.unpin(batch[0])
        self.serve_hungry()

    def _note_given(self, link: PeerLink, batch: Batch, size: int) -> None:
        span_key, _, _, begin = batch
        index = span_key[0] if span_key[1] >= 0 else span_key[0] >> 32
        link.given.add(index, begin, size, self._pieces.geometry.piece_size(index))

    def forget(self, link: PeerLink) -> None:
        """The link is gone."""
        link.wanted.clear()
        self.hungry.pop(link, None)
        for waiting in self._loading.values():
            waiting.pop(link, None)

    def cached_pieces(self, peer: int, limit: int) -> list[int]:
        """Up to `limit` pieces of which something was read lately, and that a peer with the pieces `peer` lacks."""
        found: dict[int, None] = {}
        for key, second in self._cache.latest(4 * limit):
            index = key if second >= 0 else key >> 32
            if not peer >> index & 1 and len(found) < limit:
                found[index] = None
        return list(found)

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

    def serve_hungry(self) -> None:
        """Serve links whose requests wait for memory, until there is none: that link queues again behind the others.

        To try all of them whenever a batch is sent was two thirds of what the receive thread did with 200 links.
        """
        while self.hungry:
            link = next(iter(self.hungry))
            del self.hungry[link]
            self.serve(link)
            if link in self.hungry:
                break

    def _load(self, span_key: SpanKey, key: int, length: int) -> bool:
        """Have a span read; False when there is no memory for it now."""
        index, begin = key >> 32, key & 0xFFFFFFFF
        if span_key[1] >= 0:
            begin = span_key[1] << SPAN_BITS
            length = min(SPAN_BYTES, self._pieces.geometry.piece_size(index) - begin)
        count = -(-length // BLOCK_SIZE)
        if not self._reserve(count):
            return False
        self._loading[span_key] = {}
        self._loading_slots += count
        self.to_read.append(Span(index, begin, length, self._memory.take(count), span_key))
        return True

    def _load_ahead(self, span_key: SpanKey) -> None:
        """Have what follows in the piece fetched behind a span that is being read. Who waits for memory goes first."""
        index, number = span_key
        size = self._pieces.geometry.piece_size(index)
        begin = (number + 1) << SPAN_BITS
        end = min(size, begin + MAX_AHEAD_BYTES)
        if self.preload.way == ADVISE:
            self.to_read[-1].announced_bytes = max(0, end - begin)
            return
        while begin < end and not self.hungry:
            following = index, begin >> SPAN_BITS
            is_here = following in self._loading or self._cache.get(following) is not None
            if not is_here and not self._load(following, index << 32 | begin, 0):
                break
            begin += SPAN_BYTES

    def _reserve(self, count: int) -> bool:
        """Have memory promised, no more than half of all: who asks for single blocks here and there pins much."""
        over = self._held_slots + count - self._memory.capacity // 2
        if over > 0:
            self.drop_cached(over)
            if self._held_slots and self._held_slots + count > self._memory.capacity // 2:
                return False
        return self._memory.reserve(count) or self.drop_cached(count) and self._memory.reserve(count)

    @property
    def _held_slots(self) -> int:
        return self._loading_slots + self._cache.num_slots

    def _send(self, link: PeerLink, span_key: SpanKey, span: Span, run: Run) -> None:
        key, blocks = run
        views, slots = self._memory.views, span.slots
        offset = (key & 0xFFFFFFFF) - span.begin
        buffers: list[Buffer]
        if blocks > 0:
            first, size, count = offset >> BLOCK_BITS, blocks << BLOCK_BITS, blocks
            buffers = [b""] * (2 * blocks)
            keys = range(key, key + (blocks << BLOCK_BITS), BLOCK_SIZE)
            buffers[0::2] = [_HEADER(FULL_LENGTH, PIECE_ID, key) for key in keys]
            buffers[1::2] = [views[slot] for slot in slots[first:first + blocks]]
        else:
            size, count = -blocks, 1
            buffers = [_HEADER(9 + size, PIECE_ID, key), *_slices(views, slots, offset, size)]
        self._cache.pin(span_key)
        link.send_batch(buffers, size + HEADER.size * count, (span_key, size, count, key & 0xFFFFFFFF))


def _has_room(link: PeerLink, limit_bytes: float) -> bool:
    return link.queued_upload_bytes < limit_bytes and link.queued_runs < MAX_QUEUED_RUNS


def payload_in(batch: Batch, sent_bytes: int) -> int:
    """How much payload is in the first so many bytes of a batch."""
    _, size, count, _ = batch
    block_bytes = size // count
    whole, rest = divmod(sent_bytes, HEADER.size + block_bytes)
    return whole * block_bytes + max(0, rest - HEADER.size)


def _span_of(key: int, blocks: int) -> SpanKey:
    """The cached span that holds a run; a request that crosses spans has a span of its own."""
    begin = key & 0xFFFFFFFF
    if blocks > 0 or begin >> SPAN_BITS == begin - blocks - 1 >> SPAN_BITS:
        return key >> 32, begin >> SPAN_BITS
    return key, blocks


def _run_bytes(run: Run) -> int:
    blocks = run[1]
    return blocks << BLOCK_BITS if blocks > 0 else -blocks


def _run_length(keys: list[int], lengths: list[int]) -> int:
    """How many of these requests, from the first on, are whole blocks that lie one behind the other."""
    count, first = len(keys), keys[0]
    if lengths.count(BLOCK_SIZE) == count and keys == list(range(first, first + (count << BLOCK_BITS), BLOCK_SIZE)):
        return count
    run = 1
    while run < count and lengths[run] == BLOCK_SIZE and keys[run] == first + (run << BLOCK_BITS):
        run += 1
    return run


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
