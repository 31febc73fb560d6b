"""ChokeManager: who may download from us.

While there are as many slots as interested peers, everybody is served at once. Beyond that, every round serves those
that give most (or, when we seed, take fastest), and one slot goes round among the others. Pure; owned by a swarm. BEP
3.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from blobtorrent.core.swarm.picker import Rng

OPTIMISTIC_ROUNDS = 3                  # an optimistic slot is kept for so many rounds


class Candidate(Protocol):
    """What the choker looks at."""

    is_optimistic: bool

    @property
    def is_unchoked(self) -> bool: ...

    @property
    def wants_data(self) -> bool: ...

    @property
    def given_per_s(self) -> float: ...

    @property
    def taken_per_s(self) -> float: ...


class ChokeManager:
    """Decides unchoke slots among the links of one torrent."""

    def __init__(self, slots: int, interval_s: float, rng: Rng) -> None:
        self.slots = slots
        self.interval_s = interval_s
        self._rng = rng
        self._next_round_at = 0.0
        self._rounds = 0

    def may_unchoke_now(self, links: Collection[Candidate]) -> bool:
        """A peer became interested between rounds: is a slot free for it?"""
        return sum(link.is_unchoked for link in links) < self.slots

    def is_due(self, now: float) -> bool:
        return now >= self._next_round_at

    def round(self, links: Collection[Candidate], now: float, *, seeding: bool) -> list[Candidate]:
        """Hold one round; returns the links that are to be unchoked, all others are to be choked."""
        self._next_round_at = now + self.interval_s
        self._rounds += 1
        wanting = [link for link in links if link.wants_data]
        if len(wanting) <= self.slots:
            for link in links:
                link.is_optimistic = False
            return wanting
        if seeding:
            wanting.sort(key=lambda link: link.taken_per_s, reverse=True)
        else:
            wanting.sort(key=lambda link: link.given_per_s, reverse=True)
        kept = self.slots - 1 if self.slots > 1 else self.slots
        chosen, others = wanting[:kept], wanting[kept:]
        for link in chosen:
            link.is_optimistic = False
        if self.slots > 1:
            chosen.append(self._optimistic(others))
        return chosen

    def _optimistic(self, others: list[Candidate]) -> Candidate:
        """The link that is tried out, changed every few rounds."""
        current = [link for link in others if link.is_optimistic]
        if current and self._rounds % OPTIMISTIC_ROUNDS:
            return current[0]
        for link in current:
            link.is_optimistic = False
        untried = [link for link in others if link not in current] or others
        chosen = untried[self._rng.randrange(len(untried))]
        chosen.is_optimistic = True
        return chosen
