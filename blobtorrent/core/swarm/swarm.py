"""Swarm: the live side of one torrent. Wires its managers together; runs on its shard's receive thread.

It is told of messages, finished pieces, verdicts of the disk and the time, and leaves what it decided in lists that the
host collects once a pass. No locks, no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.choker import ChokeManager
from blobtorrent.core.swarm.company import dial_failed, dial_refused, judge, refusal_by
from blobtorrent.core.swarm.completion import Completion
from blobtorrent.core.swarm.downloadslots import DownloadSlots
from blobtorrent.core.swarm.given import Departed
from blobtorrent.core.swarm.haves import Haves
from blobtorrent.core.swarm.link import PeerLink, RateMeter
from blobtorrent.core.swarm.messages import (
    ChangeSwarm,
    KnownAddress,
    OpenSwarm,
    PeersFound,
    SwarmReport,
    WantPieces,
)
from blobtorrent.core.swarm.offering import exchange_of, offer_exchange, offer_punching
from blobtorrent.core.swarm.outlets import Outlets
from blobtorrent.core.swarm.peers import OF_PRIVATE, PeerManager
from blobtorrent.core.swarm.phases import SWARM, Event, State
from blobtorrent.core.swarm.picker import Picker, Rng
from blobtorrent.core.swarm.pieces import Assembly, PieceManager
from blobtorrent.core.swarm.pulse import Pulse
from blobtorrent.core.swarm.report import Reporter
from blobtorrent.core.swarm.requests import RequestManager
from blobtorrent.core.swarm.shedding import gives_way, least_useful
from blobtorrent.core.swarm.standing import complete, on_other_wants, show_pieces
from blobtorrent.core.swarm.talk import Talk
from blobtorrent.core.swarm.tallies import Tallies
from blobtorrent.core.swarm.traffic import Traffic
from blobtorrent.core.swarm.unfinished import UnfinishedPieces
from blobtorrent.core.swarm.uploads import Batch, SpanKey, UploadManager
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError, StorageError, bare
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.ids import PeerId
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire.extended import UT_METADATA, UT_PEX, ExtendedHandshake
from blobtorrent.runtime.machine import Machine
from blobtorrent.runtime.ownership import owned
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.cache import SpanCache
from blobtorrent.storage.jobs import SpansRead

if TYPE_CHECKING:
    from blobtorrent.core.swarm.exchange import Exchange
    from blobtorrent.core.swarm.metadataserving import MetadataServer
    from blobtorrent.core.swarm.punching import Punching
    from blobtorrent.core.swarm.superseeding import SuperSeeding
    from blobtorrent.core.swarm.webseeds import WebSeeds



@owned
class Swarm:
    """One torrent's links, pieces and peers."""

    def __init__(self, order: OpenSwarm, arena: Arena, cache: SpanCache[SpanKey], outlets: Outlets, rng: Rng) -> None:
        self.info_hash = order.info_hash
        self.order = order
        self.settings = order.settings
        self.geometry = order.metainfo.geometry
        self.memory = arena
        self.rng = rng
        self._outlets = outlets
        self.on_bug = partial(outlets.fail, self)          # for links
        self.machine: Machine[State, Event] = Machine(SWARM, on_change=self._on_state)

        self.pieces = PieceManager(self.geometry, order.have, order.skipped)
        self.all_mask = self.pieces.all_mask
        self.availability = Availability(self.geometry.num_pieces)
        self.links: dict[PeerLink, None] = {}
        self.picker = Picker(self.pieces, self.availability, rng, weights=order.settings.weights,
                             files=order.metainfo.files, links=self.links)
        self.picker.prefer(order.priorities)
        self.requests = RequestManager(self.pieces, self.picker, arena, self.relieve, self.wait_for_memory,
                                       lambda delay_s, call: outlets.at(self, self.now + delay_s, call))
        self.uploads = UploadManager(self.pieces, arena, cache, order.settings.preload)
        self.choker = ChokeManager(
            order.settings.slots, order.settings.choke_interval_s, rng, most_slots=order.settings.most_slots,
            seed_mode=order.settings.seed_mode, piece_bytes=self.geometry.piece_length,
            is_private=order.metainfo.is_private)
        self.download_slots = DownloadSlots(order.settings.asked_at_once)
        self.peers = PeerManager()
        self.talk = Talk(self, outlets)
        self.haves = Haves(self, outlets)
        self.completion = Completion(self, outlets)
        self.unfinished = UnfinishedPieces(self, outlets)
        self.pulse = Pulse(self, outlets)
        self.exchange: Exchange | None = None
        self.punching: Punching | None = None
        self.super_seeding: SuperSeeding | None = None     # while it is a seed that does not look like one
        self._reporter = Reporter(self, outlets)
        self._metadata: MetadataServer | None = None       # made when a peer asks for some

        self.web_seeds: WebSeeds | None = None             # the host makes it where there are any
        self.finished: list[Assembly] = []                 # all blocks are here
        self.active: dict[PeerLink, None] = {}             # got blocks in this pass
        self.to_flush: dict[PeerLink, None] = {}           # have small messages to send
        self.outgoing: list[tuple[int, list[Buffer], int, Any]] = []
        self._closing = 0              # links whose sockets are not closed yet
        self.error: StorageError | None = None
        self.downloaded = RateMeter(order.totals.downloaded)
        self.uploaded = RateMeter(order.totals.uploaded)
        self.wasted = RateMeter(order.totals.wasted)       # duplicates, unasked, spoiled
        self.live = order.live
        self._tallies = Tallies(order.live, order.totals, arena.capacity) if order.live is not None else None
        self.spoiled_pieces = 0
        self.rules_broken: Counter[str] = Counter()        # links that ended for that, by the code of the error
        self.departed = Departed()
        self.traffic = Traffic()       # the host puts that of its shard here
        self.losses = 0                # times that the session told of pieces that are gone

    @property
    def now(self) -> float:
        return self._outlets.now

    # ---- life

    @property
    def own_id(self) -> PeerId:
        return self.order.peer_id

    def start(self, brought: Iterable[PeerLink] = ()) -> None:
        """Begin, with the links that brought the metadata."""
        offer_exchange(self)
        offer_punching(self, self._outlets)
        if not self.order.metainfo.is_private:             # else it is nobody's business but the tracker's
            self.talk.metadata_size = len(self.order.metainfo.raw_info)
            self.talk.offer(UT_METADATA, self._serve_metadata)
        self.machine.fire(Event.COMPLETE if self.pieces.is_complete else Event.START)
        show_pieces(self)
        self.unfinished.restore(self.order.partial)
        self.peers.restore(self.order.peers, self.now)
        for link in brought:
            self._adopt(link)
        self.dial()
        if self.web_seeds is not None:
            self.web_seeds.fill()
        self.pulse.schedule()
        self.wake()

    def change(self, order: ChangeSwarm) -> None:
        old, settings = self.settings, order.settings
        self.settings = settings
        self.choker.slots, self.choker.interval_s = settings.slots, settings.choke_interval_s
        self.choker.most_slots, self.choker.seed_mode = settings.most_slots, settings.seed_mode
        self.picker.weights = settings.weights
        self.uploads.preload = settings.preload
        for link in least_useful(self.links, len(self.links) - settings.max_links, settings.own_hosts):
            self.lose(link, NetworkError("net.too-many", "other torrents need the connection"))
        if (settings.may_download, settings.web_seeds) != (old.may_download, old.web_seeds):
            on_other_wants(self)
        if settings.listen_port != old.listen_port and settings.listen_port:
            self.talk.say_again(ExtendedHandshake(port=settings.listen_port))
        if settings.exchanges_peers != old.exchanges_peers:
            offer_exchange(self)
        if settings.punches_holes != old.punches_holes:
            offer_punching(self, self._outlets)
        if settings.super_seeding != old.super_seeding:
            show_pieces(self)
        self.download_slots.apply(settings.asked_at_once)
        if settings.slots != old.slots:
            if not settings.upload_slots:
                for link in self.links:
                    self.uploads.deny(link)
            self.pulse.choke_round(self.now)
            self.wake()
        self.pulse.hurry()

    def drain(self) -> None:
        """Close: links go now, what the disk has in hand is finished. One that failed on the way may be told again."""
        if self.is_open:
            self.machine.fire(Event.CLOSE)
        for link in list(self.links):
            self.lose(link, NetworkError("net.closing", "the torrent is being closed"))
        if self.web_seeds is not None:
            self.web_seeds.close()
        self.completion.give_up()
        self.unfinished.give_up()
        self.uploads.close()

    @property
    def is_drained(self) -> bool:
        return not (self.awaits_disk or self.awaits_sockets) and self.uploads.is_idle and self.talk.is_idle

    @property
    def awaits_sockets(self) -> bool:
        """Links have ended of which it is not known yet what was sent on them."""
        return self._closing > 0

    @property
    def awaits_disk(self) -> bool:
        """Pieces are with the hasher or the disk: memory comes free without doing anything."""
        return not (self.completion.is_idle and self.unfinished.is_idle)

    @property
    def is_open(self) -> bool:
        return self.machine.state not in (State.DRAINING, State.CLOSED)

    @property
    def is_seeding(self) -> bool:
        """It has all that is wanted of it."""
        return self.machine.state is State.SEEDING

    def _on_state(self, old: State, _event: Event, new: State) -> None:
        if State.SEEDING in (old, new) and self.is_open:
            self.talk.say_again(ExtendedHandshake(is_upload_only=self.is_seeding))
        if old is not new:
            self.report()

    def report(self) -> None:
        self._reporter.tell()

    def make_report(self) -> SwarmReport:
        return self._reporter.make()

    # ---- peer exchange

    def on_hello(self, link: PeerLink) -> None:
        """A peer has said which extensions it takes."""
        if link.extended.ids.get(UT_PEX) and self.talk.offers(UT_PEX):
            exchange_of(self).meet(link)

    # ---- links

    def admit(self, link: PeerLink) -> None:
        """A greeted peer joins."""
        self.links[link] = None
        link.is_suspect = self.completion.is_doubted(link.endpoint, link.greeting.peer_id)
        if not link.is_encrypted:
            self.peers.met_in_plain()
        if not link.is_incoming:
            self.peers.dialled(link.endpoint)
            self.peers.linked(link.endpoint, by_utp=link.transport == "utp")
            self.dial()                # at once while dials succeed; those that fail wait for the next second
        self._share()
        self.pulse.hurry()
        self.talk.greet(link)

    def _adopt(self, link: PeerLink) -> None:
        """A peer that brought the metadata stays; whoever dialled it has counted that."""
        self.links[link] = None
        self._share()
        self.talk.greet_again(link)

    def _share(self) -> None:
        self.requests.share_among(len(self.links))
        self.uploads.share_among(len(self.links))

    def refusal(self, endpoint: Endpoint, peer_id: PeerId, *, is_incoming: bool) -> PeerError | None:
        return refusal_by(self, endpoint, peer_id, is_incoming=is_incoming)

    @property
    def is_mostly_called(self) -> bool:
        """More than half of the places are taken by peers that dialled us."""
        return 2 * sum(link.is_incoming for link in self.links) > self.settings.max_links

    def has_room_for(self, endpoint: Endpoint, *, is_incoming: bool) -> bool:
        """While there is none, who is of least use may give way. Those who dial us take more than half of the places
        only as far as nobody is being dialled."""
        if is_incoming and self.is_mostly_called and len(self.links) + self.peers.dialing >= self.settings.max_links:
            return False
        if len(self.links) >= self.settings.max_links:
            loser = gives_way(self.links, endpoint, self.settings.own_hosts, self.now)
            if loser is not None:
                self.lose(loser, NetworkError("net.too-many", "another peer has a better claim to the connection"))
        return len(self.links) < self.settings.max_links

    def lose(self, link: PeerLink, error: BlobTorrentError) -> None:
        """A link ends, whoever is to blame."""
        if link not in self.links:
            return
        del self.links[link]
        self.departed.add(link.greeting.peer_id, link.mask, link.given)
        self._share()
        link.closing = bare(error)     # else it would keep alive all that came with the last read
        link.intake.close()
        try:
            self._forget(link)
        finally:                       # whatever may be wrong with the books, its socket is closed
            self._closing += 1
            self._outlets.close_link(link)
        if self.exchange is not None:
            self.exchange.left(link, error)
        judge(self, link, error, self._outlets.wall())
        self.refill()

    def _forget(self, link: PeerLink) -> None:
        """Strike it out of all books."""
        self.requests.abandon_arriving(link)
        self.requests.take_back(link)
        for assembly in self.pieces.open.values():
            assembly.forget(link)
        self.uploads.forget(link)
        self.traffic.add(link.transport, link.down.fresh, link.up.fresh)
        self.download_slots.leave(link)
        if self._metadata is not None:
            self._metadata.forget(link)
        if self.super_seeding is not None:
            self.super_seeding.leave(link)
        if link.is_seed:
            self.availability.seeds -= 1
        else:
            self.availability.remove(link.mask)
        self.active.pop(link, None)
        self.to_flush.pop(link, None)
        link.state.close()

    def on_sent(self, link: PeerLink, token: Batch) -> None:
        """A batch of blocks is with the kernel."""
        self.uploads.on_sent(link, token)
        if self.super_seeding is not None and link.closing is None:
            self.super_seeding.on_sent(link)
        self.uploaded.add(token[1])
        self.wake()

    def on_link_closed(self, link: PeerLink, tokens: list[Batch], sent_bytes: int) -> None:
        """A socket is closed; what was never sent is free again. Of the first batch `sent_bytes` went out."""
        self._closing -= 1
        if sent_bytes:
            self.uploaded.add(self.uploads.on_part_sent(link, tokens[0], sent_bytes))
        self.departed.mask |= link.given.mask              # the send thread has told all by now
        for token in tokens:
            self.uploads.on_dropped(token)

    def on_peers(self, message: PeersFound) -> None:
        if self.order.metainfo.is_private and message.source not in OF_PRIVATE:
            return
        self.peers.found(message.endpoints, message.source, self.now, tracker=message.tracker)
        self.dial()
        self.pulse.hurry()

    def peers_to_keep(self) -> tuple[KnownAddress, ...]:
        """Whom to dial first in the next run."""
        connected = {endpoint: link.down.total for link in self.links if (endpoint := link.listening_at) is not None}
        return self.peers.kept(connected, self._outlets.wall(), seeding=self.is_seeding)

    def on_dial_failed(self, endpoint: Endpoint, error: BlobTorrentError | None) -> None:
        """A dial led to nobody."""
        dial_failed(self, endpoint, error)
        if self.punching is not None:
            self.punching.on_dial_failed(endpoint, error)
        self.pulse.hurry()

    def on_dial_refused(self, endpoint: Endpoint, peer_id: PeerId, refusal: PeerError) -> None:
        """A dial led to a peer that may not join."""
        dial_refused(self, endpoint, peer_id, refusal)
        self.pulse.hurry()

    def dial(self) -> None:
        """Try more peers, as far as there is room."""
        if self.is_open:
            room = self.settings.max_links - len(self.links) - self.peers.dialing
            for endpoint in self.peers.to_dial(room, self.now, seeding=self.is_seeding):
                self._outlets.dial(self, endpoint)

    def on_messages(self, link: PeerLink, messages: list[Any]) -> None:
        self.talk.on_messages(link, messages)

    def _serve_metadata(self, link: PeerLink, payload: bytes) -> None:
        """A message of `ut_metadata`. Most swarms never see one: the module for it is loaded by those that do."""
        if self._metadata is None:
            from blobtorrent.core.swarm.metadataserving import MetadataServer

            self._metadata = MetadataServer(self)
        self._metadata.on_message(link, payload)

    # ---- what links tell while they are read

    def on_progress(self, link: PeerLink, count: int, surplus: int) -> None:
        """`count` bytes of blocks came; `surplus` of the blocks were here already."""
        self.active[link] = None
        self.downloaded.add(count)
        if surplus:
            self.memory.unreserve(surplus)
            self.requests.endgame.came_twice += surplus
            self.on_waste(surplus * BLOCK_SIZE)
        self.wake()

    def on_waste(self, count: int) -> None:
        self.wasted.add(count)

    # ---- once a pass

    def flush(self, now: float) -> None:
        """All that was ready has been read: hand on what is complete, ask for more, collect what is to be sent."""
        if self.finished:
            self.completion.hash_finished()
        if self.active:
            for link in self.active:
                link.last_block_at = link.last_heard_at = now
                link.snubbed = False
                self.fill(link)
            self.active.clear()
        for link in self.to_flush:
            self.haves.tell(link)
            link.last_sent_at = now
            link.flush()
        self.to_flush.clear()
        if self.uploads.hungry:
            self.wait_for_memory()
        if self._tallies is not None:
            self._tallies.follow(self.downloaded.total, self.uploaded.total, self.wasted.total)

    def fill(self, link: PeerLink) -> None:
        if not self.may_ask(link):
            self.requests.hungry.pop(link, None)
            self.download_slots.leave(link)
        elif self.download_slots.take(link):
            self.requests.fill(link, self.now)

    def may_ask(self, link: PeerLink) -> bool:
        """Whether the peer would answer, and we could do with it."""
        is_leeching = self.machine.state in (State.NORMAL, State.ENDGAME)
        return is_leeching and link.state.am_interested and bool(link.askable)

    def refill(self) -> None:
        """Something came free: links that waited may ask again, and be served."""
        self._outlets.memory_came(self)
        self.uploads.serve_hungry()
        if self.requests.hungry and self.is_open:
            for link in list(self.requests.hungry):
                self.fill(link)
                if link in self.requests.hungry:
                    break              # nothing for this one yet, and it queues again behind the others
        if self.web_seeds is not None:
            self.web_seeds.fill()
        self.wake()

    def wake(self) -> None:
        """Have this pass flush what was decided."""
        self._outlets.touch(self)

    def on_read(self, message: SpansRead) -> None:
        """Spans for uploads are here, or cannot be read: then the pieces are lost and fetched again."""
        for link in self.uploads.on_read(message.spans, message.failed):
            self.lose(link, NetworkError("storage.unreadable", "what the peer asked for cannot be read"))
        if message.failed and self.is_open:
            self.error = message.error
            mask = 0
            for span in message.failed:
                mask |= 1 << span.index
            self.lose_pieces(mask)
        self.wake()

    def relieve(self) -> bool:
        """Promises have run out. Cached reads go at once; else wait, and let the host see that something comes free."""
        if self.uploads.drop_cached(64):
            return True
        self.wait_for_memory()
        return False

    def wait_for_memory(self) -> None:
        """Have refill() called when there is more, and let the host see to it that there will be."""
        self._outlets.when_memory(self)

    # ---- other pieces

    def want(self, message: WantPieces) -> None:
        """Other pieces are skipped or preferred from now on."""
        self.pieces.want_all_but(message.skipped)
        self.picker.prefer(message.priorities)
        self.unfinished.drop_skipped()
        on_other_wants(self)

    def lose_pieces(self, mask: int) -> None:
        """Pieces are not on disk after all. Peers that may ask for them are to hear what we have from the start."""
        lost = self.pieces.lose(mask)
        self.pieces.log.note_mask(lost, self.now, "missing", "it is not on disk after all")
        for link in list(self.links):
            if lost & ~link.mask:
                self.lose(link, NetworkError("net.lost-pieces", "we do not have what we told the peer of"))
        on_other_wants(self)

    def on_new_pieces(self, indices: list[int]) -> None:
        """These are verified and on disk: tell everybody, soon."""
        self.haves.add(indices)
        if self.pieces.is_complete and self.is_open and not self.is_seeding:
            complete(self)
        else:
            self.haves.soon()
