"""Rate limits in whole swarms: rates are kept both ways, shared by weight, and nothing is lost or stalls over them."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm, GroupRates, SetRates, SwarmSettings
from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024
RATE = 200 * K
SETTLED_S = 3.0                        # from a change of limits to a steady rate


@pytest.fixture(params=range(2))
def world(request):
    return World(request.param)


def large(seed=1, piece_length=64 * K):
    return StoredTorrent([12_000_000], piece_length, seed=seed)


def limited(world, rates=None, slots=1024):
    node = world.node(slots)
    if rates is not None:
        node.shard.mailbox.post(rates)
    return node


def join(world, node, torrent, *manners, **settings):
    """Download from one scripted seed for each of `manners`."""
    node.open(torrent, **settings)
    peers = [world.seed_peer(torrent, each) for each in manners]
    node.find(torrent, [peer.endpoint for peer in peers])
    return peers


def received(node, torrent):
    return node.swarm(torrent).make_report().downloaded_bytes


def measure(world, seconds, *counters):
    """Bytes a second of each counter over some time."""
    before = [counter() for counter in counters]
    world.run(seconds)
    return [(counter() - count) / seconds for counter, count in zip(counters, before, strict=True)]


@pytest.mark.parametrize("piece_length", [16 * K, 256 * K, 1 << 20])
@pytest.mark.parametrize(("rate", "seconds"), [(50 * K, 20.0), (1 << 20, 7.0)])
def test_a_download_keeps_to_its_limit(world, piece_length, rate, seconds):
    torrent = large(piece_length=piece_length)
    node = limited(world, SetRates(down_bytes_per_s=rate))
    join(world, node, torrent, Manners(), Manners(), Manners(bytes_per_s=1e5))
    world.run(SETTLED_S)
    (measured,) = measure(world, seconds, lambda: received(node, torrent))
    assert measured == pytest.approx(rate, rel=0.05)
    world.end()


@pytest.mark.parametrize(("rate", "seconds"), [(50 * K, 20.0), (500 * K, 10.0)])
def test_an_upload_keeps_to_its_limit(world, rate, seconds):
    torrent = large()
    seed, leeches = limited(world, SetRates(up_bytes_per_s=rate)), [world.node(), world.node()]
    seed.open(torrent, have=True)
    for leech in leeches:
        leech.open(torrent)
        leech.find(torrent, [seed.endpoint])
    world.run(SETTLED_S)
    (measured,) = measure(world, seconds, lambda: sum(received(leech, torrent) for leech in leeches))
    assert measured == pytest.approx(rate, rel=0.05)
    world.end()


def test_a_torrent_with_a_limit_of_its_own_holds_up_no_other(world):
    slow, fast = large(1), large(2)
    node = limited(world)
    join(world, node, slow, Manners(), down_bytes_per_s=RATE)
    join(world, node, fast, Manners(bytes_per_s=5e5))
    world.run(SETTLED_S)
    rates = measure(world, 15.0, lambda: received(node, slow), lambda: received(node, fast))
    assert rates == pytest.approx([RATE, 5e5], rel=0.05)
    world.end()


def test_torrents_share_a_limit_by_weight_however_many_peers_they_have(world):
    light, heavy = large(1), large(2)
    node = limited(world, SetRates(down_bytes_per_s=RATE))
    join(world, node, light, *[Manners()] * 6, weight=1.0)
    join(world, node, heavy, Manners(), weight=3.0)
    world.run(SETTLED_S)
    rates = measure(world, 20.0, lambda: received(node, light), lambda: received(node, heavy))
    assert rates == pytest.approx([RATE / 4, RATE * 3 / 4], rel=0.05)
    world.end()


def test_groups_have_limits_and_weights(world):
    torrents = [large(seed) for seed in range(4)]
    node = limited(world, SetRates(down_bytes_per_s=4 * RATE, groups={
        "capped": GroupRates(down_bytes_per_s=RATE), "heavy": GroupRates(weight=2.0)}))
    for torrent, group in zip(torrents, ("capped", "capped", "heavy", ""), strict=True):
        join(world, node, torrent, Manners(), group=group)
    world.run(SETTLED_S)
    rates = measure(world, 10.0, *[lambda torrent=torrent: received(node, torrent) for torrent in torrents])
    assert rates == pytest.approx([RATE / 2, RATE / 2, 2 * RATE, RATE], rel=0.08)
    world.end()


def test_uploads_share_a_limit_by_weight(world):
    torrents = [large(1), large(2)]
    seed, leech = limited(world, SetRates(up_bytes_per_s=RATE)), world.node()
    for torrent, weight in zip(torrents, (1.0, 4.0), strict=True):
        seed.open(torrent, have=True, weight=weight)
        leech.open(torrent)
        leech.find(torrent, [seed.endpoint])
    world.run(SETTLED_S)
    rates = measure(world, 20.0, *[lambda torrent=torrent: received(leech, torrent) for torrent in torrents])
    assert rates == pytest.approx([RATE / 5, RATE * 4 / 5], rel=0.05)
    world.end()


def test_local_peers_can_be_free_of_limits(world):
    torrent = large()
    node = limited(world, SetRates(down_bytes_per_s=1000, exempt_local=True))
    join(world, node, torrent, Manners())
    world.run_until_complete(torrent, [node], 40.0)
    assert not node.swarm(torrent).requests.valves
    world.end()


def test_a_limit_that_falls_takes_requests_back_and_one_that_goes_lets_everything_through(world):
    torrent = large()
    node = limited(world)
    (peer,) = join(world, node, torrent, Manners(bytes_per_s=1e6))
    world.run(3.0)
    (link,) = node.swarm(torrent).links
    assert len(link.outstanding) > 8
    node.shard.mailbox.post(SetRates(down_bytes_per_s=20 * K))
    world.step()
    assert len(link.outstanding) <= 1 + 2 * max(20 * K / (16 * K), link.window.rate_blocks_per_s)
    world.run(SETTLED_S)
    (measured,) = measure(world, 20.0, lambda: received(node, torrent))
    assert measured == pytest.approx(20 * K, rel=0.1)
    node.shard.mailbox.post(SetRates())
    world.run_until_complete(torrent, [node], 20.0)
    world.end()


@pytest.mark.parametrize("peers", [1, 4, 10])
def test_a_limit_that_falls_holds_from_the_first_seconds_on(world, peers):
    """What was asked for under the old limit counts against the new one; what peers had sent already comes on top."""
    torrent = large(piece_length=256 * K)
    node = limited(world, SetRates(down_bytes_per_s=5 * RATE))
    join(world, node, torrent, *[Manners(bytes_per_s=5 * RATE / peers)] * peers)
    world.run(5.0)
    node.shard.mailbox.post(SetRates(down_bytes_per_s=RATE))
    (measured,) = measure(world, 4.0, lambda: received(node, torrent))
    assert measured < 1.25 * RATE
    (measured,) = measure(world, 10.0, lambda: received(node, torrent))
    assert measured == pytest.approx(RATE, rel=0.06)
    world.end()


def test_an_upload_that_waited_for_a_limit_goes_on_when_the_limit_goes(world):
    torrent = StoredTorrent([2_000_000], 64 * K)
    seed, leech = limited(world, SetRates(up_bytes_per_s=100)), world.node()
    seed.open(torrent, have=True)
    leech.open(torrent)
    leech.find(torrent, [seed.endpoint])
    world.run(5.0)
    assert received(leech, torrent) <= 32 * K
    seed.shard.mailbox.post(SetRates())
    world.run_until_complete(torrent, [leech], 5.0)
    world.end()


def test_a_torrent_that_changes_its_group_has_the_limits_of_the_new_one(world):
    torrent = large()
    groups = {"slow": GroupRates(down_bytes_per_s=20 * K), "fast": GroupRates(down_bytes_per_s=RATE)}
    node = limited(world, SetRates(groups=groups))
    join(world, node, torrent, Manners(), group="slow")
    world.run(SETTLED_S)
    node.shard.mailbox.post(ChangeSwarm(torrent.metainfo.info_hash, SwarmSettings(group="fast")))
    world.run(SETTLED_S)
    (measured,) = measure(world, 10.0, lambda: received(node, torrent))
    assert measured == pytest.approx(RATE, rel=0.05)
    world.end()


def test_slow_and_mute_peers_hold_little_of_a_limit(world):
    """What was asked of them counts against the limit until it is given up: it must not be much."""
    torrent = large()
    node = limited(world, SetRates(down_bytes_per_s=RATE))
    join(world, node, torrent, Manners(), *[Manners(bytes_per_s=500)] * 10, *[Manners(mute_after=0)] * 10)
    world.run(5.0)
    (measured,) = measure(world, 20.0, lambda: received(node, torrent))
    assert measured == pytest.approx(RATE, rel=0.06)
    world.end()


def test_peers_that_choke_or_vanish_take_nothing_of_a_limit_with_them(world):
    torrent = large()
    node = limited(world, SetRates(down_bytes_per_s=RATE))
    chokers = [Manners(choke_after=blocks, choke_s=1.0, flush_before_choke=False) for blocks in range(5, 60, 5)]
    join(world, node, torrent, Manners(), Manners(vanish_after=20), *chokers)
    world.run(SETTLED_S)
    (measured,) = measure(world, 20.0, lambda: received(node, torrent))
    assert measured == pytest.approx(RATE, rel=0.06)
    world.end()


def test_a_deaf_peer_does_not_eat_the_upload_limit(world):
    torrent = large()
    seed, leech = limited(world, SetRates(up_bytes_per_s=RATE)), world.node()
    seed.open(torrent, have=True)
    for _ in range(4):
        world.deaf_leech(torrent, seed)
    world.run(10.0)
    leech.open(torrent)
    leech.find(torrent, [seed.endpoint])
    world.run(SETTLED_S)
    (measured,) = measure(world, 15.0, lambda: received(leech, torrent))
    assert measured == pytest.approx(RATE, rel=0.05)
    world.end()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_limits_do_everything_arrives_and_nothing_is_lost(seed):
    world = World(seed)
    rng = random.Random(seed)
    torrents = [StoredTorrent([1_500_000], rng.choice((16, 64, 256)) * K, seed=number) for number in range(2)]
    source, *leeches = [world.node(rng.choice((64, 1024))) for _ in range(3)]
    for torrent in torrents:
        source.open(torrent, have=True)
        for node in leeches:
            node.open(torrent)
            node.find(torrent, [other.endpoint for other in (source, *leeches) if other is not node])
    for _ in range(40):
        node = rng.choice((source, *leeches))
        rates = [rng.choice((0, 1000, 40_000, 400_000, 4_000_000)) for _ in range(4)]
        if rng.random() < 0.5:
            group = GroupRates(rates[2], rates[3], rng.random() + 0.1)
            node.shard.mailbox.post(SetRates(rates[0], rates[1], {"a": group}))
        else:
            settings = SwarmSettings(
                down_bytes_per_s=rates[0], up_bytes_per_s=rates[1], weight=rng.random() + 0.1, group=rng.choice("ab"))
            node.shard.mailbox.post(ChangeSwarm(rng.choice(torrents).metainfo.info_hash, settings))
        world.run(0.5)
    for node in (source, *leeches):
        node.shard.mailbox.post(SetRates())
        for torrent in torrents:
            node.shard.mailbox.post(ChangeSwarm(torrent.metainfo.info_hash, SwarmSettings()))
    for torrent in torrents:
        world.run_until_complete(torrent, leeches, 90.0)
    world.end()
