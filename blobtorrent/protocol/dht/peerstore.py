"""Peers that announced to us: the part of the table that this node keeps for others (BEP 5), bounded in every way."""

from __future__ import annotations

from collections import Counter

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.blooms import Bloom
from blobtorrent.protocol.dht.ids import Randomness, host_key, pack_host, provider_of

PEER_LIFE_S = 1800.0                   # clients announce every 15 minutes or so
MAX_SWARMS = 2000
MAX_PEERS = 500                        # of a swarm in one family
MAX_SWARMS_OF_HOST = 100               # that one host may announce to: nobody fills the store alone
MAX_ENTRIES = 100_000                  # of all swarms together
BLOOMS_S = 60.0                        # that filters of a swarm are good for


class _Peer:
    __slots__ = ("expires_s", "is_seed", "packed")

    def __init__(self, packed: bytes, expires_s: float, is_seed: bool) -> None:
        self.packed = packed
        self.expires_s = expires_s
        self.is_seed = is_seed


class _Swarm:
    """The peers of one swarm, IPv4 and IPv6 apart, those that announced longest ago first."""

    __slots__ = ("families", "providers", "blooms", "blooms_s")

    def __init__(self) -> None:
        self.families: tuple[dict[Endpoint, _Peer], dict[Endpoint, _Peer]] = ({}, {})
        self.providers: Counter[bytes] = Counter()         # how many peers each has here
        self.blooms: tuple[bytes, bytes] | None = None
        self.blooms_s = 0.0            # when they were made

    def add(self, endpoint: Endpoint, peer: _Peer) -> None:
        self.families[endpoint.is_ipv6][endpoint] = peer
        self.providers[provider_of(peer.packed)] += 1

    def remove(self, endpoint: Endpoint) -> _Peer:
        peer = self.families[endpoint.is_ipv6].pop(endpoint)
        provider = provider_of(peer.packed)
        self.providers[provider] -= 1
        if not self.providers[provider]:
            del self.providers[provider]
        return peer

    def surplus(self, *, is_ipv6: bool) -> Endpoint:
        """Who makes room: of the provider that has most peers here, the one that announced longest ago."""
        family = self.families[is_ipv6]
        most = max((provider_of(peer.packed) for peer in family.values()), key=self.providers.__getitem__)
        return next(endpoint for endpoint, peer in family.items() if provider_of(peer.packed) == most)


class PeerStore:
    """Peers by info-hash (20 bytes). Of one host one port is kept a swarm, so that nobody is many."""

    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._swarms: dict[bytes, _Swarm] = {}
        self._hosts: dict[bytes, dict[bytes, Endpoint]] = {}           # what each announced
        self._num_entries = 0

    def __len__(self) -> int:
        return len(self._swarms)

    def info_hashes(self) -> list[bytes]:
        return list(self._swarms)

    def announce(self, info_hash: bytes, peer: Endpoint, *, is_seed: bool, now: float) -> bool:
        """Keep a peer, or keep it for longer; False when there is no room for it."""
        packed = pack_host(peer.host)
        host = host_key(packed)
        announced = self._hosts.get(host, {})
        before = announced.get(info_hash)
        if before is not None:
            self._drop(info_hash, before)
        swarm = self._swarms.get(info_hash)
        if self._num_entries >= MAX_ENTRIES or len(announced) >= MAX_SWARMS_OF_HOST or (
                swarm is None and len(self._swarms) >= MAX_SWARMS):
            return False
        if swarm is None:
            swarm = self._swarms[info_hash] = _Swarm()
        elif len(swarm.families[peer.is_ipv6]) >= MAX_PEERS:
            self._drop(info_hash, swarm.surplus(is_ipv6=peer.is_ipv6))
        swarm.add(peer, _Peer(packed, now + PEER_LIFE_S, is_seed))
        self._hosts.setdefault(host, {})[info_hash] = peer
        self._num_entries += 1
        return True

    def some(self, info_hash: bytes, most: int, *, is_ipv6: bool, no_seeds: bool = False) -> list[Endpoint]:
        """Up to so many peers of one family, a different choice every time."""
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return []
        family = swarm.families[is_ipv6]
        peers = [peer for peer, entry in family.items() if not entry.is_seed] if no_seeds else list(family)
        return peers if len(peers) <= most else self._rng.sample(peers, most)

    def blooms(self, info_hash: bytes, now: float) -> tuple[bytes, bytes] | None:
        """Filters of the addresses of seeds and of other peers (BEP 33), as of a minute ago at most; None when nobody
        is known."""
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            return None
        if swarm.blooms is None or now - swarm.blooms_s >= BLOOMS_S:
            seeds, others = Bloom(), Bloom()
            for family in swarm.families:
                for entry in family.values():
                    (seeds if entry.is_seed else others).add(entry.packed)
            swarm.blooms, swarm.blooms_s = (bytes(seeds.bits), bytes(others.bits)), now
        return swarm.blooms

    def expire(self, now: float) -> None:
        for info_hash, swarm in list(self._swarms.items()):
            late = [endpoint for family in swarm.families for endpoint, peer in family.items()
                    if peer.expires_s <= now]
            for endpoint in late:
                self._drop(info_hash, endpoint)

    def _drop(self, info_hash: bytes, endpoint: Endpoint) -> None:
        swarm = self._swarms[info_hash]
        host = host_key(swarm.remove(endpoint).packed)
        announced = self._hosts[host]
        del announced[info_hash]
        if not announced:
            del self._hosts[host]
        if not any(swarm.families):
            del self._swarms[info_hash]
        self._num_entries -= 1
