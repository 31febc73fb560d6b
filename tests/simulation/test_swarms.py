"""Whole swarms complete, whatever some of their peers do; afterwards every slot and promise is back."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024
SEEDS = range(3)
SLOW = 2e5                             # bytes a second


@pytest.fixture(params=SEEDS)
def world(request):
    return World(request.param)


def torrent_of(size=2_000_000, piece_length=64 * K):
    return StoredTorrent([size], piece_length)


def leech_from(world, torrent, *manners, slots=1024, **settings):
    """A node that knows one scripted seed for each of `manners`."""
    node = world.node(slots)
    node.open(torrent, **settings)
    peers = [world.seed_peer(torrent, each) for each in manners]
    node.find(torrent, [peer.endpoint for peer in peers])
    return node, peers


@pytest.mark.parametrize("piece_length", [16 * K, 64 * K, 100_000, 256 * K])
def test_one_seed_serves_several_leechers_that_also_serve_each_other(world, piece_length):
    torrent = StoredTorrent([700_000, 16 * K, 1, 800_001], piece_length)
    seed, *leeches = [world.node() for _ in range(5)]
    seed.open(torrent, have=True)
    for node in leeches:
        node.open(torrent)
    for node in leeches:
        node.find(torrent, [other.endpoint for other in (seed, *leeches) if other is not node])
    world.run_until_complete(torrent, leeches, 60.0)
    given = [node.latest[torrent.metainfo.info_hash].uploaded_bytes for node in leeches]
    assert sum(given), "leechers serve too"
    world.run(5.0)                     # some are told of others as if these were not complete, and see for themselves
    assert {node.latest[torrent.metainfo.info_hash].links for node in leeches} == {0}, "seeds leave each other"
    world.end()


def test_a_torrent_of_one_byte_is_fetched(world):
    torrent = StoredTorrent([1], 16 * K)
    node, _ = leech_from(world, torrent, Manners())
    world.run_until_complete(torrent, [node], 10.0)
    world.end()


def test_blocks_in_any_order_with_other_messages_between_them_arrive(world):
    torrent = torrent_of(piece_length=100_000)
    node, _ = leech_from(world, torrent, *[Manners(reorders=True, chatters=True)] * 3)
    world.run_until_complete(torrent, [node], 30.0)
    assert node.latest[torrent.metainfo.info_hash].spoiled_pieces == 0
    world.end()


def test_what_a_vanished_peer_was_asked_for_comes_from_others(world):
    torrent = torrent_of()
    node, peers = leech_from(world, torrent, Manners(vanish_after=20), Manners(vanish_after=25), Manners())
    world.run_until_complete(torrent, [node], 30.0)
    assert peers[0].is_gone and peers[1].is_gone
    world.end()


def test_blocks_of_a_peer_that_never_answers_are_asked_of_others(world):
    torrent = torrent_of()
    node, (mute, _) = leech_from(world, torrent, Manners(mute_after=0), Manners(bytes_per_s=1e6), snub_timeout_s=5.0)
    world.run_until_complete(torrent, [node], 20.0)
    assert mute.requested, "it was asked"
    world.end()


def test_a_block_that_stops_in_the_middle_is_asked_of_others(world):
    torrent = torrent_of()
    node, _ = leech_from(world, torrent, Manners(cut_after=0), Manners(cut_after=7), Manners(), snub_timeout_s=5.0)
    world.run_until_complete(torrent, [node], 20.0)
    world.end()


@pytest.mark.parametrize("flush", [True, False])
def test_a_peer_that_chokes_in_the_middle_is_asked_again_later(world, flush):
    torrent = torrent_of()
    node, (peer,) = leech_from(world, torrent, Manners(choke_after=30, flush_before_choke=flush))
    world.run_until_complete(torrent, [node], 30.0)
    again = len(peer.requested) - len(set(peer.requested))
    assert again, "what the choke made void is asked for again"
    world.end()


def test_a_lone_corrupter_is_banned_by_its_first_piece_and_never_dialled_again(world):
    torrent = torrent_of()
    node, (liar, _) = leech_from(world, torrent, Manners(corrupts=lambda block: True), Manners(pieces=range(3)))
    world.run(60.0)
    swarm = node.swarm(torrent)
    assert swarm.peers.is_banned(liar.endpoint, liar.peer_id)
    assert liar.times_connected == 1
    assert list(swarm.pieces.have) == [0, 1, 2]
    world.end()


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_with_a_corrupter_among_honest_peers_everything_arrives_whole(world, share):
    rng = random.Random(world.seed)
    torrent = torrent_of()
    liar = Manners(corrupts=lambda block: rng.random() < share)
    node, peers = leech_from(world, torrent, liar, Manners(bytes_per_s=1e6), Manners(), snub_timeout_s=5.0)
    world.run_until_complete(torrent, [node], 60.0)
    honest = peers[1:]
    assert not any(node.swarm(torrent).peers.is_banned(peer.endpoint, peer.peer_id) for peer in honest)
    world.end()


def test_a_piece_left_half_done_by_a_suspect_is_finished_by_another_suspect(world):
    torrent = StoredTorrent([512 * K], 512 * K)
    lies = iter([True])
    liar = Manners(corrupts=lambda block: next(lies, False), vanish_after=40)
    node, _ = leech_from(world, torrent, liar, Manners(bytes_per_s=1e6), snub_timeout_s=5.0)
    world.run_until_complete(torrent, [node], 60.0)
    world.end()


def test_the_endgame_asks_two_peers_at_most_and_takes_back_what_came(world):
    torrent = torrent_of()
    node, peers = leech_from(world, torrent, Manners(bytes_per_s=2e3), *[Manners()] * 4)
    world.run_until_complete(torrent, [node], 10.0)
    slow = peers[0]
    left = len(set(slow.requested)) - slow.blocks_sent
    assert left, "others sent what the slow peer still had in its queue"
    asked = Counter(key for peer in peers for key, _ in peer.requested)
    assert max(asked.values()) == 2
    twice = list(asked.values()).count(2)
    assert twice < len(asked) / 2
    assert node.latest[torrent.metainfo.info_hash].wasted_bytes <= twice * 16 * K
    world.end()


def test_peers_that_each_have_a_part_are_combined(world):
    torrent = torrent_of()
    parts = [range(12), range(8, 20), range(16, 31)]
    node, _ = leech_from(world, torrent, *[Manners(pieces=part) for part in parts])
    world.run_until_complete(torrent, [node], 30.0)
    world.end()


def test_a_peer_that_reads_nothing_is_cut_and_the_memory_comes_back(world):
    torrent = torrent_of()
    node = world.node(256)
    node.open(torrent, have=True)
    deaf = world.deaf_leech(torrent, node)
    world.run(20.0)
    assert node.arena.reserved, "blocks wait for it"
    world.run(130.0)
    assert deaf.is_cut
    assert not node.swarm(torrent).links
    world.end()


@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.5, 0.7, 1.0, 1.5])
def test_closing_in_the_middle_gives_everything_back(world, seconds):
    torrent = torrent_of(piece_length=100_000)
    node, _ = leech_from(world, torrent, Manners(reorders=True), Manners(bytes_per_s=SLOW), slots=128)
    peer = world.node(128)
    peer.open(torrent)
    peer.find(torrent, [node.endpoint])
    node.disk.delay_s = peer.disk.delay_s = 0.2
    world.run(seconds)
    world.end()
