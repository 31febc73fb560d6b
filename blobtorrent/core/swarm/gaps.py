"""Gaps: runs of neighbouring pieces in a mask, found with a few operations on big integers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.masks import lowest

if TYPE_CHECKING:
    from blobtorrent.core.swarm.picker import Rng

ROOMY = 4                              # a gap of so many runs may be begun anywhere


def longest_gap(mask: int) -> range:
    """The longest run of set bits, the lowest among equals; empty when there is none."""
    if not mask:
        return range(0)
    doubled = [mask]                   # entry k: bit i says that 2**k bits from i on are set
    while longer := doubled[-1] & doubled[-1] >> (1 << len(doubled) - 1):
        doubled.append(longer)
    starts, length = doubled[-1], 1 << len(doubled) - 1
    for power in range(len(doubled) - 2, -1, -1):
        longer = starts & doubled[power] >> length
        if longer:
            starts, length = longer, length + (1 << power)
    first = (starts & -starts).bit_length() - 1
    return range(first, first + length)


def run_at(mask: int, start: int, limit: int) -> range:
    """The run of set bits from `start` on, at most `limit` of them; empty when that one is not set."""
    window = mask >> start & (1 << limit) - 1
    return range(start, start + (~window & window + 1).bit_length() - 1)


def run_from(mask: int, start: int, limit: int) -> range:
    """The first run of set bits at `start` or behind it, at most `limit` of them; there has to be one."""
    above = mask >> start
    first = lowest(above)
    if limit == 1:
        return range(start + first, start + first + 1)
    run = run_at(above, first, limit)
    return range(start + run.start, start + run.stop)


def choose_run(mask: int, preferred: int, limit: int, rng: Rng, *, in_order: bool) -> range:
    """Where a web seed goes on: behind its last run; else in the longest gap, so that peers have the short ones.

    A long gap is begun anywhere in it: of many nodes that ask the same server at once each shall get other pieces.
    """
    if not mask:
        return range(0)
    if in_order:
        return run_from(mask, 0, limit)
    if mask >> preferred & 1:
        return run_at(mask, preferred, limit)
    gap = longest_gap(mask)
    is_roomy = len(gap) >= ROOMY * limit
    return run_at(mask, gap.start + (rng.randrange(len(gap) - limit + 1) if is_roomy else 0), limit)
