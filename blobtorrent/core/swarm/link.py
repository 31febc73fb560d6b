"""PeerLink: one connected peer of one torrent. What it has, what it was asked for, what it asked for.

The receive loop calls it for every stretch of blocks, so `on_blocks` is the hottest Python of the program: one dict
pop, one list store and one count per block. It never raises: what a peer does wrong is counted and judged once a
second. Owned by the swarm, on its shard's receive thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import exp
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.congestion import RequestWindow
from blobtorrent.core.swarm.fast import FEW_PIECES, Fast
from blobtorrent.core.swarm.outstanding import Outstanding
from blobtorrent.core.swarm.pieces import EMPTY, Assembly
from blobtorrent.core.swarm.speeds import MEDIUM
from blobtorrent.core.swarm.turns import SLEEP_S, Turn
from blobtorrent.core.swarm.waiting import WaitingRequests
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.extended import NOTHING_SAID
from blobtorrent.protocol.wire.greeting import Greeting
from blobtorrent.protocol.wire.link import LinkState
from blobtorrent.protocol.wire.shape import Intake, block_keys

if TYPE_CHECKING:
    from blobtorrent.core.swarm.metadatalink import MetadataLink
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.network.messages import PeerArrived
    from blobtorrent.protocol.mse.handshake import Obfuscation

MAX_RUN = 1024                         # more blocks than one receive takes
_EMPTY_RUN = [EMPTY] * MAX_RUN
_OFFSETS = range(0, MAX_RUN * BLOCK_SIZE, BLOCK_SIZE)
GAIN_S = 60.0                          # see GainMeter
MAX_GHOSTS = 4096                      # remembered requests that were cancelled or given to others


class RateMeter:
    """Bytes per second, smoothed over a few seconds."""

    __slots__ = ("fresh", "rate", "total")

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self.rate = 0.0
        self.fresh = 0                 # since the last tick

    def add(self, count: int) -> None:
        self.total += count
        self.fresh += count

    def tick(self, elapsed_s: float) -> int:
        """Fold in what came since the last tick; returns it."""
        came, self.fresh = self.fresh, 0
        self.rate += min(1.0, 0.35 * elapsed_s) * (came / elapsed_s - self.rate)
        if self.rate < 1.0:
            self.rate = 0.0
        return came


class GainMeter:
    """Bytes per second at which a peer gains pieces, from us and from others, as it tells.

    That comes a piece at a time, so it is the mean of a minute, in which what is longer ago counts less.
    """

    __slots__ = ("_at", "_began", "_recent")

    def __init__(self, now: float) -> None:
        self._began = self._at = now
        self._recent = 0.0             # bytes, as far as they count

    def add(self, count: int, now: float) -> None:
        self._recent = self._left(now) + count
        self._at = now

    def rate(self, now: float) -> float:
        return self._left(now) / max(1.0, GAIN_S * (1.0 - exp((self._began - now) / GAIN_S)))

    def _left(self, now: float) -> float:
        return self._recent * exp((self._at - now) / GAIN_S)


class PeerLink:
    """State of one link. Masks are integers: bit i is piece i."""

    __slots__ = (
        "arriving", "askable", "batch", "batch_bytes", "chatter_spent_s", "client", "closing", "current", "double_at",
        "down", "endpoint", "extended", "fast", "gained", "ghosts", "given", "greeting", "handshakes_spent_s",
        "has_named_node", "haves_told", "intake", "is_denied", "is_incoming", "is_suspect", "last_block_at",
        "last_heard_at", "last_sent_at", "last_taken_at", "linked_at", "mask", "number", "obfuscation", "outstanding",
        "queued_runs", "queued_upload_bytes", "said_pieces", "shown", "snubbed",
        "speed", "state", "suggested", "swarm", "transport", "turn", "unasked", "up", "wanted", "was_offered", "window",
        "working_on",
    )

    intake: Intake

    def __init__(self, swarm: Swarm, number: int, endpoint: Endpoint, greeting: Greeting, is_incoming: bool,
                 now: float, transport: str = "tcp", obfuscation: Obfuscation | None = None) -> None:
        self.swarm = swarm
        self.transport = transport
        self.number = number
        self.endpoint = endpoint
        self.greeting = greeting
        self.is_incoming = is_incoming
        self.obfuscation = obfuscation         # told only: bytes come and go in plain here
        self.state = LinkState()
        self.fast = Fast() if greeting.has_fast else None
        self.client = ""
        self.mask = 0                          # pieces the peer has
        self.speed = MEDIUM                    # compared with others, see speeds
        self.gained = GainMeter(now)           # what came to these since it said first what it has
        self.said_pieces = False               # a bitfield is only right as the first message
        self.askable = 0                       # of these, those that it would send now, see update_askable
        self.suggested = 0                     # of these, those that it would like to send (BEP 6)
        self.extended = NOTHING_SAID           # what the peer said of itself (BEP 10)
        self.handshakes_spent_s = 0.0          # see protocol.wire.extended.handshake_counted
        self.chatter_spent_s = 0.0             # see chatter
        self.has_named_node = False            # of the DHT
        self.last_block_at = self.last_heard_at = self.last_sent_at = self.last_taken_at = now
        self.linked_at = now
        self.closing: BlobTorrentError | None = None

        self.window = RequestWindow()
        self.double_at = now                   # when it may look for blocks to duplicate again
        self.outstanding = Outstanding()       # the blocks it is asked for
        self.ghosts: dict[int, bool] = {}      # asked for once; may still come. True: and then it comes twice
        self.arriving: tuple[Assembly, int] | None = None  # assembly and block of the block in the middle of arriving
        self.was_offered = False               # ... which others were asked for, as it had stopped
        self.current: Assembly | None = None               # still has blocks for us to ask for
        self.working_on: dict[Assembly, None] = {}
        self.is_suspect = False                # helped to spoil a piece: works alone from now on
        self.snubbed = False
        self.unasked = 0                       # blocks that nobody asked for
        self.down = RateMeter()

        self.wanted = WaitingRequests()        # what the peer asked for
        self.queued_upload_bytes = 0           # being read or sent
        self.queued_runs = 0                   # of requests, the same
        self.given = swarm.departed.given_to(greeting.peer_id)
        self.shown: int | None = None           # of our pieces, those that it was told of; None: of all of them
        self.turn = Turn(now, endpoint.host)
        self.is_denied = False                 # the torrent's owner wants nothing sent to it
        self.up = RateMeter()

        self.haves_told = 0                    # how far into the swarm's list of new pieces the peer was told
        self.batch: list[Buffer] = []          # what this pass wants sent
        self.batch_bytes = 0

    @classmethod
    def of(cls, swarm: Swarm, number: int, peer: PeerArrived | MetadataLink, now: float) -> PeerLink:
        """For a peer that has just arrived, or was here before the metadata."""
        return cls(swarm, number, peer.endpoint, peer.greeting, peer.is_incoming, now, peer.transport, peer.obfuscation)

    @property
    def is_encrypted(self) -> bool:
        """All of its stream, not only its handshake."""
        return self.obfuscation is not None and self.obfuscation.incoming is not None

    @property
    def listening_at(self) -> Endpoint | None:
        """Where the peer takes connections, as far as it is known: never the port that it dialled from."""
        if not self.is_incoming:
            return self.endpoint
        return Endpoint(self.endpoint.host, self.extended.port) if self.extended.port else None

    def new_decoder(self) -> Decoder:
        """For what comes: it takes no longer messages than the torrent has use for."""
        bitfield_bytes = -(-self.swarm.geometry.num_pieces // 8)
        return Decoder(bitfield_bytes=bitfield_bytes, block_bytes=BLOCK_SIZE)

    # ---- network.handler.LinkHandler

    @property
    def expected_blocks(self) -> int:
        return len(self.outstanding) + (self.arriving is not None)

    def on_lost(self, error: BlobTorrentError) -> None:
        self.swarm.lose(self, error)

    def on_bug(self, error: Exception) -> None:
        self.swarm.on_bug(error)

    # ---- protocol.wire.shape.Sink

    def on_blocks(self, headers: memoryview, slots: Sequence[int], spare: list[int]) -> int:
        keys = block_keys(headers)
        done, units, surplus, dropped = 0, len(keys), 0, len(spare)
        for count in _runs(keys):
            end = done + count
            assembly = self.outstanding.take(keys[done], count)
            if assembly is not None:
                surplus += self._place_run(assembly, keys[done], slots[done:end], spare)
            else:
                for key, slot in zip(keys[done:end], slots[done:end]):
                    surplus += self._place_single(key, slot, spare)
            done = end
        if units:
            self.down.add(units * BLOCK_SIZE)
            self.window.on_blocks(units, self.swarm.now)
            live = self.swarm.live
            if live is not None:
                live.note_blocks(*_kept(keys, slots, spare[dropped:]))
            self.swarm.on_progress(self, units * BLOCK_SIZE, surplus)
            if self.swarm.requests.endgame.doubled:
                self.swarm.requests.on_arrived(zip(keys, slots), self)
        return units

    def _place_single(self, key: int, slot: int, spare: list[int]) -> int:
        """One block of a run that was not asked for as a whole."""
        assembly = self.outstanding.take(key)
        if assembly is not None:
            return self._place_run(assembly, key, (slot,), spare)
        if not self._take_ghost(key, slot):
            spare.append(slot)
        return 0

    def _place_run(self, assembly: Assembly, key: int, run: Sequence[int], spare: list[int]) -> int:
        """Blocks that were asked for get their places; returns how many were here already."""
        blocks, first, count = assembly.slots, (key & 0xFFFFFFFF) >> 14, len(run)
        if blocks[first:first + count] == _EMPTY_RUN[:count]:
            blocks[first:first + count] = run
            surplus = 0
            if assembly.givers is not None:
                assembly.came_from(self, first, count)
        else:
            here = [slot for block, slot in enumerate(run, first) if blocks[block] != EMPTY]
            for block, slot in enumerate(run, first):
                if blocks[block] == EMPTY:
                    blocks[block] = slot
                    if assembly.givers is not None:
                        assembly.came_from(self, block, 1)
            spare += here
            surplus = len(here)
        assembly.missing -= count - surplus
        if not assembly.missing and surplus < count:
            self.swarm.finished.append(assembly)
        return surplus

    def place(self, assembly: Assembly, block: int, slot: int) -> bool:
        """One block came another way than in a run: False when it is not needed any more."""
        size = assembly.block_size(block)
        self.down.add(size)
        self.window.on_blocks(1, self.swarm.now)
        is_needed = assembly.slots[block] == EMPTY
        if is_needed:
            assembly.slots[block] = slot
            assembly.missing -= 1
            if assembly.givers is not None:
                assembly.came_from(self, block, 1)
            if self.swarm.live is not None:
                self.swarm.live.note_blocks((assembly.index << 32 | block << 14,), (slot,))
            if self.was_offered:
                self.was_offered = False
                self.swarm.requests.settle(self, assembly, block)
            if not assembly.missing:
                self.swarm.finished.append(assembly)
        self.swarm.on_progress(self, size, int(not is_needed))
        if self.swarm.requests.endgame.doubled:
            self.swarm.requests.on_arrived(((assembly.index << 32 | block << 14, slot),), self)
        return is_needed

    def begin_block(self, key: int, size: int) -> bool:
        assembly = self.outstanding.get(key)
        block = (key & 0xFFFFFFFF) >> 14
        if assembly is None or assembly.block_size(block) != size:
            return False
        self.outstanding.take(key)
        self.arriving = (assembly, block)
        return True

    def end_block(self, slot: int) -> bool:
        assert self.arriving is not None
        (assembly, block), self.arriving = self.arriving, None
        return self.place(assembly, block, slot)

    def on_messages(self, messages: list[Any]) -> None:
        self.swarm.on_messages(self, messages)

    def on_loose_block(self, key: int, payload: bytes) -> None:
        """A whole block outside the fast path: it is copied to its place."""
        assembly = self.outstanding.get(key)
        block = (key & 0xFFFFFFFF) >> 14
        if assembly is None or assembly.block_size(block) != len(payload):
            if key in self.ghosts and len(payload) == BLOCK_SIZE and self.swarm.memory.reserve(1):
                self._take_loose_ghost(key, payload)
                return
            self.swarm.downloaded.add(len(payload))
            self.swarm.on_waste(len(payload))
            self.settle_ghost(key, came=True)
            return
        self.outstanding.take(key)
        (slot,) = self.swarm.memory.take(1)
        self.swarm.memory.views[slot][:len(payload)] = payload
        if not self.place(assembly, block, slot):
            self.swarm.memory.give_back((slot,))

    def _take_ghost(self, key: int, slot: int) -> bool:
        """A block that is not asked for (any more): keep it if it was once and is still missing."""
        if key in self.ghosts and self.swarm.requests.adopt(self, key, slot):
            self.swarm.requests.endgame.came_twice -= self.ghosts.pop(key)
            return True
        self.settle_ghost(key, came=True)
        self.swarm.on_waste(BLOCK_SIZE)
        return False

    def _take_loose_ghost(self, key: int, payload: bytes) -> None:
        """The same for a block that lies in no slot yet; a slot is promised for it."""
        memory = self.swarm.memory
        (slot,) = memory.take(1)
        memory.views[slot][:BLOCK_SIZE] = payload
        if self._take_ghost(key, slot):
            memory.unreserve(1)        # its piece holds a promise of its own
            if self.swarm.live is not None:
                self.swarm.live.note_blocks((key,), (slot,))
        else:
            memory.release((slot,))
        self.down.add(BLOCK_SIZE)
        self.swarm.on_progress(self, BLOCK_SIZE, 0)

    # ---- what the swarm's managers use

    def update_askable(self) -> None:
        """What it has, or whether it chokes us, or what it sends nevertheless (BEP 6), is different now."""
        fast = self.fast
        if self.state.peer_choking:
            self.askable = self.mask & fast.allowed if fast is not None else 0
        else:
            self.askable = self.mask & ~fast.refused if fast is not None and fast.refused else self.mask

    def remember_ghosts(self, keys: Sequence[int], *, is_double: bool = False) -> None:
        """These were asked for and are not any more: late ones are no offence.

        With `is_double` they come from others: they count as having come twice until the peer says that they will not.
        """
        self.ghosts.update(dict.fromkeys(keys, is_double))
        if is_double:
            self.swarm.requests.endgame.came_twice += len(keys)
        while len(self.ghosts) > MAX_GHOSTS:
            del self.ghosts[next(iter(self.ghosts))]

    def settle_ghost(self, key: int, *, came: bool) -> None:
        """The peer has answered what it was asked for once, with a block that is of no use or with none."""
        is_double = self.ghosts.pop(key, None)
        if is_double is None:
            self.unasked += 1
        elif is_double and not came:
            self.swarm.requests.endgame.came_twice -= 1

    def send(self, data: Buffer) -> None:
        """Have a small message sent with this pass's batch."""
        if not self.batch:
            self.swarm.to_flush[self] = None
        self.batch.append(data)
        self.batch_bytes += len(data)

    def send_batch(self, buffers: list[Buffer], size: int, token: Any) -> None:
        """Have blocks sent; `token` comes back when the last byte is with the kernel."""
        self.flush()
        self.swarm.outgoing.append((self.number, buffers, size, token))

    def flush(self) -> None:
        """Put the small messages of this pass into the outgoing batch, in the order they were decided."""
        if self.batch:
            self.swarm.outgoing.append((self.number, self.batch, self.batch_bytes, None))
            self.batch, self.batch_bytes = [], 0

    @property
    def works_alone(self) -> bool:
        """A suspect has its pieces to itself, unless it lets us wait: then the others would wait too."""
        return self.is_suspect and not self.snubbed

    @property
    def is_idle(self) -> bool:
        """It would send us what we want, and is asked for nothing."""
        return not self.outstanding and self.swarm.may_ask(self)

    @property
    def is_starting(self) -> bool:
        """It has next to nothing to give to others (BEP 6)."""
        return self.mask.bit_count() < min(FEW_PIECES, self.swarm.geometry.num_pieces)

    @property
    def is_seed(self) -> bool:
        return self.mask == self.swarm.all_mask

    # ---- choker.Candidate

    @property
    def is_unchoked(self) -> bool:
        return not self.state.am_choking

    @property
    def wants_data(self) -> bool:
        return self.state.peer_interested and not self.is_denied

    @property
    def is_interested(self) -> bool:
        return self.state.peer_interested

    def takes_nothing(self, now: float) -> bool:
        """It has asked for nothing, or lets what it asked for wait at its socket."""
        if self.queued_upload_bytes:
            return now - self.last_taken_at > SLEEP_S
        return not self.wanted

    @property
    def received_bytes(self) -> int:
        return self.down.total

    @property
    def sent_bytes(self) -> int:
        return self.up.total

    @property
    def part_had(self) -> float:
        """By what it says and was sent: who hides what it has is not taken for a beginner for ever."""
        return (self.mask | self.given.mask).bit_count() / max(1, self.swarm.geometry.num_pieces)


def _kept(keys: list[int], slots: Sequence[int], dropped: list[int]) -> tuple[Sequence[int], Sequence[int]]:
    """The blocks that found a place, as keys and slots."""
    if not dropped:
        return keys, slots[:len(keys)]
    kept = [(key, slot) for key, slot in zip(keys, slots) if slot not in dropped]
    return [key for key, _ in kept], [slot for _, slot in kept]


def _runs(keys: list[int]) -> Iterator[int]:
    """The lengths of runs of blocks that lie one behind the other."""
    bases = [key - offset for key, offset in zip(keys, _OFFSETS)]      # equal within a run
    return (len(list(run)) for _, run in groupby(bases))
