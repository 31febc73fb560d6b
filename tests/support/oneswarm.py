"""One swarm with nobody around it: its decisions are written down, time is a number, peers say what the test says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import OpenSwarm, SwarmReport, SwarmSettings
from blobtorrent.core.swarm.pieces import Assembly
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, HaveRun, RequestRun
from blobtorrent.protocol.wire.greeting import Greeting, reserved_bits
from blobtorrent.protocol.wire.shape import HEADER_BYTES, Intake, Scatter
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import Timer, TimerWheel
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.cache import Reads, SpanCache
from blobtorrent.storage.jobs import FullPiece
from tests.support.simdisk import SimStore
from tests.support.stored import StoredTorrent

UNITS = 4
PLAIN = reserved_bits()                # of a peer that knows BEP 3 and 10
WINDOW_BLOCKS = 32                     # that peers are asked for at once from the start: more than a new link would be
WALL_S = 1_700_000_000.0               # the time of day when the swarms' clock says 0


class Notes:
    """Outlets that only write down."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers = TimerWheel()
        self.touched = 0
        self.dialled: list[Endpoint] = []
        self.closed: list[PeerLink] = []
        self.hashed: list[FullPiece] = []
        self.rewritten: list[FullPiece] = []
        self.spilled: list[Assembly] = []
        self.kept: list[tuple[list[tuple[int, list[tuple[int, int]]]], Any]] = []      # pieces, token
        self.computed: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []      # work, and who gets its result
        self.waits = 0
        self.reports: list[SwarmReport] = []

    def touch(self, swarm: Swarm) -> None:
        self.touched += 1

    def wall(self) -> float:
        return WALL_S + self.now

    def at(self, swarm: Swarm, deadline_s: float, callback: Callable[[], None]) -> Timer:
        return self.timers.at(deadline_s, callback)

    def dial(self, swarm: Swarm, endpoint: Endpoint) -> None:
        self.dialled.append(endpoint)

    def close_link(self, link: PeerLink) -> None:
        self.closed.append(link)

    def hash_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None:
        self.hashed += pieces

    def write_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None:
        self.rewritten += pieces

    def spill(self, swarm: Swarm, assembly: Assembly) -> None:
        self.spilled.append(assembly)

    def keep(self, swarm: Swarm, pieces: list[tuple[int, list[tuple[int, int]]]], token: Any) -> None:
        self.kept.append((pieces, token))

    def compute(self, swarm: Swarm, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.computed.append((work, then))

    def when_memory(self, swarm: Swarm) -> None:
        self.waits += 1

    def memory_came(self, swarm: Swarm) -> None:
        pass

    def report(self, swarm: Swarm, report: SwarmReport) -> None:
        self.reports.append(report)

    def fail(self, swarm: Swarm, error: Exception) -> None:
        raise error


def on_bug(swarm: Swarm) -> None:
    """For a Guard, where none is expected."""
    raise AssertionError("a bug in a swarm")


class OneSwarm:
    """A started swarm. `have` are the pieces that are on disk, `order` other fields of OpenSwarm."""

    def __init__(self, torrent: StoredTorrent, have: Iterable[int] = (), *, slots: int = 1024,
                 order: Mapping[str, Any] = {}, **settings: Any) -> None:
        self.torrent = torrent
        self.notes = Notes()
        self.arena = Arena(slots * SLOT_SIZE, scratch_slots=UNITS)
        self.scatter = Scatter(self.arena, UNITS)
        num_pieces = torrent.geometry.num_pieces
        self.store = SimStore(torrent, have=True)
        opened = OpenSwarm(
            torrent.metainfo.info_hash, torrent.metainfo, self.store,  # type: ignore[arg-type]
            Bitfield(num_pieces, have), PeerId(bytes(20)), SwarmSettings(**settings), Mailbox("reports"), **order,
        )
        self.reads = Reads()
        self.swarm = Swarm(opened, self.arena, SpanCache(self.reads), self.notes, random.Random(1))
        self.swarm.start()
        self._numbers = 0

    def join(self, pieces: Iterable[int] | None = None, *, unchoked: bool = True,
             dialled: Endpoint | None = None, reserved: bytes = PLAIN, peer_id: PeerId | None = None) -> PeerLink:
        """A peer that has these pieces (None: all), says so and, unless told otherwise, unchokes us. It dialled us, or
        we `dialled` it there. It is another one than before, unless its `peer_id` says who it is."""
        self._numbers += 1
        greeting = Greeting(reserved, self.torrent.metainfo.info_hash.v1,
                            peer_id or PeerId(self._numbers.to_bytes(20, "big")))
        endpoint = dialled or Endpoint(f"10.1.{self._numbers >> 8}.{self._numbers & 255}", 6881)
        link = PeerLink(self.swarm, self._numbers, endpoint, greeting, dialled is None, self.notes.now)
        link.intake = Intake(link, Decoder(), self.scatter)
        link.window.size = WINDOW_BLOCKS
        self.swarm.admit(link)
        num_pieces = self.torrent.geometry.num_pieces
        field = Bitfield(num_pieces, range(num_pieces) if pieces is None else pieces)
        self.tell(link, wire.BitfieldMessage(field.to_wire()), *([wire.Unchoke()] if unchoked else []))
        return link

    def tell(self, link: PeerLink, *messages: Any) -> None:
        """The peer says this. Raises PeerError as the swarm does."""
        link.intake.feed(b"".join(message.encode() for message in messages))

    def give(self, link: PeerLink, blocks: Iterable[tuple[int, int]], *, spoil: bool = False) -> None:
        """The peer sends these blocks (piece, number of the block), right or wrong."""
        for index, block in blocks:
            data = self.torrent.piece(index)[block << 14:(block + 1) << 14]
            if spoil:
                data = bytes(len(data))
            self.tell(link, wire.Piece(index, block << 14, data))

    def give_in_shape(self, link: PeerLink, blocks: list[tuple[int, int]]) -> None:
        """The peer sends these whole blocks, and they are received where they stay."""
        self.scatter.offer(len(blocks))
        slots = self.scatter.slots[:len(blocks)]
        headers = b""
        for (index, block), slot in zip(blocks, slots):
            message = wire.Piece(index, block << 14, self.torrent.piece(index)[block << 14:(block + 1) << 14]).encode()
            headers += message[:HEADER_BYTES]
            self.scatter.view(slot)[:] = message[HEADER_BYTES:]
        assert link.on_blocks(memoryview(headers), slots, self.scatter.spare) == len(blocks)
        self.scatter.consume(len(blocks))

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a tenth of a second, with everything that is due."""
        for _ in range(round(seconds * 10)):
            self.notes.now += 0.1
            self.notes.timers.expire(self.notes.now)

    def said(self) -> dict[PeerLink, list[Any]]:
        """What was sent to each peer since the last call, as messages."""
        self.swarm.flush(self.notes.now)
        streams: dict[int, bytes] = {}
        for number, buffers, _, _ in self.swarm.outgoing:
            streams[number] = streams.get(number, b"") + b"".join(buffers)
        self.swarm.outgoing.clear()
        links = {link.number: link for link in [*self.swarm.links, *self.notes.closed]}
        return {links[number]: Decoder().feed(stream) for number, stream in streams.items()}

    def asked(self, link: PeerLink) -> list[tuple[int, int]]:
        """(piece, block) of the requests sent to a peer since the last `said` or `asked`."""
        found = []
        for message in self.said().get(link, []):
            if isinstance(message, RequestRun):
                found += [(key >> 32, (key & 0xFFFFFFFF) >> 14) for key in message.keys]
        return found


def outstanding(link: PeerLink, index: int | None = None) -> list[tuple[int, int]]:
    """(piece, block) of what a peer is asked for, of one piece or of all."""
    keys = [key for key, _ in link.outstanding.items()]
    return [(key >> 32, (key & 0xFFFFFFFF) >> 14) for key in keys if index in (None, key >> 32)]


def cancelled(messages: Iterable[Any]) -> list[tuple[int, int]]:
    """(piece, block) of the requests that are taken back."""
    return [(message.index, message.begin >> 14) for message in messages if isinstance(message, wire.Cancel)]


def haves_in(messages: Iterable[Any]) -> list[int]:
    return [index for message in messages if isinstance(message, HaveRun) for index in message.indices]
