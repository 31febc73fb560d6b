"""Seeds that lie: they claim to have everything, and what comes when they are asked is wrong, late, double or nothing.
"""

from __future__ import annotations

import struct

from tests.support.evil.visits import Raid, Visit
from tests.support.peers.mini import INTERESTED, PIECE, REQUEST, UNCHOKE

BLOCK = 16 << 10


class Seed(Visit):
    """Claims everything, unchokes who is interested, and answers each request by `answer`: here rightly."""

    def greeted(self) -> None:
        self.claim_everything()

    def heard(self, kind: int, payload: bytes) -> None:
        if kind == INTERESTED:
            self.say(UNCHOKE)
        elif kind == REQUEST:
            index, begin, length = struct.unpack(">III", payload)
            self.answer(index, begin, self.block(index, begin, length))

    def answer(self, index: int, begin: int, block: bytes) -> None:
        self.give(index, begin, block)

    def give(self, index: int, begin: int, block: bytes) -> None:
        self.say(PIECE, struct.pack(">II", index, begin) + block)


class Corrupting(Seed):
    """One bit of each block is wrong."""

    def answer(self, index: int, begin: int, block: bytes) -> None:
        self.give(index, begin, block[:-1] + bytes((block[-1] ^ 1,)))
        self.raid.struck.set()


class Mute(Seed):
    """Unchokes, and answers nothing."""

    def answer(self, index: int, begin: int, block: bytes) -> None:
        self.raid.struck.set()


class Stammering(Seed):
    """Each block comes three times."""

    def answer(self, index: int, begin: int, block: bytes) -> None:
        for _ in range(3):
            self.give(index, begin, block)
        self.raid.struck.set()


class Miscut(Seed):
    """Blocks have other lengths than were asked for: shorter, longer, none."""

    def __init__(self, raid: Raid, number: int) -> None:
        super().__init__(raid, number)
        self._turn = 0

    def answer(self, index: int, begin: int, block: bytes) -> None:
        self._turn += 1
        self.give(index, begin, (block[:-1], block + b"!", block[:1])[self._turn % 3])
        self.raid.struck.set()


class Pushing(Seed):
    """Sends blocks that nobody asked for, without end."""

    def greeted(self) -> None:
        super().greeted()
        self.say(UNCHOKE)

    def heard(self, kind: int, payload: bytes) -> None:
        """Nobody's wishes count."""

    def tick(self, now: float) -> None:
        if self.is_greeted:
            for index in range(min(16, self.sample.num_pieces - 1)):
                self.give(index, 0, bytes(BLOCK))
            self.raid.struck.set()


class Halting(Seed):
    """The first block ends in its middle, and nothing comes any more."""

    def __init__(self, raid: Raid, number: int) -> None:
        super().__init__(raid, number)
        self._halted_s = 0.0

    def answer(self, index: int, begin: int, block: bytes) -> None:
        if self._halted_s != self.opened_s:
            self._halted_s = self.opened_s
            whole = struct.pack(">IBII", 9 + len(block), PIECE, index, begin) + block
            self.send(whole[:len(whole) // 2])
            self.raid.struck.set()
