"""Eclipse of a torrent: who names most addresses, or owns most, does not get all of our connections."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.core.swarm.peers import MAX_KEPT, PeerManager
from blobtorrent.model.address import Endpoint
from blobtorrent.model.reach import region_of
from tests.support.simpeers import Manners, ScriptedSeed
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024
ATTACKERS = 120
LINKS = 20
COMPLETE_S = 120.0


def attackers(number: int, prefix: str = "66.66") -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"{prefix}.{index >> 8}.{index & 255}", 6881) for index in range(1, 1 + number))


def honest(number: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"{20 + index}.1.1.1", 6881) for index in range(number))


@pytest.mark.parametrize("prefix", ["66.66", "2a0f:dead"])
def test_a_region_gets_half_of_the_places_while_others_wait(prefix: str) -> None:
    """However early and by whichever source it is named."""
    ours = attackers(ATTACKERS) if "." in prefix else tuple(
        Endpoint(f"{prefix}:{index:x}::1", 6881) for index in range(1, ATTACKERS))
    peers = PeerManager()
    peers.found(ours, PeerSource.TRACKER, 0.0)
    peers.found(honest(30), PeerSource.TRACKER, 1.0)
    chosen = peers.to_dial(LINKS, 2.0, seeding=False)
    regions = Counter(region_of(endpoint.host) for endpoint in chosen)
    assert len(chosen) == LINKS and max(regions.values()) <= LINKS // 2


def test_a_source_gets_half_of_the_places_while_others_wait() -> None:
    peers = PeerManager()
    everywhere = tuple(Endpoint(f"{30 + index}.2.2.2", 6881) for index in range(100))
    peers.found(everywhere, PeerSource.TRACKER, 0.0)
    peers.found(honest(10), PeerSource.DHT, 1.0)
    chosen = peers.to_dial(LINKS, 2.0, seeding=False)
    assert sum(endpoint in everywhere for endpoint in chosen) <= LINKS // 2


def test_nobody_else_waiting_all_places_are_filled() -> None:
    peers = PeerManager()
    peers.found(attackers(ATTACKERS), PeerSource.TRACKER, 0.0)
    assert len(peers.to_dial(LINKS, 1.0, seeding=False)) == LINKS
    assert peers.crowding_region(2.0, seeding=False) == ""
    peers.found(honest(1), PeerSource.TRACKER, 2.0)
    assert peers.crowding_region(2.0, seeding=False) == "66.66.0.0/16"


def test_whom_the_user_named_counts_for_no_region() -> None:
    peers = PeerManager()
    peers.found(attackers(LINKS), PeerSource.STATIC, 0.0)
    peers.found(honest(5), PeerSource.TRACKER, 0.0)
    assert len(set(peers.to_dial(LINKS, 1.0, seeding=False)) & set(attackers(LINKS))) == LINKS
    assert peers.crowding_region(2.0, seeding=False) == ""
    assert not peers.is_of(attackers(1)[0], "66.66.0.0/16")


def test_our_own_network_is_no_region() -> None:
    peers = PeerManager()
    peers.found(tuple(Endpoint(f"10.0.0.{index}", 6881) for index in range(1, 30)), PeerSource.LSD, 0.0)
    peers.found(honest(2), PeerSource.LSD, 0.0)
    peers.to_dial(LINKS, 1.0, seeding=False)
    assert peers.crowding_region(2.0, seeding=False) == ""


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("source", [PeerSource.DHT, PeerSource.TRACKER])
def test_among_attackers_that_fill_all_places_the_torrent_completes(source: PeerSource, *, is_late: bool) -> None:
    """The tracker names attackers only, who take a connection and give nothing; another source, or the tracker itself
    in the end, names one honest peer."""
    world, torrent = World(3), StoredTorrent([300_000], 64 * K)
    for endpoint in attackers(ATTACKERS):
        world.add_peer(ScriptedSeed(torrent, endpoint, Manners(mute_after=0), random.Random(world.rng.random())))
    (good,) = honest(1)
    world.add_peer(ScriptedSeed(torrent, good, Manners(), random.Random(5)))
    leech = world.node()
    leech.open(torrent, max_links=LINKS)
    leech.find(torrent, attackers(ATTACKERS))
    if is_late:
        world.run(10.0)
        assert len(leech.swarm(torrent).links) == LINKS, "they have all places"
    leech.tell(PeersFound(torrent.metainfo.info_hash, (good,), source))
    world.run_until_complete(torrent, [leech], COMPLETE_S)


@pytest.mark.parametrize("seed", range(2))
def test_those_who_dial_us_leave_places_for_those_whom_we_dial(seed: int) -> None:
    """Attackers take every place as soon as it is free, and keep it; somebody names an honest peer."""
    world, torrent = World(seed), StoredTorrent([300_000], 64 * K)
    leech = world.node()
    leech.open(torrent, max_links=LINKS)
    world.run(1.0)
    callers = iter(attackers(2000, "77.77"))

    def besiege(seconds: int) -> None:
        for _ in range(seconds):
            for _ in range(LINKS):
                caller = ScriptedSeed(torrent, next(callers), Manners(mute_after=0), random.Random(world.rng.random()))
                world.add_peer(caller, dials=leech)
            world.run(1.0)
            if leech.has_all(torrent):
                return

    besiege(3)
    assert len(leech.swarm(torrent).links) == LINKS, "they have all places"
    (good,) = honest(1)
    world.add_peer(ScriptedSeed(torrent, good, Manners(), random.Random(5)))
    leech.find(torrent, (good,))
    besiege(90)
    assert leech.has_all(torrent)


def test_good_peers_are_kept_over_a_restart_whatever_else_is_known() -> None:
    peers = PeerManager()
    good = honest(10)
    peers.found(good, PeerSource.DHT, 0.0)
    peers.to_dial(10, 0.0, seeding=False)
    for endpoint in good:
        peers.dialled(endpoint)
        peers.linked(endpoint)
        peers.ended(endpoint, 1.0, 1_700_000_000.0, useless=False, received_bytes=1 << 20)
    peers.found(attackers(3000), PeerSource.TRACKER, 2.0)
    kept = peers.kept({}, 1_700_000_001.0, seeding=False)
    assert len(kept) <= MAX_KEPT
    assert {address.endpoint for address in kept[:10]} == set(good)
    after = PeerManager()
    after.restore(kept, 0.0)
    assert set(good) <= set(after.to_dial(2 * len(good), 0.0, seeding=False))
