"""The choker: everybody while there is room, then those that give most, and one on trial."""

from __future__ import annotations

import random
from dataclasses import dataclass

from blobtorrent.core.swarm.choker import OPTIMISTIC_ROUNDS, ChokeManager


@dataclass(eq=False)
class Peer:
    given_per_s: float = 0.0
    taken_per_s: float = 0.0
    wants_data: bool = True
    is_unchoked: bool = False
    is_optimistic: bool = False


def choker(slots):
    return ChokeManager(slots, 10.0, random.Random(1))


def test_while_there_are_slots_everybody_who_wants_data_is_served():
    peers = [Peer(), Peer(wants_data=False), Peer()]
    assert choker(2).round(peers, 0.0, seeding=False) == [peers[0], peers[2]]


def test_without_slots_nobody_is_served():
    peers = [Peer(), Peer()]
    assert choker(0).round(peers, 0.0, seeding=False) == []
    assert not choker(0).may_unchoke_now(peers)


def test_one_slot_goes_to_the_best():
    peers = [Peer(given_per_s=1), Peer(given_per_s=9), Peer(given_per_s=5)]
    assert choker(1).round(peers, 0.0, seeding=False) == [peers[1]]


def test_a_leecher_serves_those_that_give_most_and_one_on_trial():
    peers = [Peer(given_per_s=rate) for rate in range(10)]
    chosen = choker(4).round(peers, 0.0, seeding=False)
    assert chosen[:3] == peers[:6:-1]
    assert len(chosen) == 4
    assert chosen[3] in peers[:7] and chosen[3].is_optimistic


def test_a_seed_serves_those_that_take_fastest():
    peers = [Peer(taken_per_s=rate, given_per_s=-rate) for rate in range(10)]
    assert choker(4).round(peers, 0.0, seeding=True)[:3] == peers[:6:-1]


def test_the_one_on_trial_changes_every_few_rounds_and_everybody_has_a_turn():
    manager, peers = choker(2), [Peer(given_per_s=100), *[Peer() for _ in range(4)]]
    tried = [manager.round(peers, 0.0, seeding=False)[1] for _ in range(OPTIMISTIC_ROUNDS * 40)]
    changes = [number for number in range(1, len(tried)) if tried[number] is not tried[number - 1]]
    assert all((number + 1) % OPTIMISTIC_ROUNDS == 0 for number in changes)
    assert set(map(id, tried)) == set(map(id, peers[1:]))
    assert sum(peer.is_optimistic for peer in peers) == 1


def test_a_peer_that_becomes_interested_between_rounds_is_served_if_a_slot_is_free():
    manager = choker(2)
    assert manager.may_unchoke_now([Peer(is_unchoked=True), Peer()])
    assert not manager.may_unchoke_now([Peer(is_unchoked=True), Peer(is_unchoked=True), Peer()])


def test_rounds_are_due_at_their_interval():
    manager = choker(2)
    assert manager.is_due(5.0)
    manager.round([], 5.0, seeding=False)
    assert not manager.is_due(14.9)
    assert manager.is_due(15.0)
