"""The fast reader of one link's stream: 13-byte headers and 16 KiB blocks, received straight to where they will stay.

While blocks are asked for, a peer's stream has one shape, `header block header block ...`. A Scatter offers that
shape to the socket as buffers; after the call only the headers are looked at, and a block gets its place by noting
its slot. Which block comes next is never predicted: real peers reorder. Everything else in the stream (another
message, an odd last block) drops that stretch to the general Decoder, which hands back as soon as it stands at a
block again.

Pure: the caller moves the bytes. Owned by the receive thread. BEP 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, Protocol

from blobtorrent.protocol.wire.decode import Decoder

BLOCK = 16384
HEADER = Struct(">IBQ")                # length prefix, message id, piece index << 32 | begin
HEADER_BYTES = HEADER.size
UNIT = HEADER_BYTES + BLOCK
PIECE_ID = 7
FULL_LENGTH = 9 + BLOCK                # length prefix of a message with a whole block
START = HEADER.pack(FULL_LENGTH, PIECE_ID, 0)[:5]          # of every whole block: length and id
NO_SLOT = -1


_KEY = Struct(">5xQ")
_PREFIX = HEADER.pack(FULL_LENGTH, PIECE_ID, 0)[:5]


def block_keys(headers: memoryview) -> list[int]:
    """The keys of the leading headers that are of whole blocks: piece index << 32 | begin.

    `headers` is a run of 13-byte headers. Their five constant bytes are compared column by column, all rows at once.
    """
    data = bytes(headers)
    units = len(data) // HEADER_BYTES
    for column, value in enumerate(_PREFIX):
        if data[column::HEADER_BYTES].count(value) != units:
            starts = range(0, len(data), HEADER_BYTES)
            odd = next(start for start in starts if data[start:start + len(_PREFIX)] != _PREFIX)
            return block_keys(headers[:odd])
    return [key for (key,) in _KEY.iter_unpack(data)]


class SlotPool(Protocol):
    """Where block memory comes from: `views[slot]` is 16 KiB."""

    views: list[memoryview]

    def take(self, count: int) -> list[int]: ...

    def give_back(self, slots: Sequence[int]) -> None: ...


class Sink(Protocol):
    """Who asked for the blocks."""

    def on_blocks(self, headers: memoryview, slots: Sequence[int], spare: list[int]) -> int:
        """Place the leading whole blocks that were asked for; return how many headers were of the block shape.

        Slots whose block was not wanted after all go to `spare`.
        """

    def begin_block(self, key: int, size: int) -> bool:
        """A block starts to arrive. False when it was not asked for; else it can no longer be taken from this link."""

    def end_block(self, slot: int) -> bool:
        """The block begun last is complete in `slot`; False when the slot is not needed."""

    def on_messages(self, messages: list[Any]) -> None:
        """Everything that is not a block on the fast path."""


class Scatter:
    """Buffers for the next receive of any link of one thread: `[header, slot, header, slot, ...]`.

    Slots are drawn for many receives at once, so that the few blocks of one receive lie side by side. Drawn for each
    receive, a 1 MiB piece from 200 links lay in 45 runs of slots instead of 27; each run is a call of the hash and a
    buffer of the write.
    """

    def __init__(self, pool: SlotPool, units: int) -> None:
        self._pool = pool
        self._units = units
        self._headers = memoryview(bytearray(HEADER_BYTES * units))
        starts = range(0, HEADER_BYTES * units, HEADER_BYTES)
        self._header_buffers = [self._headers[start:start + HEADER_BYTES] for start in starts]
        self.headers = self._headers   # of the units that are left, as are these:
        self.slots: list[int] = []
        self.buffers: list[memoryview] = []
        self.spare: list[int] = []
        self._refill()

    def view(self, slot: int) -> memoryview:
        return self._pool.views[slot]

    def offer(self, units: int) -> list[memoryview]:
        """Buffers for so many units, or for all that one receive may have."""
        if len(self.slots) < min(units, self._units):
            self._refill()
        return self.buffers[:2 * units]

    def _refill(self) -> None:
        self.slots += self._pool.take(self._units - len(self.slots))
        views = self._pool.views
        self.headers = self._headers
        self.buffers = [buffer for pair in zip(self._header_buffers, [views[slot] for slot in self.slots])
                        for buffer in pair]

    def consume(self, units: int) -> None:
        """The slots of the leading units are somebody else's now."""
        if self.spare:
            self._pool.give_back(self.spare)
            self.spare.clear()
        if units:
            del self.slots[:units]
            del self.buffers[:2 * units]
            self.headers = self.headers[HEADER_BYTES * units:]

    def take_one(self) -> int:
        return self._pool.take(1)[0]

    def give_back(self, slot: int) -> None:
        self._pool.give_back((slot,))

    def linear(self, unit: int, count: int) -> bytes:
        """`count` received bytes from the start of a unit on, as one run (copied; only for odd stretches)."""
        parts = []
        for buffer in self.buffers[2 * unit:]:
            parts.append(buffer[:count])
            count -= len(parts[-1])
            if not count:
                break
        return b"".join(parts)

    def close(self) -> None:
        self._pool.give_back(self.slots)
        self.slots.clear()
        self.buffers.clear()


class Intake:
    """The receive side of one link: where in the shape its stream stands."""

    __slots__ = ("_decoder", "_filled", "_head", "_scatter", "_sink", "_slot", "_size")

    def __init__(self, sink: Sink, decoder: Decoder, scatter: Scatter) -> None:
        self._sink = sink
        self._decoder = decoder
        self._scatter = scatter
        self._head = b""               # the first bytes of a header, fewer than 13
        self._slot = NO_SLOT           # the block that is arriving, ...
        self._filled = 0               # ... how much of it is there
        self._size = 0                 # ... and how much will be

    def hand_to(self, sink: Sink) -> None:
        """Somebody else takes what comes from now on. While blocks are asked for it is too late."""
        self._sink = sink

    @property
    def in_shape(self) -> bool:
        """False while the general decoder holds the start of a longer message."""
        return not self._decoder.rest

    def buffers(self, blocks: int) -> list[memoryview]:
        """What to receive `blocks` blocks into. Only while `in_shape`."""
        scatter = self._scatter
        buffers = scatter.offer(blocks)
        if self._slot != NO_SLOT:
            buffers.insert(0, scatter.view(self._slot)[self._filled : self._size])
        elif self._head:
            head = len(self._head)
            scatter.headers[:head] = self._head
            buffers[0] = buffers[0][head:]
        return buffers

    def advance(self, count: int) -> None:
        """`count` bytes came into `buffers()`."""
        scatter = self._scatter
        if self._slot != NO_SLOT:
            missing = self._size - self._filled
            if count < missing:
                self._filled += count
                return
            count -= missing
            slot, self._slot = self._slot, NO_SLOT
            if not self._sink.end_block(slot):
                scatter.spare.append(slot)
        count += len(self._head)
        self._head = b""
        units, rest = divmod(count, UNIT)
        used = 0
        if units:
            try:
                used = self._sink.on_blocks(scatter.headers[:HEADER_BYTES * units], scatter.slots, scatter.spare)
            except Exception:
                scatter.consume(units)                     # some have places now: nothing else may come into these
                raise
            if used < units:
                self._leave_shape(used, count - used * UNIT)
                return
        if rest >= HEADER_BYTES:
            length, kind, key = HEADER.unpack_from(scatter.headers, HEADER_BYTES * units)
            if kind != PIECE_ID or length != FULL_LENGTH or not self._sink.begin_block(key, BLOCK):
                self._leave_shape(units, rest)
                return
            self._slot, self._filled, self._size = scatter.slots[units], rest - HEADER_BYTES, BLOCK
            used += 1
        elif rest:
            head = bytes(scatter.headers[HEADER_BYTES * units:HEADER_BYTES * units + rest])
            if not START.startswith(head[:len(START)]):    # a choke is shorter than a header, and whole
                self._leave_shape(units, rest)
                return
            self._head = head
        scatter.consume(used)

    def _leave_shape(self, unit: int, count: int) -> None:
        data = self._scatter.linear(unit, count)
        self._scatter.consume(unit)
        self.feed(data)

    def feed(self, data: bytes | memoryview) -> None:
        """Bytes that came outside the shape."""
        if self._slot != NO_SLOT:
            room = self._size - self._filled
            part = data[:room]
            self._scatter.view(self._slot)[self._filled:self._filled + len(part)] = part
            self._filled += len(part)
            if self._filled < self._size:
                return
            slot, self._slot = self._slot, NO_SLOT
            if not self._sink.end_block(slot):
                self._scatter.give_back(slot)
            data = data[room:]
        if self._head:
            data, self._head = self._head + bytes(data), b""
        messages = self._decoder.feed(data)
        if messages:
            self._sink.on_messages(messages)
        self._enter_shape()

    def _enter_shape(self) -> None:
        """Take over from the decoder when it holds no more than the start of a header or of an expected block."""
        rest = self._decoder.rest
        if not rest:
            return
        if len(rest) < HEADER_BYTES:
            self._head = bytes(self._decoder.take_rest())
            return
        length, kind, key = HEADER.unpack_from(rest)
        size = length - 9
        if kind != PIECE_ID or not 0 < size <= BLOCK or not self._sink.begin_block(key, size):
            return
        part = memoryview(self._decoder.take_rest())[HEADER_BYTES:]
        self._slot, self._filled, self._size = self._scatter.take_one(), len(part), size
        self._scatter.view(self._slot)[:len(part)] = part

    def close(self) -> None:
        """Give up the block that was arriving, and the message."""
        self._decoder.rest.clear()
        if self._slot != NO_SLOT:
            self._scatter.give_back(self._slot)
            self._slot = NO_SLOT
