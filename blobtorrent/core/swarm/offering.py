"""What a swarm offers its peers by extensions (BEP 10). What many swarms never use is loaded when one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.protocol.wire.extended import UT_PEX

if TYPE_CHECKING:
    from blobtorrent.core.swarm.exchange import Exchange
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm


def offer_exchange(swarm: Swarm) -> None:
    """Take part in the exchange of peers (BEP 11) or not, as the settings and the torrent have it."""
    if swarm.settings.exchanges_peers and not swarm.order.metainfo.is_private:
        swarm.talk.offer(UT_PEX, lambda link, payload: exchange_of(swarm).on_message(link, payload))
        for link in swarm.links:
            swarm.on_hello(link)
    else:
        swarm.talk.withdraw(UT_PEX)
        swarm.exchange = None


def exchange_of(swarm: Swarm) -> Exchange:
    """Made for the first peer that takes part."""
    if swarm.exchange is None:
        from blobtorrent.core.swarm.exchange import Exchange

        swarm.exchange = Exchange(swarm)
    return swarm.exchange


def offer_punching(swarm: Swarm, outlets: Outlets) -> None:
    """Bring peers together that cannot dial each other (BEP 55), or not any more, as the settings have it."""
    if swarm.settings.punches_holes or swarm.punching is not None:
        from blobtorrent.core.swarm import punching

        punching.offer_punching(swarm, outlets)
