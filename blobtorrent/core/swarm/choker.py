"""ChokeManager: who may download from us.

While there are as many slots as interested peers, everybody is served at once. Beyond that, every round serves those
that give most, or when we seed those that the mode says, and a slot goes round among the others. Peers that owe us
blocks and send none lose theirs, and one more goes round for each. Who has a slot and takes nothing sleeps: it keeps
the slot, which costs nothing, but is not counted, and one that was never served is tried in its place. Hundreds that
are interested and silent keep nobody waiting. Addresses are cheap: while others wait, a subnet has one slot, a region a
quarter of them, and a subnet one lot when it is drawn who is tried. Pure; owned by a swarm. BEP 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Protocol

from blobtorrent.core.swarm.picker import Rng
from blobtorrent.core.swarm.turns import (
    BEGINS_OR_ENDS,
    DENIED,
    FREE_SLOT,
    GIVES_MOST,
    ITS_TURN,
    NO_SLOTS,
    NOT_INTERESTED,
    ON_TRIAL,
    OTHERS_BETTER,
    SNUBS,
    TAKES_FASTEST,
    TURN_OVER,
    WAITS,
    Turn,
)

OPTIMISTIC_ROUNDS = 3                  # an optimistic slot is kept for so many rounds
NEW_S = 60.0                           # a peer is new for so long
NEW_WEIGHT = 3                         # it is so much more often on trial: it has nothing to give yet
STICKY = 1.1                           # who has a slot keeps it unless another is so much better: no fibrillation
SNUB_S = 60.0                          # a peer that owes us blocks and sends none for so long snubs us
MAX_EXTRA_TRIALS = 3                   # slots that go round for those of peers that do
QUOTA_PIECES = 20                      # a turn at a seed is as long as both of these
MIN_TURN_S = 60.0
MAX_TURN_S = 600.0                     # ... and no longer than this, however little the peer takes
SLOT_BYTES_PER_S = 2048                # each slot more than there must be asks for a rate that is so much higher
REGION_PART = 4                        # a region has this part of the slots, and one at least, while others wait
FULL_ROUNDS = 2                        # with a limit used up for so long more slots help nobody


class Candidate(Protocol):
    """What the choker looks at. Totals are bytes; `part_had` of the torrent the peer has at least, 0..1."""

    turn: Turn
    linked_at: float

    @property
    def is_unchoked(self) -> bool: ...

    @property
    def is_interested(self) -> bool: ...

    def takes_nothing(self, now: float) -> bool: ...

    @property
    def wants_data(self) -> bool: ...

    @property
    def received_bytes(self) -> int: ...

    @property
    def sent_bytes(self) -> int: ...

    @property
    def part_had(self) -> float: ...


class ChokeManager:
    """Decides unchoke slots among the links of one torrent.

    There are `slots`, and as many as `most_slots` while peers take what they get. `seed_mode` is "round-robin",
    "fastest" or "anti-leech". `is_private`: what a peer takes counts as well as what it gives, since there both are
    ratio (BEP 27).
    """

    def __init__(self, slots: int, interval_s: float, rng: Rng, *, most_slots: int = 0,
                 seed_mode: str = "round-robin", piece_bytes: int = 0, is_private: bool = False) -> None:
        self.slots = slots
        self.most_slots = most_slots
        self.interval_s = interval_s
        self.seed_mode = seed_mode
        self._quota_bytes = QUOTA_PIECES * piece_bytes
        self._is_private = is_private
        self._rng = rng
        self._next_round_at = 0.0
        self._rounds = 0
        self._grown = 0                # slots beyond those that there must be
        self._full_rounds = 0

    @property
    def open_slots(self) -> int:
        return self.slots + min(self._grown, max(0, self.most_slots - self.slots)) if self.slots else 0

    def may_unchoke_now(self, links: Collection[Candidate]) -> bool:
        """A peer became interested between rounds: is a slot free for it?"""
        return sum(link.is_unchoked and not link.turn.is_asleep for link in links) < self.open_slots

    def is_due(self, now: float) -> bool:
        return now >= self._next_round_at

    def round(self, links: Collection[Candidate], now: float, *, seeding: bool,
              is_full: bool = False) -> dict[Candidate, str]:
        """Hold one round; returns the links that are to be unchoked, and why. All others are to be choked.

        `is_full`: what may be sent in a second is sent, and more was asked for.
        """
        self._next_round_at = now + self.interval_s
        self._rounds += 1
        for link in links:
            link.turn.measure(link.received_bytes, link.sent_bytes, now,
                              takes_nothing=link.is_unchoked and link.takes_nothing(now))
        self._grow(links, is_full)
        wanting = [link for link in links if link.wants_data]
        if len(wanting) <= self.open_slots:
            for link in links:
                link.turn.is_optimistic = False
            return dict.fromkeys(wanting, FREE_SLOT)
        if not self.slots:
            return {}
        sleepers = {link: link.turn.cause for link in wanting
                    if link.turn.is_asleep and (seeding or now - link.turn.gave_at <= SNUB_S)}
        if not sleepers:
            return self._best_of(wanting, now, seeding=seeding)
        awake = [link for link in wanting if link not in sleepers]
        chosen = self._best_of(awake, now, seeding=seeding)
        fresh = [link for link in awake if link not in chosen and not link.sent_bytes and not link.is_unchoked]
        return {**chosen, **sleepers, **dict.fromkeys(fresh[:len(sleepers)], ON_TRIAL)}

    def _best_of(self, wanting: list[Candidate], now: float, *, seeding: bool) -> dict[Candidate, str]:
        if len(wanting) <= self.open_slots:
            for link in wanting:
                link.turn.is_optimistic = False
            return dict.fromkeys(wanting, FREE_SLOT)
        if seeding and self.seed_mode == "round-robin":
            return self._in_turn(wanting, now)
        if seeding and self.seed_mode == "fastest":
            return self._by(wanting, now, _takes_fastest, TAKES_FASTEST)
        if seeding:
            return self._by(wanting, now, _begins_or_ends, BEGINS_OR_ENDS)
        return self._by(wanting, now, self._gives_most, GIVES_MOST, snubbing=[
            link for link in wanting if now - link.turn.gave_at > SNUB_S])

    def why_choked(self, link: Candidate, now: float, *, seeding: bool) -> str:
        """Of a link that the round left out."""
        if not link.is_interested:
            return NOT_INTERESTED
        if not link.wants_data:
            return DENIED
        if not self.slots:
            return NO_SLOTS
        if not seeding and now - link.turn.gave_at > SNUB_S:
            return SNUBS
        if not link.is_unchoked:
            return link.turn.cause if link.turn.cause in (OTHERS_BETTER, TURN_OVER) else WAITS
        return TURN_OVER if seeding and self.seed_mode == "round-robin" or link.turn.is_optimistic else OTHERS_BETTER

    def _grow(self, links: Collection[Candidate], is_full: bool) -> None:
        """One more slot while all that there are move more than enough, one less while they do not."""
        self._full_rounds = self._full_rounds + 1 if is_full else 0
        rates = sorted((link.turn.taken_per_s for link in links if link.is_unchoked), reverse=True)
        useful = 1 + sum(rate >= SLOT_BYTES_PER_S * number for number, rate in enumerate(rates, 1))
        if useful > self.open_slots and self._full_rounds < FULL_ROUNDS:
            self._grown = min(self._grown + 1, max(0, self.most_slots - self.slots))
        elif useful < self.open_slots or self._full_rounds >= FULL_ROUNDS:
            self._grown = max(0, self._grown - 1)

    def _by(self, wanting: list[Candidate], now: float, worth: Callable[[Candidate], float], cause: str, *,
            snubbing: Collection[Candidate] = ()) -> dict[Candidate, str]:
        """The best have the slots but for those that go round."""
        slots = self.open_slots
        trials = min(1 + min(len(snubbing), MAX_EXTRA_TRIALS), slots - 1)
        regular = _spread(sorted((link for link in wanting if link not in snubbing), key=worth, reverse=True), slots)
        tried = wanting
        if not trials and not (regular and worth(regular[0])):
            # Nobody has earned the only slot: it goes round, or one would keep it; snubs earn no turn.
            trials, tried = 1, regular or wanting
        chosen = dict.fromkeys(regular[:slots - trials], cause)
        others = _elsewhere([link for link in tried if link not in chosen], chosen, slots)
        for link in wanting:
            link.turn.is_optimistic = link.turn.is_optimistic and link in others
        # Who snubs us is tried again after all others: what it does must not bring its friends more trials.
        for pool in ([link for link in others if link not in snubbing], [link for link in others if link in snubbing]):
            chosen |= dict.fromkeys(self._on_trial(pool, slots - len(chosen), now), ON_TRIAL)
        return chosen

    def _on_trial(self, others: list[Candidate], count: int, now: float) -> list[Candidate]:
        """The links that are tried out, changed every few rounds."""
        tried = [link for link in others if link.turn.is_optimistic]
        if self._rounds % OPTIMISTIC_ROUNDS:
            chosen = tried[:count]
        else:
            chosen = []
        untried = [link for link in others if link not in tried]
        for must_be_apart in (True, False):
            for pool in (untried, tried):
                waiting = [link for link in pool if link not in chosen]
                while len(chosen) < count:
                    served = {link.turn.subnet for link in chosen if link.turn.subnet} if must_be_apart else ()
                    waiting = [link for link in waiting if link not in chosen and link.turn.subnet not in served]
                    if not waiting:
                        break
                    chosen.append(self._draw(waiting, now))
        for link in others:
            link.turn.is_optimistic = link in chosen
        return chosen

    def _draw(self, links: list[Candidate], now: float) -> Candidate:
        """One subnet, then one of its links: more links are no better odds."""
        subnets: dict[str | Candidate, list[Candidate]] = {}
        for link in links:
            subnets.setdefault(link.turn.subnet or link, []).append(link)
        tickets = [near for near in subnets.values()
                   for _ in range(NEW_WEIGHT if any(now - link.linked_at < NEW_S for link in near) else 1)]
        near = tickets[self._rng.randrange(len(tickets))]
        return near[self._rng.randrange(len(near))] if len(near) > 1 else near[0]

    def _gives_most(self, link: Candidate) -> float:
        turn = link.turn
        rate = turn.given_per_s + (turn.taken_per_s if self._is_private else 0.0)
        return rate * STICKY if link.is_unchoked and not turn.is_optimistic else rate

    def _in_turn(self, wanting: list[Candidate], now: float) -> dict[Candidate, str]:
        """Who has a turn keeps it until it is over; then who waits longest has one, as one of its subnet: however many
        links that has, they wait as one would."""
        served = [link for link in wanting if link.is_unchoked]
        over = [link for link in served if self._is_over(link, now)]
        served_at: dict[str, float] = {}
        sent: Counter[str] = Counter()
        for link in wanting:
            turn = link.turn
            if turn.subnet:
                sent[turn.subnet] += link.sent_bytes
                if link.is_unchoked or turn.was_served:
                    ended = now if link.is_unchoked else turn.since
                    served_at[turn.subnet] = max(served_at.get(turn.subnet, ended), ended)

        def claim(link: Candidate) -> tuple[float, int, bool, float, int]:
            subnet, since = link.turn.subnet, link.turn.since
            waits_since = now if link.is_unchoked else max(since, served_at.get(subnet, since))
            return waits_since, sent[subnet] if subnet else 0, link.is_unchoked, since, link.sent_bytes

        waiting = [link for link in wanting if not link.is_unchoked or link in over]
        order = _spread([link for link in served if link not in over] + sorted(waiting, key=claim), self.open_slots)
        for link in wanting:
            link.turn.is_optimistic = False
        return dict.fromkeys(order[:self.open_slots], ITS_TURN)

    def _is_over(self, link: Candidate, now: float) -> bool:
        turn = link.turn
        lasted_s = now - turn.since
        if lasted_s < MIN_TURN_S:
            return False
        return (link.sent_bytes - turn.sent_before >= self._quota_bytes or not turn.taken_per_s
                or lasted_s >= MAX_TURN_S)


def _spread(links: list[Candidate], slots: int) -> list[Candidate]:
    """Those first that are the first of their subnets, and of no region more than its part; then all others."""
    most = _most_of_region(slots)
    regions: Counter[str] = Counter()
    seen: set[str] = set()
    first: list[Candidate] = []
    crowded: list[Candidate] = []
    more: list[Candidate] = []
    for link in links:
        subnet, region = link.turn.subnet, link.turn.region
        if subnet in seen:
            more.append(link)
        elif region and regions[region] >= most:
            crowded.append(link)
        else:
            first.append(link)
            regions[region] += 1
        seen.add(subnet)
    return first + crowded + more


def _elsewhere(links: list[Candidate], served: Collection[Candidate], slots: int) -> list[Candidate]:
    """Those of other subnets than are served, and of regions with less than their part, as far as there are any."""
    subnets = {link.turn.subnet for link in served}
    regions = Counter(link.turn.region for link in served if link.turn.region)
    links = [link for link in links if link.turn.subnet not in subnets] or links
    return [link for link in links if regions[link.turn.region] < _most_of_region(slots)] or links


def _most_of_region(slots: int) -> int:
    return max(1, slots // REGION_PART)


def _takes_fastest(link: Candidate) -> float:
    turn = link.turn
    return turn.taken_per_s * STICKY if link.is_unchoked and not turn.is_optimistic else turn.taken_per_s


def _begins_or_ends(link: Candidate) -> float:
    """Who has next to nothing will pass on what it gets, who has nearly all will seed; those between only take."""
    return abs(link.part_had - 0.5)
