"""SuperSeeding: a seed that looks like a leecher which gets one piece after the other (BEP 16).

Each peer is told of two pieces that nobody else has, and of the next one when it has passed one of them on: so each
piece leaves us about once, where a seed that shows everything sends it one and a half times. It ends when others have
enough to do without us. Owned by a swarm that seeds; knows what its peers have from what they say and were sent.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.masks import lowest
from blobtorrent.protocol.wire import encode
from blobtorrent.protocol.wire.extended import ExtendedHandshake

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.swarm import Swarm

OFFERS = 2                             # one is sent while the other spreads
OFFERS_ALONE = 8                       # to who is the only one that lacks something: there is nobody to pass it on to
COPIES = 2                             # that every piece has among the peers at the end
QUIET_S = 5.0                          # who has nothing need not say so without the fast extension
PATIENCE_S = 60.0                      # a peer that passed nothing on for so long gets another piece nevertheless


class SuperSeeding:
    """While a link is part of this, its `shown` are the pieces that its peer was told of."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._offers: dict[PeerLink, dict[int, float]] = {}            # pieces, and when each was offered
        self._offered = 0              # all of them, as a mask

    def join(self, link: PeerLink) -> None:
        """A peer is greeted: it has been told of nothing."""
        link.shown = 0
        self._offers[link] = {}

    def leave(self, link: PeerLink) -> None:
        if self._offers.pop(link, None):
            self._sum_up()

    def on_peer_has(self, news: int) -> None:
        """A peer has these pieces too."""
        if news & self._offered:
            self.revise()

    def on_sent(self, link: PeerLink) -> None:
        """Some of what a peer asked for is on its way."""
        if any(link.given.mask >> index & 1 for index in self._offers.get(link, ())):
            self.revise()

    def revise(self) -> None:
        """Tell peers of more pieces, as far as they passed on what they have. Also wanted once a second."""
        now, num_pieces = self._swarm.now, self._swarm.geometry.num_pieces
        once, often = _spread(self._offers)
        if often.bit_count() == num_pieces or any(_held(link).bit_count() == num_pieces for link in self._offers):
            self.end()
            return
        for link, offers in self._offers.items():
            for index, offered_at in list(offers.items()):
                if self._is_settled(link, index) or now - offered_at > PATIENCE_S:
                    del offers[index]
        self._sum_up()
        idle = self._idle_offers()
        for link, offers in self._offers.items():
            if not link.said_pieces and now - link.linked_at < QUIET_S:
                continue               # it may have some itself
            room = OFFERS if self._company_of(link) else OFFERS_ALONE
            chosen: list[int] = []
            while len(offers) < room and (choice := self._choose(link, once, often, idle)) is not None:
                offers[choice] = now
                link.shown = (link.shown or 0) | 1 << choice
                self._offered |= 1 << choice
                chosen.append(choice)
            if chosen:
                link.send(encode.haves(chosen))

    def end(self) -> None:
        """Others have every piece, or the torrent's owner has enough of it: look like what it is."""
        swarm = self._swarm
        swarm.super_seeding = None
        have = swarm.pieces.have.mask
        for link in self._offers:
            hidden, link.shown = have & ~(link.shown or 0), None
            if hidden:
                link.send(encode.haves(_bits(hidden)))
        if swarm.is_seeding:
            swarm.talk.say_again(ExtendedHandshake(is_upload_only=True))
        swarm.wake()

    def _is_settled(self, link: PeerLink, index: int) -> bool:
        """The peer has the piece, and so has somebody else, if there is anybody."""
        if not _held(link) >> index & 1:
            return False
        others = [other for other in self._offers if other is not link]
        return not others or any(_held(other) >> index & 1 for other in others)

    def _company_of(self, link: PeerLink) -> bool:
        return any(other is not link for other in self._offers)

    def _idle_offers(self) -> int:
        """Pieces whose peers do not get them now, as they are choked: they may be offered to others as well."""
        mask = 0
        for link, offers in self._offers.items():
            if link.state.am_choking:
                for index in offers:
                    mask |= 1 << index
        return mask

    def _choose(self, link: PeerLink, once: int, often: int, idle: int) -> int | None:
        """A piece that nobody has, or, when there is none left, one that few have. None: nothing for this peer now."""
        lacks = self._swarm.pieces.have.mask & ~(_held(link) | (link.shown or 0))
        new = lacks & ~once
        if not new and self._swarm.all_mask & ~once:
            return None                # others are getting the last ones: they will pass them on
        few = new or lacks & ~often
        free = few & ~self._offered or few & idle
        return self._any_of(free) if free else None

    def _any_of(self, mask: int) -> int:
        """The first from a random place on."""
        start = self._swarm.rng.randrange(self._swarm.geometry.num_pieces)
        above = mask >> start
        return start + lowest(above) if above else lowest(mask)

    def _sum_up(self) -> None:
        self._offered = 0
        for offers in self._offers.values():
            for index in offers:
                self._offered |= 1 << index


def _held(link: PeerLink) -> int:
    """What the peer has: of what it knows us to have it may not tell us."""
    return link.mask | link.given.mask


def _spread(links: Collection[PeerLink]) -> tuple[int, int]:
    """The pieces that at least one of them has, and those that COPIES have."""
    levels = [0] * COPIES
    for link in links:
        rising = _held(link)
        for level, mask in enumerate(levels):
            levels[level], rising = mask | rising, mask & rising
    return levels[0], levels[-1]


def _bits(mask: int) -> list[int]:
    digits = f"{mask:b}"[::-1]
    return [index for index, digit in enumerate(digits) if digit == "1"]
