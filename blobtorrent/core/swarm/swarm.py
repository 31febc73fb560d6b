"""Swarm: the live side of one torrent. Wires its managers together; runs on its shard's receive thread.

It is told of messages, finished pieces, verdicts of the disk and the time, and leaves what it decided in lists that the
host collects once a pass. No locks, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.choker import ChokeManager
from blobtorrent.core.swarm.link import PeerLink, RateMeter
from blobtorrent.core.swarm.messages import ChangeSwarm, OpenSwarm, PeersFound, SwarmReport
from blobtorrent.core.swarm.peers import PeerManager
from blobtorrent.core.swarm.picker import RarestFirst, Rng
from blobtorrent.core.swarm.pieces import DROPPED, Assembly, PieceManager
from blobtorrent.core.swarm.pieces import Event as PieceEvent
from blobtorrent.core.swarm.pieces import State as PieceState
from blobtorrent.core.swarm.report import make_report
from blobtorrent.core.swarm.requests import RequestManager
from blobtorrent.core.swarm.talk import Talk
from blobtorrent.core.swarm.uploads import Batch, SpanKey, UploadManager
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError, StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.ids import PeerId
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire import encode
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.cache import SpanCache
from blobtorrent.storage.jobs import SPILLED, BlocksSpilled, FullPiece, PieceVerdicts, SpansRead

KEEP_ALIVE_S = 110.0
IDLE_LINK_S = 240.0                    # nothing received for so long: gone
HAVE_DELAY_S = 0.2                     # new pieces ride with other messages, or wait this long at most
MAX_UNASKED = 16                       # unasked blocks of one link, then it goes
RETRY_WRITES_S = 5.0                   # after the disk refused


class State(Enum):
    OPENING = auto()
    LEECHING = auto()                  # parent of the next two
    NORMAL = auto()
    ENDGAME = auto()
    SEEDING = auto()
    STARVED = auto()                   # the disk refuses
    DRAINING = auto()
    CLOSED = auto()


class Event(Enum):
    START = auto()
    ALL_REQUESTED = auto()
    MORE_TO_REQUEST = auto()
    COMPLETE = auto()
    LOST_PIECE = auto()
    DISK_REFUSED = auto()
    DISK_WORKS = auto()
    CLOSE = auto()
    DRAINED = auto()


SWARM = Table({
    State.OPENING: {Event.START: State.NORMAL, Event.COMPLETE: State.SEEDING, Event.CLOSE: State.DRAINING},
    State.LEECHING: {Event.COMPLETE: State.SEEDING, Event.DISK_REFUSED: State.STARVED, Event.CLOSE: State.DRAINING,
                     Event.LOST_PIECE: State.NORMAL},
    State.NORMAL: {Event.ALL_REQUESTED: State.ENDGAME},
    State.ENDGAME: {Event.MORE_TO_REQUEST: State.NORMAL},
    State.SEEDING: {Event.LOST_PIECE: State.NORMAL, Event.CLOSE: State.DRAINING},
    State.STARVED: {Event.DISK_WORKS: State.NORMAL, Event.COMPLETE: State.SEEDING, Event.DISK_REFUSED: State.STARVED,
                    Event.LOST_PIECE: State.STARVED, Event.CLOSE: State.DRAINING},
    State.DRAINING: {Event.DRAINED: State.CLOSED},
}, parents={State.LEECHING: (State.NORMAL, State.ENDGAME)}, start=State.OPENING, home=State.NORMAL,
    faults=(State.STARVED,), ends=(State.CLOSED,))


class Outlets(Protocol):
    """Where a swarm's decisions go: implemented by the host."""

    @property
    def now(self) -> float: ...

    def touch(self, swarm: Swarm) -> None:
        """flush() is wanted at the end of this pass."""

    def at(self, deadline_s: float, callback: Callable[[], None]) -> None: ...

    def dial(self, swarm: Swarm, endpoint: Endpoint) -> None: ...

    def close_link(self, link: PeerLink) -> None: ...

    def hash_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None: ...

    def write_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None: ...

    def spill(self, swarm: Swarm, assembly: Assembly) -> None: ...

    def when_memory(self, swarm: Swarm) -> None:
        """Call refill() when slots come free, and see to it that some do."""

    def memory_came(self, swarm: Swarm) -> None:
        """The swarm tries again by itself: it may wait anew."""

    def report(self, swarm: Swarm, report: SwarmReport) -> None: ...


class Swarm:
    """One torrent's links, pieces and peers."""

    def __init__(self, order: OpenSwarm, arena: Arena, cache: SpanCache[SpanKey], outlets: Outlets, rng: Rng) -> None:
        self.info_hash = order.info_hash
        self.order = order
        self.settings = order.settings
        self.geometry = order.metainfo.geometry
        self.all_mask = (1 << self.geometry.num_pieces) - 1
        self.memory = arena
        self._outlets = outlets
        self.machine: Machine[State, Event] = Machine(SWARM, on_change=self._on_state)

        self.pieces = PieceManager(self.geometry, order.have)
        self.availability = Availability(self.geometry.num_pieces)
        self.picker = RarestFirst(self.availability, rng)
        self.requests = RequestManager(self.pieces, self.picker, arena, self._relieve)
        self.uploads = UploadManager(self.pieces, arena, cache)
        self.choker = ChokeManager(order.settings.upload_slots, order.settings.choke_interval_s, rng)
        self.peers = PeerManager()
        self.talk = Talk(self)

        self.links: dict[PeerLink, None] = {}
        self.finished: list[Assembly] = []                 # all blocks are here
        self.active: dict[PeerLink, None] = {}             # got blocks in this pass
        self.to_flush: dict[PeerLink, None] = {}           # have small messages to send
        self.outgoing: list[tuple[int, list[Buffer], int, Any]] = []
        self.new_pieces: list[int] = []                    # since the start; links know how far they were told
        self._haves_due = False

        self._hashing = 0              # pieces with the hasher or the disk
        self._spilling = 0
        self._closing = 0              # links whose sockets are not closed yet
        self._unwritten: list[FullPiece] = []
        self._last_tick = outlets.now
        self.error: StorageError | None = None
        self.downloaded = RateMeter()
        self.uploaded = RateMeter()
        self.wasted_bytes = 0
        self.spoiled_pieces = 0

    @property
    def now(self) -> float:
        return self._outlets.now

    # ---- life

    def start(self) -> None:
        self.machine.fire(Event.COMPLETE if self.pieces.is_complete else Event.START)
        self._schedule_tick()

    def change(self, order: ChangeSwarm) -> None:
        self.settings = order.settings
        self.choker.slots, self.choker.interval_s = order.settings.upload_slots, order.settings.choke_interval_s

    def drain(self) -> None:
        """Close: links go now, what the disk has in hand is finished."""
        self.machine.fire(Event.CLOSE)
        for link in list(self.links):
            self.lose(link, NetworkError("net.closing", "the torrent is being closed"))
        for assembly in list(self.pieces.open.values()):
            if assembly.state is PieceState.PARTIAL and not assembly.spilling:
                self._drop(assembly)
        for piece in self._unwritten:
            self.memory.release([slot for slot in piece.slots if slot != SPILLED])
        self._unwritten.clear()
        self.uploads.close()

    @property
    def is_drained(self) -> bool:
        return not (self._hashing or self._spilling or self._closing or not self.uploads.is_idle)

    @property
    def is_open(self) -> bool:
        return self.machine.state not in (State.DRAINING, State.CLOSED)

    @property
    def left_bytes(self) -> int:
        """Payload that is not verified yet: padding does not count."""
        if self.pieces.is_complete:
            return 0
        geometry, metainfo = self.geometry, self.order.metainfo
        left = sum(geometry.piece_size(index) for index in range(geometry.num_pieces) if index not in self.pieces.have)
        return min(left, metainfo.payload_bytes)

    @property
    def is_seeding(self) -> bool:
        return self.machine.state is State.SEEDING

    def _on_state(self, old: State, _event: Event, new: State) -> None:
        if old is not new:
            self.report()

    def report(self) -> None:
        self._outlets.report(self, make_report(self))

    # ---- links

    def admit(self, link: PeerLink) -> None:
        """A greeted peer joins."""
        self.links[link] = None
        if not link.is_incoming:
            self.peers.dialled()
        self.requests.share_among(len(self.links))
        self.talk.greet(link)

    def refusal(self, endpoint: Endpoint, peer_id: PeerId) -> PeerError | None:
        """Why a greeted peer may not join, if so."""
        if not self.is_open:
            return PeerError("peer.closing", "the torrent is being closed")
        if len(self.links) >= self.settings.max_links:
            return PeerError("peer.too-many", "as many links as allowed")
        if self.peers.is_banned(endpoint, peer_id):
            return PeerError("peer.banned", "the peer sent bad data before")
        if any(link.greeting.peer_id == peer_id for link in self.links):
            return PeerError("peer.duplicate", "connected already")
        return None

    def lose(self, link: PeerLink, error: BlobTorrentError) -> None:
        """A link ends, whoever is to blame."""
        if link not in self.links:
            return
        del self.links[link]
        self.requests.share_among(len(self.links))
        link.closing = error
        self.downloaded.add(link.down.tick(1.0))
        self.uploaded.add(link.up.tick(1.0))
        link.intake.close()
        self.requests.abandon_arriving(link)
        self.requests.take_back(link)
        self.uploads.forget(link)
        if link.is_seed:
            self.availability.seeds -= 1
        else:
            self.availability.remove(link.mask)
        self.active.pop(link, None)
        self.to_flush.pop(link, None)
        link.state.close()
        self._closing += 1
        self._outlets.close_link(link)
        if not link.is_incoming:
            if isinstance(error, PeerError) or not link.said_pieces:
                self.peers.failed(link.endpoint, self.now)
            else:
                self.peers.ended(link.endpoint, self.now, useless=link.is_seed and self.is_seeding)
        self.refill()

    def on_sent(self, link: PeerLink, token: Batch) -> None:
        """A batch of blocks is with the kernel."""
        self.uploads.on_sent(link if link.closing is None else None, token)
        self.wake()

    def on_link_closed(self, link: PeerLink, tokens: list[Batch]) -> None:
        """The socket is closed; what was never sent is free again."""
        self._closing -= 1
        for token in tokens:
            self.uploads.on_sent(None, token)

    def on_peers(self, message: PeersFound) -> None:
        self.peers.found(message.endpoints, message.source, self.now)
        self._dial(self.now)

    def on_dial_failed(self, endpoint: Endpoint, error: BlobTorrentError | None) -> None:
        """A dial ended without a link."""
        self.peers.dialled()
        if error is not None and error.code == "wire.self":
            self.peers.forget(endpoint)
        elif error is not None and error.code == "peer.duplicate":
            self.peers.ended(endpoint, self.now, useless=False)
        else:
            self.peers.failed(endpoint, self.now)

    def _dial(self, now: float) -> None:
        if self.is_open:
            room = self.settings.max_links - len(self.links) - self.peers.dialing
            for endpoint in self.peers.to_dial(room, now, seeding=self.is_seeding):
                self._outlets.dial(self, endpoint)

    def on_messages(self, link: PeerLink, messages: list[Any]) -> None:
        self.talk.on_messages(link, messages)

    # ---- what links tell while they are read

    def on_progress(self, link: PeerLink, surplus: int) -> None:
        """Blocks came; `surplus` of them were here already."""
        self.active[link] = None
        if surplus:
            self.memory.unreserve(surplus)
            self.on_waste(surplus * BLOCK_SIZE)
        self.wake()

    def on_waste(self, count: int) -> None:
        self.wasted_bytes += count

    # ---- once a pass

    def flush(self, now: float) -> None:
        """All that was ready has been read: hand on what is complete, ask for more, collect what is to be sent."""
        if self.finished:
            self._hash_finished()
        if self.active:
            for link in self.active:
                link.last_block_at = link.last_heard_at = now
                link.snubbed = False
                self.fill(link)
            self.active.clear()
        for link in self.to_flush:
            if link.haves_told < len(self.new_pieces):
                self._tell_haves(link)
            link.last_sent_at = now
            link.flush()
        self.to_flush.clear()

    def fill(self, link: PeerLink) -> None:
        state = link.state
        if not state.peer_choking and state.am_interested and self.machine.state in (State.NORMAL, State.ENDGAME):
            self.requests.fill(link, self.now)

    def refill(self) -> None:
        """Something came free: links that waited may ask again."""
        self._outlets.memory_came(self)
        if self.requests.hungry and self.is_open:
            for link in list(self.requests.hungry):
                self.fill(link)
        self.wake()

    def wake(self) -> None:
        """Have this pass flush what was decided."""
        self._outlets.touch(self)

    def _hash_finished(self) -> None:
        ready = []
        for assembly in self.finished:
            assembly.fire(PieceEvent.COMPLETE)
            self.requests.close(assembly)
            if not assembly.spilling:
                ready.append(FullPiece(assembly.index, assembly.size, assembly.slots, assembly))
        self.finished.clear()
        if ready:
            self._hashing += len(ready)
            self._outlets.hash_pieces(self, ready)

    # ---- verdicts

    def on_verdicts(self, verdicts: PieceVerdicts) -> None:
        if verdicts.written:
            self._hashing -= len(verdicts.written)
            self._on_written([piece.token for piece in verdicts.written])
        for piece in verdicts.spoiled:
            self._hashing -= 1
            self._on_spoiled(piece.token)
        for piece in verdicts.lost:
            self._hashing -= 1
            self.pieces.spoiled(piece.token)
            self.requests.forget([piece.token])
        if verdicts.unwritten:
            self._hashing -= len(verdicts.unwritten)
            self._on_unwritten(verdicts.unwritten, verdicts.error)
        self.refill()

    def _on_written(self, assemblies: list[Assembly]) -> None:
        self.pieces.written(assemblies)
        self.requests.forget(assemblies)
        for assembly in assemblies:
            self.new_pieces.append(assembly.index)
            if len(assembly.taken_from) == 1:
                (link,) = assembly.taken_from
                link.is_suspect = False
        if self.machine.state is State.STARVED:
            self.error = None
            self.machine.fire(Event.DISK_WORKS)
            for link in self.links:
                self.fill(link)
        if self.pieces.is_complete and self.is_open:
            self._on_complete()
        elif not self._haves_due:
            self._haves_due = True
            self._outlets.at(self.now + HAVE_DELAY_S, self._on_haves_due)

    def _on_complete(self) -> None:
        self._on_haves_due()
        self.machine.fire(Event.COMPLETE)
        for link in list(self.links):
            if link.is_seed:
                self.lose(link, NetworkError("net.both-seeds", "both have everything"))

    def _on_spoiled(self, assembly: Assembly) -> None:
        """Somebody sent rubbish: one sender alone is proof, several become suspects that work alone from now on."""
        self.pieces.spoiled(assembly)
        self.requests.forget([assembly])
        self.spoiled_pieces += 1
        self.on_waste(assembly.size)
        links = [link for link in assembly.taken_from if link in self.links]
        if len(assembly.taken_from) == 1:
            for link in links:
                self.peers.ban(link.endpoint, link.greeting.peer_id)
                self.lose(link, PeerError("peer.bad-piece", f"piece {assembly.index} does not match its hash"))
        else:
            for link in links:
                link.is_suspect = True
        for link in self.links:
            self.fill(link)

    def _on_unwritten(self, pieces: list[FullPiece], error: StorageError | None) -> None:
        """The disk refused: keep what is verified, ask for nothing more, try again later."""
        for piece in pieces:
            piece.token.fire(PieceEvent.REFUSED)
        if not self.is_open:
            for piece in pieces:
                self.memory.release([slot for slot in piece.slots if slot != SPILLED])
            return
        self.error = error
        first = not self._unwritten
        self._unwritten += pieces
        self.machine.fire(Event.DISK_REFUSED)
        if first:
            self._outlets.at(self.now + RETRY_WRITES_S, self._retry_writes)

    def _retry_writes(self) -> None:
        pieces, self._unwritten = self._unwritten, []
        if pieces and self.is_open:
            self._hashing += len(pieces)
            self._outlets.write_pieces(self, pieces)

    def on_read(self, message: SpansRead) -> None:
        """Spans for uploads are here, or cannot be read: then the pieces are lost and fetched again."""
        for link in self.uploads.on_read(message.spans, message.failed):
            self.lose(link, NetworkError("storage.unreadable", "what the peer asked for cannot be read"))
        if message.failed and self.is_open:
            self.error = message.error
            for span in message.failed:
                self.pieces.lost(span.index)
            self.machine.fire(Event.LOST_PIECE)
            for link in self.links:
                self.talk.update_interest(link)
        self.wake()

    # ---- memory

    def _relieve(self) -> bool:
        """Promises have run out. Cached reads go at once; else wait, and let the host see that something comes free."""
        if self.uploads.drop_cached(64):
            return True
        self._outlets.when_memory(self)
        return False

    @property
    def is_freeing(self) -> bool:
        """Memory comes free soon without doing anything."""
        return bool(self._hashing or self._spilling)

    def spill(self) -> bool:
        """Move the open piece that is least worked on to the part store; False when none holds memory."""
        held = [assembly for assembly in self.pieces.open.values()
                if assembly.state is PieceState.PARTIAL and not assembly.spilling and assembly.held_slots]
        if not held:
            return False
        assembly = min(held, key=lambda one: (one.links, -one.missing))
        assembly.spilling = True
        self._spilling += 1
        self._outlets.spill(self, assembly)
        return True

    def on_spilled(self, message: BlocksSpilled) -> None:
        """Blocks of an open piece moved to the part store, or could not."""
        assembly: Assembly = message.token
        self._spilling -= 1
        assembly.spilling = False
        if message.error is None:
            for block, _ in message.blocks:
                assembly.slots[block] = SPILLED
            self.requests.on_spilled(assembly)
        if assembly.state is PieceState.HASHING:
            self._hashing += 1
            self._outlets.hash_pieces(self, [FullPiece(assembly.index, assembly.size, assembly.slots, assembly)])
        elif message.error is not None or not self.is_open:
            self._drop(assembly)
        self.refill()

    def _drop(self, assembly: Assembly) -> None:
        """Give up what is here of an open piece. Blocks under way to it find no place and are dropped as they come."""
        self.memory.release([slot for _, slot in assembly.held_slots])
        assembly.slots = [DROPPED] * assembly.num_blocks
        self.requests.close(assembly)
        self.requests.forget([assembly])
        self.pieces.drop(assembly)

    # ---- haves

    def _on_haves_due(self) -> None:
        self._haves_due = False
        for link in self.links:
            self._tell_haves(link)
            if not link.is_seed:
                self.talk.update_interest(link)
        self.wake()

    def _tell_haves(self, link: PeerLink) -> None:
        """Tell a peer of new pieces that it lacks."""
        news = self.new_pieces[link.haves_told:]
        link.haves_told = len(self.new_pieces)
        if not link.is_seed:
            lacking = [index for index in news if not link.mask >> index & 1]
            if lacking:
                link.send(encode.haves(lacking))

    # ---- once a second

    def _schedule_tick(self) -> None:
        self._outlets.at(self.now + 1.0, self._tick)

    def _tick(self) -> None:
        if not self.is_open:
            return
        now = self.now
        elapsed_s = max(0.001, now - self._last_tick)
        self._last_tick = now
        for link in list(self.links):
            self._tick_link(link, now, elapsed_s)
        self.downloaded.tick(elapsed_s)
        self.uploaded.tick(elapsed_s)
        if self.choker.is_due(now):
            self._choke_round(now)
        self._watch_endgame()
        self._dial(now)
        self.report()
        self.wake()
        self._schedule_tick()

    def _tick_link(self, link: PeerLink, now: float, elapsed_s: float) -> None:
        came = link.down.tick(elapsed_s)
        self.downloaded.add(came)
        self.uploaded.add(link.up.tick(elapsed_s))
        link.window.on_tick(came // BLOCK_SIZE, elapsed_s)
        if link.unasked > MAX_UNASKED:
            self.lose(link, PeerError("wire.unasked-blocks", f"{link.unasked} blocks that nobody asked for"))
            return
        if not came and link.outstanding and now - link.last_block_at > self.settings.snub_timeout_s:
            link.snubbed = True
            link.window.on_snub()
            link.last_block_at = now
            self.requests.take_back(link)
        if now - link.last_sent_at > KEEP_ALIVE_S:
            link.send(encode.KEEP_ALIVE)
        if now - link.last_heard_at > IDLE_LINK_S:
            self.lose(link, NetworkError("net.timed-out", "nothing heard for four minutes"))
            return
        self.fill(link)

    def _choke_round(self, now: float) -> None:
        chosen = self.choker.round(self.links, now, seeding=self.is_seeding)
        for link in self.links:
            if link in chosen:
                self.talk.unchoke(link)
            else:
                self.talk.choke(link)

    def _watch_endgame(self) -> None:
        state = self.machine.state
        everything_asked = not self.pieces.missing_mask and not self.pieces.partial_mask
        if state is State.NORMAL and everything_asked:
            self.machine.fire(Event.ALL_REQUESTED)
        elif state is State.ENDGAME and not everything_asked:
            self.machine.fire(Event.MORE_TO_REQUEST)
