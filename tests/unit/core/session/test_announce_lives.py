"""What trackers are told when answers fail, come late, or never: rounds do not stall, and no event is lost."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.session.announcequeue import PER_HOST
from blobtorrent.core.session.announces import DATAGRAM_TIMEOUT_S, HEDGE_S
from blobtorrent.discovery.messages import Announce, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.tiers import State
from tests.support.announcing import COMPLETED, NONE, STARTED, STOPPED, AnnounceRig, told, torrent

A, B, C, U = "http://a.test/announce", "http://b.test/announce", "http://c.test/announce", "udp://u.test:1"
PEER = Endpoint("127.0.0.1", 6881)
T = torrent(1)
FAMILIES = (Origin(4), Origin(6))


def only(orders: list[Announce]) -> Announce:
    (order,) = orders
    return order


# ---- rounds


def test_announces_go_on_while_the_other_family_has_not_answered_yet() -> None:
    rig = AnnounceRig()
    rig.manager.origins = FAMILIES
    rig.manager.begin(T, ((U,),), 100)
    four, six = rig.orders()
    rig.take(four)
    rig.advance(10)
    rig.manager.again(T)
    rig.advance(0)
    again = only(rig.orders())
    assert (again.query.event, again.origin) == (NONE, Origin(4))
    rig.take(again)
    rig.advance(DATAGRAM_TIMEOUT_S - 10)
    rig.fail(six)
    rig.advance(1800)
    assert [(order.query.event, order.origin) for order in rig.orders()] == [(NONE, Origin(4)), (STARTED, Origin(6))]


def test_announces_go_on_when_the_interval_is_shorter_than_the_patience_with_the_other_family() -> None:
    rig = AnnounceRig()
    rig.manager.origins = FAMILIES
    rig.manager.begin(T, ((U,),), 100)
    rounds = 0
    pending: list[tuple[float, Announce]] = []
    for _ in range(100):
        for order in rig.orders():
            if order.origin == Origin(4):
                rounds += 1
                rig.take(order, interval_s=60)
            else:
                pending.append((rig.clock.now() + DATAGRAM_TIMEOUT_S, order))
        rig.advance(30)
        for due in [due for due in pending if due[0] <= rig.clock.now()]:
            pending.remove(due)
            rig.fail(due[1])
    assert rounds == 50


# ---- completed


def test_completed_that_fails_is_told_again_until_it_is_taken() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,),), 100)
    rig.take_all()
    rig.manager.complete(T)
    rig.fail(only(rig.orders()))
    rig.advance(1800)
    assert rig.take_all() == [(A, NONE), (A, COMPLETED)]
    rig.advance(1800)
    assert rig.take_all() == [(A, NONE)]


def test_completed_is_still_owed_when_trackers_are_edited() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,),), 100)
    order = only(rig.orders())
    rig.manager.complete(T)
    rig.fail(order)
    rig.manager.change(T, ((A, B),))
    events = dict.fromkeys(event for _, event in rig.take_all())
    assert list(events) == [STARTED, COMPLETED]


def test_completed_is_still_owed_when_the_torrent_is_stopped_and_started_before_started_is_answered() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,),), 100)
    order = only(rig.orders())
    rig.manager.complete(T)
    rig.manager.end(T)
    rig.manager.begin(T, ((A,),), 0)
    rig.take(order)
    assert rig.take_all() == [(A, COMPLETED), (A, STOPPED), (A, STARTED)]


def test_each_tracker_that_was_told_of_a_download_hears_of_its_end_once() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,), (B,), (C,)), 100)
    for order in rig.orders():
        if order.url == C:
            rig.fail(order)
        else:
            rig.take(order)
    rig.manager.complete(T)
    assert sorted(rig.take_all()) == [(A, COMPLETED), (B, COMPLETED)]
    rig.advance(1800)
    assert [one for one in rig.take_all() if one[0] == C] == [(C, STARTED), (C, COMPLETED)]
    rig.advance(1800)
    assert {event for _, event in rig.take_all()} == {NONE}


# ---- stopped


def test_who_takes_started_after_trackers_were_edited_hears_the_end_and_its_peers_are_of_use() -> None:
    for seed in range(8):
        rig = AnnounceRig(seed)
        rig.manager.begin(T, ((A,),), 100)
        order = only(rig.orders())
        rig.manager.change(T, ((A, B),))
        assert rig.take(order, PEER) == (PEER,)
        rig.take_all()
        rig.manager.end(T)
        farewells = rig.take_all()
        assert (A, STOPPED) in farewells and {event for _, event in farewells} == {STOPPED}


def test_who_takes_started_of_the_life_before_hears_the_end_of_it() -> None:
    for seed in range(8):
        rig = AnnounceRig(seed)
        rig.manager.begin(T, ((A, B),), 100)
        order = only(rig.orders())
        rig.manager.end(T)
        rig.manager.begin(T, ((A, B),), 100)
        assert rig.take(order, PEER) == (PEER,)
        assert (order.url, STOPPED) in rig.take_all()


def test_a_tracker_that_was_removed_does_not_get_started_that_waited_for_its_turn() -> None:
    rig = AnnounceRig()
    for number in range(PER_HOST + 1):
        rig.manager.begin(torrent(number), ((A,),), 100)
    first = rig.orders()
    last = torrent(PER_HOST)
    rig.manager.change(last, ((B,),))
    for order in first:
        rig.take(order)
    assert told(rig.orders()) == [(B, STARTED)]


def test_the_program_waits_for_a_tracker_that_may_have_just_taken_started_but_not_for_one_that_is_slow() -> None:
    rig = AnnounceRig()
    rig.manager.begin(T, ((A,),), 100)
    order = only(rig.orders())
    rig.manager.end(T)
    assert not rig.manager.is_quiet
    rig.take(order)
    assert rig.take_all() == [(A, STOPPED)]
    assert rig.manager.is_quiet

    rig.manager.begin(T, ((A,),), 100)
    order = only(rig.orders())
    rig.advance(HEDGE_S)
    rig.manager.end(T)
    assert rig.manager.is_quiet
    rig.take(order)
    assert not rig.manager.is_quiet


# ---- whatever happens

URLS = (A, B, C, U)
HYBRID = InfoHash(v1=b"1" * 20, v2=b"2" * 32)


class Witness:
    """The trackers: each answers what it was asked when it pleases."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.rig = AnnounceRig(seed, to_all=seed % 5 == 0)
        self.manager = self.rig.manager
        self.is_private = seed % 3 == 0
        self.torrents = [torrent(1), torrent(2), HYBRID]
        self.running: set[InfoHash] = set()
        self.open: list[Announce] = []
        self.taken: dict[tuple[str, bytes, Origin], str] = {}
        self.manager.origins = FAMILIES if seed % 2 else FAMILIES[:1]

    def tiers(self) -> tuple[tuple[str, ...], ...]:
        urls = self.rng.sample(URLS, self.rng.randint(1, 4))
        cut = self.rng.randint(0, len(urls))
        return tuple(tier for tier in (tuple(urls[:cut]), tuple(urls[cut:])) if tier)

    def step(self) -> None:
        rng, manager, info_hash = self.rng, self.manager, self.rng.choice(self.torrents)
        kind = rng.randrange(12)
        if info_hash not in self.running:
            if kind < 4:
                self.running.add(info_hash)
                manager.begin(info_hash, self.tiers(), 100, is_private=self.is_private)
        elif kind == 0:
            self.running.discard(info_hash)
            manager.end(info_hash)
        elif kind == 1:
            manager.change(info_hash, self.tiers())
        elif kind == 2:
            manager.complete(info_hash)
        elif kind == 3:
            manager.again(info_hash)
        if kind > 8:
            self.rig.advance(rng.choice((0.5, 3.0, 10.0, 60.0, 2000.0)))
        self.look()
        for _ in range(rng.randint(0, 3)):
            if self.open:
                self.answer(self.open.pop(rng.randrange(len(self.open))), is_taken=rng.random() < 0.7)
        self.look()

    def look(self) -> None:
        self.open += self.rig.orders()
        lines = [(order.url, order.query.wire_hash, order.origin) for order in self.open]
        assert len(set(lines)) == len(lines)               # one thing at a time
        for announced in self.manager._running.values():
            for tier in announced.tiers:
                if tier.schedule.state is State.ANNOUNCING:
                    assert any(attempt.open and attempt.best is None for attempt in tier.attempts.values())
                else:
                    assert tier.timer is not None and tier.timer.is_pending
        for wire_hash in {wire_hash for info_hash in self.running for wire_hash in info_hash.wire_forms}:
            present = {line.url for line, entry in self.manager._ledger._entries.items()
                       if line.wire_hash == wire_hash and entry.farewell is None}
            assert not self.is_private or len(present) <= 2            # the one in use, and the one that is asked

    def answer(self, order: Announce, *, is_taken: bool) -> None:
        event = order.query.event
        if is_taken or event is STOPPED:
            line = order.url, order.query.wire_hash, order.origin
            sign = {STARTED: "(", NONE: ".", COMPLETED: "c", STOPPED: ")"}[event]
            self.taken[line] = self.taken.get(line, "") + sign
        if is_taken:
            self.rig.take(order, interval_s=60)
        else:
            self.rig.fail(order)

    def end(self) -> None:
        for info_hash in self.running:
            self.manager.end(info_hash)
        self.look()
        while self.open:
            self.answer(self.open.pop(0), is_taken=True)
            self.look()


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_rounds_go_on_and_trackers_hear_whole_lives(seed: int) -> None:
    witness = Witness(seed)
    for _ in range(150):
        witness.step()
    witness.end()
    assert witness.manager.is_quiet and witness.manager.waiting == 0 and len(witness.manager._ledger) == 0
    assert witness.taken
    for taken in witness.taken.values():
        *lives, rest = taken.split(")")
        assert rest == "" and all(life.startswith("(") and life.count("(") == 1 and life.count("c") <= 1
                                  for life in lives), taken
