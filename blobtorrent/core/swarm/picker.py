"""Which piece to open next: rarest first, at random among equals.

The interface is what the adaptive picker will fill: `want` and `avail` change under it, `pick` answers for one peer.
Rarity classes are cached and made anew once a second or when they are used up, so a pick costs a few big-integer
operations. Pieces come as a run of neighbours when the caller can use several small ones at once. Pure; owned by a
swarm.
"""

from __future__ import annotations

from typing import Protocol

from blobtorrent.core.swarm.availability import Availability

CLASSES = 8                            # rarity classes that are cached
REFRESH_S = 1.0


class Rng(Protocol):
    """The part of random.Random that is used here."""

    def randrange(self, start: int, /) -> int: ...


class RarestFirst:
    """Picks for one torrent. Masks are integers: bit i is piece i."""

    def __init__(self, availability: Availability, rng: Rng) -> None:
        self._availability = availability
        self._rng = rng
        self._classes: list[int] = []
        self._fresh_until = 0.0

    def pick(self, peer: int, missing: int, limit: int, now: float) -> range:
        """Choose up to `limit` neighbouring pieces among those that `peer` has and that are `missing`; empty if none.

        `missing` are wanted pieces that nobody works on.
        """
        candidates = peer & missing
        if not candidates:
            return range(0)
        if now >= self._fresh_until:
            self._refresh(missing, now)
        for rarity in self._classes:
            if rarity & candidates:
                return self._run(rarity & candidates, limit)
        self._refresh(missing, now)
        for rarity in self._classes:
            if rarity & candidates:
                return self._run(rarity & candidates, limit)
        return self._run(candidates, limit)

    def _refresh(self, missing: int, now: float) -> None:
        self._classes = self._availability.rarest(missing, CLASSES)
        self._fresh_until = now + REFRESH_S

    def _run(self, candidates: int, limit: int) -> range:
        """A random candidate and the candidates right behind it."""
        start = self._rng.randrange(candidates.bit_length())
        above = candidates >> start
        first = start + (above & -above).bit_length() - 1
        window = candidates >> first & (1 << limit) - 1
        count = (~window & window + 1).bit_length() - 1
        return range(first, first + count)
