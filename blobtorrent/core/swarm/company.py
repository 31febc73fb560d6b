"""The rules of a swarm's company: who may join, and what becomes of dials that led to nobody.

They are the same while a torrent's metadata is still to come, so both kinds of swarms go by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError
from blobtorrent.model.reach import Reach, reach_of, site_of
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.peers import PeerManager
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.address import Endpoint
    from blobtorrent.model.ids import PeerId
    from blobtorrent.protocol.wire.greeting import Greeting

    # Types only: to make such classes takes time at every start.
    class Member(Protocol):
        """A link."""

        @property
        def endpoint(self) -> Endpoint: ...

        @property
        def greeting(self) -> Greeting: ...

        @property
        def is_incoming(self) -> bool: ...

    M = TypeVar("M", bound=Member)

    class Company(Protocol[M]):
        """What the rules want to know of a swarm."""

        peers: PeerManager

        @property
        def links(self) -> dict[M, None]: ...

        @property
        def own_id(self) -> PeerId: ...

        @property
        def now(self) -> float: ...

        @property
        def is_open(self) -> bool: ...

        def has_room_for(self, endpoint: Endpoint, *, is_incoming: bool) -> bool:
            """It may make room, too."""

        def lose(self, link: M, error: BlobTorrentError) -> None: ...

_OFF_LIMITS = frozenset(("net.no-transport", "net.only-utp"))
MAX_OF_SITE = 3                        # links of one address: some share theirs, but nobody needs more to himself

log = get_logger(__name__)


def refusal_by(company: Company[M], endpoint: Endpoint, peer_id: PeerId, *, is_incoming: bool) -> PeerError | None:
    """Why a greeted peer may not join, if so.

    Of two links that cross, each side keeps the one that the greater peer id dialled: both agree without a word.
    """
    if not company.is_open:
        return PeerError("peer.closing", "the torrent is being closed")
    if not (is_incoming or company.peers.is_dialing(endpoint)):
        return PeerError("peer.unasked", "the torrent was closed and opened again since it was dialled")
    if company.peers.is_banned(endpoint, peer_id):
        return PeerError("peer.banned", "the peer sent bad data before")
    if company.peers.refuses(endpoint):
        return PeerError("peer.filtered", "a filter list covers the peer's address")
    is_rightful = is_incoming == (peer_id > company.own_id)
    twins = [link for link in company.links if link.greeting.peer_id == peer_id]
    if any(twin.is_incoming == is_incoming or not is_rightful for twin in twins):
        return PeerError("peer.duplicate", "connected already")
    if not twins and _is_crowded(company, endpoint.host):
        return PeerError("peer.too-many-of-address", f"{MAX_OF_SITE} links of this address")
    if not twins and not company.has_room_for(endpoint, is_incoming=is_incoming):
        return PeerError("peer.too-many", "as many links as allowed")
    for twin in twins:
        company.lose(twin, NetworkError("net.crossed", "another link to the same peer is kept"))
    return None


def _is_crowded(company: Company[M], host: str) -> bool:
    """Whether an address of the internet has all the links that one may have."""
    if len(company.links) < MAX_OF_SITE or reach_of(host) is not Reach.GLOBAL:
        return False
    site = site_of(host)
    return sum(link.endpoint.host == host or ":" in host and site_of(link.endpoint.host) == site
               for link in company.links) >= MAX_OF_SITE


def dial_failed(company: Company[M], endpoint: Endpoint, error: BlobTorrentError | None) -> None:
    """A dial led to nobody. Those that the torrent began before it was opened again count for nobody."""
    is_ours = company.peers.is_dialing(endpoint)
    company.peers.dialled(endpoint)
    company.peers.off_limits += error is not None and error.code in _OFF_LIMITS
    if error is not None and error.code.startswith("encryption."):
        company.peers.lost_to_encryption(endpoint, error.code)
    if error is not None and error.code == "wire.self":
        company.peers.is_us(endpoint)
    elif is_ours:
        company.peers.failed(endpoint, company.now)


def dial_refused(company: Company[M], endpoint: Endpoint, peer_id: PeerId, refusal: PeerError) -> None:
    """A dial led to a peer that may not join."""
    if refusal.code == "peer.duplicate":
        company.peers.dialled(endpoint)
        company.peers.is_here(endpoint, peer_id, company.now)
    else:
        dial_failed(company, endpoint, refusal)


def judge(swarm: Swarm, link: PeerLink, error: BlobTorrentError, wall: float) -> None:
    """Decide when the addresses of a peer that is gone are dialled again."""
    if isinstance(error, PeerError):
        swarm.rules_broken[error.code] += 1
        log.debug("a peer broke the rules", torrent=swarm.info_hash, peer=str(link.endpoint), client=link.client,
                  code=error.code, detail=error.detail)
    if swarm.punching is not None:
        swarm.punching.left(link)
    endpoints = swarm.peers.left(link.greeting.peer_id)
    if not link.is_incoming:
        endpoints.append(link.endpoint)
    for endpoint in endpoints:
        if isinstance(error, PeerError) or not link.said_pieces:
            swarm.peers.failed(endpoint, swarm.now)
        else:
            is_useless = link.is_seed and swarm.is_seeding
            swarm.peers.ended(endpoint, swarm.now, wall, useless=is_useless, received_bytes=link.down.total)
