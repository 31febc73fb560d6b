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


# Four that want a slot each, and one or two subnets: fair shares were 4 of 5 and 4 of 6. Who gives us more than others
# gets more than they, but a subnet no more than a slot.
@pytest.mark.parametrize(("how", "subnets", "least"), [
    ({}, 1, 0.7), ({}, 2, 0.5), ({"seeding": True}, 1, 0.75), ({"seeding": True}, 2, 0.62)])
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


def test_one_subnet_holds_one_slot_while_others_wait() -> None:
    rig, honest = Rig(SLOTS), honest_peers()
    sybils = [Peer(gives=10 * RATE, takes=RATE, host=f"66.6.6.{number}") for number in range(1, 1 + SYBILS)]
    for chosen in rig.rounds([*sybils, *honest], 60):
        assert sum(peer in sybils for peer in chosen) <= 1
