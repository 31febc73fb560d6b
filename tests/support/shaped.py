"""A slot pool that counts, and a sink that takes blocks it asked for: what a shape reader needs around it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.shape import BLOCK, FULL_LENGTH, HEADER, PIECE_ID, Intake, Scatter

UNITS = 4


class CountingPool:
    """Slots whose every move is checked: none is given back twice, none is drawn that somebody holds."""

    def __init__(self, size: int = 64) -> None:
        self.views = [memoryview(bytearray(BLOCK)) for _ in range(size)]
        self.free = list(range(size))

    def take(self, count: int) -> list[int]:
        taken = [self.free.pop() for _ in range(count)]
        for slot in taken:
            self.views[slot][:] = b"\xee" * BLOCK          # whoever counts on old bytes is found out
        return sorted(taken)

    def give_back(self, slots: Sequence[int]) -> None:
        for slot in slots:
            assert slot not in self.free, f"slot {slot} is given back twice"
            self.free.append(slot)


class AskingSink:
    """Asked for some blocks (key -> size); keeps what comes, by key."""

    def __init__(self, pool: CountingPool, asked: dict[int, int]) -> None:
        self.pool = pool
        self.asked = asked
        self.placed: dict[int, tuple[int, int]] = {}       # key -> (slot, size)
        self.loose: dict[int, bytes] = {}                  # came through the general decoder
        self.said: list[Any] = []                          # other messages and unasked blocks
        self.arriving: tuple[int, int] | None = None
        self.refuses_ends = False                          # as if another link had been faster

    @property
    def expected_blocks(self) -> int:
        return len(self.asked) + (self.arriving is not None)

    def on_blocks(self, headers: memoryview, slots: Sequence[int], spare: list[int]) -> int:
        units = 0
        for (length, kind, key), slot in zip(HEADER.iter_unpack(headers), slots):
            if (length, kind) != (FULL_LENGTH, PIECE_ID):
                break
            units += 1
            if self.asked.pop(key, None) is None:
                spare.append(slot)
                self.said.append(key)
            else:
                self.placed[key] = slot, BLOCK
        return units

    def begin_block(self, key: int, size: int) -> bool:
        if self.asked.get(key) != size:
            return False
        del self.asked[key]
        self.arriving = key, size
        return True

    def end_block(self, slot: int) -> bool:
        assert self.arriving is not None
        (key, size), self.arriving = self.arriving, None
        if self.refuses_ends:
            return False
        self.placed[key] = slot, size
        return True

    def on_messages(self, messages: list[Any]) -> None:
        for message in messages:
            if isinstance(message, wire.Piece):
                key = message.index << 32 | message.begin
                if self.asked.get(key) == len(message.payload):
                    del self.asked[key]
                    self.loose[key] = message.payload
                else:
                    self.said.append(key)
            else:
                self.said.append(message)

    @property
    def blocks(self) -> dict[int, bytes]:
        """Everything that came of what was asked for."""
        placed = {key: bytes(self.pool.views[slot][:size]) for key, (slot, size) in self.placed.items()}
        return {**placed, **self.loose}


class Reader:
    """One link's receive side, fed from a byte string as a socket would."""

    def __init__(self, asked: dict[int, int], units: int = UNITS) -> None:
        self.pool = CountingPool()
        self.scatter = Scatter(self.pool, units)
        self.sink = AskingSink(self.pool, dict(asked))
        self.intake = Intake(self.sink, Decoder(), self.scatter)

    def receive(self, data: bytes, limit: int) -> int:
        """One receive of at most `limit` bytes, in shape when a receiver would; returns how many."""
        blocks = self.sink.expected_blocks
        if not blocks or not self.intake.in_shape:
            self.intake.feed(memoryview(data)[:limit])
            return min(limit, len(data))
        at = 0
        for buffer in self.intake.buffers(blocks):
            part = data[at:min(limit, at + len(buffer))]
            buffer[:len(part)] = part
            at += len(part)
        self.intake.advance(at)
        return at

    def receive_all(self, stream: bytes, limits: Iterable[int]) -> None:
        """The stream in receives of these sizes, the last one again and again."""
        limit, sizes, at = len(stream), iter(limits), 0
        while at < len(stream):
            limit = next(sizes, limit)
            at += self.receive(stream[at:at + (4 << 20)], limit)

    def check_slots(self) -> None:
        """Every slot is free, in the scatter, placed or arriving: exactly once."""
        held = [slot for slot, _ in self.sink.placed.values()] + list(self.scatter.slots)
        if self.sink.arriving is not None:
            held.append(self.intake._slot)
        assert sorted(held + self.pool.free) == list(range(len(self.pool.views)))


def random_limits(rng: random.Random) -> Iterable[int]:
    """Sizes of receives, from single bytes to several units."""
    while True:
        yield rng.choice((1, 2, 12, 13, 14, 100, 5000, BLOCK, BLOCK + 13, BLOCK + 14, 40_000, 1 << 20))
