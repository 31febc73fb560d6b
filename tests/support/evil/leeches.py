"""Leeches that take up places, queues and time: they are interested and do nothing, ask for all and read nothing,
take back what they asked for, or change their minds without end.
"""

from __future__ import annotations

import struct

from tests.support.evil.visits import FAST, Visit
from tests.support.peers.mini import INTERESTED, REQUEST, UNCHOKE

CHOKE, NOT_INTERESTED, HAVE, CANCEL, HAVE_NONE = 0, 3, 4, 8, 15
BLOCK = 16 << 10
REQUEST_MESSAGE = struct.Struct(">IBIII")
MOST_WAITING = 3900                    # requests, short of what is taken for an attack


class Silent(Visit):
    """Interested, and no word more."""

    def greeted(self) -> None:
        self.say(INTERESTED)
        self.raid.struck.set()


class Deaf(Visit):
    """Asks for every block, and reads none."""

    reads = False

    def greeted(self) -> None:
        self.say(INTERESTED)
        sample = self.sample
        last = sample.num_pieces - 1
        for index in range(last):
            for begin in range(0, sample.piece_length, BLOCK):
                self.send(REQUEST_MESSAGE.pack(13, REQUEST, index, begin, BLOCK))
        self.raid.struck.set()


class Nibbling(Visit):
    """Thousands of requests for single bytes wait; then it takes back ones that it never made, without end."""

    reads = False

    def greeted(self) -> None:
        self.say(INTERESTED)

    def take(self, data: bytes) -> None:
        was_greeted = self.is_greeted
        super().take(data)
        if self.is_greeted and not was_greeted:
            # Odd places: no two of them are one run. The first are for whole blocks, so that the queue stands.
            for begin in range(0, self.sample.piece_length, BLOCK):
                for index in range(min(8, self.sample.num_pieces - 1)):
                    self.send(REQUEST_MESSAGE.pack(13, REQUEST, index, begin, BLOCK))
            for number in range(MOST_WAITING - len(self.unsent) // REQUEST_MESSAGE.size):
                self.send(REQUEST_MESSAGE.pack(13, REQUEST, 0, 1 + 2 * number, 1))

    def tick(self, now: float) -> None:
        if self.is_greeted and now - self.opened_s > 1.0:
            self.send(REQUEST_MESSAGE.pack(13, CANCEL, 0, 2, 2) * 2000)
            self.raid.struck.set()


class Fickle(Visit):
    """Interested, not interested, interested, without end, and reads none of the answers."""

    reads = False

    def tick(self, now: float) -> None:
        if self.is_greeted:
            self.send((b"\0\0\0\1" + bytes((INTERESTED,)) + b"\0\0\0\1" + bytes((NOT_INTERESTED,))) * 5000)
            self.raid.struck.set()


class Refused(Visit):
    """With the fast extension: asks while it is choked, and reads no reject."""

    reserved = FAST
    reads = False

    def greeted(self) -> None:
        self.say(HAVE_NONE)

    def tick(self, now: float) -> None:
        if self.is_greeted:
            self.send(REQUEST_MESSAGE.pack(13, REQUEST, 0, 0, BLOCK) * 1000)
            self.raid.struck.set()


class Choking(Visit):
    """Chokes and unchokes without end, as one that has everything."""

    def greeted(self) -> None:
        self.claim_everything()

    def tick(self, now: float) -> None:
        if self.is_greeted:
            self.send((b"\0\0\0\1" + bytes((UNCHOKE,)) + b"\0\0\0\1" + bytes((CHOKE,))) * 200)
            self.raid.struck.set()
