"""How many peers have each piece, kept incrementally as bit planes.

Plane k is an integer whose bit i is bit k of the count of piece i, so a whole bitfield joins or leaves with a ripple
of a few big-integer operations (7 us for 50,000 pieces). A peer that has everything is only counted. Pure; owned by a
swarm.
"""

from __future__ import annotations


class Availability:
    """Counts of pieces `0..size-1` over the peers of one torrent. Masks are integers: bit i is piece i."""

    def __init__(self, size: int) -> None:
        self._all = (1 << size) - 1
        self._planes: list[int] = []   # low bit of the counts first
        self.seeds = 0                 # peers that have everything: not in the planes

    def add(self, mask: int) -> None:
        """A peer has these pieces (all of them at once, or newly)."""
        carry = mask
        for level, plane in enumerate(self._planes):
            if not carry:
                return
            self._planes[level] = plane ^ carry
            carry &= plane
        if carry:
            self._planes.append(carry)

    def remove(self, mask: int) -> None:
        """A peer no longer counts for these pieces; it must have been added for all of them."""
        borrow = mask
        for level, plane in enumerate(self._planes):
            if not borrow:
                break
            self._planes[level] = plane ^ borrow
            borrow &= ~plane
        while self._planes and not self._planes[-1]:
            self._planes.pop()

    def count(self, index: int) -> int:
        """Peers that have one piece."""
        return self.seeds + sum((plane >> index & 1) << level for level, plane in enumerate(self._planes))

    def rarest(self, candidates: int, classes: int) -> list[int]:
        """Split candidates into masks of equal count, rarest first, at most `classes` of them.

        Empty classes are left out; pieces that nobody but seeds has come first.
        """
        found: list[int] = []
        self._split(candidates & self._all, len(self._planes) - 1, classes, found)
        return found

    def _split(self, candidates: int, level: int, classes: int, found: list[int]) -> None:
        if not candidates or len(found) >= classes:
            return
        if level < 0:
            found.append(candidates)
            return
        plane = self._planes[level]
        self._split(candidates & ~plane, level - 1, classes, found)
        self._split(candidates & plane, level - 1, classes, found)

    def copies(self, size: int) -> float:
        """Distributed copies: the lowest count, plus the share of pieces above it (0 for an empty torrent)."""
        if not size:
            return 0.0
        rarest = self.rarest(self._all, 1)
        lowest = self.count((rarest[0] & -rarest[0]).bit_length() - 1)
        above = size - bin(rarest[0]).count("1")
        return lowest + above / size
