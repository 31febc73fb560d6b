"""Cases for a target: its seeds, bent. The same seed of the generator gives the same cases.

Some bends know nothing of the format: bits, stretches, numbers of 1 to 8 bytes, runs of digits, words of the target's
dictionary. Others know its shape. Now and then several come together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from tests.fuzz.registry import Shape
from tests.fuzz.shapes import (
    NUMBERS,
    bend_bencode,
    bend_json,
    bend_xml,
    read_bencode,
    read_events,
    read_json,
    write_bencode,
    write_events,
    write_json,
)

MAX_POOL = 2000                        # cases that did something new and are bent further

_DIGITS = re.compile(rb"-?[0-9]+")


class Mutator:
    """`make` gives the next case. What turned out to do something new is bent further, see `keep`."""

    def __init__(self, rng: Random, seeds: Sequence[bytes], *, tokens: tuple[bytes, ...] = (),
                 shape: Shape = Shape.BYTES, max_bytes: int = 1 << 16) -> None:
        self._rng = rng
        self._pool = [seed for seed in seeds if len(seed) <= max_bytes] or [b""]
        self._num_seeds = len(self._pool)
        self._tokens = tokens
        self._shape = shape
        self._max_bytes = max_bytes

    def keep(self, data: bytes) -> None:
        if len(self._pool) >= self._num_seeds + MAX_POOL:
            self._pool[self._rng.randrange(self._num_seeds, len(self._pool))] = data
        else:
            self._pool.append(data)

    def make(self) -> bytes:
        return self.bend(self._rng.choice(self._pool))

    def bend(self, data: bytes) -> bytes:
        """A case made of this one."""
        for _ in range(self._rng.choice((1, 1, 1, 2, 3, 6))):
            if self._shape is not Shape.BYTES and self._rng.random() < 0.7:
                data = self._bend_shape(data)
            else:
                data = self._bend_bytes(data)
            data = data[:self._max_bytes]
        return data

    def _bend_shape(self, data: bytes) -> bytes:
        rng = self._rng
        if self._shape is Shape.XML:
            return bend_xml(rng, data, self._tokens)
        if self._shape in (Shape.EVENTS, Shape.BENCODED_EVENTS):
            return self._bend_events(data)
        if self._shape is Shape.JSON:
            tree, other = read_json(data), read_json(rng.choice(self._pool))
            return self._bend_bytes(data) if tree is None else write_json(bend_json(rng, tree, other, self._tokens))
        tree, other = read_bencode(data), read_bencode(rng.choice(self._pool))
        if tree is None:
            return self._bend_bytes(data)
        return write_bencode(bend_bencode(rng, tree, b"" if other is None else other, self._tokens))

    def _bend_events(self, data: bytes) -> bytes:
        rng = self._rng
        events, others = read_events(data), read_events(rng.choice(self._pool)) or [b""]
        at, kind = rng.randrange(len(events) + 1), rng.randrange(7)
        if kind == 0:
            events.insert(at, rng.choice(others))
        elif kind == 1:
            start = rng.randrange(len(others))
            events[at:at] = others[start:start + rng.choice((1, 2, 5, 20))]
        elif not events:
            events.append(rng.randbytes(8))
        elif kind == 2:
            del events[at:at + rng.choice((1, 1, 2, 5))]
        elif kind == 3:
            events[at:at] = [rng.choice(events)] * rng.choice((1, 1, 2, 30))
        else:
            number = rng.randrange(len(events))
            events[number] = self._bend_event(events[number])
        return write_events(events)

    def _bend_event(self, event: bytes) -> bytes:
        """The first byte mostly says what an event is, so it is left alone mostly."""
        if self._shape is Shape.BENCODED_EVENTS and self._rng.random() < 0.6:
            at = event.find(b"d")
            tree = read_bencode(event[at:]) if at >= 0 else None
            if tree is not None:
                return event[:at] + write_bencode(bend_bencode(self._rng, tree, b"x", self._tokens))
        return event[:1] + self._bend_bytes(event[1:]) if self._rng.random() < 0.8 else self._bend_bytes(event)

    def _bend_bytes(self, data: bytes) -> bytes:
        rng, changed = self._rng, bytearray(data)
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 1, 2, 4, 8, 20, 100)))
        kind = rng.randrange(12)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at:end] = rng.randbytes(end - at)
        elif kind == 2:
            del changed[at:end]
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            changed[at:at] = changed[at:end] * rng.choice((1, 2, 10, 200))
        elif kind == 5:
            other = rng.choice(self._pool)
            changed[at:] = other[rng.randrange(len(other) + 1):]
        elif kind == 6:
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(NUMBERS) % (1 << 8 * size)
            changed[at:at + size] = number.to_bytes(size, rng.choice(("big", "big", "little")))
        elif kind == 7:
            return self._bend_digits(data)
        elif kind <= 10 and self._tokens:
            token = rng.choice(self._tokens)
            changed[at:end if kind == 8 else at] = token * (1 if kind < 10 else rng.choice((1, 2, 3, 40, 1000)))
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 4, 20)))
        return bytes(changed)

    def _bend_digits(self, data: bytes) -> bytes:
        runs = list(_DIGITS.finditer(data[:10_000]))
        if not runs:
            return data + b"0"
        run = self._rng.choice(runs)
        number = str(self._rng.choice(NUMBERS)).encode() if self._rng.random() < 0.9 else b"9" * 5000
        return data[:run.start()] + number + data[run.end():]
