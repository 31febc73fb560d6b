"""Endgame: nothing is left that nobody is asked for, so idle links are asked for what others may be slow to send.

That holds for all of a torrent, for the pieces that are wanted most, and for those that somebody waits for: these need
not wait for a slow peer while others are busy with something less urgent. A block that comes is taken back from
everybody else who was asked for it; what comes twice all the same is counted, and there is an end to it. Pure; owned
by a swarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.pieces import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.picker import Picker
    from blobtorrent.core.swarm.pieces import Assembly, PieceManager

MAX_REQUESTERS = 2                     # of one block
MAX_LATE_REQUESTERS = 3                # ... whose holder has sent nothing for LATE_S
LATE_S = 5.0
WORTH_S = 0.5                          # to be won, or a block is not asked for twice
TWICE_SHARE = 0.02                     # of a torrent's blocks, that may come twice
LEAST_TWICE = 64                       # ... but so many at the end of a small one
DOUBLE_PAUSE_S = 0.25                  # between two looks of one link for something to duplicate
MAX_CHOSEN = 64                        # blocks at one look


class Endgame:
    """Who was asked for a block, for every block that more than one link was. Keys are `index << 32 | begin`."""

    def __init__(self, pieces: PieceManager, picker: Picker) -> None:
        self.doubled: dict[int, list[PeerLink]] = {}
        self.came_twice = 0            # blocks, or they still may
        geometry = pieces.geometry
        self._share = int(TWICE_SHARE * geometry.blocks_per_piece * geometry.num_pieces)
        self._pieces = pieces
        self._picker = picker

    @property
    def is_all_asked(self) -> bool:
        """There is nothing left that nobody is asked for."""
        return not self._pieces.wanted_now and bool(self._pieces.open)

    @property
    def may_be_urgent(self) -> bool:
        """Some pieces matter more than others."""
        return self._picker.has_priorities or self._picker.reading.is_going_on

    def urgent_pieces(self) -> int:
        """A mask of pieces that matter more than what is left to ask for, all of which somebody is asked for."""
        pieces, picker = self._pieces, self._picker
        urgent, foremost = 0, picker.foremost(pieces.lacking_mask)
        if foremost != pieces.lacking_mask and not foremost & pieces.wanted_now:
            urgent = foremost
        return urgent | self.awaited_pieces()

    def awaited_pieces(self) -> int:
        """The same of those that a reader waits for, or that have a deadline."""
        pieces, reading = self._pieces, self._picker.reading
        awaited = sum(1 << index for index in pieces.open if reading.deadline_of(index) is not None)
        urgency, first = reading.need(pieces.lacking_mask)
        if urgency:
            awaited |= (1 << reading.weights.ahead) - 1 << first
        return awaited & pieces.lacking_mask & ~pieces.wanted_now

    @property
    def most_twice(self) -> int:
        """Blocks that may come twice: of a small torrent more at its end, when the last ones hold up all of it."""
        return max(LEAST_TWICE, self._share) if self.is_all_asked else self._share

    def choose(self, link: PeerLink, scope: int, now: float) -> list[tuple[int, Assembly, PeerLink]]:
        """Blocks of the pieces of a mask to ask a link for as well, their pieces, and who was asked before.

        They are those that are to be expected last, and sooner from this link.
        """
        if link.is_suspect or link.snubbed or now < link.double_at:
            return []
        link.double_at = now + DOUBLE_PAUSE_S
        limit = min(MAX_CHOSEN, link.window.size - link.expected_blocks,
                    self.most_twice - self.came_twice - len(self.doubled))
        chosen: dict[int, tuple[int, Assembly, PeerLink]] = {}
        holders = self._holders(link, scope, now)
        for requesters in range(1, MAX_LATE_REQUESTERS):
            for holder in holders:
                is_late = now - holder.last_block_at > LATE_S
                if requesters >= (MAX_LATE_REQUESTERS if is_late else MAX_REQUESTERS):
                    continue
                pace_s = _pace_s(holder, now)
                for place, (key, assembly) in _latest(holder):
                    ours_s = (link.expected_blocks + len(chosen) + 1) * link.window.block_s
                    if len(chosen) >= limit or place * pace_s < max(2 * ours_s, ours_s + WORTH_S):
                        break
                    if (scope & link.askable) >> (key >> 32) & 1 and self._may_join(link, key, assembly, requesters):
                        chosen.setdefault(key, (key, assembly, holder))
        return list(chosen.values())

    def _holders(self, asker: PeerLink, scope: int, now: float) -> list[PeerLink]:
        """The others that are asked for blocks of these pieces, those first that will be done last."""
        found: dict[PeerLink, None] = {}
        for assembly in self._pieces.open.values():
            if assembly.missing and scope >> assembly.index & 1:
                found |= assembly.taken_from
        found.pop(asker, None)
        return sorted([holder for holder in found if holder.expected_blocks and holder.closing is None],
                      key=lambda holder: (-holder.expected_blocks * _pace_s(holder, now), holder.number))

    def _may_join(self, link: PeerLink, key: int, assembly: Assembly, requesters: int) -> bool:
        block = (key & 0xFFFFFFFF) >> 14
        if assembly.owner is not None or assembly.slots[block] != EMPTY:
            return False               # it may be here, and arrive once more nevertheless
        if link.outstanding.get(key) is not None or link.arriving == (assembly, block):
            return False
        return len(self.doubled.get(key, (link,))) == requesters

    def join(self, link: PeerLink, key: int, holder: PeerLink) -> None:
        """A link is asked for a block that `choose` named, with who was asked before."""
        self.doubled.setdefault(key, [holder]).append(link)

    def leave(self, link: PeerLink, key: int) -> bool:
        """A link is asked for a block no more; True when somebody else still is."""
        others = self.doubled.get(key)
        if others is None:
            return False
        others.remove(link)
        if not others:
            del self.doubled[key]
        return bool(others)

    def forget(self, key: int) -> None:
        """Keep no account of a block any more."""
        self.doubled.pop(key, None)

    def arrived(self, blocks: Iterable[tuple[int, int]], link: PeerLink) -> Iterator[tuple[PeerLink, int]]:
        """Blocks (key, slot) came by `link`: who was asked in vain for those that stay, and for which."""
        for key, slot in blocks:
            if key in self.doubled and self._pieces.holds(key, slot):
                for other in self.doubled.pop(key):
                    if other is not link:
                        yield other, key


def _pace_s(link: PeerLink, now: float) -> float:
    """Seconds from one block of a link to the next, as far as can be told: at least since the last one."""
    return max(link.window.block_s, now - link.last_block_at)


def _latest(link: PeerLink) -> Iterator[tuple[int, tuple[int, Assembly]]]:
    """What a link is asked for, the last one first, each with how many blocks come up to it."""
    place = link.expected_blocks
    for key, assembly in link.outstanding.latest():
        yield place, (key, assembly)
        place -= 1
    if link.arriving is not None:
        assembly, block = link.arriving
        yield place, (assembly.index << 32 | block << 14, assembly)
