"""MetadataSwarm: the live side of a torrent that is no more than an info-hash yet (BEP 9).

It finds peers, fetches the info dictionary from them, and then holds the links for the swarm that takes them over.
Runs on its shard's receive thread.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Protocol

from blobtorrent.core.swarm.link import RateMeter
from blobtorrent.core.swarm.messages import KnownAddress, PeersFound
from blobtorrent.core.swarm.metadata import MetadataManager
from blobtorrent.core.swarm.metadatalink import MetadataLink
from blobtorrent.core.swarm.metadatamessages import MetadataFound, MetadataReport, OpenMetadata
from blobtorrent.core.swarm.peers import PeerManager
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError
from blobtorrent.model.ids import PeerId
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.metadata import DATA, REJECT, REQUEST, MetadataMessage
from blobtorrent.runtime.timers import Timer

MAX_LINKS = 50                         # more peers make it no faster
INTERVAL_S = 1.0
SOONEST_S = 0.1                        # between two looks, when an address is due to be dialled
KEEP_ALIVE_S = 110.0
IDLE_LINK_S = 240.0
USELESS_LINK_S = 30.0                  # one that offers no metadata makes room for others after this time
ASK_AGAIN_S = 300.0                    # addresses of the link are learned anew, if they were given up
LINGER_S = 60.0                        # for the torrent's swarm to come and take the links
MAX_UNASKED = 16


class Outlets(Protocol):
    """Where decisions go. The host implements it."""

    gate: Gate

    @property
    def now(self) -> float: ...

    def wall(self) -> float: ...

    def at(self, deadline_s: float, callback: Callable[[], None]) -> Timer: ...

    def dial(self, swarm: MetadataSwarm, endpoint: Endpoint) -> None: ...

    def close_link(self, link: MetadataLink) -> None: ...

    def give_up(self, swarm: MetadataSwarm) -> None:
        """Its metadata is found, and nobody came for its links."""


class MetadataSwarm:
    """`outgoing` is what a pass wants sent; the host collects it."""

    def __init__(self, order: OpenMetadata, outlets: Outlets) -> None:
        self.order = order
        self.info_hash = order.info_hash
        self.links: dict[MetadataLink, None] = {}
        self.outgoing: list[tuple[int, list[Buffer], int, Any]] = []
        self.peers = PeerManager()
        self.peers.gate = outlets.gate
        self.manager: MetadataManager[MetadataLink] = MetadataManager(order.info_hash)
        self._outlets = outlets
        self._given: dict[Endpoint, PeersFound] = {}       # addresses that nobody tells us of again
        self._downloaded = RateMeter()
        self._liars = 0
        self._told: MetadataReport | None = None
        self._last_tick = outlets.now
        self._asks_again_at = outlets.now + ASK_AGAIN_S
        self._ends_at: float | None = None                 # once it is found
        self._timer: Timer | None = None

    @property
    def now(self) -> float:
        return self._outlets.now

    @property
    def is_done(self) -> bool:
        return self.manager.info is not None

    def start(self) -> None:
        self.peers.restore(self.order.peers, self.now)
        self._dial()
        self._schedule()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self.links):
            self.lose(link, NetworkError("net.closing", "the torrent is being closed"))

    def hand_over(self) -> list[MetadataLink]:
        """The links, for the torrent's swarm; they are none of ours any more."""
        if self._timer is not None:
            self._timer.cancel()
        links = [link for link in self.links if link.is_suitable]
        for link in links:
            del self.links[link]
        self.close()
        return links

    # ---- peers

    def on_peers(self, message: PeersFound) -> None:
        for endpoint in message.endpoints[:MAX_LINKS]:
            if len(self._given) < MAX_LINKS:
                self._given[endpoint] = message._replace(endpoints=(endpoint,))
        self.peers.found(message.endpoints, message.source, self.now, tracker=message.tracker)
        self._dial()

    def refusal(self, endpoint: Endpoint, peer_id: PeerId, *, is_incoming: bool) -> PeerError | None:
        """Why a greeted peer may not join, if so. Of two links that cross, one is kept as in every swarm."""
        if self.peers.is_banned(endpoint, peer_id):
            return PeerError("peer.banned", "the peer sent bad data before")
        if self.peers.refuses(endpoint):
            return PeerError("peer.filtered", "a filter list covers the peer's address")
        if len(self.links) >= self._max_links and not self._make_room():
            return PeerError("peer.too-many", "as many links as allowed")
        for twin in [link for link in self.links if link.greeting.peer_id == peer_id]:
            if twin.is_incoming == is_incoming or is_incoming != (peer_id > self.order.peer_id):
                return PeerError("peer.duplicate", "connected already")
            self.lose(twin, NetworkError("net.crossed", "another link to the same peer is kept"))
        return None

    def admit(self, link: MetadataLink) -> None:
        self.links[link] = None
        if not link.is_incoming:
            self.peers.dialled()
            self.peers.linked(link.endpoint)
        if link.greeting.has_extensions:
            link.send(ExtendedHandshake(
                ids={UT_METADATA: OUR_IDS[UT_METADATA]},
                version=self.order.client_version,
                port=self.order.listen_port or None,
                your_ip=ip_address(link.endpoint.host).packed,
            ).encode())
        self._dial()

    def lose(self, link: MetadataLink, error: BlobTorrentError) -> None:
        if link not in self.links:
            return
        del self.links[link]
        self.manager.leave(link)
        link.intake.close()
        self._outlets.close_link(link)
        if not link.is_incoming:
            if isinstance(error, PeerError) or not link.extended.ids:
                self.peers.failed(link.endpoint, self.now)
            else:
                self.peers.ended(link.endpoint, self.now, self._outlets.wall(), useless=False)
        self._ask()

    def on_dial_failed(self, endpoint: Endpoint, error: BlobTorrentError) -> None:
        self.peers.dialled()
        if error.code == "wire.self":
            self.peers.is_us(endpoint)
        else:
            self.peers.failed(endpoint, self.now)

    def on_dial_refused(self, endpoint: Endpoint, peer_id: PeerId, refusal: PeerError) -> None:
        if refusal.code != "peer.duplicate":
            self.on_dial_failed(endpoint, refusal)
            return
        self.peers.dialled()
        self.peers.is_here(endpoint, peer_id, self.now)

    @property
    def _max_links(self) -> int:
        return min(self.order.max_links, MAX_LINKS)

    def _dial(self) -> None:
        if not self.is_done:
            room = self._max_links - len(self.links) - self.peers.dialing
            for endpoint in self.peers.to_dial(room, self.now, seeding=False):
                self._outlets.dial(self, endpoint)

    def _make_room(self) -> bool:
        """Drop a peer that has had time to offer metadata and did not."""
        for link in self.links:
            if link.extended.metadata_size is None and self.now - link.linked_at > USELESS_LINK_S:
                self.lose(link, NetworkError("net.useless", "it has no metadata, and others wait"))
                return True
        return False

    # ---- what peers say

    def on_messages(self, link: MetadataLink, messages: list[Any]) -> None:
        """Raises PeerError when the peer breaks the rules."""
        link.last_heard_at = self.now
        for message in messages:
            if isinstance(message, wire.Extended) and message.sub_id == OUR_IDS[UT_METADATA]:
                self._on_metadata(link, MetadataMessage.decode(message.payload))
            else:
                if isinstance(message, wire.Extended) and message.sub_id == HANDSHAKE_ID:
                    self._on_handshake(link, ExtendedHandshake.decode(message.payload))
                link.keep(message)
            if link not in self.links:
                return

    def _on_handshake(self, link: MetadataLink, news: ExtendedHandshake) -> None:
        link.extended = link.extended.updated(news)
        size = link.extended.metadata_size
        if size is not None and link.extended.ids.get(UT_METADATA) and not self.is_done:
            self.manager.offer(link, size)
            self._ask()

    def _on_metadata(self, link: MetadataLink, message: MetadataMessage) -> None:
        if message.kind == REQUEST:
            reject = link.extended.message(UT_METADATA, MetadataMessage(REJECT, message.piece).encode())
            if reject is not None:     # none of it is ours to give before all of it is here
                link.send(reject)
        elif self.is_done:
            return                     # it was asked for twice, or late
        elif message.kind == REJECT:
            self.manager.on_reject(link, message.piece, self.now)
        elif message.kind == DATA:
            self._on_data(link, message)

    def _on_data(self, link: MetadataLink, message: MetadataMessage) -> None:
        self._downloaded.add(len(message.data))
        if not self.manager.on_data(link, message, self.now):
            link.unasked += 1
            if link.unasked > MAX_UNASKED:
                raise PeerError("metadata.unasked", "metadata that nobody asked for")
            return
        for liar in self.manager.take_guilty():
            self._liars += 1
            self.peers.ban(liar.endpoint, liar.greeting.peer_id)
            self.lose(liar, PeerError("metadata.mismatch", "its metadata does not match the info-hash"))
        if self.manager.info is not None:
            self._finish(self.manager.info)
        else:
            self._ask()

    def _ask(self) -> None:
        for link, piece in self.manager.requests(self.now):
            request = link.extended.message(UT_METADATA, MetadataMessage(REQUEST, piece).encode())
            if request is not None:
                link.send(request)

    def _finish(self, info: bytes) -> None:
        self._ends_at = self.now + LINGER_S
        self._report()
        self.order.report_to.post(MetadataFound(self.info_hash, info, self._peers_to_keep()))

    def _peers_to_keep(self) -> tuple[KnownAddress, ...]:
        incoming = [Endpoint(link.endpoint.host, link.extended.port) for link in self.links
                    if link.is_incoming and link.extended.port]
        return self.peers.kept(incoming, self._outlets.wall(), seeding=False)

    # ---- once a second

    def _schedule(self) -> None:
        at_s = self.now + INTERVAL_S
        dial_at_s = None if self.is_done else self.peers.next_dial_at(seeding=False)
        if dial_at_s is not None and len(self.links) + self.peers.dialing < self._max_links:
            at_s = min(at_s, max(dial_at_s, self.now + SOONEST_S))
        self._timer = self._outlets.at(at_s, self._tick)

    def _tick(self) -> None:
        now = self.now
        if self._ends_at is not None and now >= self._ends_at:
            self._outlets.give_up(self)
            return
        self._downloaded.tick(max(0.001, now - self._last_tick))
        self._last_tick = now
        for link in list(self.links):
            if now - link.last_heard_at > IDLE_LINK_S:
                self.lose(link, NetworkError("net.timed-out", "nothing heard for four minutes"))
            elif now - link.last_sent_at > KEEP_ALIVE_S:
                link.send(encode.KEEP_ALIVE)
        if now >= self._asks_again_at:
            self._asks_again_at = now + ASK_AGAIN_S
            for message in self._given.values():
                self.peers.found(message.endpoints, message.source, now, tracker=message.tracker)
        self._dial()
        self._ask()
        self._report()
        self._schedule()

    def _report(self) -> None:
        here, total = self.manager.progress
        report = MetadataReport(
            info_hash=self.info_hash,
            links=len(self.links),
            peers_known=len(self.peers),
            down_bytes_per_s=int(self._downloaded.rate),
            pieces_here=here,
            pieces_total=total,
            liars=self._liars,
        )
        if report != self._told:
            self._told = report
            self.order.report_to.post(report)
