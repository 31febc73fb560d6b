"""What no peer should say: lengths beyond all limits, bitfields of other torrents, messages that never end, and
handshakes that take minutes.
"""

from __future__ import annotations

import struct

from tests.support.evil.visits import EXTENDED, FAST, Raid, Visit, bitfield
from tests.support.peers.mini import BITFIELD, PROTOCOL

HAVE, PORT, EXTENDED_ID, HAVE_ALL = 4, 9, 20, 14
LONGEST = (1 << 20) + 9                # of a message that is taken


class Slow(Visit):
    """Greets a byte a second."""

    def opened(self, now: float) -> None:
        self._said = 0

    def tick(self, now: float) -> None:
        whole = PROTOCOL + bytes(8) + self.sample.info_hash + self.peer_id
        due = 1 + int(now - self.opened_s)
        self.send(whole[self._said:due])
        self._said = due
        self.raid.struck.set()


class Speechless(Visit):
    """Connects, and says nothing."""

    def opened(self, now: float) -> None:
        self.raid.struck.set()


class Boasting(Visit):
    """Announces a message of 4 GiB."""

    def greeted(self) -> None:
        self.send(b"\xff\xff\xff\xff\x07" + bytes(1000))
        self.raid.struck.set()


class Hoarding(Visit):
    """All but the last byte of the longest message: what is here of it is of no use, and takes memory."""

    KINDS = (7, BITFIELD, EXTENDED_ID, 99)

    def greeted(self) -> None:
        kind = self.KINDS[self.number % len(self.KINDS)]
        self.send(struct.pack(">IB", LONGEST, kind) + bytes(LONGEST - 2))
        self.raid.struck.set()


class Bitfields(Visit):
    """In turn: too short, too long, with bits behind the end, one after the other, and haves behind the end."""

    def __init__(self, raid: Raid, number: int) -> None:
        super().__init__(raid, number)
        self._turn = number

    def greeted(self) -> None:
        count = self.sample.num_pieces
        turn, self._turn = self._turn % 5, self._turn + 1
        if turn == 0:
            self.say(BITFIELD, b"")
        elif turn == 1:
            self.say(BITFIELD, bitfield(count) + bytes(1 << 16))
        elif turn == 2:
            self.say(BITFIELD, b"\xff" * (-(-count // 8) + (count % 8 == 0)))
        elif turn == 3:
            for bits in (bytes(-(-count // 8)), bitfield(count)) * 50:
                self.say(BITFIELD, bits)
        else:
            self.say(HAVE, struct.pack(">I", count))
        self.raid.struck.set()


class Rattling(Visit):
    """Small messages without end that say nothing new: haves, keep-alives, ports, unknown ones."""

    def tick(self, now: float) -> None:
        if self.is_greeted:
            have = struct.pack(">IBI", 5, HAVE, 0)
            self.send((have + bytes(4) + struct.pack(">IBH", 3, PORT, 6881) + b"\0\0\0\1\x63") * 1500)
            self.raid.struck.set()


class Extending(Visit):
    """Handshakes of the extension protocol that are huge, ragged or endless, and lies about metadata and peers."""

    reserved = EXTENDED

    WORDS = (
        b"d1:md11:ut_metadatai1e6:ut_pexi2ee13:metadata_sizei2147483648e1:v" + b"4000:" + b"\x1b[2J" * 1000 + b"e",
        b"d1:md" + b"".join(b"5:%05di1e" % number for number in range(20_000)) + b"ee",
        b"l" * 100_000,
        b"d1:md11:ut_metadatai-1eee",
        b"d4:reqqi99999999999999999999e1:pi70000e6:yourip3:abce",
    )

    def __init__(self, raid: Raid, number: int) -> None:
        super().__init__(raid, number)
        self._turn = number

    def greeted(self) -> None:
        turn, self._turn = self._turn % len(self.WORDS), self._turn + 1
        self.say(EXTENDED_ID, b"\0" + self.WORDS[turn])
        for sub_id in (1, 2, 3, 200):
            self.say(EXTENDED_ID, bytes((sub_id,)) + b"d8:msg_typei0e5:piecei99999eetrailing")
        self.raid.struck.set()


class Contradicting(Visit):
    """Has everything and nothing, with the fast extension and against its rules."""

    reserved = FAST

    def greeted(self) -> None:
        for kind in (HAVE_ALL, 15, HAVE_ALL, 15):
            self.say(kind)
        self.say(17, struct.pack(">I", 0xFFFFFFFF))
        self.say(13, struct.pack(">I", 0xFFFFFFFF))
        self.raid.struck.set()
