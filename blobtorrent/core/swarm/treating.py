"""Peers that are dealt with as somebody else says: the owner of the torrent, its private tracker, or the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.messages import DropPeers, TreatPeer
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.network.messages import PeerRefused

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.swarm import Swarm

TREATMENTS = (DropPeers, TreatPeer, PeerRefused)


def treat(swarm: Swarm, message: DropPeers | TreatPeer | PeerRefused) -> None:
    """Do what one of TREATMENTS says."""
    if isinstance(message, DropPeers):
        _part_with_strangers(swarm)
    elif isinstance(message, PeerRefused):
        swarm.peers.lost_to_encryption(message.endpoint, message.code)
    else:
        for link in [link for link in swarm.links if link.endpoint == message.endpoint]:
            _treat(swarm, link, message)


def _part_with_strangers(swarm: Swarm) -> None:
    """Part with all but those that the user named: the torrent's own tracker, alone to name others, is another now."""
    swarm.peers.forget_tracker()
    for link in list(swarm.links):
        if swarm.peers.source_of(link.endpoint) is None:
            swarm.lose(link, NetworkError("net.other-tracker", "the torrent has another tracker now"))


def _treat(swarm: Swarm, link: PeerLink, message: TreatPeer) -> None:
    from blobtorrent.model.details import PeerTreatment

    treatment = message.treatment
    if treatment is PeerTreatment.BAN:
        swarm.peers.ban(link.endpoint, link.greeting.peer_id)
        swarm.lose(link, PeerError("peer.banned", "the torrent's owner does not want it"))
    elif treatment is PeerTreatment.PART:
        swarm.lose(link, NetworkError("net.parted", "the torrent's owner wants the connection ended"))
    else:
        link.is_denied = treatment is PeerTreatment.DENY
        if link.is_denied:
            swarm.uploads.deny(link)
        swarm.pulse.choke_round(swarm.now)
