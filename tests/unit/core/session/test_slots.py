"""Upload slots of all torrents together: everybody has what it can use, or a fair share of what there is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from blobtorrent.core.session.slots import ROUND_S, SlotManager, slots_in_all
from blobtorrent.model.ids import InfoHash


def swarm(number: int) -> InfoHash:
    return InfoHash(v1=number.to_bytes(20, "big"))


def manager(limit: int, *needs: int) -> SlotManager:
    """One of torrents that so many peers want data of, shared out."""
    slots = SlotManager(limit)
    for number, _needed in enumerate(needs):
        slots.open(swarm(number))
    for number, needed in enumerate(needs):
        slots.on_report(swarm(number), needed)
    slots.share_out(0.0)
    return slots


def grants(slots: SlotManager, count: int) -> list[int]:
    return [slots.granted(swarm(number)) for number in range(count)]


def test_while_there_are_enough_everybody_has_what_it_needs_and_one_for_the_next() -> None:
    assert grants(manager(100, 3, 0, 7), 3) == [4, 1, 8]


def test_who_needs_little_gets_it_and_the_others_share_the_rest_equally() -> None:
    assert grants(manager(10, 2, 50, 0, 50), 4) == [2, 4, 0, 4]


def test_a_torrent_that_comes_when_all_slots_are_taken_gets_its_part_of_them() -> None:
    slots = manager(9, 9)
    assert grants(slots, 1) == [9]
    slots.open(swarm(1))
    assert not slots.on_report(swarm(1), 9)
    slots.share_out(ROUND_S)
    assert sorted(grants(slots, 2)) == [4, 5]


def test_what_one_does_not_need_any_more_is_for_others_before_the_round_is_over() -> None:
    slots = manager(8, 8, 8)
    assert grants(slots, 2) == [4, 4]
    slots.on_report(swarm(0), 1)
    assert slots.share_out(1.0) == [swarm(0), swarm(1)]
    assert grants(slots, 2) == [1, 7]


def test_what_nobody_has_is_granted_at_once() -> None:
    slots = manager(8, 2)
    assert slots.on_report(swarm(0), 5)
    assert grants(slots, 1) == [6]
    slots.close(swarm(0))
    assert slots.on_report(swarm(1), 8)
    assert slots.granted(swarm(1)) == 8


def test_with_more_torrents_than_slots_each_has_its_turn_as_often_as_the_others() -> None:
    slots, turns = manager(2, *[5] * 5), Counter[int]()
    for number in range(1, 51):
        slots.share_out(number * ROUND_S)
        had = grants(slots, 5)
        assert sum(had) == 2
        turns.update({place: slots_had for place, slots_had in enumerate(had) if slots_had})
    assert set(turns.values()) == {20}


def test_within_a_round_nothing_moves() -> None:
    slots = manager(2, *[5] * 5)
    before = grants(slots, 5)
    assert slots.share_out(ROUND_S / 2) == []
    assert grants(slots, 5) == before


def test_a_lower_limit_holds_with_the_next_sharing() -> None:
    slots = manager(20, 8, 8)
    slots.apply(6)
    slots.share_out(1.0)
    assert grants(slots, 2) == [3, 3]


@pytest.mark.parametrize("seed", range(20))
def test_never_are_more_slots_granted_than_there_are(seed: int) -> None:
    rng = random.Random(seed)
    slots, limit, opened = SlotManager(10), 10, set[int]()
    for step in range(300):
        number = rng.randrange(8)
        if number in opened and rng.random() < 0.2:
            slots.close(swarm(number))
            opened.discard(number)
        else:
            slots.on_report(swarm(number), rng.randrange(6))
            opened.add(number)
        if rng.random() < 0.1:
            limit = rng.randrange(1, 15)
            slots.apply(limit)
        slots.share_out(step * 5.0)
        assert sum(grants(slots, 8)) <= limit, f"seed {seed}, step {step}"


@pytest.mark.parametrize(("total", "divisor", "rate", "expected"), [
    (0, 1, 0, 0), (7, 1, 0, 7), (0, 1, 10 << 10, 11), (0, 1, 11 << 10, 12), (0, 1, 100 << 10, 30),
    (20, 1, 100 << 10, 20), (0, 10, 100 << 10, 11), (0, 0, 100 << 10, 0), (0, 1, 100, 1),
])
def test_a_limit_on_what_is_sent_feeds_so_many_slots(total: int, divisor: int, rate: int, expected: int) -> None:
    assert slots_in_all(total, divisor, rate) == expected


def grouped(limit: int, weights: dict[str, float], *torrents: tuple[str, int]) -> SlotManager:
    """One of torrents of groups with such needs."""
    slots = SlotManager(limit)
    slots.weights = weights
    for number, (group, _) in enumerate(torrents):
        slots.open(swarm(number), group)
    for number, (group, needed) in enumerate(torrents):
        slots.on_report(swarm(number), needed, group)
    slots.share_out(0.0)
    return slots


def test_a_group_gets_no_more_for_having_many_torrents() -> None:
    assert grants(grouped(12, {}, ("a", 50), ("b", 50), ("b", 50), ("b", 50)), 4) == [6, 2, 2, 2]


def test_groups_get_slots_by_their_weights_and_what_one_does_not_need_is_for_the_others() -> None:
    assert grants(grouped(12, {"a": 2.0}, ("a", 50), ("b", 50)), 2) == [8, 4]
    assert grants(grouped(12, {"a": 2.0}, ("a", 3), ("b", 50), ("c", 50)), 3)[0] == 3
    assert sorted(grants(grouped(12, {"a": 2.0}, ("a", 3), ("b", 50), ("c", 50)), 3)[1:]) == [4, 5]


def test_with_one_slot_groups_have_their_turns_by_weight_and_their_torrents_theirs() -> None:
    torrents = (("a", 5), ("b", 5), ("b", 5))
    slots = grouped(1, {"b": 2.0}, *torrents)
    turns: Counter[int] = Counter()
    for number in range(90):
        slots.share_out(number * ROUND_S)
        turns[grants(slots, 3).index(1)] += 1
    assert all(abs(turns[number] - 30) <= 1 for number in range(3))


def test_a_torrent_may_move_to_another_group() -> None:
    slots = grouped(8, {}, ("a", 50), ("b", 50), ("b", 50))
    assert grants(slots, 3) == [4, 2, 2]
    slots.on_report(swarm(2), 50, "a")
    slots.share_out(ROUND_S)
    assert grants(slots, 3) == [2, 4, 2]


def test_what_a_torrent_is_promised_comes_first_as_long_as_there_is_enough_for_all_promises() -> None:
    slots = SlotManager(10)
    for number, least in enumerate((5, 0, 3)):
        slots.open(swarm(number))
        slots.on_report(swarm(number), 20, "", least)
    slots.share_out(ROUND_S)
    assert sum(grants(slots, 3)) == 10
    assert grants(slots, 3)[0] >= 5 and grants(slots, 3)[2] >= 3
    slots.on_report(swarm(2), 1, "", 3)                    # it has use for no more
    slots.share_out(2 * ROUND_S)
    assert grants(slots, 3)[2] == 1 and grants(slots, 3)[0] == 7 and grants(slots, 3)[1] == 2
    slots.on_report(swarm(2), 20, "", 3)
    slots.on_report(swarm(1), 20, "", 3)
    slots.share_out(3 * ROUND_S)
    assert max(grants(slots, 3)) - min(grants(slots, 3)) <= 1          # eleven of ten were promised
