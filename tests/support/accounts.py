"""Audits a host between two passes: every promise, slot and block of its open swarms is somewhere, and only once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from blobtorrent.core.swarm.endgame import MAX_LATE_REQUESTERS
from blobtorrent.core.swarm.pieces import EMPTY, Assembly, State
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.jobs import ReadSpans


def audit(arena: Arena, scatter_slots: int, swarms: list[Swarm], reading: list[ReadSpans]) -> None:
    """Raises AssertionError. All swarms are open, and no answer of hasher, disk or web seeds is under way to them."""
    slots = sum([len(span.slots) for job in reading for span in job.spans])
    promises = 0
    for swarm in swarms:
        slots += sum([len(span.slots) for span in swarm.uploads.to_read])
        slots += swarm.uploads._cache.num_slots
        slots += sum([len(assembly.held_slots) for assembly in swarm.pieces.open.values()])
        slots += sum([link.arriving is not None for link in swarm.links])
        if swarm.web_seeds is not None:
            slots += sum([len(part.slots) for order in swarm.web_seeds._orders() for part in order.parts])
        promises += sum([len(link.outstanding) for link in swarm.links])
        check_pieces(swarm)
        check_requests(swarm)
        check_availability(swarm)
    assert arena.reserved == slots + promises, f"{arena.reserved} promised, {slots} held and {promises} asked for"
    assert arena.free == len(arena.views) - scatter_slots - slots, "a slot is lost or held twice"


def check_pieces(swarm: Swarm) -> None:
    """Every piece is either had, missing, skipped or open; the masks say so too."""
    pieces = swarm.pieces
    opened = sum([1 << index for index in pieces.open])
    had = pieces.have.mask
    idle = pieces.skipped_mask & ~(had | opened)
    assert had ^ pieces.missing_mask ^ opened ^ idle == swarm.all_mask
    assert had.bit_count() + pieces.missing_mask.bit_count() + len(pieces.open) + idle.bit_count() == (
        swarm.geometry.num_pieces)
    assert pieces.lacking_mask == swarm.all_mask & ~(had | pieces.skipped_mask)
    for index, assembly in pieces.open.items():
        assert assembly.index == index
        assert assembly.missing == assembly.slots.count(EMPTY)
        is_offered = bool(pieces.partial_mask >> index & 1)
        assert is_offered == (assembly.state is State.PARTIAL and assembly.has_unrequested), f"piece {index}"
    assert not pieces.partial_mask & ~opened


def check_requests(swarm: Swarm) -> None:
    """Every missing block of an open piece is either to be asked for or asked for; nothing else is."""
    asked: Counter[tuple[Assembly, int]] = Counter()
    arriving: Counter[tuple[Assembly, int]] = Counter()
    claimed: Counter[tuple[Assembly, int]] = Counter()     # web seeds are to bring them
    if swarm.web_seeds is not None:
        for part in [part for order in swarm.web_seeds._orders() for part in order.parts]:
            first = part.begin // BLOCK_SIZE
            claimed.update([(part.token, block) for block in range(first, first + len(part.slots))])
    assert max(claimed.values(), default=0) <= 1, "two web seeds are asked for a block"
    for link in swarm.links:
        for key, assembly in link.outstanding.items():
            assert assembly.index == key >> 32
            assert assembly in link.working_on
            asked[assembly, (key & 0xFFFFFFFF) // BLOCK_SIZE] += 1
        if link.arriving is not None:
            arriving[link.arriving] += 1
        assert len({id(assembly) for assembly in link.working_on}) == len(link.working_on)
    for (assembly, block), links in asked.items():
        assert assembly.slots[block] == EMPTY, f"block {block} of piece {assembly.index} is here and still asked for"
        assert links <= MAX_LATE_REQUESTERS
        known = swarm.requests.endgame.doubled.get(assembly.index << 32 | block * BLOCK_SIZE)
        if links > 1:
            assert known is not None and len(known) >= links
    for assembly in swarm.pieces.open.values():
        check_blocks(assembly, asked, arriving, claimed)
        workers = [link for link in swarm.links if assembly in link.working_on]
        assert assembly.links == len(workers)
        assert assembly.state is not State.PARTIAL or assembly.owner is None or assembly.owner in workers
        is_orphan = assembly in swarm.requests._orphans
        if is_orphan:
            assert not workers and assembly.has_unrequested
        elif not workers and assembly.state is State.PARTIAL and assembly.has_unrequested:
            assert assembly.is_untouched, "a piece that nobody works on is an orphan, or was never begun"


def check_blocks(
    assembly: Assembly, asked: Counter[Any], arriving: Counter[Any], claimed: Counter[Any],
) -> None:
    for block, slot in enumerate(assembly.slots):
        is_unrequested = block >= assembly.cursor or block in assembly.returned
        if slot != EMPTY:
            assert not is_unrequested, f"block {block} of piece {assembly.index} is here and to be asked for"
        elif not is_unrequested:
            assert asked[assembly, block] or arriving[assembly, block] or claimed[assembly, block], (
                f"block {block} of piece {assembly.index} is forgotten")
        else:
            assert not asked[assembly, block] and not claimed[assembly, block], (
                f"block {block} of piece {assembly.index} is asked for and on offer")


def check_availability(swarm: Swarm) -> None:
    links = list(swarm.links)
    assert swarm.availability.seeds == sum([link.is_seed for link in links])
    for index in (0, swarm.geometry.num_pieces - 1):
        assert swarm.availability.count(index) == sum([link.mask >> index & 1 for link in links])
