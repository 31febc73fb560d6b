"""What a swarm is to its peers: it leeches or seeds, and a seed shows all that it has or next to nothing (BEP 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.phases import Event
from blobtorrent.model.errors import NetworkError

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm


def on_other_wants(swarm: Swarm) -> None:
    """What we want changed: seed or leech accordingly, and say so."""
    if not swarm.is_open:
        return
    if swarm.pieces.is_complete and not swarm.is_seeding:
        complete(swarm)
    elif swarm.is_seeding and not swarm.pieces.is_complete:
        swarm.machine.fire(Event.LOST_PIECE)
        show_pieces(swarm)
    for link in swarm.links:
        swarm.talk.update_interest(link)
        if not swarm.settings.may_download:
            swarm.requests.cancel_all(link)
        swarm.fill(link)
    if swarm.web_seeds is not None:
        swarm.web_seeds.on_change()
    swarm.dial()
    swarm.report()
    swarm.wake()


def complete(swarm: Swarm) -> None:
    """Nothing is lacking any more. Peers know by now what we have: no reason to begin hiding it."""
    swarm.haves.tell_everybody()
    swarm.machine.fire(Event.COMPLETE)
    for link in list(swarm.links):
        if link.is_seed:
            swarm.lose(link, NetworkError("net.both-seeds", "both have everything"))


def show_pieces(swarm: Swarm) -> None:
    """Have peers know of all our pieces or, as the owner of a torrent that is complete may want, of few of them."""
    if not (swarm.settings.super_seeding and swarm.is_seeding):
        if swarm.super_seeding is not None:
            swarm.super_seeding.end()
    elif swarm.super_seeding is None:
        from blobtorrent.core.swarm.superseeding import SuperSeeding

        for link in list(swarm.links):
            swarm.lose(link, NetworkError("net.super-seeding", "the peer is not to know all that we have"))
        swarm.super_seeding = SuperSeeding(swarm)
