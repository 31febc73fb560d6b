"""Tiers: the pieces that nobody works on, sorted by how few peers have them, and in each tier by what else counts.

They are made for all links together, once a second or when some picks were made from them; a link's own choice among
them costs a few operations on big integers. Pure; owned by a picker.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Iterable, Iterator, Sequence
from math import exp, inf, log, log1p, log2
from typing import NamedTuple, Protocol

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.masks import lowest
from blobtorrent.core.swarm.weights import Weights

COUNTED = 1 << 13                      # pieces of a torrent up to which a peer's own are counted in each cell
MOST_PIECES = 256                      # when so many are sorted, all others are one tier more
MOST_TIERS = 24                        # of one priority, likewise
NO_MATTER = 0.5                        # times the temperature: a difference that hardly matters
NEVER = 9.0                            # of two scores that differ by more, the lower one hardly ever wins
NOISE = 37.0                           # more than `gumbel` ever adds to a score
_NEVER_ZERO = 1e-300                   # in place of what a random number may be once in 2**53 times


class Rng(Protocol):
    """The part of random.Random that is used here."""

    def random(self) -> float: ...


class Near(NamedTuple):
    """Pieces near those under way: in the same files, in the same extents. The masks may be of any pieces."""

    files: int = 0
    extents: int = 0


class Tier(NamedTuple):
    """Pieces of one priority that equally many peers have; seeds do not count as peers. Its cells, pieces that are
    worth the same, are those from `first` up to `end`; those up to `rivals`, of its priority, may win against it."""

    mask: int
    peers: int                         # or more, when it is the rest
    first: int
    end: int
    rivals: int


class Tiers:
    """A score is a utility over the temperature, and the logarithm of how many pieces have it."""

    def __init__(self, levels: Iterable[int], availability: Availability, near: Near, weights: Weights,
                 temperature: float, num_pieces: int) -> None:
        """`levels` are the pieces of each priority, the highest first: it comes before all others."""
        self.tiers: list[Tier] = []
        self._availability = availability
        self._counts_all = num_pieces <= COUNTED
        bonus = weights.suggested / temperature
        # What is suggested is drawn as what it is, and once more, as what else it is worth.
        self._bonus = bonus + log1p(-exp(-bonus)) if bonus > 0.0 else -inf
        self._rest = 0                 # pieces of the tiers that are the rest of their priority
        self._masks: list[int] = []    # of the cells
        self._counts: list[int] = []
        self._scores: list[float] = []
        for pieces in levels:
            begun = len(self.tiers)
            for mask, peers, is_rest in self._tiers_of(pieces, weights, temperature):
                self._add(mask, peers, rarity_term(weights, peers), near, weights, temperature, is_rest=is_rest)
            self._note_rivals(begun)
        self.fewest_peers = min((tier.peers for tier in self.tiers), default=0)    # that have any of the pieces
        self.top = max(self._scores, default=-inf)

    def _tiers_of(self, pieces: int, weights: Weights, temperature: float) -> Iterator[tuple[int, int, bool]]:
        """Pieces of one priority, how many peers have the rarest of them, and whether they are the rest.

        In a large torrent numbers of peers that make hardly a difference are one.
        """
        tolerance = 0.0 if self._counts_all else temperature * NO_MATTER
        rest, num_sorted, tier, peers = pieces, 0, 0, 0
        for mask in self._availability.rarest(pieces, MOST_TIERS):
            have = self._availability.leeches_with(lowest(mask))
            differs = rarity_term(weights, peers) - rarity_term(weights, have) > tolerance or peers <= weights.guard
            if tier and differs:
                yield tier, peers, False
                num_sorted += tier.bit_count()
                tier = 0
                if num_sorted >= MOST_PIECES:
                    break
            peers = peers if tier else have
            tier |= mask
            rest ^= mask
        if tier:
            yield tier, peers, False
        if rest:
            (rarest,) = self._availability.rarest(rest, 1)
            yield rest, self._availability.leeches_with(lowest(rarest)), True

    def _add(self, mask: int, peers: int, utility: float, near: Near, weights: Weights, temperature: float, *,
             is_rest: bool) -> None:
        first = len(self._masks)
        self._rest |= mask if is_rest else 0
        for part, worth in _parts(mask, utility, near, weights):
            count = part.bit_count()
            self._masks.append(part)
            self._counts.append(count)
            # The rest stands for its rarest pieces: of it only those are ever taken.
            self._scores.append(worth / temperature + (0.0 if is_rest else log(count)))
        self.tiers.append(Tier(mask, peers, first, len(self._masks), 0))

    def _note_rivals(self, begun: int) -> None:
        """Of the tiers from `begun` on, those of one priority."""
        for place, tier in enumerate(self.tiers[begun:], begun):
            ends = range(tier.first, tier.end)
            enough = max(self._scores[cell] - log(self._counts[cell]) for cell in ends) - NEVER
            rivals = max(cell for cell in range(tier.first, len(self._scores))
                         if cell < tier.end or self._scores[cell] > enough)
            self.tiers[place] = tier._replace(rivals=rivals + 1)

    def first_with(self, candidates: int) -> tuple[Tier, int] | None:
        """The first tier that has any of the candidates, and which it has."""
        for tier in self.tiers:
            here = tier.mask & candidates
            if here:
                return tier, here
        return None

    def draw(self, first: Tier, candidates: int, suggested: int, rng: Rng, *, is_guarded: bool) -> tuple[float, int]:
        """Equal pieces among which to choose, and their score with its noise; none of them are in tiers before `first`.

        With `is_guarded` they are of that tier. No pieces: there are no candidates in those tiers.
        """
        start, end = first.first, first.end if is_guarded else first.rivals
        masks, counts, scores = self._masks, self._counts, self._scores[start:end]
        if suggested & candidates:
            masks, counts = masks[:end], counts[:end]
            for cell in range(start, end):
                if some := masks[cell] & suggested & candidates:
                    num_some = some.bit_count()
                    masks.append(some)
                    counts.append(num_some)
                    scores.append(self._scores[cell] + self._bonus + log(num_some / counts[cell]))
        # As good as each would be if all of its pieces were candidates.
        random = rng.random
        bounds = [score - log(_NEVER_ZERO - log(1.0 - random())) for score in scores]
        best, chosen = -inf, 0
        while (bound := max(bounds)) > best:
            place = bounds.index(bound)
            bounds[place] = -inf
            here = masks[start + place] & candidates
            if here:
                score = bound + log(here.bit_count() / counts[start + place]) if self._counts_all else bound
                if score > best:
                    best, chosen = score, here
        if chosen & self._rest:
            chosen = self._availability.rarest(chosen, 1)[0]
        return best, chosen


def gumbel(rng: Rng) -> float:
    """Noise whose maximum over n draws is as likely as that of one draw, log(n) higher."""
    return -log(_NEVER_ZERO - log(1.0 - rng.random()))


def rarity_term(weights: Weights, peers: int) -> float:
    """What it is worth that so many peers have a piece, seeds not among them: a ratio counts, not a difference."""
    return -weights.rarity * log2(peers) if peers > 1 else 0.0


def _parts(mask: int, utility: float, near: Near, weights: Weights) -> Sequence[tuple[int, float]]:
    """Cut a tier into pieces that are worth the same."""
    parts: Sequence[tuple[int, float]] = ((mask, utility),)
    for which, weight in ((near.files, weights.open_files), (near.extents, weights.extent)):
        if which and weight:
            parts = [half for part, worth in parts for half in (
                (part & which, worth + weight), (part ^ (part & which), worth)) if half[0]]
    return parts
