"""Which piece to open next: what is wanted most, among that the rarest, at random among equals; or just in order.

The interface is what the adaptive picker will fill: `want` and `avail` change under it, `pick` answers for one peer.
Rarity classes are cached and made anew once a second or when they are used up, so a pick costs a few big-integer
operations. Pieces come as a run of neighbours when the caller can use several small ones at once. Pure; owned by a
swarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.model.bitfield import Bitfield

CLASSES = 8                            # rarity classes that are cached
REFRESH_S = 1.0


class Rng(Protocol):
    """The part of random.Random that is used here."""

    def randrange(self, start: int, /) -> int: ...


class RarestFirst:
    """Picks for one torrent. Masks are integers: bit i is piece i."""

    def __init__(self, availability: Availability, rng: Rng, *, is_sequential: bool = False) -> None:
        self.is_sequential = is_sequential                 # in order, within pieces that are wanted as much
        self._availability = availability
        self._rng = rng
        self._levels: list[int] = []                       # masks of pieces, those that are wanted most first
        self._classes: dict[int, list[int]] = {}           # level -> its rarity classes
        self._fresh_until = 0.0

    def prefer(self, priorities: Mapping[int, int], num_pieces: int) -> None:
        """Pieces of a higher priority come first. Those that are not named have 0."""
        named: dict[int, list[int]] = {}
        for index, priority in priorities.items():
            if priority:
                named.setdefault(priority, []).append(index)
        levels = {priority: Bitfield(num_pieces, indices).mask for priority, indices in named.items()}
        levels[0] = ((1 << num_pieces) - 1) ^ sum(levels.values())
        self._levels = [levels[priority] for priority in sorted(levels, reverse=True)] if named else []
        self._classes.clear()

    def pick(self, peer: int, missing: int, limit: int, now: float) -> range:
        """Choose up to `limit` neighbouring pieces among those that `peer` has and that are `missing`; empty if none.

        `missing` are wanted pieces that nobody works on.
        """
        candidates = peer & missing
        if not candidates:
            return range(0)
        level = 0
        if self._levels:
            level = next(level for level, mask in enumerate(self._levels) if mask & candidates)
            candidates &= self._levels[level]
            missing &= self._levels[level]
        if self.is_sequential:
            return self._run(candidates, 0, limit)
        if now >= self._fresh_until:
            self._classes.clear()
            self._fresh_until = now + REFRESH_S
        for rarity in self._classes.get(level, ()):
            if rarity & candidates:
                return self._random_run(rarity & candidates, limit)
        self._classes[level] = self._availability.rarest(missing, CLASSES)
        for rarity in self._classes[level]:
            if rarity & candidates:
                return self._random_run(rarity & candidates, limit)
        return self._random_run(candidates, limit)

    def foremost(self, missing: int) -> int:
        """Of these pieces, those that are wanted most."""
        return next((level & missing for level in self._levels if level & missing), missing)

    def _random_run(self, candidates: int, limit: int) -> range:
        return self._run(candidates, self._rng.randrange(candidates.bit_length()), limit)

    def _run(self, candidates: int, start: int, limit: int) -> range:
        """The first candidate from `start` on and the candidates right behind it."""
        above = candidates >> start
        first = start + (above & -above).bit_length() - 1
        window = candidates >> first & (1 << limit) - 1
        count = (~window & window + 1).bit_length() - 1
        return range(first, first + count)
