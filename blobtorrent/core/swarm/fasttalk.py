"""FastTalk: the part of the conversation that the fast extension adds (BEP 6): what is had in one word, rejects,
suggestions, and the few pieces that are sent even to who is choked.

A request has exactly one answer then, a block or a reject, and a choke voids none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.fast import check_negotiated
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.allowedfast import allowed_fast_set
from blobtorrent.protocol.wire.decode import RejectRun

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm

MAX_SUGGESTED = 4                      # pieces that a peer is told of when it is unchoked
REFUSED_S = 30.0                       # a peer is asked again for what it refused, unless it unchokes us anew before


class FastTalk:
    """Hears links that have agreed on the extension, `peer_has(link, mask)` is told of their pieces."""

    def __init__(self, swarm: Swarm, peer_has: Callable[[PeerLink, int], None]) -> None:
        self._swarm = swarm
        self._peer_has = peer_has

    def hear(self, link: PeerLink, message: Any) -> None:
        """One message, perhaps of another kind. Raises PeerError ("wire.not-negotiated", "wire.bad-piece")."""
        handler = _HANDLERS.get(type(message))
        if handler is None:
            return
        check_negotiated(message, has_fast=link.fast is not None)
        link.state.on_message()
        handler(self, link, message)

    # ---- what we say

    def tell_pieces(self, link: PeerLink) -> None:
        """The first word: what we have, in as few bytes as can be."""
        have = self._swarm.pieces.have
        if link.shown is not None:
            link.send(encode.HAVE_NONE)
        elif len(have) == have.size:
            link.send(encode.HAVE_ALL)
        elif len(have):
            link.send(wire.BitfieldMessage(have.to_wire()).encode())
        else:
            link.send(encode.HAVE_NONE)

    def allow(self, link: PeerLink) -> None:
        """The peer has said what it has. One that has next to nothing may have a few of our pieces while choked."""
        swarm, fast = self._swarm, link.fast
        if fast is None or fast.granted or link.is_denied or not swarm.settings.upload_slots:
            return
        if link.shown is not None:
            return
        if not link.is_starting:
            return
        for index in allowed_fast_set(link.endpoint.host, link.greeting.info_hash, swarm.geometry.num_pieces):
            if index in swarm.pieces.have and not link.mask >> index & 1:
                fast.grant(index, swarm.geometry.num_blocks(index))
                link.send(wire.AllowedFast(index).encode())

    def suggest(self, link: PeerLink) -> None:
        """The peer may ask for data now: say which pieces we need not read from the disk."""
        if link.fast is not None and link.shown is None:
            for index in self._swarm.uploads.cached_pieces(link.mask, MAX_SUGGESTED):
                link.send(wire.Suggest(index).encode())

    # ---- what the peer says

    def _on_have_all(self, link: PeerLink, _message: wire.HaveAll) -> None:
        self._peer_has(link, self._swarm.all_mask & ~link.mask)

    def _on_have_none(self, link: PeerLink, _message: wire.HaveNone) -> None:
        self._peer_has(link, 0)

    def _on_allowed_fast(self, link: PeerLink, message: wire.AllowedFast) -> None:
        assert link.fast is not None
        link.fast.allowed |= self._bit(message)
        link.update_askable()
        self._swarm.fill(link)

    def _on_suggest(self, link: PeerLink, message: wire.Suggest) -> None:
        link.suggested |= self._bit(message)

    def _bit(self, message: wire.PieceMessage) -> int:
        if message.index >= self._swarm.geometry.num_pieces:
            raise PeerError("wire.bad-piece", f"{type(message).__name__} of piece {message.index}")
        return 1 << message.index

    def _on_rejects(self, link: PeerLink, message: RejectRun) -> None:
        """It does not send what it was asked for. What was taken back already is settled with that as well."""
        fast, swarm = link.fast, self._swarm
        assert fast is not None
        refused = swarm.requests.on_rejected(link, message.keys, message.lengths)
        if not refused:
            return
        if link.state.peer_choking:
            fast.allowed &= ~refused
        else:
            fast.refused |= refused
            fast.refused_at = swarm.now
            link.window.on_refusal(swarm.now)
        link.update_askable()
        swarm.requests.revise(link)
        swarm.fill(link)
        swarm.refill()


# Here and not in each object, which would know itself by them.
_HANDLERS: dict[type, Callable[[FastTalk, PeerLink, Any], None]] = {
    wire.HaveAll: FastTalk._on_have_all,
    wire.HaveNone: FastTalk._on_have_none,
    wire.AllowedFast: FastTalk._on_allowed_fast,
    wire.Suggest: FastTalk._on_suggest,
    RejectRun: FastTalk._on_rejects,
}
