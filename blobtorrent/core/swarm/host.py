"""SwarmHost: all swarms of one shard. Routes the receive thread's mailbox and gathers what a pass decided.

Everything here runs on the shard's receive thread. A bug in one swarm closes that one: the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.flow import FlowControl
from blobtorrent.core.swarm.guard import Guard
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import (
    ChangeSwarm,
    CloseSwarm,
    LosePieces,
    OpenSwarm,
    PeersFound,
    RetireSwarm,
    SetRates,
    SwarmClosed,
    SwarmReport,
    SwarmRetired,
    WantPieces,
)
from blobtorrent.core.swarm.outlets import KeptPiece
from blobtorrent.core.swarm.phases import Event
from blobtorrent.core.swarm.picker import Rng
from blobtorrent.core.swarm.pieces import Assembly
from blobtorrent.core.swarm.questions import question_handlers
from blobtorrent.core.swarm.retiring import Retirements
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.core.swarm.traffic import Traffic
from blobtorrent.core.swarm.treating import TREATMENTS, treat
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError, RemoteError
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.messages import Dial, DialFailed, DropLinks, PeerArrived, Serve, UseFilter, Withdraw
from blobtorrent.network.outbox import Buffer
from blobtorrent.network.sender import LinkBroken, LinkClosed, Sent
from blobtorrent.network.shard import Shard
from blobtorrent.protocol.wire.shape import Intake
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import Timer
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.cache import Reads, SpanCache
from blobtorrent.storage.computing import Compute, Computed
from blobtorrent.storage.jobs import (
    BlocksKept,
    BlocksSpilled,
    FullPiece,
    HashPieces,
    KeepBlocks,
    PieceVerdicts,
    ReadSpans,
    SpansRead,
    SpillBlocks,
    WritePieces,
)

if TYPE_CHECKING:
    from blobtorrent.core.swarm.metadatahost import MetadataHost
    from blobtorrent.core.swarm.seeddesk import SeedDesk

WANTED_AT_ONCE = 64                    # slots: nobody reserves more in one step


class MemoryFree:
    """The arena has slots again."""


@owned
class SwarmHost:
    """Implements network.handler.ShardHandler and core.swarm.swarm.Outlets."""

    def __init__(self, shard: Shard, arena: Arena, hash_job: Callable[[Any], None], disk_job: Callable[[Any], None],
                 door: Mailbox[Any], rng: Rng, clock: Clock | None = None,
                 open_seed_desk: Callable[[Mailbox[Any], Guard], SeedDesk] | None = None) -> None:
        """Without `open_seed_desk`, which is called when the first torrent has web seeds, nothing is read from them."""
        self._shard = shard
        self._arena = arena
        self._hash_job, self._disk_job = hash_job, disk_job
        self._door = door
        self._rng = rng
        self._clock: Clock = SystemClock() if clock is None else clock
        self._guard = Guard(self._on_bug)
        self._flow = FlowControl(shard.loop.timers.at, lambda: self.now, self._guard)
        self._retirements = Retirements(shard.loop.timers.at, lambda: self.now, self._guard)
        self.gate, self.traffic = Gate(), Traffic()
        self.reads = Reads()           # for uploads
        self._swarms: dict[InfoHash, Swarm] = {}
        self._links: dict[int, PeerLink] = {}              # also those whose sockets are being closed
        self._touched: dict[Swarm, None] = {}
        self._waiting: dict[Swarm, None] = {}              # for memory
        self._closers: dict[Swarm, Mailbox[Any]] = {}      # who waits for SwarmClosed
        self._failed: dict[Swarm, None] = {}               # closed because of a bug; the core has yet to say so
        self._metadata: MetadataHost | None = None         # made when the first torrent lacks its metadata
        self._open_seed_desk = open_seed_desk
        self._seed_desk: SeedDesk | None = None
        self._handlers: dict[type, Callable[[Any], None]] = {
            Sent: self._on_sent,
            PieceVerdicts: self._on_verdicts,
            SpansRead: self._on_read,
            BlocksSpilled: self._on_spilled,
            BlocksKept: self._on_kept,
            Computed: self._on_computed,
            MemoryFree: self._on_memory,
            PeerArrived: self._on_arrived,
            DialFailed: self._on_dial_failed,
            LinkBroken: self._on_broken,
            LinkClosed: self._on_closed,
            OpenSwarm: self._on_open,
            ChangeSwarm: self._on_change,
            WantPieces: self._on_want,
            LosePieces: self._on_lose,
            PeersFound: self._on_peers,
            **question_handlers(self._swarms, self._waiting),
            SetRates: self._flow.set_rates,
            UseFilter: self._on_filter,
            DropLinks: self._on_drop_links,
            **dict.fromkeys(TREATMENTS, self._on_treat),
            RetireSwarm: self._on_retire,
            CloseSwarm: self._on_close,
        }

    # ---- network.handler.ShardHandler

    def on_message(self, message: Any, now: float) -> None:
        handler = self._handlers.get(type(message)) or self._metadata_handler(type(message))
        swarm = self._swarms.get(getattr(message, "info_hash", None))  # type: ignore[arg-type]
        if swarm is None:
            handler(message)           # it is nobody's, or of several
        else:
            self._guard.run(swarm, handler, message)

    def _metadata_handler(self, kind: type) -> Callable[[Any], None]:
        from blobtorrent.core.swarm.metadatahost import MetadataHost

        if self._metadata is None:
            self._metadata = MetadataHost(self._shard, self._door, self._clock, self.gate)
            self._handlers.update(self._metadata.handlers)
        return self._handlers[kind]

    def on_pass(self, now: float) -> None:
        outgoing: list[tuple[int, list[Buffer], int, Any]] = []
        if self._metadata is not None:                     # first: of links that were taken over just now, too
            outgoing += self._metadata.take_outgoing()
        try:
            while self._touched:
                touched, self._touched = self._touched, {}
                for swarm in touched:
                    self._guard.run(swarm, self._flush, swarm, now)
                    outgoing += swarm.outgoing
                    swarm.outgoing.clear()
                    if swarm in self._closers and swarm.is_drained:
                        self._guard.run(swarm, self._end, swarm)
                self._flow.serve(now)
        finally:                       # what was decided holds memory until it is sent
            self._shard.end_pass(outgoing)

    def _flush(self, swarm: Swarm, now: float) -> None:
        if swarm in self._failed and swarm.is_open:
            self._drain(swarm)
        swarm.flush(now)
        if swarm.uploads.to_read:
            spans, swarm.uploads.to_read = swarm.uploads.to_read, []
            self._disk_job(ReadSpans(swarm.info_hash, swarm.order.store, spans, self._shard.mailbox))

    def _drain(self, swarm: Swarm) -> None:
        """Close it, though each of its links may fail to go as it should."""
        for _ in range(len(swarm.links) + 2):
            self._guard.run(swarm, swarm.drain)
            if not swarm.links:
                break

    def _on_bug(self, swarm: Swarm) -> None:
        """There is a bug in what a swarm does. It is closed before the pass ends, and waits for CloseSwarm."""
        is_gone = self._swarms.get(swarm.info_hash) is not swarm
        if is_gone or swarm in self._failed or swarm in self._closers:
            return
        swarm.order.report_to.post(swarm.make_report()._replace(
            error_code="bug.swarm", error_detail="a bug in the program; the log has the reason"))
        self._failed[swarm] = None
        self._retirements.end(swarm)
        self._door.post(Withdraw(swarm.info_hash))
        self.touch(swarm)

    def on_stop(self) -> None:
        self._links.clear()
        self._swarms.clear()

    # ---- core.swarm.swarm.Outlets

    @property
    def now(self) -> float:
        return self._shard.loop.now

    def touch(self, swarm: Swarm) -> None:
        self._touched[swarm] = None

    def wall(self) -> float:
        return self._clock.wall()

    def at(self, swarm: Swarm, deadline_s: float, callback: Callable[[], None]) -> Timer:
        return self._shard.loop.timers.at(deadline_s, partial(self._on_time, swarm, callback))

    def _on_time(self, swarm: Swarm, callback: Callable[[], None]) -> None:
        if self._swarms.get(swarm.info_hash) is swarm:
            self._guard.run(swarm, callback)

    def dial(self, swarm: Swarm, endpoint: Endpoint) -> None:
        self._door.post(Dial(
            endpoint, swarm.info_hash, swarm.order.peer_id, self._shard.mailbox,
            swarm.settings.dht_ports is not None, *swarm.peers.ways_to(endpoint)))

    def close_link(self, link: PeerLink) -> None:
        self._flow.lose(link)
        self._shard.close_link(link.number)

    def hash_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None:
        self._hash_job(HashPieces(swarm.info_hash, swarm.order.store, pieces, self._shard.mailbox))

    def write_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None:
        self._disk_job(WritePieces(swarm.info_hash, swarm.order.store, pieces, self._shard.mailbox))

    def spill(self, swarm: Swarm, assembly: Assembly) -> None:
        self._disk_job(SpillBlocks(swarm.info_hash, swarm.order.store, assembly.index, assembly.held_slots,
                                   self._shard.mailbox, assembly))

    def keep(self, swarm: Swarm, pieces: list[KeptPiece], token: Any) -> None:
        self._disk_job(KeepBlocks(swarm.info_hash, swarm.order.store, pieces, self._shard.mailbox, token))

    def compute(self, swarm: Swarm, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._hash_job(Compute(swarm.info_hash, work, then, self._shard.mailbox))

    def when_memory(self, swarm: Swarm) -> None:
        """Remember who waits, and make some swarm give memory up unless some comes free anyway."""
        if swarm in self._waiting:
            return
        self._waiting[swarm] = None
        capacity = self._arena.capacity
        some = max(capacity // 16, min(WANTED_AT_ONCE, capacity // 2))
        givers = [swarm, *self._swarms.values()]
        if self._arena.reserve(some, when_free=self._memory_is_free):
            self._arena.unreserve(some)
            givers = [swarm]           # there is memory, but its own open pieces hold too much of it
        elif any(other.uploads.drop_cached(some) for other in givers) and self._arena.reserved + some <= capacity:
            return                     # it calls back
        if not any(other.awaits_disk for other in givers):
            for other in givers:
                if self._guard.run(other, other.unfinished.spill):
                    return

    def memory_came(self, swarm: Swarm) -> None:
        self._waiting.pop(swarm, None)

    def report(self, swarm: Swarm, report: SwarmReport) -> None:
        if swarm not in self._failed:
            swarm.order.report_to.post(report)

    def fail(self, swarm: Swarm, error: Exception) -> None:
        self._guard.report(swarm, error)

    # ---- messages

    def _memory_is_free(self) -> None:
        self._shard.mailbox.post(MemoryFree())

    def _on_memory(self, _message: MemoryFree) -> None:
        for swarm in list(self._waiting):
            self._guard.run(swarm, swarm.refill)

    def _on_verdicts(self, message: PieceVerdicts) -> None:
        self._swarms[message.info_hash].completion.on_verdicts(message)

    def _on_read(self, message: SpansRead) -> None:
        self._swarms[message.info_hash].on_read(message)

    def _on_spilled(self, message: BlocksSpilled) -> None:
        self._swarms[message.info_hash].unfinished.on_spilled(message)

    def _on_kept(self, message: BlocksKept) -> None:
        self._swarms[message.info_hash].unfinished.on_kept(message)

    def _on_computed(self, message: Computed) -> None:
        message.then(message.result)

    def _on_peers(self, message: PeersFound) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            swarm.on_peers(message)
        elif self._metadata is not None:
            self._metadata.on_peers(message)

    def _on_change(self, message: ChangeSwarm) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            swarm.change(message)
            self._add_web_seeds(swarm)
            self._flow.change(swarm)

    def _on_filter(self, message: UseFilter) -> None:
        """Links that the new filter refuses end now; addresses that are known are asked about when they are dialled."""
        self.gate.use(message.address_filter)
        for link in [link for link in self._links.values() if link.closing is None]:
            if link.swarm.peers.refuses(link.endpoint):
                self._lose(link, PeerError("peer.filtered", "a filter list covers the peer's address"))
        if self._metadata is not None:
            self._metadata.drop_filtered()

    def _on_drop_links(self, message: DropLinks) -> None:
        gone = NetworkError("net.interface-gone", "our address of this connection is gone")
        for link in [link for link in self._links.values() if link.closing is None]:
            if self._shard.own_host(link.number) in message.hosts:
                self._lose(link, gone)
        if self._metadata is not None:
            self._metadata.drop_links(message.hosts, gone)

    def _on_treat(self, message: Any) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            treat(swarm, message)

    def _on_want(self, message: WantPieces) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            swarm.want(message)

    def _on_lose(self, message: LosePieces) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            swarm.losses += 1
            swarm.lose_pieces(message.mask)

    def _add_web_seeds(self, swarm: Swarm) -> None:
        """Have a swarm read from its web seeds, if it has any and may."""
        is_wanted = swarm.order.metainfo.web_seeds and swarm.settings.web_seeds != "off"
        if not is_wanted or swarm.web_seeds is not None or self._open_seed_desk is None:
            return
        from blobtorrent.core.swarm.webseeds import WebSeeds

        if self._seed_desk is None:
            self._seed_desk = self._open_seed_desk(self._shard.mailbox, self._guard)
            self._handlers.update(self._seed_desk.handlers)
        swarm.web_seeds = WebSeeds(swarm, self._seed_desk, self._rng)
        self._flow.meter_web_seeds(swarm)
        swarm.pulse.hurry()

    # ---- links

    def _on_sent(self, message: Sent) -> None:
        for number, token in message.done:
            link = self._links[number]
            self._guard.run(link.swarm, link.swarm.on_sent, link, token)

    def _on_arrived(self, message: PeerArrived) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is None:
            if self._metadata is not None:
                self._metadata.on_arrived(message)
            else:
                message.sock.close()
            return
        refusal = swarm.refusal(message.endpoint, message.greeting.peer_id, is_incoming=message.is_incoming)
        if refusal is not None:
            message.sock.close()
            if not message.is_incoming:
                swarm.on_dial_refused(message.endpoint, message.greeting.peer_id, refusal)
            return
        number = self._shard.open_link(message.sock, message.obfuscation)
        link = PeerLink.of(swarm, number, message, self.now)
        link.intake = Intake(link, link.new_decoder(), self._shard.scatter)
        self._links[number] = link
        self._shard.attach(number, link)
        swarm.admit(link)
        self._flow.admit(link)
        if message.early:
            try:
                link.intake.feed(message.early)
            except RemoteError as error:
                swarm.lose(link, error)

    def _on_dial_failed(self, message: DialFailed) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            swarm.on_dial_failed(message.endpoint, NetworkError(message.code, message.detail))
        elif self._metadata is not None:
            self._metadata.on_dial_failed(message)

    def _on_broken(self, message: LinkBroken) -> None:
        link = self._links.get(message.link)
        if link is not None:
            self._lose(link, NetworkError(message.code, message.detail))
        elif self._metadata is not None:
            self._metadata.on_broken(message)

    def _lose(self, link: PeerLink, error: BlobTorrentError) -> None:
        self._guard.run(link.swarm, link.swarm.lose, link, error)

    def _on_closed(self, message: LinkClosed) -> None:
        if self._metadata is not None and self._metadata.on_closed(message.link):
            return
        link = self._links.pop(message.link)
        self._guard.run(link.swarm, link.swarm.on_link_closed, link, message.tokens, message.sent_bytes)
        del link.intake                # which knows the link: together they would wait for a collection
        self.touch(link.swarm)

    # ---- swarms

    def _on_open(self, order: OpenSwarm) -> None:
        swarm = Swarm(order, self._arena, SpanCache(self.reads), self, self._rng)
        swarm.peers.gate, swarm.traffic = self.gate, self.traffic
        self._swarms[order.info_hash] = swarm
        self._flow.add(swarm)
        self._add_web_seeds(swarm)
        self._door.post(Serve(
            order.info_hash, order.peer_id, self._shard.mailbox, has_dht=order.settings.dht_ports is not None))
        self._guard.run(swarm, self._start, swarm)

    def _start(self, swarm: Swarm) -> None:
        """With the links that brought its metadata, if any did. What their peers have said is heard now."""
        if self._metadata is None:
            swarm.start()
            return
        known, brought = self._metadata.hand_over(swarm.info_hash, swarm.settings.max_links)
        if known is not None:
            swarm.peers = known        # with dials that are under way, and who is banned
        links = [PeerLink.of(swarm, old.number, old, self.now) for old in brought]
        for link, old in zip(links, brought):
            link.intake = old.intake
            link.intake.hand_to(link)
            self._links[link.number] = link
            self._shard.reattach(link.number, link)
        swarm.start(links)
        for link, old in zip(links, brought):
            self._flow.admit(link)
            try:
                swarm.on_messages(link, old.messages(swarm.geometry.num_pieces))
            except RemoteError as error:
                swarm.lose(link, error)

    def _on_retire(self, message: RetireSwarm) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is None or not swarm.is_open:
            message.reply_to.post(SwarmRetired(message.info_hash, 0, is_complete=True))
        else:
            self._retirements.begin(swarm, message)

    def _on_close(self, message: CloseSwarm) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is None or swarm in self._closers:
            return
        self._closers[swarm] = message.reply_to
        self.touch(swarm)
        if swarm.is_open:
            self._retirements.end(swarm)
            self._door.post(Withdraw(message.info_hash))
            self._drain(swarm)

    def _end(self, swarm: Swarm) -> None:
        """The last job came back and the last socket is closed."""
        swarm.uploads.close()
        swarm.machine.fire(Event.DRAINED)
        del self._swarms[swarm.info_hash]
        self._flow.remove(swarm)
        self._waiting.pop(swarm, None)
        self._failed.pop(swarm, None)
        self._closers.pop(swarm).post(SwarmClosed(swarm.info_hash, swarm.make_report()))
        self._touched.pop(swarm, None)
        if swarm.web_seeds is None:    # else answers of theirs may come yet
            _take_apart(swarm)


def _take_apart(swarm: Swarm) -> None:
    """Nobody comes to it any more. It and its parts know each other: as they are they would wait for a collection."""
    info_hash = swarm.info_hash
    for part in (swarm.talk, swarm.requests, swarm):
        vars(part).clear()
    swarm.info_hash = info_hash        # by which a late timer sees that it is gone
