"""Poisoned pieces: three of ten peers poison; twenty seeds, and what their poison costs in memory. In virtual time."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.simulation.swarmlab.lab import Lab
from tests.simulation.swarmlab.scenarios import HOSTILE, Scenario

SEEDS = range(20)
WASTE = 0.1                            # of what was downloaded
GROWTH_BYTES = 2_000_000
FEW = HOSTILE._replace(leechers=3, pieces=30)


@pytest.mark.parametrize("seed", SEEDS)
def test_poisoners_waste_little_and_are_found_out_and_nobody_else_is_banned(seed: int) -> None:
    assert HOSTILE.liars == 3 and HOSTILE.lies >= 0.3
    values = Lab(HOSTILE, "balanced", seed).run().values
    assert not values["stranded"] and not values["honest banned"]
    assert values["liars banned"] == HOSTILE.liars * HOSTILE.leechers
    assert values["wasted"] < WASTE, f"{values['wasted']:.1%}"


def peak_of(scenario: Scenario) -> int:
    """Bytes that were held at most at once, by all peers together."""
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        Lab(scenario, "balanced", 0).run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_poison_costs_no_memory() -> None:
    """Suspects, senders of blocks and bans are counted, and pieces that came out wrong are not kept."""
    peak_of(FEW)                       # what is loaded and cached once
    assert peak_of(FEW) < peak_of(FEW._replace(liars=0)) + GROWTH_BYTES
