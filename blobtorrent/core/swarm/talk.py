"""Talk: what a swarm says to a peer and makes of what the peer says, message by message (BEP 3, 6, 10).

A peer that breaks the rules raises PeerError here; the receive loop then has the link closed.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.chatter import (
    BLOCKS_PER_MESSAGE,
    COST_OF_CHOKE,
    chatter_counted,
    chatter_of,
)
from blobtorrent.core.swarm.fasttalk import FastTalk
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import AddressSeen, NodeNamed
from blobtorrent.core.swarm.pulse import check_unasked
from blobtorrent.core.swarm.turns import FREE_SLOT, NOT_INTERESTED
from blobtorrent.core.swarm.uploads import OUR_QUEUE
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.model.reach import Reach, reach_of
from blobtorrent.model.text import clean
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RequestRun
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, ExtendedHandshake, handshake_counted
from blobtorrent.protocol.wire.hashes import HashRequest
from blobtorrent.protocol.wire.peerid import client_name

if TYPE_CHECKING:
    from blobtorrent.core.swarm.hashserving import HashServer
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm

MAX_CLIENT = 64                        # characters of a peer's name for itself


class Talk:
    """The conversation part of a swarm."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._fast = FastTalk(swarm, self._peer_has)
        self._outlets = outlets
        self._hashes: HashServer | None = None             # made when a peer asks for some
        self._handlers: dict[type, Callable[[PeerLink, Any], None]] = {
            RequestRun: self._on_requests,
            HaveRun: self._on_haves,
            wire.Piece: self._on_piece,
            wire.Choke: self._on_choke,
            wire.Unchoke: self._on_unchoke,
            wire.Interested: self._on_interested,
            wire.NotInterested: self._on_not_interested,
            wire.BitfieldMessage: self._on_bitfield,
            wire.Cancel: self._on_cancel,
            wire.Extended: self._on_extended,
            wire.Port: self._on_port,
            HashRequest: self._on_hash_request,
        }
        self._extensions: dict[int, Callable[[PeerLink, bytes], None]] = {}        # by our ids
        self._offers: dict[bytes, int] = {}                # the same by name
        self.metadata_size: int | None = None              # told to peers (BEP 9) by whoever serves the metadata

    @property
    def is_idle(self) -> bool:
        """No thread works on an answer."""
        return self._hashes is None or not self._hashes.jobs_in_flight

    # ---- what we say

    def greet(self, link: PeerLink) -> None:
        """Right behind the handshake: what we have and what we can."""
        have = self._swarm.pieces.have
        if self._swarm.super_seeding is not None:
            self._swarm.super_seeding.join(link)
        if link.fast is not None:
            self._fast.tell_pieces(link)
        elif len(have) and link.shown is None:
            link.send(wire.BitfieldMessage(have.to_wire()).encode())
        self._introduce(link)

    def greet_again(self, link: PeerLink) -> None:
        """The same to who was greeted when we had nothing: a bitfield may be the first word only (BEP 3)."""
        have = self._swarm.pieces.have
        if self._swarm.super_seeding is not None:
            self._swarm.super_seeding.join(link)
        elif len(have):
            link.send(encode.haves(list(have)))
        self._introduce(link)

    def _introduce(self, link: PeerLink) -> None:
        swarm = self._swarm
        link.client = client_name(link.greeting.peer_id)
        swarm.haves.join(link)
        if link.greeting.has_extensions:
            link.send(ExtendedHandshake(
                ids=self._offers,
                version=swarm.order.client_version,
                port=swarm.settings.listen_port or None,
                max_requests=OUR_QUEUE,
                your_ip=ip_address(link.endpoint.host).packed,
                metadata_size=self.metadata_size,
                is_upload_only=swarm.is_seeding and swarm.super_seeding is None or None,
            ).encode())
        ports = swarm.settings.dht_ports
        if ports is not None and link.greeting.has_dht and ports[link.endpoint.is_ipv6]:
            link.send(wire.Port(ports[link.endpoint.is_ipv6]).encode())

    def offer(self, extension: bytes, handler: Callable[[PeerLink, bytes], None]) -> None:
        """Take messages of an extension from now on: `handler(link, payload)`, which may raise PeerError."""
        number = OUR_IDS[extension]
        self._extensions[number] = handler
        self._offers[extension] = number
        self.say_again(ExtendedHandshake(ids={extension: number}))

    def withdraw(self, extension: bytes) -> None:
        """Take no more messages of an extension."""
        if self._offers.pop(extension, None) is not None:
            del self._extensions[OUR_IDS[extension]]
            self.say_again(ExtendedHandshake(ids={extension: 0}))

    def offers(self, extension: bytes) -> bool:
        return extension in self._offers

    def say_again(self, news: ExtendedHandshake) -> None:
        """Something of what we told all peers of ourselves is different now."""
        message = news.encode()
        for link in self._swarm.links:
            if link.greeting.has_extensions:
                link.send(message)

    def unchoke(self, link: PeerLink, cause: str = FREE_SLOT) -> None:
        """Let the peer ask for data, for a cause that turns knows."""
        link.turn.note(self._swarm.now, link.up.total, cause, is_unchoked=True)
        if link.state.am_choking:
            link.state.unchoke()
            link.send(encode.UNCHOKE)
            if link.fast is not None:
                link.fast.rejected = 0
            self._fast.suggest(link)

    def choke(self, link: PeerLink, cause: str = NOT_INTERESTED) -> None:
        link.turn.note(self._swarm.now, link.up.total, cause, is_unchoked=False)
        if not link.state.am_choking:
            link.state.choke()
            link.send(encode.CHOKE)
            self._swarm.uploads.on_choked(link)

    def update_interest(self, link: PeerLink) -> None:
        """Say whether the peer has something that we lack, whenever that changed."""
        swarm = self._swarm
        wants = swarm.settings.may_download and bool(link.mask & swarm.pieces.lacking_mask)
        if wants and not link.state.am_interested:
            link.state.want()
            link.send(encode.INTERESTED)
        elif not wants and link.state.am_interested:
            link.state.lose_interest()
            link.send(encode.NOT_INTERESTED)

    # ---- what the peer says

    def on_messages(self, link: PeerLink, messages: list[Any]) -> None:
        """Raises PeerError when the peer breaks the rules; what it said before that holds."""
        link.last_heard_at = self._swarm.now
        self._charge(link, chatter_of(messages))
        for message in messages:
            handler = self._handlers.get(type(message))
            if handler is not None:
                handler(link, message)
            else:
                self._fast.hear(link, message)
            if link.closing is not None:
                return
        self._swarm.wake()

    def _charge(self, link: PeerLink, count: int) -> None:
        """The peer said something that costs us as much as so many messages. Raises PeerError ("wire.flood")."""
        if count:
            link.chatter_spent_s = chatter_counted(link.chatter_spent_s, count, self._swarm.now)

    def _on_choke(self, link: PeerLink, _message: wire.Choke) -> None:
        link.state.on_message()
        given_up = COST_OF_CHOKE + len(link.outstanding) // BLOCKS_PER_MESSAGE if link.state.am_interested else 1
        self._charge(link, given_up)   # in answer to who wants nothing any more it is no more than polite
        if link.state.on_choke():
            link.window.on_choke()
            link.update_askable()
            link.last_block_at = self._swarm.now
            self._swarm.requests.on_choked(link)
            self._swarm.refill()

    def _on_unchoke(self, link: PeerLink, _message: wire.Unchoke) -> None:
        link.state.on_message()
        if link.state.on_unchoke():
            if link.fast is not None:
                link.fast.refused = 0
            link.update_askable()
            link.last_block_at = self._swarm.now
            self._swarm.fill(link)
        else:
            self._charge(link, 1)

    def _on_interested(self, link: PeerLink, _message: wire.Interested) -> None:
        link.state.on_message()
        is_new = link.state.on_interested()
        self._charge(link, not is_new)
        is_waiting = is_new and link.wants_data and link.state.am_choking
        if is_waiting and self._swarm.choker.may_unchoke_now(self._swarm.links):
            self.unchoke(link)

    def _on_not_interested(self, link: PeerLink, _message: wire.NotInterested) -> None:
        link.state.on_message()
        self._charge(link, 1)
        if link.state.on_not_interested():
            self.choke(link)

    def _on_bitfield(self, link: PeerLink, message: wire.BitfieldMessage) -> None:
        link.state.on_message()        # aria2 1.36 sends another one in place of many haves
        mask = Bitfield.from_wire(message.data, self._swarm.geometry.num_pieces).mask
        self._peer_has(link, mask & ~link.mask)

    def _on_haves(self, link: PeerLink, message: HaveRun) -> None:
        link.state.on_message()
        num_pieces = self._swarm.geometry.num_pieces
        mask = 0
        for index in message.indices:
            if index >= num_pieces:
                raise PeerError("wire.bad-have", f"have of piece {index} of {num_pieces}")
            mask |= 1 << index
        news = mask & ~link.mask
        self._charge(link, len(message.indices) - news.bit_count())
        self._peer_has(link, news)

    def _peer_has(self, link: PeerLink, news: int) -> None:
        """The peer has these pieces too."""
        swarm = self._swarm
        if link.said_pieces and news:
            link.gained.add(news.bit_count() * swarm.geometry.piece_length, swarm.now)
        is_first, link.said_pieces = not link.said_pieces, True
        if not news:
            if is_first:
                self._on_first_word(link)
            return
        if link.mask | news == swarm.all_mask:
            swarm.availability.remove(link.mask)
            swarm.availability.seeds += 1
        else:
            swarm.availability.add(news)
        link.mask |= news
        link.update_askable()
        if swarm.super_seeding is not None and not is_first:
            swarm.super_seeding.on_peer_has(news)
        if link.is_seed and swarm.is_seeding:
            if swarm.super_seeding is not None:
                swarm.super_seeding.end()
            swarm.lose(link, NetworkError("net.both-seeds", "both have everything"))
            return
        if is_first:
            self._on_first_word(link)
        self.update_interest(link)
        if news & swarm.pieces.wanted_now:
            swarm.fill(link)

    def _on_first_word(self, link: PeerLink) -> None:
        """The peer has said what it begins with, mostly nothing."""
        self._fast.allow(link)
        if self._swarm.super_seeding is not None:
            self._swarm.super_seeding.revise()

    def _on_requests(self, link: PeerLink, message: RequestRun) -> None:
        link.state.on_message()
        if link.state.am_choking:
            self._charge(link, 1)
        self._swarm.uploads.on_requests(link, message.keys, message.lengths)

    def _on_cancel(self, link: PeerLink, message: wire.Cancel) -> None:
        link.state.on_message()
        self._swarm.uploads.on_cancel(link, message.index << 32 | message.begin, message.length)

    def _on_piece(self, link: PeerLink, message: wire.Piece) -> None:
        """A block that did not come in shape: the short last one, or one between other messages."""
        link.state.on_message()
        link.on_loose_block(message.index << 32 | message.begin, message.payload)
        check_unasked(link)            # in a second until the next pulse there is time for very many

    def _on_port(self, link: PeerLink, message: wire.Port) -> None:
        """Only its first word counts: a peer is one node."""
        if self._swarm.settings.dht_ports is None or link.has_named_node or not message.port:
            return
        link.has_named_node = True
        self._swarm.order.report_to.post(
            NodeNamed(self._swarm.info_hash, Endpoint(link.endpoint.host, message.port)))

    def _on_hash_request(self, link: PeerLink, message: HashRequest) -> None:
        if self._hashes is None:       # most swarms never see one
            from blobtorrent.core.swarm.hashserving import HashServer

            self._hashes = HashServer(self._swarm, self._outlets)
        self._hashes.on_request(link, message.run)

    def _on_extended(self, link: PeerLink, message: wire.Extended) -> None:
        if message.sub_id != HANDSHAKE_ID:
            handler = self._extensions.get(message.sub_id)
            if handler is not None:    # else we did not offer it, or not any more
                handler(link, message.payload)
            return
        link.handshakes_spent_s = handshake_counted(link.handshakes_spent_s, self._swarm.now)
        listened_at, saw_us_at = link.extended.port, link.extended.your_ip
        link.extended = link.extended.updated(ExtendedHandshake.decode(bytes(message.payload)))
        if link.is_incoming and link.extended.port != listened_at:
            self._swarm.peers.introduced()
        if link.extended.version:
            link.client = clean(link.extended.version.decode("utf-8", "replace"), MAX_CLIENT)
        if link.extended.max_requests:
            link.window.on_peer_queue(link.extended.max_requests)
        if link.extended.your_ip != saw_us_at and reach_of(link.endpoint.host) is Reach.GLOBAL:
            self._swarm.order.report_to.post(AddressSeen(str(ip_address(link.extended.your_ip)), link.endpoint.host))
        self._swarm.on_hello(link)
