"""Whole swarms in one thread: the product's hosts, swarms and links on simulated sockets, disks and time.

Every step of a node ends with an audit of its memory and requests, so a lost slot or block is found where it happens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blobtorrent.core.swarm.host import SwarmHost
from blobtorrent.core.swarm.messages import (
    CloseSwarm,
    KnownAddress,
    OpenSwarm,
    PeersFound,
    PeersKept,
    PeerSource,
    SwarmClosed,
    SwarmReport,
    SwarmSettings,
    Totals,
)
from blobtorrent.core.swarm.metadatamessages import (
    LayersFound,
    MetadataFailed,
    MetadataFound,
    MetadataReport,
    OpenMetadata,
)
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.messages import Dial, DialFailed, PeerArrived, Serve, Withdraw
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from tests.support.accounts import audit
from tests.support.simdisk import SimDisk, SimStore
from tests.support.simnet import SCATTER_UNITS, SimShard, SimSocket, socket_pair
from tests.support.simpeers import DeafLeech, Manners, ScriptedSeed
from tests.support.simseeds import SimSeeds
from tests.support.stored import StoredTorrent

STEP_S = 0.05


class Node:
    """One engine: a host with its arena, disk and shard."""

    def __init__(self, world: World, endpoint: Endpoint, slots: int) -> None:
        self.world = world
        self.endpoint = endpoint
        self.rng = random.Random(world.rng.random())
        self.arena = Arena(slots * SLOT_SIZE, scratch_slots=SCATTER_UNITS)
        self.disk = SimDisk(self.arena)
        self.shard = SimShard(self.arena)
        self.door: Mailbox[Any] = Mailbox("door")
        self.reports: Mailbox[Any] = Mailbox("reports")
        self.seeds = SimSeeds(self.arena, self.rng)
        self.host = SwarmHost(
            self.shard, self.arena, self.disk.post, self.disk.post, self.door, self.rng, FakeClock(),  # type: ignore[arg-type]
            self.seeds.open_desk)
        self.served: dict[InfoHash, PeerId] = {}
        self.stores: dict[InfoHash, SimStore] = {}
        self.latest: dict[InfoHash, SwarmReport] = {}
        self.closed: list[SwarmClosed] = []
        self.peers_kept: dict[InfoHash, tuple[KnownAddress, ...]] = {}
        self.metadata: dict[InfoHash, MetadataFound] = {}
        self.layers: dict[InfoHash, dict[bytes, bytes]] = {}
        self.failed: set[InfoHash] = set()                 # of those whose metadata was sought
        self._closing: set[InfoHash] = set()

    def ask_what_it_is(self, torrent: StoredTorrent, *, max_links: int = 50) -> None:
        """Fetch the metadata, as for a magnet link; `open` takes it from there."""
        self.shard.mailbox.post(OpenMetadata(
            torrent.metainfo.info_hash, PeerId(b"-BT0000-" + self.rng.randbytes(12)), self.reports, max_links))

    def ask_its_layers(self, torrent: StoredTorrent) -> None:
        """Fetch the piece layers of a v2 torrent whose metadata is known."""
        metainfo = torrent.metainfo
        self.shard.mailbox.post(OpenMetadata(
            metainfo.info_hash, PeerId(b"-BT0000-" + self.rng.randbytes(12)), self.reports, 50,
            metainfo=metainfo._replace(piece_layers={})))

    def open(
        self, torrent: StoredTorrent, *, have: bool = False, order: Mapping[str, Any] = {}, **settings: Any
    ) -> None:
        """Join a swarm, with everything or with nothing. `order` are other fields of OpenSwarm."""
        num_pieces = torrent.geometry.num_pieces
        info_hash = torrent.metainfo.info_hash
        store = self.stores[info_hash] = SimStore(torrent, have)
        self.shard.mailbox.post(OpenSwarm(
            info_hash, torrent.metainfo, store, Bitfield.full(num_pieces) if have else Bitfield(num_pieces),  # type: ignore[arg-type]
            PeerId(b"-BT0000-" + self.rng.randbytes(12)), SwarmSettings(**settings), self.reports, **order,
        ))

    def reopen(self, torrent: StoredTorrent, order: Mapping[str, Any] = {}, **settings: Any) -> None:
        """Join a swarm again that was closed, with the files, the unfinished pieces, totals and peers that it left."""
        info_hash = torrent.metainfo.info_hash
        (closed,) = [message for message in self.closed if message.info_hash == info_hash]
        self.closed.remove(closed)
        self._closing.discard(info_hash)
        report, store = closed.report, self.stores[info_hash]
        self.shard.mailbox.post(OpenSwarm(
            info_hash, torrent.metainfo, store,  # type: ignore[arg-type]
            Bitfield.from_wire(report.have_wire, torrent.geometry.num_pieces),
            PeerId(b"-BT0000-" + self.rng.randbytes(12)), SwarmSettings(**settings), self.reports, **{
                "partial": {index: tuple(sorted(blocks)) for index, blocks in store.parts.blocks.items()},
                "totals": Totals(report.downloaded_bytes, report.uploaded_bytes, report.wasted_bytes),
                "peers": self.peers_kept.get(info_hash, ()),
                **order,
            }))

    def find(self, torrent: StoredTorrent, endpoints: Iterable[Endpoint]) -> None:
        """Tell of peers, as a tracker would."""
        self.shard.mailbox.post(PeersFound(torrent.metainfo.info_hash, tuple(endpoints), PeerSource.TRACKER))

    def tell(self, message: Any) -> None:
        """What the core says."""
        self.shard.mailbox.post(message)

    def close(self, torrent: StoredTorrent) -> None:
        self._closing.add(torrent.metainfo.info_hash)
        self.shard.mailbox.post(CloseSwarm(torrent.metainfo.info_hash, self.reports))

    def swarm(self, torrent: StoredTorrent) -> Swarm:
        return self.host._swarms[torrent.metainfo.info_hash]

    def has_all(self, torrent: StoredTorrent) -> bool:
        """Everything is verified, and the bytes are right."""
        report = self.latest.get(torrent.metainfo.info_hash)
        if report is None or report.left_bytes:
            return False
        assert self.stores[torrent.metainfo.info_hash].content == torrent.content
        return True

    def step(self, now: float) -> None:
        """One pass, in the order of runtime.loop."""
        shard = self.shard
        shard.loop.now = now
        self.disk.run(now)
        self.seeds.run(now)
        shard.receive()
        while shard.mailbox.depth:
            for message in shard.mailbox.drain():
                self.host.on_message(message, now)
        shard.loop.timers.expire(now)
        self.host.on_pass(now)
        shard.transmit()
        self._answer_door()
        for message in self.reports.drain():
            if isinstance(message, SwarmClosed):
                self.closed.append(message)
            elif isinstance(message, PeersKept):
                self.peers_kept[message.info_hash] = message.peers
            elif isinstance(message, MetadataFound):
                self.metadata[message.info_hash] = message
            elif isinstance(message, LayersFound):
                self.layers.setdefault(message.info_hash, {}).update(message.layers)
            elif isinstance(message, MetadataFailed):
                self.failed.add(message.info_hash)
            elif not isinstance(message, MetadataReport):
                self.latest[message.info_hash] = message
        if not self._closing:
            audit(self.arena, len(shard.scatter.slots), list(self.host._swarms.values()), self.disk.reading)

    def _answer_door(self) -> None:
        for message in self.door.drain():
            match message:
                case Serve():
                    self.served[message.info_hash] = message.peer_id
                case Withdraw():
                    del self.served[message.info_hash]
                case Dial():
                    self.world.connect(self, message)

    def assert_empty(self) -> None:
        """All swarms are closed, and every slot and promise is back."""
        assert len(self.closed) == len(self.stores), "a swarm did not close"
        assert self.arena.reserved == 0
        assert self.arena.free == len(self.arena.views) - len(self.shard.scatter.slots)
        assert not any(store.parts.blocks for store in self.stores.values()), "spilled blocks were left behind"


class World:
    """Time, and everybody who can be dialled."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = 0.0
        self.nodes: list[Node] = []
        self.peers: dict[Endpoint, ScriptedSeed | DeafLeech] = {}
        self._hosts = iter(range(1, 1 << 16))

    def _endpoint(self) -> Endpoint:
        number = next(self._hosts)
        return Endpoint(f"10.0.{number >> 8}.{number & 255}", 6881)

    def node(self, slots: int = 1024) -> Node:
        node = Node(self, self._endpoint(), slots)
        self.nodes.append(node)
        return node

    def seed_peer(self, torrent: StoredTorrent, manners: Manners | None = None) -> ScriptedSeed:
        peer = ScriptedSeed(torrent, self._endpoint(), manners or Manners(), random.Random(self.rng.random()))
        self.peers[peer.endpoint] = peer
        return peer

    def add_peer(self, peer: ScriptedSeed, dials: Node | None = None) -> None:
        """Somebody who can be dialled from now on, and who dials `dials` itself."""
        self.peers[peer.endpoint] = peer
        if dials is not None:
            ours, theirs = socket_pair(self.rng)
            peer.accept(theirs)
            self._arrive(dials, peer.torrent.metainfo.info_hash, ours, peer.endpoint, peer.greeting, is_incoming=True)

    def deaf_leech(self, torrent: StoredTorrent, node: Node) -> DeafLeech:
        """A leech that dials `node` by itself."""
        peer = DeafLeech(torrent, self._endpoint(), self.rng)
        self.peers[peer.endpoint] = peer
        ours, theirs = socket_pair(self.rng)
        peer.begin(theirs)
        self._arrive(node, torrent.metainfo.info_hash, ours, peer.endpoint, peer.greeting, is_incoming=True)
        return peer

    def connect(self, dialler: Node, dial: Dial) -> None:
        """What a door does for a dial."""
        ours, theirs = socket_pair(self.rng)
        peer = self.peers.get(dial.endpoint)
        if isinstance(peer, ScriptedSeed) and not peer.is_gone:
            greeting = peer.greeting
            peer.accept(theirs)
        else:
            target = next((node for node in self.nodes if node.endpoint == dial.endpoint), None)
            if target is None or dial.info_hash not in target.served:
                dial.reply_to.post(DialFailed(dial.info_hash, dial.endpoint, "net.refused", "nobody there"))
                return
            wire_hash = dial.info_hash.wire_forms[0]
            greeting = Greeting(OUR_RESERVED, wire_hash, target.served[dial.info_hash])
            own = Greeting(OUR_RESERVED, wire_hash, dial.peer_id)
            self._arrive(target, dial.info_hash, theirs, dialler.endpoint, own, is_incoming=True)
        self._arrive(dialler, dial.info_hash, ours, dial.endpoint, greeting, is_incoming=False)

    def _arrive(self, node: Node, info_hash: InfoHash, sock: SimSocket, endpoint: Endpoint, greeting: Greeting, *,
                is_incoming: bool) -> None:
        node.shard.mailbox.post(PeerArrived(info_hash, sock, endpoint, greeting, b"", is_incoming))  # type: ignore[arg-type]

    def step(self) -> None:
        self.now += STEP_S
        for peer in self.peers.values():
            peer.step(self.now, STEP_S)
        for node in self.nodes:
            node.step(self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step()

    def run_until(self, is_true: Callable[[], bool], limit_s: float, what: str) -> None:
        """Step until it is true. AssertionError, with the seed, when it is not within `limit_s`."""
        end = self.now + limit_s
        while not is_true():
            assert self.now < end, f"seed {self.seed}: not within {limit_s} s: {what}"
            self.step()

    def run_until_complete(self, torrent: StoredTorrent, nodes: Iterable[Node], limit_s: float) -> None:
        nodes = list(nodes)
        self.run_until(lambda: all(node.has_all(torrent) for node in nodes), limit_s, "everybody has everything")

    def end(self) -> None:
        """Close every swarm and see that nothing is left over."""
        for node in self.nodes:
            for store in node.stores.values():
                node.close(store.torrent)
        self.run_until(lambda: all(len(node.closed) == len(node.stores) for node in self.nodes), 60.0, "all closed")
        for node in self.nodes:
            node.assert_empty()
