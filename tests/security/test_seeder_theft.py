"""Seeder bandwidth theft: three sybils for each honest peer, in few subnets, cost the honest no more than half."""

from __future__ import annotations

import pytest

from tests.unit.core.swarm.test_choker import Peer, Rig

SLOTS = 4
HONEST = 4
SYBILS = 3 * HONEST
ROUNDS = 240                           # forty minutes
RATE = 1000.0


def served(peers: list[Peer], honest: list[Peer], **how: bool) -> float:
    """Bytes that the honest get in all, of what the slots carry: each has the same share of the line."""
    rig = Rig(SLOTS)
    for _ in range(ROUNDS):
        chosen = rig.round(peers, **how)
        for peer in chosen:
            peer.takes = SLOTS * RATE / len(chosen)
    return float(sum(peer.sent_bytes for peer in honest))


def honest_peers() -> list[Peer]:
    return [Peer(gives=RATE / 2, takes=RATE, host=f"{20 + number}.0.0.1") for number in range(HONEST)]


# Four that want a slot each, and some subnets of one owner: fair shares were 4 of 5 for one. Who gives us more than
# others gets more than they, but a subnet no more than a slot, and a region no more than a quarter of them.
@pytest.mark.parametrize(("how", "subnets", "least"), [
    ({}, 1, 0.7), ({}, 2, 0.7), ({}, SYBILS, 0.7),
    ({"seeding": True}, 1, 0.75), ({"seeding": True}, 2, 0.72), ({"seeding": True}, SYBILS, 0.72)])
@pytest.mark.parametrize("near", ["66.6.{}.{}", "2a0f:1:2:{}::{}"])
def test_sybils_of_few_subnets_cost_honest_peers_no_more_than_half(
        how: dict[str, bool], subnets: int, least: float, near: str) -> None:
    alone = honest_peers()
    before = served(alone, alone, **how)
    honest = honest_peers()
    # They take as fast as they get, and give a little more than the honest where that counts.
    sybils = [Peer(gives=RATE, takes=RATE, host=near.format(number % subnets, 1 + number // subnets))
              for number in range(SYBILS)]
    after = served([*sybils, *honest], honest, **how)
    assert after >= least * before, f"{after / before:.2f}"


# Two providers may have a slot each, if their peers give more than others.
@pytest.mark.parametrize(("how", "least"), [({}, 0.5), ({"seeding": True}, 0.5)])
def test_sybils_of_two_regions_cost_honest_peers_no_more_than_half(how: dict[str, bool], least: float) -> None:
    alone = honest_peers()
    before = served(alone, alone, **how)
    honest = honest_peers()
    sybils = [Peer(gives=RATE, takes=RATE, host=f"{66 + number % 2}.6.{number}.1") for number in range(SYBILS)]
    after = served([*sybils, *honest], honest, **how)
    assert after >= least * before, f"{after / before:.2f}"


# The second gives a byte a second: it does not owe anything, so the slot that goes round is its turn like another's.
@pytest.mark.parametrize(("gives", "least"), [(0.0, 0.9), (1.0, 0.75)])
def test_sybils_all_over_the_internet_that_give_nothing_get_the_slot_that_goes_round_at_most(
        gives: float, least: float) -> None:
    """Owing us blocks, they would have more slots go round, which were theirs most of the time."""
    alone = honest_peers()
    before = served(alone, alone)
    honest = honest_peers()
    sybils = [Peer(gives=gives, takes=RATE, host=f"{66 + number}.6.6.6") for number in range(SYBILS)]
    after = served([*sybils, *honest], honest)
    assert after >= least * before, f"{after / before:.2f}"


def test_more_links_of_a_subnet_are_no_better_odds_to_be_tried() -> None:
    rig = Rig(2)
    best = Peer(gives=10 * RATE, takes=RATE, host="99.0.0.1")
    honest = [Peer(gives=1.0, takes=RATE, host=f"{20 + number}.0.0.1") for number in range(3)]
    sybils = [Peer(gives=1.0, takes=RATE, host=f"66.6.6.{number}") for number in range(1, 1 + 30)]
    rounds = rig.rounds([best, *sybils, *honest], 1200)
    turns = sum(any(peer in sybils for peer in chosen) for chosen in rounds)
    assert 0.15 < turns / len(rounds) < 0.35               # one subnet of four


def test_one_subnet_holds_one_slot_while_others_wait() -> None:
    rig, honest = Rig(SLOTS), honest_peers()
    sybils = [Peer(gives=10 * RATE, takes=RATE, host=f"66.6.6.{number}") for number in range(1, 1 + SYBILS)]
    for chosen in rig.rounds([*sybils, *honest], 60):
        assert sum(peer in sybils for peer in chosen) <= 1
