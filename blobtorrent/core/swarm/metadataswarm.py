"""MetadataSwarm: the live side of a torrent that is no more than an info-hash yet (BEP 9).

It finds peers, fetches the info dictionary from them, if need be the piece layers too (BEP 52), and then holds the
links for the swarm that takes them over, or until it is told to close. Runs on its shard's receive thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from blobtorrent.core.swarm.company import dial_failed, dial_refused, refusal_by
from blobtorrent.core.swarm.fast import check_negotiated
from blobtorrent.core.swarm.link import RateMeter
from blobtorrent.core.swarm.manners import words_counted, words_in
from blobtorrent.core.swarm.messages import KnownAddress, PeersFound
from blobtorrent.core.swarm.metadata import MetadataManager
from blobtorrent.core.swarm.metadatalink import MetadataLink, network_of
from blobtorrent.core.swarm.metadatamessages import MetadataFound, MetadataReport, OpenMetadata
from blobtorrent.core.swarm.peers import PeerManager
from blobtorrent.core.swarm.pulse import IDLE_LINK_S, KEEP_ALIVE_S
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError
from blobtorrent.model.ids import PeerId
from blobtorrent.model.reach import Reach, reach_of, site_of
from blobtorrent.network.outbox import Buffer
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_METADATA, ExtendedHandshake
from blobtorrent.protocol.wire.metadata import DATA, REJECT, REQUEST, MetadataMessage
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    from blobtorrent.core.swarm.hashlayers import LayerManager
    from blobtorrent.core.swarm.layertalk import LayerTalk
    from blobtorrent.model.metainfo import Metainfo

MAX_LINKS = 50                         # more peers make it no faster
INTERVAL_S = 1.0
SOONEST_S = 0.1                        # between two looks, when an address is due to be dialled
MAX_NEIGHBOURS = 3                     # links of one network, once others want the places of the rest
MAX_INCOMING_SHARE = 2 / 3             # of the links: the rest is for those whom we dial
USELESS_LINK_S = 30.0                  # one that offers no metadata makes room for others after this time
ASK_AGAIN_S = 300.0                    # addresses of the link are learned anew, if they were given up
MAX_UNASKED = 16


class Outlets(Protocol):
    """Where decisions go. The host implements it."""

    gate: Gate

    @property
    def now(self) -> float: ...

    def wall(self) -> float: ...

    def at(self, swarm: MetadataSwarm, deadline_s: float, callback: Callable[[], None]) -> Timer: ...

    def dial(self, swarm: MetadataSwarm, endpoint: Endpoint) -> None: ...

    def close_link(self, link: MetadataLink) -> None: ...

    def fail(self, swarm: MetadataSwarm, error: Exception) -> None:
        """What a link's socket brought has shown a bug."""


class MetadataSwarm:
    """`outgoing` is what a pass wants sent; the host collects it."""

    def __init__(self, order: OpenMetadata, outlets: Outlets) -> None:
        self.order = order
        self.info_hash = order.info_hash
        self.max_links = min(MAX_LINKS, order.max_links)
        self.links: dict[MetadataLink, None] = {}
        self.outgoing: list[tuple[int, list[Buffer], int, Any]] = []
        self.peers = PeerManager()
        self.peers.gate = outlets.gate
        self.manager: MetadataManager[MetadataLink] = MetadataManager(order.info_hash)
        self.layers: LayerTalk | None = None               # once only the piece layers are lacking
        self._outlets = outlets
        self._given: dict[Endpoint, PeersFound] = {}       # addresses that nobody tells us of again
        self.downloaded = RateMeter()
        self._liars = 0
        self._told: MetadataReport | None = None
        self._last_tick = outlets.now
        self._asks_again_at = outlets.now + ASK_AGAIN_S
        self._is_open = True
        self._timer: Timer | None = None

    @property
    def now(self) -> float:
        return self._outlets.now

    @property
    def own_id(self) -> PeerId:
        return self.order.peer_id

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def is_done(self) -> bool:
        return self.manager.info is not None if self.layers is None else self.layers.manager.is_done

    @property
    def _giver(self) -> MetadataManager[MetadataLink] | LayerManager[MetadataLink]:
        """Who knows what each peer gives of what is lacking now."""
        return self.manager if self.layers is None else self.layers.manager

    def start(self) -> None:
        if self.order.metainfo is not None:
            self.fetch_layers(self.order.metainfo)
        self.peers.restore(self.order.peers, self.now)
        self._dial()
        self._schedule()

    def close(self) -> None:
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self.links):
            self.lose(link, NetworkError("net.closing", "the torrent is being closed"))

    def fetch_layers(self, metainfo: Metainfo) -> None:
        """The info dictionary is known; what it lacks is to be fetched now."""
        from blobtorrent.core.swarm.layertalk import LayerTalk

        self.layers = LayerTalk(self, metainfo)
        self._ask()
        self._dial()

    def change(self, max_links: int) -> None:
        """So many links from now on; those that are of least use go."""
        self.max_links = min(MAX_LINKS, max_links)
        self._shed(self.max_links)
        self._dial()

    def hand_over(self, max_links: int) -> list[MetadataLink]:
        """At most so many links, for the torrent's swarm; they are none of ours any more."""
        self._shed(max_links)
        links = [link for link in self.links if not link.said.is_too_much]
        for link in links:
            del self.links[link]
        self.close()
        return links

    def _shed(self, max_links: int) -> None:
        by_use = sorted(self.links, key=self._giver.delivered)
        for link in by_use[:max(0, len(by_use) - max_links)]:
            self.lose(link, NetworkError("net.too-many", "other torrents need the connection"))

    # ---- peers

    def on_peers(self, message: PeersFound) -> None:
        for endpoint in message.endpoints[:MAX_LINKS]:
            if len(self._given) < MAX_LINKS:
                self._given[endpoint] = message._replace(endpoints=(endpoint,))
        self.peers.found(message.endpoints, message.source, self.now, tracker=message.tracker)
        self._dial()

    def refusal(self, endpoint: Endpoint, peer_id: PeerId, *, is_incoming: bool) -> PeerError | None:
        """Why a greeted peer may not join, if so."""
        return refusal_by(self, endpoint, peer_id, is_incoming=is_incoming)

    def admit(self, link: MetadataLink) -> None:
        self.links[link] = None
        if self.layers is not None:
            self.layers.manager.join(link)
            self._ask()
        if not link.is_incoming:
            self.peers.dialled(link.endpoint)
            self.peers.linked(link.endpoint)
        if link.greeting.has_fast:
            link.send(encode.HAVE_NONE)                    # a word of what is had must be the first (BEP 6)
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
        self._giver.leave(link)
        link.intake.close()
        self._outlets.close_link(link)
        if not link.is_incoming:
            is_fault = isinstance(error, PeerError) or error.code == "net.useless" or not link.is_introduced
            if is_fault:
                self.peers.failed(link.endpoint, self.now)
            else:
                self.peers.ended(link.endpoint, self.now, self._outlets.wall(), useless=False)
        self._ask()

    def on_bug(self, error: Exception) -> None:
        """A link could not take in what its peer sent, and the peer is not to blame."""
        self._outlets.fail(self, error)

    def on_dial_failed(self, endpoint: Endpoint, error: BlobTorrentError) -> None:
        dial_failed(self, endpoint, error)

    def on_dial_refused(self, endpoint: Endpoint, peer_id: PeerId, refusal: PeerError) -> None:
        dial_refused(self, endpoint, peer_id, refusal)

    def _dial(self) -> None:
        if not self.is_done:
            room = self.max_links - len(self.links) - self.peers.dialing
            for endpoint in self.peers.to_dial(room, self.now, seeding=False):
                self._outlets.dial(self, endpoint)

    # ---- room

    def has_room_for(self, endpoint: Endpoint, *, is_incoming: bool) -> bool:
        """While there is none, who is of no use goes; but not for one more from where most of them come."""
        if len(self.links) < self.max_links and not (is_incoming and self._num_incoming() >= self._max_incoming):
            return True
        return self._neighbours()[network_of(endpoint)] < MAX_NEIGHBOURS and self._make_room(is_incoming=is_incoming)

    @property
    def _max_incoming(self) -> int:
        return max(1, int(self.max_links * MAX_INCOMING_SHARE))

    def _num_incoming(self) -> int:
        return sum(link.is_incoming for link in self.links)

    def _make_room(self, *, is_incoming: bool) -> bool:
        """Drop a link for another one: for one that dialled us, one that did so too."""
        neighbours = self._neighbours()
        worst: MetadataLink | None = None
        worst_use = (0, 0)
        for link in self.links:        # of two that are as bad, the later one
            if link.is_incoming or not is_incoming:
                use = self._uselessness(link, neighbours[link.network]), -self._giver.delivered(link)
                if use[0] and use >= worst_use:
                    worst, worst_use = link, use
        if worst is None:
            return False
        self.lose(worst, NetworkError("net.useless", "it gives no metadata, and others wait"))
        return True

    def _uselessness(self, link: MetadataLink, neighbours: int) -> int:
        """0 for a link that others do not get the place of."""
        giver = self._giver
        if link.extended.metadata_size is None and not giver.delivered(link):
            return 3 if self.now - link.linked_at > USELESS_LINK_S else 0
        if giver.is_useless(link):
            return 2
        return int(neighbours > MAX_NEIGHBOURS and not giver.delivered(link))

    def _neighbours(self) -> Counter[str]:
        """How many links each network has."""
        return Counter(link.network for link in self.links if link.network)

    # ---- what peers say

    def on_messages(self, link: MetadataLink, messages: list[Any]) -> None:
        """Raises PeerError when the peer breaks the rules."""
        link.last_heard_at = self.now
        link.words_spent_s = words_counted(link.words_spent_s, self.now, words_in(messages))
        for message in messages:
            if isinstance(message, wire.Extended):
                self._on_extended(link, message)
            elif self.layers is None or not self.layers.on_message(link, message):
                check_negotiated(message, has_fast=link.greeting.has_fast)
                link.said.hear(message)
            if link not in self.links:
                return

    def _on_extended(self, link: MetadataLink, message: wire.Extended) -> None:
        if message.sub_id == HANDSHAKE_ID:
            link.introduce(message.payload)
            size = link.extended.metadata_size
            if size is not None and link.extended.ids.get(UT_METADATA) and not self._has_info:
                is_alone = reach_of(link.endpoint.host) is Reach.LOOPBACK
                self.manager.offer(link, size, None if is_alone else site_of(link.endpoint.host))
                self._ask()
        elif message.sub_id == OUR_IDS[UT_METADATA]:
            self._on_metadata(link, MetadataMessage.decode(message.payload))

    @property
    def _has_info(self) -> bool:
        return self.layers is not None or self.manager.info is not None

    def _on_metadata(self, link: MetadataLink, message: MetadataMessage) -> None:
        if message.kind == REQUEST:
            reject = link.extended.message(UT_METADATA, MetadataMessage(REJECT, message.piece).encode())
            if reject is not None and link.rejects_left:   # none of it is ours to give before all of it is here
                link.rejects_left -= 1
                link.send(reject)
        elif self._has_info:
            return                     # it was asked for twice, or late
        elif message.kind == REJECT:
            self.manager.on_reject(link, message.piece, self.now)
        elif message.kind == DATA:
            self._on_data(link, message)

    def _on_data(self, link: MetadataLink, message: MetadataMessage) -> None:
        self.downloaded.add(len(message.data))
        if not self.manager.on_data(link, message, self.now):
            self.count_unasked(link)
            return
        for liar in self.manager.take_guilty():
            self.ban(liar, PeerError("metadata.mismatch", "its metadata does not match the info-hash"))
        if self.manager.info is not None:
            self._finish(self.manager.info)
        else:
            self._ask()

    def count_unasked(self, link: MetadataLink) -> None:
        """Raises PeerError ("metadata.unasked") when it was not the first time."""
        link.unasked += 1
        if link.unasked > MAX_UNASKED:
            raise PeerError("metadata.unasked", "metadata that nobody asked for")

    def ban(self, liar: MetadataLink, error: PeerError) -> None:
        """It was found to have lied."""
        self._liars += 1
        self.peers.ban(liar.endpoint, liar.greeting.peer_id)
        self.lose(liar, error)

    def _ask(self) -> None:
        if self.layers is not None:
            self.layers.ask()
            return
        for link, piece in self.manager.requests(self.now):
            request = link.extended.message(UT_METADATA, MetadataMessage(REQUEST, piece).encode())
            if request is not None:
                link.send(request)

    def _finish(self, info: bytes) -> None:
        self.report()
        self.order.report_to.post(MetadataFound(self.info_hash, info, self.peers_to_keep()))

    def peers_to_keep(self) -> tuple[KnownAddress, ...]:
        incoming = {Endpoint(link.endpoint.host, link.extended.port): 0 for link in self.links
                    if link.is_incoming and link.extended.port}
        return self.peers.kept(incoming, self._outlets.wall(), seeding=False)

    # ---- once a second

    def _schedule(self) -> None:
        at_s = self.now + INTERVAL_S
        dial_at_s = None if self.is_done else self.peers.next_dial_at(seeding=False)
        if dial_at_s is not None and len(self.links) + self.peers.dialing < self.max_links:
            at_s = min(at_s, max(dial_at_s, self.now + SOONEST_S))
        self._timer = self._outlets.at(self, at_s, self._tick)

    def _tick(self) -> None:
        now = self.now
        self.downloaded.tick(max(0.001, now - self._last_tick))
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
        if not self.is_done and self._is_crowded_out(now):
            self._make_room(is_incoming=False)             # one a second
        self._ask()
        if self.layers is not None:
            self.layers.tell()
        self.report()
        self._schedule()

    def _is_crowded_out(self, now: float) -> bool:
        """Whether somebody is to be dialled and all places are taken."""
        dial_at_s = self.peers.next_dial_at(seeding=False)
        return len(self.links) >= self.max_links and dial_at_s is not None and dial_at_s <= now

    def report(self) -> None:
        here, total = self.manager.progress
        layers_here, layers_total = (0, 0) if self.layers is None else self.layers.manager.progress
        report = MetadataReport(
            info_hash=self.info_hash,
            links=len(self.links),
            peers_known=len(self.peers),
            peers_from=self.peers.by_source(self.links),
            down_bytes_per_s=int(self.downloaded.rate),
            pieces_here=here,
            pieces_total=total,
            liars=self._liars,
            layers_here=layers_here,
            layers_total=layers_total,
        )
        if report != self._told:
            self._told = report
            self.order.report_to.post(report)
