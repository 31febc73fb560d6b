"""Scripted peers that have no metadata and say they do."""

from __future__ import annotations

import random
from enum import Enum

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import OUR_IDS, UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.metadata import DATA, REQUEST, MetadataMessage, metadata_piece_size
from tests.support.simnet import SimSocket
from tests.support.simpeers import Manners, ScriptedLink, ScriptedSeed
from tests.support.stored import StoredTorrent

THEIR_ID = 3


class Lie(Enum):
    SILENCE = "silence"                # claims a size, and answers nothing
    NOISE = "noise"                    # answers with bytes of its own
    FLOOD = "flood"                    # the same short messages all the time


class MetadataLiar(ScriptedSeed):
    """Says that the metadata is `size` bytes long."""

    def __init__(self, torrent: StoredTorrent, endpoint: Endpoint, lie: Lie, size: int, rng: random.Random) -> None:
        super().__init__(torrent, endpoint, Manners(), rng)
        self.lie = lie
        self.size = size

    def accept(self, sock: SimSocket) -> None:
        self.times_connected += 1
        link = _LiarsLink(self, sock)
        self.links.append(link)
        link.greet()


class _LiarsLink(ScriptedLink):
    owner: MetadataLiar

    def greet(self) -> None:
        self._out += ExtendedHandshake(ids={UT_METADATA: THEIR_ID}, metadata_size=self.owner.size).encode()

    def step(self, now: float, allowance: float) -> None:
        if self.owner.lie is Lie.FLOOD:
            self._out += wire.Extended(9, b"").encode() * 50
        super().step(now, allowance)

    def _hear(self) -> bool:
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return True
            if not data:
                return False
            for message in self._decoder.feed(data):
                if isinstance(message, wire.Extended) and message.sub_id == THEIR_ID:
                    self._answer(MetadataMessage.decode(message.payload))

    def _answer(self, question: MetadataMessage) -> None:
        if question.kind == REQUEST and self.owner.lie is Lie.NOISE:
            size = self.owner.size
            data = self.owner.rng.randbytes(metadata_piece_size(size, question.piece))
            answer = MetadataMessage(DATA, question.piece, size, data).encode()
            self._out += wire.Extended(OUR_IDS[UT_METADATA], answer).encode()
