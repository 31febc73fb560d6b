"""Peers that announced to us: the part of the table that this node keeps for others (BEP 5), bounded in every way."""

from __future__ import annotations

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.blooms import Bloom
from blobtorrent.protocol.dht.ids import Randomness, pack_host

PEER_LIFE_S = 1800.0                   # clients announce every 15 minutes or so
MAX_SWARMS = 2000
MAX_PEERS = 500                        # of a swarm
MAX_SWARMS_OF_HOST = 100               # that one host may announce to: nobody fills the store alone
MAX_ENTRIES = 100_000                  # of all swarms together


class _Peer:
    __slots__ = ("expires_s", "is_seed")

    def __init__(self, expires_s: float, is_seed: bool) -> None:
        self.expires_s = expires_s
        self.is_seed = is_seed


class PeerStore:
    """Peers by info-hash (20 bytes). Of one host one port is kept a swarm, so that nobody is many."""

    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._swarms: dict[bytes, dict[Endpoint, _Peer]] = {}
        self._hosts: dict[str, dict[bytes, Endpoint]] = {}             # what each host announced
        self._num_entries = 0

    def __len__(self) -> int:
        return len(self._swarms)

    def info_hashes(self) -> list[bytes]:
        return list(self._swarms)

    def announce(self, info_hash: bytes, peer: Endpoint, *, is_seed: bool, now: float) -> bool:
        """Keep a peer, or keep it for longer; False when there is no room for it."""
        announced = self._hosts.get(peer.host, {})
        before = announced.get(info_hash)
        if before is not None:
            self._drop(info_hash, before)
        swarm = self._swarms.get(info_hash, {})
        if self._num_entries >= MAX_ENTRIES or len(announced) >= MAX_SWARMS_OF_HOST or (
                not swarm and len(self._swarms) >= MAX_SWARMS):
            return False
        if len(swarm) >= MAX_PEERS:
            self._drop(info_hash, next(iter(swarm)))       # the one that announced longest ago
        self._swarms.setdefault(info_hash, {})[peer] = _Peer(now + PEER_LIFE_S, is_seed)
        self._hosts.setdefault(peer.host, {})[info_hash] = peer
        self._num_entries += 1
        return True

    def some(self, info_hash: bytes, most: int, *, is_ipv6: bool, no_seeds: bool = False) -> list[Endpoint]:
        """Up to so many peers of one family, a different choice every time."""
        swarm = self._swarms.get(info_hash)
        if not swarm:
            return []
        peers = [
            peer for peer, entry in swarm.items() if peer.is_ipv6 == is_ipv6 and not (no_seeds and entry.is_seed)]
        return peers if len(peers) <= most else self._rng.sample(peers, most)

    def blooms(self, info_hash: bytes) -> tuple[bytes, bytes] | None:
        """Filters of the addresses of seeds and of other peers (BEP 33); None when nobody is known."""
        swarm = self._swarms.get(info_hash)
        if not swarm:
            return None
        seeds, others = Bloom(), Bloom()
        for peer, entry in swarm.items():
            (seeds if entry.is_seed else others).add(pack_host(peer.host))
        return bytes(seeds.bits), bytes(others.bits)

    def expire(self, now: float) -> None:
        for info_hash, swarm in list(self._swarms.items()):
            for peer in [peer for peer, entry in swarm.items() if entry.expires_s <= now]:
                self._drop(info_hash, peer)

    def _drop(self, info_hash: bytes, peer: Endpoint) -> None:
        swarm, announced = self._swarms[info_hash], self._hosts[peer.host]
        del swarm[peer], announced[info_hash]
        if not swarm:
            del self._swarms[info_hash]
        if not announced:
            del self._hosts[peer.host]
        self._num_entries -= 1
