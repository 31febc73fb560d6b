"""Which piece to begin next: a weighted choice among rarity, order, open files and whatever else `weights` has.

A piece's utility u is the sum of its terms, and it is taken with a probability in proportion to exp(u / temperature).
That is drawn as the highest of u / temperature plus noise (Gumbel's), and the highest of the n pieces that are worth
the same is drawn at once: their noise is one more Gumbel's, log(n) higher. So a pick looks at cells of equal pieces
(`tiers`) and at the few pieces that come next for a reader, never at all of them. Pure; owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import exp, inf
from typing import TYPE_CHECKING, Protocol

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.collisions import Collisions
from blobtorrent.core.swarm.gaps import run_at, run_from
from blobtorrent.core.swarm.masks import lowest_of, without
from blobtorrent.core.swarm.reading import Ahead, Reading
from blobtorrent.core.swarm.shares import Shares
from blobtorrent.core.swarm.speeds import FAST, SLOW, classify, delivers_in_s, is_among_slowest
from blobtorrent.core.swarm.surroundings import Surroundings
from blobtorrent.core.swarm.tiers import NEVER, NOISE, Near, Tier, Tiers, gumbel, rarity_term
from blobtorrent.core.swarm.weights import BALANCED, Weights, hotter
from blobtorrent.model.bitfield import Bitfield

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.pieces import PieceManager
    from blobtorrent.core.swarm.terms import Terms
    from blobtorrent.model.metainfo import FileEntry

REFRESH_S = 1.0
REFRESH_PICKS = 32                     # what is under way has changed by then
PIECES_PER_PICK = 256                  # a torrent of more is looked at after one more pick for each so many
RANDOM_PIECES = 4                      # the first ones: whatever comes soonest is the best to have for others
SOON = 4                               # times its reach is as far as the sequence counts
MOST_NEXT = 16                         # pieces that are looked at one by one
_NOTHING = range(0)
_NOWHERE = Ahead(0, 0, Availability(0), Near())


class Rng(Protocol):
    """The part of random.Random that is used here, and by other deciders."""

    def random(self) -> float: ...

    def randrange(self, start: int, /) -> int: ...


class Picker:
    """Picks for one torrent. Masks are integers: bit i is piece i. `links` are those it picks for, kept current."""

    def __init__(self, pieces: PieceManager, availability: Availability, rng: Rng, *, weights: Weights = BALANCED,
                 files: Sequence[FileEntry] = (), links: Collection[PeerLink] = ()) -> None:
        self.reading = Reading(pieces, weights)
        self.shares = Shares(pieces.geometry)
        self._pieces = pieces
        self._availability = availability
        self._rng = rng
        self._weights = weights
        self._files = files
        self._surroundings: Surroundings | None = None     # made with the first pick: a seed needs none
        self._links = links
        self._collisions = Collisions(availability)
        self._levels: list[tuple[int, int]] = []           # priorities and their pieces, those wanted most first
        self._near = Near()            # to what was under way then
        self._temperature = weights.temperature            # of then
        self._tiers = Tiers((), availability, self._near, weights, weights.temperature, 0)
        self._ahead = _NOWHERE
        self._stale_at = -inf
        self._picks_left = 0           # until they are made anew in any case

    @property
    def weights(self) -> Weights:
        return self._weights

    @weights.setter
    def weights(self, weights: Weights) -> None:
        if weights != self._weights:
            self._weights = self.reading.weights = weights
            self._stale_at = -inf

    @property
    def is_sequential(self) -> bool:
        return self._weights.is_in_order

    @property
    def is_beginning(self) -> bool:
        """We have next to nothing to give: the sooner any piece is complete the better."""
        return len(self._pieces.have) < RANDOM_PIECES

    def prefer(self, priorities: Mapping[int, int]) -> None:
        """Some pieces are wanted more than others, which have 0."""
        named: dict[int, list[int]] = {}
        for index, priority in priorities.items():
            if priority:
                named.setdefault(priority, []).append(index)
        num_pieces = self._pieces.geometry.num_pieces
        levels = {priority: Bitfield(num_pieces, indices).mask for priority, indices in named.items()}
        levels[0] = ((1 << num_pieces) - 1) ^ sum(levels.values())
        self._levels = sorted(levels.items(), reverse=True) if named else []
        self._stale_at = -inf

    @property
    def has_priorities(self) -> bool:
        return bool(self._levels)

    def foremost(self, missing: int) -> int:
        """Of these pieces, those of the highest priority."""
        return next((level & missing for _, level in self._levels if level & missing), missing)

    def on_pulse(self) -> None:
        """Once a second: see who is fast."""
        classify(self._links)
        self._collisions.neighbours = sum(not link.is_seed for link in self._links)

    def on_written(self, indices: Iterable[int], now: float) -> None:
        """We have these pieces now."""
        for index in indices:
            self._collisions.ended(index, now)

    def pick(self, link: PeerLink, limit: int, now: float) -> range:
        """Choose up to `limit` neighbouring pieces that the link's peer has and that nobody works on; empty if none.

        It may be empty, too, when the only ones are wanted so soon that they are left to others.
        """
        candidates = link.askable & self._pieces.missing_mask
        if not candidates:
            return _NOTHING
        doubted = candidates & self._pieces.doubted_mask
        if doubted and link.speed != SLOW and not link.snubbed:        # soon it is known who spoiled it
            return run_at(doubted, (doubted & -doubted).bit_length() - 1, 1)
        if link.snubbed or link.is_suspect:                # nothing that is rare, or that somebody waits for
            return self._random_run(self._availability.commonest(self.foremost(candidates)), limit)
        if self.reading.is_going_on:
            run = self._pick_for_reader(link, candidates, limit, now)
        elif self.is_beginning or self._weights.temperature == inf:
            run = self._random_run(self.foremost(candidates), limit)
        else:
            run = self._random_run(self._choose(link, candidates, now), limit)
        if run:
            self._collisions.begun(run.start)
        return run

    def left_to_leeches(self, link: PeerLink) -> int:
        """Pieces that a link is not to help others with, while it has some to begin.

        What only seeds have is waited for by all, and it takes a seed as long to send what others have, too.
        """
        if not link.is_seed:
            return 0
        had = self._availability.had_by_leeches
        return had if without(link.askable & self._pieces.missing_mask, had) else 0

    def explain(self, index: int, link: PeerLink, now: float) -> Terms:
        """What counts for and against a piece, were it to be chosen now for that link."""
        from blobtorrent.core.swarm.terms import Terms  # few ask

        weights, peers = self._weights, self._availability.leeches_with(index)
        urgency, cursor = self.reading.need(self._pieces.missing_mask)
        near = self._near_now()
        return Terms(
            rarity=rarity_term(weights, peers),
            sequence=0.0 if index < cursor else _sequence_term(weights, urgency, index - cursor),
            open_files=weights.open_files * (near.files >> index & 1),
            extent=weights.extent * (near.extents >> index & 1),
            suggested=weights.suggested * (link.suggested >> index & 1),
            temperature=self._temperature_at(now),
            priority=self.priority_of(index),
            peers=peers,
            is_guarded=peers <= weights.guard and not self._is_urgent(urgency),
        )

    def _choose(self, link: PeerLink, candidates: int, now: float) -> int:
        """Equal pieces, of which any may be taken."""
        tiers, tier, here = self._tiers_with(candidates, now)
        if not tier.peers and not here & link.suggested:
            candidates = here = self.shares.first_of(here & self._near.files or here)      # of files that are open
        is_guarded = tier.peers <= self._weights.guard
        if is_guarded and tier.end - tier.first == 1 and not link.suggested:
            return here
        return tiers.draw(tier, candidates, link.suggested, self._rng, is_guarded=is_guarded)[1]

    # ---- for readers

    def _pick_for_reader(self, link: PeerLink, candidates: int, limit: int, now: float) -> range:
        """What comes next for a reader is looked at piece by piece, the rest as ever.

        What it needs at once may be of any priority.
        """
        weights, due = self._weights, self.reading.due(candidates)
        if due is not None and self._is_fit(link, *due, now):
            return run_at(candidates, due[0], limit)
        missing = self._pieces.missing_mask
        urgency, cursor = self.reading.need(missing)
        if self._levels and not (self.reading.has_readers and self._is_urgent(urgency)):
            level = next(level for _, level in self._levels if level & candidates)
            candidates &= level
            urgency, cursor = self.reading.need(missing & level)
        if not urgency:
            return self._random_run(self._choose(link, candidates, now), limit)
        soon = candidates >> cursor & (1 << SOON * weights.reach) - 1
        if soon and link.speed == SLOW and any(other.speed == FAST and other.is_idle for other in self._links):
            candidates ^= soon << cursor
            if not candidates:
                return _NOTHING
            soon = 0
        tiers, tier, here = self._tiers_with(candidates, now)
        if self.is_beginning and not tier.peers and here >> cursor and self._others_read_along(cursor):
            ours = self.shares.first_of(lowest_of(here >> cursor << cursor, weights.reach))
            return self._random_run(ours, limit)
        is_guarded = tier.peers <= weights.guard and not self._is_urgent(urgency)
        if is_guarded:
            candidates, soon = here, soon & here >> cursor
        best, first, looked_at = self._best_of(link, soon, cursor, urgency)
        if best < tiers.top + NOISE:
            others = candidates ^ looked_at << cursor
            score, chosen = tiers.draw(tier, others, link.suggested, self._rng, is_guarded=is_guarded)
            if score > best:
                return self._random_run(chosen, limit)
        peers = self._ahead.availability.leeches_with(first - self._ahead.first)
        if peers <= weights.guard:
            self._collisions.begun_ahead(first, peers)
            if self._collisions.are_many_ahead(now):
                return self._random_run(self._ours_ahead(candidates, cursor) or 1 << first, limit)
        return run_at(candidates, first, limit)

    def _others_read_along(self, cursor: int) -> bool:
        """Whether others, too, would ask a seed for the very pieces that come next: they have such already, or nothing.

        They begin with different ones of these then, each with its share.
        """
        if not (self.reading.has_readers and self.shares.is_divided):
            return False
        masks = [link.mask for link in self._links if link.mask and not link.is_seed]
        return 2 * sum(mask >> cursor & (1 << self._weights.reach) - 1 != 0 for mask in masks) >= len(masks)

    def _ours_ahead(self, candidates: int, cursor: int) -> int:
        """Pieces that come next for a reader and that few have, of those that we should fetch before others do."""
        weights, peers, shift = self._weights, self._ahead.availability, cursor - self._ahead.first
        soon = candidates >> cursor & (1 << weights.reach) - 1
        rare = sum(1 << place for place in range(soon.bit_length())
                   if soon >> place & 1 and peers.leeches_with(shift + place) <= weights.guard)
        return self.shares.first_of(rare << cursor)

    def _best_of(self, link: PeerLink, soon: int, cursor: int, urgency: float) -> tuple[float, int, int]:
        """The best of the pieces that come next, its score, and which were looked at. Bit 0 of both is `cursor`."""
        best, first, looked_at = -inf, 0, 0
        if not soon:
            return best, first, looked_at
        weights, temperature = self._weights, self._temperature
        if not self._ahead.covers(cursor, soon.bit_length()):
            self._ahead = Ahead(cursor, 2 * SOON * weights.reach, self._availability, self._near)
        ahead = cursor - self._ahead.first
        peers, files, extents = self._ahead.availability, self._ahead.near.files, self._ahead.near.extents
        suggested = link.suggested >> cursor
        most = (
            rarity_term(weights, self._tiers.fewest_peers) + weights.open_files + weights.extent + weights.suggested)
        for _ in range(MOST_NEXT):
            place = (soon & -soon).bit_length() - 1
            sequence = _sequence_term(weights, urgency, place)
            if (most + sequence) / temperature + NEVER < best:
                break                  # it can hardly win, and those behind it less
            utility = (
                rarity_term(weights, peers.leeches_with(ahead + place)) + sequence
                + weights.open_files * (files >> ahead + place & 1) + weights.extent * (extents >> ahead + place & 1)
                + weights.suggested * (suggested >> place & 1))
            score = utility / temperature + gumbel(self._rng)
            if score > best:
                best, first = score, cursor + place
            looked_at |= 1 << place
            soon ^= 1 << place
            if not soon:
                break
        return best, first, looked_at

    def _is_urgent(self, urgency: float) -> bool:
        """Whether a reader's needs outweigh what few peers have."""
        return self._weights.sequence * urgency >= self._weights.rarity

    def _is_fit(self, link: PeerLink, index: int, deadline: float, now: float) -> bool:
        """Whether a link is good enough for a piece with a deadline: fast, or in time, and none of the slowest."""
        if link.speed == SLOW or is_among_slowest(link, self._links):
            return False
        return link.speed == FAST or delivers_in_s(link, self._pieces.geometry.piece_size(index)) <= deadline - now

    # ---- what all links have in common for a while

    def _tiers_with(self, candidates: int, now: float) -> tuple[Tiers, Tier, int]:
        """All tiers, the first that has any candidates, and which."""
        self._picks_left -= 1
        if now >= self._stale_at or self._picks_left < 0:
            self._renew(now)
        found = self._tiers.first_with(candidates)
        if found is None:              # they are missing again: a piece was spoiled
            self._renew(now)
            found = self._tiers.first_with(candidates)
            assert found is not None, "a piece is missing that is in no tier"
        return self._tiers, *found

    def _renew(self, now: float) -> None:
        missing, num_pieces = self._pieces.missing_mask, self._pieces.geometry.num_pieces
        self._stale_at = now + REFRESH_S
        self._picks_left = max(REFRESH_PICKS, num_pieces // PIECES_PER_PICK)
        self._temperature = self._temperature_at(now)
        self._near = self._near_now()
        self._ahead = _NOWHERE
        levels = [level & missing for _, level in self._levels] or [missing]
        self._tiers = Tiers(levels, self._availability, self._near, self._weights, self._temperature, num_pieces)

    def _near_now(self) -> Near:
        weights = self._weights
        if self._surroundings is None:
            self._surroundings = Surroundings(self._pieces.geometry, self._files)
        under_way = without(self._pieces.lacking_mask, self._pieces.missing_mask)
        return Near(
            self._surroundings.files(under_way) if weights.open_files else 0,
            self._surroundings.extents(under_way) if weights.extent else 0)

    def _temperature_at(self, now: float) -> float:
        temperature = self._weights.temperature
        return hotter(temperature) if self._collisions.are_many(now) else temperature

    def priority_of(self, index: int) -> int:
        """Of the files that a piece is of, the highest."""
        return next((priority for priority, level in self._levels if level >> index & 1), 0)

    def _random_run(self, candidates: int, limit: int) -> range:
        return run_from(candidates, int(self._rng.random() * candidates.bit_length()), limit)


def _sequence_term(weights: Weights, urgency: float, ahead: int) -> float:
    """What it is worth that a piece is so far ahead of the next one that a reader needs."""
    return weights.sequence * urgency * exp(-ahead / weights.reach)
