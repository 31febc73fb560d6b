"""Exchange: peers of a swarm tell each other who else is there (BEP 11). Never of a private torrent (BEP 27).

What peers tell is hearsay. A host fills no more than its share of the addresses that are tried, sends us nowhere where
it has no business itself, and is not listened to any more when those that it named are not there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.knownpeer import CLAIM_S
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, PeerError
from blobtorrent.model.reach import Reach, may_name, neighbourhood_of, reach_of, site_of
from blobtorrent.protocol.wire.extended import UT_HOLEPUNCH, UT_PEX
from blobtorrent.protocol.wire.pex import (
    HAS_HOLEPUNCH,
    HAS_UTP,
    IS_REACHABLE,
    MAX_ENTRIES,
    PREFERS_ENCRYPTION,
    UPLOAD_ONLY,
    PeerExchange,
)

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm

INTERVAL_S = 60.0                      # between two messages to a peer
HEAR_INTERVAL_S = 50.0                 # between two of a peer, on average: its clock and the path may jitter
HEAR_BURST = 3                         # that may come at once
MAX_EXCESS = 20                        # messages beyond that which are passed over; then the peer goes
FEW = 25                               # live peers of a family; while there are fewer, some that left are told too
RECENT_S = 300.0                       # for so long after they left
MAX_SHARE = 200                        # addresses of one host that were not proven yet
MAX_DEAD = 50                          # addresses of a host that led nowhere, while less than a tenth were good
AROUND = 3                             # times as much of both for all hosts of one network of the internet
MAX_SHARES = 1000                      # hosts and networks that are remembered
MAX_OF_SITE = 4                        # addresses in one message that may be one host's
_LEFT_IN_PEACE = frozenset(("net.both-seeds", "net.too-many", "net.crossed"))

_reach_of = lru_cache(4096)(reach_of)


class Exchange:
    """Of one swarm; begun when the first peer says that it takes part."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._partners: dict[PeerLink, _Partner] = {}
        self._shares: dict[str, _Share] = {}               # by host and network, those that spoke last at the end
        self._present: dict[Endpoint, int] = {}            # who is worth telling of, with flags
        self._revision = 1                                 # of that
        self._recent: deque[_Recent] = deque(maxlen=2 * FEW)

    @property
    def num_partners(self) -> int:
        """Peers that take part in it."""
        return len(self._partners)

    def meet(self, link: PeerLink) -> None:
        """A peer has said which extensions it takes, perhaps not for the first time."""
        if link.extended.ids.get(UT_PEX):
            self._partner_of(link)

    def left(self, link: PeerLink, error: BlobTorrentError) -> None:
        """A link ended. Those who parted because both were complete, or for want of room, are still worth a dial."""
        self._partners.pop(link, None)
        endpoint = link.listening_at
        if endpoint is not None and error.code in _LEFT_IN_PEACE:
            self._recent.append(_Recent(endpoint, _flags(link), self._swarm.now))

    # ---- what we tell

    def tick(self, now: float) -> None:
        """Tell those whose minute is over what is new."""
        present = self._worth_telling(now)
        if present != self._present:
            self._present = present
            self._revision += 1
        fit: dict[Reach, dict[Endpoint, int]] = {}         # whom a peer of that reach may be told of
        for link, partner in self._partners.items():
            if partner.tell_at <= now and partner.seen != self._revision and link.extended.ids.get(UT_PEX):
                reach = _reach_of(link.endpoint.host)
                if reach not in fit:
                    fit[reach] = {peer: flags for peer, flags in present.items() if _reach_of(peer.host) >= reach}
                self._tell(link, partner, fit[reach], now)

    def _tell(self, link: PeerLink, partner: _Partner, fit: dict[Endpoint, int], now: float) -> None:
        itself = link.listening_at
        added = [(peer, flags) for peer, flags in fit.items() if peer not in partner.told and peer != itself]
        dropped = [peer for peer in partner.told if peer not in fit or peer == itself]
        if len(added) <= MAX_ENTRIES and len(dropped) <= MAX_ENTRIES:
            partner.seen = self._revision
        if not added and not dropped:
            return
        told = PeerExchange(dict(added[:MAX_ENTRIES]), tuple(dropped[:MAX_ENTRIES]))
        message = link.extended.message(UT_PEX, told.encode())
        if message is not None:
            partner.told.update(told.added)
            for peer in told.dropped:
                del partner.told[peer]
            partner.tell_at = now + INTERVAL_S
            link.send(message)

    def _worth_telling(self, now: float) -> dict[Endpoint, int]:
        """Who is worth telling of, with flags: the connected, and while these are few some that left in peace."""
        present = {endpoint: _flags(link) for link in self._swarm.links
                   if (endpoint := link.listening_at) is not None}
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
        shares = self._shares_of(link.endpoint.host)
        for share in shares:
            share.settle(self._swarm)
        if any(share.is_hopeless for share in shares):
            return
        room = min(share.room for share in shares)
        fit = tuple(endpoint for endpoint, _ in zip(self._worth_trying(link, told), range(room)))
        peers = self._swarm.peers
        new = dict.fromkeys(peers.found(fit, PeerSource.PEX, now))
        for share in shares:
            share.unproven.update(new)
        for endpoint in fit:
            if not told.added[endpoint] & UPLOAD_ONLY:
                peers.doubt_complete(endpoint)
            elif endpoint in new:
                peers.claim_complete(endpoint, now + CLAIM_S)
            if told.added[endpoint] & (HAS_UTP | HAS_HOLEPUNCH):
                peers.note_utp(endpoint)
            if told.added[endpoint] & HAS_HOLEPUNCH and self._swarm.punching is not None:
                self._swarm.punching.note(endpoint, link)
        if fit:
            self._swarm.dial()
            self._swarm.pulse.hurry()

    def _worth_trying(self, link: PeerLink, told: PeerExchange) -> Iterator[Endpoint]:
        """Without what its teller has no business with, and with one port of a host and few hosts of a subnet: behind
        many there is one peer that moved, or a trick to have somebody scanned. On loopback all share one host."""
        allow_loopback = self._swarm.settings.allow_loopback
        by, hosts, sites = link.endpoint.host, set[str](), Counter[str]()
        for endpoint in told.added:
            address = ip_address(endpoint.host)
            if address.is_multicast or address.is_unspecified or address.is_reserved:
                continue
            site = site_of(endpoint.host)
            if endpoint.host in hosts or sites[site] >= MAX_OF_SITE:
                continue
            if not may_name(by, endpoint.host, allow_loopback=allow_loopback):
                continue
            if not address.is_loopback:
                hosts.add(endpoint.host)
                sites[site] += 1
            yield endpoint

    def _partner_of(self, link: PeerLink) -> _Partner:
        partner = self._partners.get(link)
        if partner is None:
            partner = self._partners[link] = _Partner(self._swarm.now)
        return partner

    def _shares_of(self, host: str) -> list[_Share]:
        """That of a host, and on the internet that of the network around it."""
        sizes = {site_of(host): 1}
        if _reach_of(host) is Reach.GLOBAL:
            sizes[neighbourhood_of(host)] = AROUND
        found = []
        for key, size in sizes.items():
            share = self._shares.pop(key) if key in self._shares else _Share(size)
            self._shares[key] = share
            found.append(share)
        while len(self._shares) > MAX_SHARES:
            del self._shares[next(iter(self._shares))]
        return found


class _Partner:
    """A peer that takes part: what it was told, and how much it says."""

    __slots__ = ("excess", "quiet_until", "seen", "tell_at", "told")

    def __init__(self, now: float) -> None:
        self.told: dict[Endpoint, int] = {}
        self.tell_at = now
        self.seen = 0                  # the revision of which it knows everything
        self.quiet_until = now         # when it would have spoken as often as it may
        self.excess = 0

    def may_speak(self, now: float) -> bool:
        self.quiet_until = max(self.quiet_until, now)
        if self.quiet_until - now >= HEAR_BURST * HEAR_INTERVAL_S:
            return False
        self.quiet_until += HEAR_INTERVAL_S
        return True


class _Share:
    """What one host, or `size` hosts, told of that was new to us, and what became of it."""

    __slots__ = ("dead", "good", "size", "unproven")

    def __init__(self, size: int) -> None:
        self.size = size
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
    def room(self) -> int:
        """How many more it may tell of before some were tried."""
        return max(0, MAX_SHARE * self.size - len(self.unproven))

    @property
    def is_hopeless(self) -> bool:
        return self.dead >= MAX_DEAD * self.size and self.good < self.dead // 10


class _Recent:
    """A peer that left."""

    __slots__ = ("at", "endpoint", "flags")

    def __init__(self, endpoint: Endpoint, flags: int, at: float) -> None:
        self.endpoint = endpoint
        self.flags = flags
        self.at = at


def _flags(link: PeerLink) -> int:
    flags = 0 if link.is_incoming else IS_REACHABLE
    if link.transport == "utp":
        flags |= HAS_UTP
    if link.extended.ids.get(UT_HOLEPUNCH):
        flags |= HAS_HOLEPUNCH
    if link.is_encrypted:
        flags |= PREFERS_ENCRYPTION
    return flags | UPLOAD_ONLY if link.is_seed or link.extended.is_upload_only else flags
