"""Whom to dial first: one ranking that leaves no source and no region more than half of the places."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.core.swarm.knownpeer import KnownPeer
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.core.swarm.variety import Variety, region_at
from blobtorrent.model.address import Endpoint

OWN = PeerSource.STATIC
HOSTS = [f"{net}.{site}.1" for net in ("20.1", "20.2", "30.3", "10.0") for site in (1, 2, 3)]       # 10.0: no region


@st.composite
def addresses(draw: st.DrawFn) -> KnownPeer:
    host = draw(st.sampled_from(HOSTS))
    known = KnownPeer(Endpoint(host, draw(st.integers(1, 9))), draw(st.sampled_from(PeerSource)),
                      draw(st.sampled_from([0.0, 1.0, 2.0])))
    known.failures = draw(st.integers(0, 2))
    return known


CROWDS = st.lists(addresses(), max_size=40)


def chosen_of(busy: list[KnownPeer], ready: list[KnownPeer], room: int,
              refused: frozenset[int] = frozenset()) -> list[KnownPeer]:
    deaf = {id(ready[number]) for number in refused if number < len(ready)}
    return Variety(busy, room).choose(ready, room, lambda known: id(known) not in deaf)


class Places:
    """How many places everybody has, counted the plain way."""

    def __init__(self, busy: list[KnownPeer], room: int) -> None:
        self.taken = list(busy)
        self.half = max(2, room + len(busy)) // 2

    def source_is_over(self, known: KnownPeer) -> bool:
        return known.source is not OWN and sum(one.source is known.source for one in self.taken) >= self.half

    def region_is_over(self, known: KnownPeer) -> bool:
        region = region_at(known.endpoint.host)
        return known.source is not OWN and region != "" and self.half <= sum(
            one.source is not OWN and region_at(one.endpoint.host) == region for one in self.taken)


def by_passes(busy: list[KnownPeer], ready: list[KnownPeer], room: int) -> list[KnownPeer]:
    """What the ranking says, in so many words: everybody within both halves, then within that of the source, then
    within that of the region, then the others; each time those that failed least and wait longest first."""
    places, chosen = Places(busy, room), []
    left = sorted(ready, key=lambda known: (known.failures, known.next_dial_at))
    for within_source, within_region in ((True, True), (True, False), (False, True), (False, False)):
        surplus = []
        for known in left:
            is_over = within_source and places.source_is_over(known) or within_region and places.region_is_over(known)
            if is_over or len(chosen) == room:
                surplus.append(known)
            else:
                chosen.append(known)
                places.taken.append(known)
        left = surplus
    return chosen


@given(CROWDS, CROWDS, st.integers(0, 30))
def test_the_ranking_chooses_as_passes_do_that_give_away_one_claim_after_the_other(
    busy: list[KnownPeer], ready: list[KnownPeer], room: int,
) -> None:
    assert list(map(id, chosen_of(busy, ready, room))) == list(map(id, by_passes(busy, ready, room)))


@given(CROWDS, CROWDS, st.integers(0, 30), st.frozensets(st.integers(0, 39)))
def test_no_half_is_exceeded_while_somebody_waits_who_exceeds_none(
    busy: list[KnownPeer], ready: list[KnownPeer], room: int, refused: frozenset[int],
) -> None:
    chosen = chosen_of(busy, ready, room, refused)
    could = [known for number, known in enumerate(ready) if number not in refused]
    assert len(chosen) == min(room, len(could)) == len({id(known) for known in chosen})
    places = Places(busy, room)
    for number, known in enumerate(chosen):
        gone = {id(one) for one in chosen[:number + 1]}
        waiting = [one for one in could if id(one) not in gone]
        if places.source_is_over(known):
            assert all(places.source_is_over(one) for one in waiting)
        if places.region_is_over(known):
            assert all(places.source_is_over(one) or places.region_is_over(one) for one in waiting)
        places.taken.append(known)


@given(CROWDS, CROWDS, st.integers(0, 30))
def test_of_those_with_the_same_claim_who_failed_least_and_waits_longest_goes_first(
    busy: list[KnownPeer], ready: list[KnownPeer], room: int,
) -> None:
    last: dict[tuple[PeerSource, str], tuple[int, float]] = {}
    for known in chosen_of(busy, ready, room):
        claim = known.source, region_at(known.endpoint.host)
        turn = known.failures, known.next_dial_at
        assert last.get(claim, (-1, -inf)) <= turn
        last[claim] = turn


@given(CROWDS, CROWDS, st.integers(1, 30))
def test_whom_the_user_named_yields_to_nobody_who_failed_more(
    busy: list[KnownPeer], ready: list[KnownPeer], room: int,
) -> None:
    chosen = chosen_of(busy, ready, room)
    for known in ready:
        if known.source is OWN and not any(known is one for one in chosen):
            turn = known.failures, known.next_dial_at
            assert all((one.failures, one.next_dial_at) <= turn for one in chosen)
