"""Exchange: peers of a swarm tell each other who else is there (BEP 11). Never of a private torrent (BEP 27).

What peers tell is hearsay. A host fills no more than its share of the addresses that are tried, sends us nowhere where
it has no business itself, and is not listened to any more when those that it named are not there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, PeerError
from blobtorrent.model.reach import may_name, reach_of
from blobtorrent.protocol.wire.extended import UT_PEX
from blobtorrent.protocol.wire.pex import IS_REACHABLE, MAX_ENTRIES, UPLOAD_ONLY, PeerExchange

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm

INTERVAL_S = 60.0                      # between two messages to a peer
HEAR_INTERVAL_S = 50.0                 # between two of a peer, on average: its clock and the path may jitter
HEAR_BURST = 3                         # that may come at once
MAX_EXCESS = 20                        # messages beyond that which are passed over; then the peer goes
FEW = 25                               # live peers of a family; while there are fewer, some that left are told too
RECENT_S = 300.0                       # for so long after they left
MAX_SHARE = 200                        # addresses of one host that were not proven yet
MAX_SHARES = 500                       # hosts that are remembered
MAX_DEAD = 50                          # addresses of a host that led nowhere, while less than a tenth were good
_LEFT_IN_PEACE = frozenset(("net.both-seeds", "net.too-many", "net.crossed"))

_reach_of = lru_cache(4096)(reach_of)


class Exchange:
    """Of one swarm; begun when the first peer says that it takes part."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._partners: dict[PeerLink, _Partner] = {}
        self._shares: dict[str, _Share] = {}               # by host, those that spoke last at the end
        self._recent: deque[_Recent] = deque(maxlen=2 * FEW)

    def meet(self, link: PeerLink) -> None:
        """A peer has said which extensions it takes, perhaps not for the first time."""
        if link.extended.ids.get(UT_PEX):
            self._partner_of(link)

    def left(self, link: PeerLink, error: BlobTorrentError) -> None:
        """A link ended. Those who parted because both were complete, or for want of room, are still worth a dial."""
        self._partners.pop(link, None)
        endpoint = listening_at(link)
        if endpoint is not None and error.code in _LEFT_IN_PEACE:
            self._recent.append(_Recent(endpoint, _flags(link), self._swarm.now))

    # ---- what we tell

    def tick(self, now: float) -> None:
        """Tell those whose minute is over what is new."""
        due = [(link, partner) for link, partner in self._partners.items() if partner.tell_at <= now]
        if due:
            present = self._present(now)
            for link, partner in due:
                self._tell(link, partner, present, now)

    def _tell(self, link: PeerLink, partner: _Partner, present: dict[Endpoint, int], now: float) -> None:
        itself, reach = listening_at(link), _reach_of(link.endpoint.host)
        fit = {peer: flags for peer, flags in present.items()
               if peer != itself and _reach_of(peer.host) >= reach}
        added = dict([(peer, flags) for peer, flags in fit.items() if peer not in partner.told][:MAX_ENTRIES])
        dropped = tuple(peer for peer in partner.told if peer not in fit)[:MAX_ENTRIES]
        message = link.extended.message(UT_PEX, PeerExchange(added, dropped).encode()) if added or dropped else None
        if message is not None:
            partner.told.update(added)
            for peer in dropped:
                del partner.told[peer]
            partner.tell_at = now + INTERVAL_S
            link.send(message)

    def _present(self, now: float) -> dict[Endpoint, int]:
        """Who is worth telling of, with flags: the connected, and while these are few some that left in peace."""
        present = {endpoint: _flags(link) for link in self._swarm.links
                   if (endpoint := listening_at(link)) is not None}
        while self._recent and self._recent[0].at <= now - RECENT_S:
            self._recent.popleft()
        for is_ipv6 in (False, True):
            if sum(endpoint.is_ipv6 == is_ipv6 for endpoint in present) < FEW:
                gone = [recent for recent in self._recent if recent.endpoint.is_ipv6 == is_ipv6]
                for recent in gone[-FEW:]:
                    present.setdefault(recent.endpoint, recent.flags)
        return present

    # ---- what we are told

    def on_message(self, link: PeerLink, payload: bytes) -> None:
        """Raises PeerError ("wire.bad-pex", "wire.pex-flood")."""
        now = self._swarm.now
        partner = self._partner_of(link)
        if not partner.may_speak(now):
            partner.excess += 1
            if partner.excess > MAX_EXCESS:
                raise PeerError("wire.pex-flood", "it tells of peers all the time")
            return
        told = PeerExchange.decode(payload)
        share = self._share_of(link.endpoint.host)
        share.settle(self._swarm)
        if share.is_hopeless:
            return
        fit: list[Endpoint] = []
        for endpoint in self._worth_trying(link, told):
            if len(share.unproven) + len(fit) >= MAX_SHARE:
                break
            fit.append(endpoint)
        for endpoint in self._swarm.peers.found(tuple(fit), PeerSource.PEX, now):
            share.unproven[endpoint] = None
            if told.added[endpoint] & UPLOAD_ONLY:
                self._swarm.peers.wants_nothing(endpoint)
        if fit:
            self._swarm.dial()
            self._swarm.pulse.hurry()

    def _worth_trying(self, link: PeerLink, told: PeerExchange) -> Iterator[Endpoint]:
        """Without what its teller has no business with, and with one port of a host: behind many there is one peer that
        moved, or a trick to have somebody scanned. On loopback all share one host."""
        allow_loopback = self._swarm.settings.allow_loopback
        by, hosts = link.endpoint.host, set()
        for endpoint in told.added:
            address = ip_address(endpoint.host)
            if address.is_multicast or address.is_unspecified or address.is_reserved:
                continue
            if endpoint.host in hosts or not may_name(by, endpoint.host, allow_loopback=allow_loopback):
                continue
            if not address.is_loopback:
                hosts.add(endpoint.host)
            yield endpoint

    def _partner_of(self, link: PeerLink) -> _Partner:
        partner = self._partners.get(link)
        if partner is None:
            partner = self._partners[link] = _Partner(self._swarm.now)
        return partner

    def _share_of(self, host: str) -> _Share:
        share = self._shares.pop(host, None) or _Share()
        self._shares[host] = share
        if len(self._shares) > MAX_SHARES:
            del self._shares[next(iter(self._shares))]
        return share


class _Partner:
    """A peer that takes part: what it was told, and how much it says."""

    __slots__ = ("excess", "quiet_until", "tell_at", "told")

    def __init__(self, now: float) -> None:
        self.told: dict[Endpoint, int] = {}
        self.tell_at = now
        self.quiet_until = now         # when it would have spoken as often as it may
        self.excess = 0

    def may_speak(self, now: float) -> bool:
        self.quiet_until = max(self.quiet_until, now)
        if self.quiet_until - now >= HEAR_BURST * HEAR_INTERVAL_S:
            return False
        self.quiet_until += HEAR_INTERVAL_S
        return True


class _Share:
    """What one host told of that was new to us, and what became of it."""

    __slots__ = ("dead", "good", "unproven")

    def __init__(self) -> None:
        self.unproven: dict[Endpoint, None] = {}
        self.dead = 0
        self.good = 0

    def settle(self, swarm: Swarm) -> None:
        """Count those that were tried meanwhile."""
        for endpoint in list(self.unproven):
            was_good = swarm.peers.was_good(endpoint)
            if was_good is not None:
                del self.unproven[endpoint]
                self.good += was_good
                self.dead += not was_good

    @property
    def is_hopeless(self) -> bool:
        return self.dead >= MAX_DEAD and self.good < self.dead // 10


class _Recent:
    """A peer that left."""

    __slots__ = ("at", "endpoint", "flags")

    def __init__(self, endpoint: Endpoint, flags: int, at: float) -> None:
        self.endpoint = endpoint
        self.flags = flags
        self.at = at


def listening_at(link: PeerLink) -> Endpoint | None:
    """Where a connected peer takes connections, as far as it is known: never the port that it dialled from."""
    if not link.is_incoming:
        return link.endpoint
    return Endpoint(link.endpoint.host, link.extended.port) if link.extended.port else None


def _flags(link: PeerLink) -> int:
    flags = 0 if link.is_incoming else IS_REACHABLE
    return flags | UPLOAD_ONLY if link.is_seed or link.extended.is_upload_only else flags
