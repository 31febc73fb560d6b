"""Scripted peers on simulated sockets: seeds that stall, lie, choke, reorder or vanish; leeches that do not read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, RequestRun
from blobtorrent.protocol.wire.greeting import Greeting, reserved_bits
from tests.support.simnet import SimSocket
from tests.support.stored import StoredTorrent


@dataclass
class Manners:
    """How a scripted seed behaves. Counts are blocks over all its links."""

    bytes_per_s: float = 4e6
    pieces: range | None = None                            # what it says it has; None: everything
    reorders: bool = False
    chatters: bool = False                                 # keep-alives, haves and unasked blocks in between
    corrupts: Callable[[int], bool] = lambda block: False  # told the number of the block it sends
    mute_after: int | None = None                          # answers no request from then on
    cut_after: int | None = None                           # stops in the middle of a block and stays
    vanish_after: int | None = None                        # closes the connection, and refuses new ones
    choke_after: int | None = None                         # chokes once, for choke_s
    choke_s: float = 3.0
    flush_before_choke: bool = True                        # False: what was asked for is dropped without a word


class ScriptedSeed:
    """Has all of `torrent`, serves as its manners say."""

    def __init__(self, torrent: StoredTorrent, endpoint: Endpoint, manners: Manners, rng: random.Random) -> None:
        self.torrent = torrent
        self.endpoint = endpoint
        self.manners = manners
        self.rng = rng
        self.peer_id = PeerId(b"-SS0001-" + rng.randbytes(12))
        self.links: list[ScriptedLink] = []
        self.blocks_sent = 0
        self.is_gone = False
        self.times_connected = 0
        self.requested: list[tuple[int, int]] = []         # key, length
        self.cancelled: list[int] = []

    @property
    def greeting(self) -> Greeting:
        return Greeting(reserved_bits(), self.torrent.metainfo.info_hash.v1, self.peer_id)

    def accept(self, sock: SimSocket) -> None:
        self.times_connected += 1
        link = ScriptedLink(self, sock)
        self.links.append(link)
        link.greet()

    def step(self, now: float, elapsed_s: float) -> None:
        if self.manners.vanish_after is not None and self.blocks_sent >= self.manners.vanish_after:
            self.vanish()
        for link in list(self.links):
            link.step(now, self.manners.bytes_per_s * elapsed_s)

    def vanish(self) -> None:
        self.is_gone = True
        for link in self.links:
            link.sock.close()
        self.links.clear()


class ScriptedLink:
    """One connection of a scripted seed."""

    def __init__(self, owner: ScriptedSeed, sock: SimSocket) -> None:
        self.owner = owner
        self.sock = sock
        self._decoder = Decoder()
        self._asked: list[tuple[int, int]] = []
        self._out = bytearray()
        self._is_choking = True
        self._unchoke_at: float | None = None
        self._has_choked = False
        self._is_cut = False
        self._credit = 0.0

    def greet(self) -> None:
        owner = self.owner
        num_pieces = owner.torrent.geometry.num_pieces
        has = owner.manners.pieces
        self.say(wire.BitfieldMessage(Bitfield(num_pieces, range(num_pieces) if has is None else has).to_wire()))

    def say(self, message: wire.Have | wire.BitfieldMessage | wire.Piece | wire.Signal | wire.KeepAlive) -> None:
        self._out += message.encode()

    def step(self, now: float, allowance: float) -> None:
        if not self._hear():
            self.owner.links.remove(self)
            return
        if self._unchoke_at is not None and now >= self._unchoke_at:
            self._unchoke_at, self._is_choking = None, False
            self.say(wire.Unchoke())
        self._credit = min(self._credit + allowance, 1e6)
        while self._asked and self._credit > len(self._out) and not self._is_cut:
            self._serve(now)
        self._flush()

    def _hear(self) -> bool:
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return True
            if not data:
                return False
            for message in self._decoder.feed(data):
                if isinstance(message, RequestRun):
                    self._on_requests(message)
                elif isinstance(message, wire.Cancel):
                    self._on_cancel(message)
                elif isinstance(message, wire.Interested) and self._is_choking and self._unchoke_at is None:
                    self._is_choking = False
                    self.say(wire.Unchoke())

    def _on_requests(self, run: RequestRun) -> None:
        asked = list(zip(run.keys, run.lengths, strict=True))
        self.owner.requested += asked
        if not self._is_choking:
            self._asked += asked

    def _on_cancel(self, cancel: wire.Cancel) -> None:
        key = cancel.index << 32 | cancel.begin
        self.owner.cancelled.append(key)
        self._asked = [asked for asked in self._asked if asked[0] != key]

    def _serve(self, now: float) -> None:
        owner, manners = self.owner, self.owner.manners
        if manners.mute_after is not None and owner.blocks_sent >= manners.mute_after:
            self._asked.clear()
            return
        if manners.choke_after is not None and owner.blocks_sent >= manners.choke_after and not self._has_choked:
            self._choke(now)
            return
        key, length = self._asked.pop(owner.rng.randrange(len(self._asked)) if manners.reorders else 0)
        index, begin = key >> 32, key & 0xFFFFFFFF
        data = bytearray(owner.torrent.piece(index)[begin:begin + length])
        assert len(data) == length, "asked beyond the end of a piece"
        if manners.corrupts(owner.blocks_sent):
            data[owner.rng.randrange(length)] ^= 0x55
        owner.blocks_sent += 1
        if manners.chatters:
            self._chatter()
        if manners.cut_after is not None and owner.blocks_sent > manners.cut_after:
            self._out += wire.Piece(index, begin, bytes(data)).encode()[:13 + length // 2]
            self._is_cut = True
            return
        self.say(wire.Piece(index, begin, bytes(data)))

    def _choke(self, now: float) -> None:
        self._has_choked = self._is_choking = True
        self._unchoke_at = now + self.owner.manners.choke_s
        if self.owner.manners.flush_before_choke:
            for key, length in self._asked[:5]:
                begin = key & 0xFFFFFFFF
                data = self.owner.torrent.piece(key >> 32)[begin:begin + length]
                self.say(wire.Piece(key >> 32, begin, data))
        self._asked.clear()
        self.say(wire.Choke())

    def _chatter(self) -> None:
        rng = self.owner.rng
        match rng.randrange(6):
            case 0:
                self.say(wire.KeepAlive())
            case 1:
                self.say(wire.Have(rng.randrange(self.owner.torrent.geometry.num_pieces)))
            case _:
                pass

    def _flush(self) -> None:
        count = int(min(len(self._out), self._credit))
        if count:
            try:
                sent = self.sock.sendmsg([bytes(self._out[:count])])
            except OSError:
                return
            self._credit -= sent
            del self._out[:sent]


class DeafLeech:
    """Dials, asks for everything it may and never reads an answer; only keep-alives follow."""

    def __init__(self, torrent: StoredTorrent, endpoint: Endpoint, rng: random.Random) -> None:
        self.torrent = torrent
        self.endpoint = endpoint
        self.peer_id = PeerId(b"-DL0001-" + rng.randbytes(12))
        self.sock: SimSocket | None = None
        self.is_gone = False
        self.is_cut = False
        self._next_word_at = 0.0

    @property
    def greeting(self) -> Greeting:
        return Greeting(reserved_bits(), self.torrent.metainfo.info_hash.v1, self.peer_id)

    def begin(self, sock: SimSocket) -> None:
        self.sock = sock
        sock.sendmsg([wire.Interested().encode()])

    def step(self, now: float, elapsed_s: float) -> None:
        if self.sock is None or self.is_cut or now < self._next_word_at:
            return
        self._next_word_at = now + 5.0
        geometry = self.torrent.geometry
        requests = [wire.Request(index, block << 14, geometry.block_size(index, block)).encode()
                    for index in range(geometry.num_pieces) for block in range(geometry.num_blocks(index))]
        try:
            self.sock.sendmsg(requests[:400])
        except BlockingIOError:
            pass
        except OSError:
            self.is_cut = True
