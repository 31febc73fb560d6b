"""MetadataHost: the torrents of a shard whose metadata is still to come, beside its swarms.

SwarmHost makes one when the first such torrent comes, and passes on to it what is of no swarm of its own. Everything
here runs on the shard's receive thread.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.guard import Guard
from blobtorrent.core.swarm.metadatalink import MetadataLink
from blobtorrent.core.swarm.metadatamessages import (
    ChangeMetadata,
    CloseMetadata,
    FetchLayers,
    MetadataFailed,
    OpenMetadata,
)
from blobtorrent.core.swarm.metadataswarm import MetadataSwarm
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError, RemoteError
from blobtorrent.network.messages import Dial, DialFailed, PeerArrived, Serve, Withdraw
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.shape import Intake

if TYPE_CHECKING:
    from blobtorrent.core.swarm.messages import PeersFound
    from blobtorrent.core.swarm.peers import PeerManager
    from blobtorrent.model.address import Endpoint
    from blobtorrent.model.addressfilter import Gate
    from blobtorrent.model.ids import InfoHash
    from blobtorrent.network.outbox import Buffer
    from blobtorrent.network.sender import LinkBroken
    from blobtorrent.network.shard import Shard
    from blobtorrent.runtime.clock import Clock
    from blobtorrent.runtime.mailbox import Mailbox
    from blobtorrent.runtime.timers import Timer


class MetadataHost:
    """Implements core.swarm.metadataswarm.Outlets. `handlers` are of the messages that only it knows."""

    def __init__(self, shard: Shard, door: Mailbox[Any], clock: Clock, gate: Gate) -> None:
        self.gate = gate
        self.handlers: dict[type, Callable[[Any], None]] = {
            OpenMetadata: self._on_open,
            FetchLayers: self._on_fetch_layers,
            ChangeMetadata: self._on_change,
            CloseMetadata: self._on_close,
        }
        self._guard = Guard(self._on_bug)
        self._shard = shard
        self._door = door
        self._clock = clock
        self._swarms: dict[InfoHash, MetadataSwarm] = {}
        self._links: dict[int, MetadataLink] = {}
        self._closing: set[int] = set()            # links whose sockets are being closed
        self._outgoing: list[tuple[int, list[Buffer], int, Any]] = []  # of swarms that are gone

    # ---- core.swarm.metadataswarm.Outlets

    @property
    def now(self) -> float:
        return self._shard.loop.now

    def wall(self) -> float:
        return self._clock.wall()

    def at(self, swarm: MetadataSwarm, deadline_s: float, callback: Callable[[], None]) -> Timer:
        return self._shard.loop.timers.at(deadline_s, partial(self._guard.run, swarm, callback))

    def dial(self, swarm: MetadataSwarm, endpoint: Endpoint) -> None:
        self._door.post(Dial(endpoint, swarm.info_hash, swarm.order.peer_id, self._shard.mailbox,
                             knows_utp=swarm.peers.ways_to(endpoint)[0]))

    def close_link(self, link: MetadataLink) -> None:
        del self._links[link.number]
        self._closing.add(link.number)
        self._shard.close_link(link.number)
        del link.intake                # which knows the link: together they would wait for a collection

    def fail(self, swarm: MetadataSwarm, error: Exception) -> None:
        self._guard.report(swarm, error)

    def _on_bug(self, swarm: MetadataSwarm) -> None:
        """It is closed as the core hears of it; until then it may fail again."""
        swarm.order.report_to.post(MetadataFailed(swarm.info_hash))

    # ---- what SwarmHost passes on

    def take_outgoing(self) -> list[tuple[int, list[Buffer], int, Any]]:
        """What this pass wants sent."""
        outgoing, self._outgoing = self._outgoing, []
        for swarm in self._swarms.values():
            if swarm.outgoing:
                outgoing += swarm.outgoing
                swarm.outgoing.clear()
        return outgoing

    def hand_over(self, info_hash: InfoHash, max_links: int) -> tuple[PeerManager | None, list[MetadataLink]]:
        """The torrent's metadata is here and its swarm opens: it takes over whom we know, and these links. None when
        nobody was asked for it."""
        swarm = self._swarms.pop(info_hash, None)
        if swarm is None:
            return None, []
        links = swarm.hand_over(max_links)
        self._outgoing += swarm.outgoing
        for link in links:
            del self._links[link.number]
        return swarm.peers, links

    def on_arrived(self, message: PeerArrived) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is None:
            message.sock.close()
        else:
            self._guard.run(swarm, self._join, swarm, message)

    def _join(self, swarm: MetadataSwarm, message: PeerArrived) -> None:
        peer_id = message.greeting.peer_id
        refusal = swarm.refusal(message.endpoint, peer_id, is_incoming=message.is_incoming)
        if refusal is not None:
            message.sock.close()
            if not message.is_incoming:
                swarm.on_dial_refused(message.endpoint, peer_id, refusal)
            return
        number = self._shard.open_link(message.sock, message.obfuscation)
        link = MetadataLink(swarm, number, message.endpoint, message.greeting, message.is_incoming, self.now,
                            message.transport, message.obfuscation)
        link.intake = Intake(link, Decoder(), self._shard.scatter)
        self._links[number] = link
        self._shard.attach(number, link)
        swarm.admit(link)
        if message.early:
            try:
                link.intake.feed(message.early)
            except RemoteError as error:
                swarm.lose(link, error)

    def on_dial_failed(self, message: DialFailed) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            self._guard.run(
                swarm, swarm.on_dial_failed, message.endpoint, NetworkError(message.code, message.detail))

    def on_peers(self, message: PeersFound) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            self._guard.run(swarm, swarm.on_peers, message)

    def on_broken(self, message: LinkBroken) -> None:
        link = self._links.get(message.link)
        if link is not None:
            self._lose(link, NetworkError(message.code, message.detail))

    def drop_filtered(self) -> None:
        """The filter is another one: links that it refuses end."""
        for link in list(self._links.values()):
            if link.swarm.peers.refuses(link.endpoint):
                self._lose(link, PeerError("peer.filtered", "a filter list covers the peer's address"))

    def drop_links(self, hosts: Container[str], error: NetworkError) -> None:
        """These addresses of ours are gone, and the connections from them."""
        for link in list(self._links.values()):
            if self._shard.own_host(link.number) in hosts:
                self._lose(link, error)

    def _lose(self, link: MetadataLink, error: BlobTorrentError) -> None:
        self._guard.run(link.swarm, link.swarm.lose, link, error)

    def on_closed(self, number: int) -> bool:
        """A socket is closed: was it one of ours?"""
        if number not in self._closing:
            return False
        self._closing.discard(number)
        return True

    # ---- messages

    def _on_open(self, order: OpenMetadata) -> None:
        swarm = self._swarms[order.info_hash] = MetadataSwarm(order, self)
        self._door.post(Serve(order.info_hash, order.peer_id, self._shard.mailbox))
        self._guard.run(swarm, swarm.start)

    def _on_fetch_layers(self, message: FetchLayers) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            self._guard.run(swarm, swarm.fetch_layers, message.metainfo)

    def _on_change(self, message: ChangeMetadata) -> None:
        swarm = self._swarms.get(message.info_hash)
        if swarm is not None:
            self._guard.run(swarm, swarm.change, message.max_links)

    def _on_close(self, message: CloseMetadata) -> None:
        swarm = self._swarms.pop(message.info_hash, None)
        if swarm is not None:
            self._door.post(Withdraw(message.info_hash))
            self._guard.run(swarm, swarm.close)
            self._outgoing += swarm.outgoing
