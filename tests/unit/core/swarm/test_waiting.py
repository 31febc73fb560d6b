"""The requests of a peer that wait: they behave as a plain list of runs would, and take much less memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobtorrent.core.swarm.uploads import MAX_WAITING
from blobtorrent.core.swarm.waiting import MIN_GAP, SPAN_BYTES, Run, WaitingRequests
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol.wire.messages import MAX_BLOCK

SPAN_BLOCKS = SPAN_BYTES // BLOCK_SIZE
LARGEST = 2**32 - 1


def waiting(*runs: Run) -> WaitingRequests:
    requests = WaitingRequests()
    for run in runs:
        requests.append(*run)
    return requests


def whole(index: int, block: int, count: int = 1) -> Run:
    return index << 32 | block * BLOCK_SIZE, count


def held(make: Callable[[], Any]) -> int:
    """Bytes of what `make` returns: the least of a few times, for CPython keeps frames that were in use."""
    return min(held_once(make) for _ in range(4))


def held_once(make: Callable[[], Any]) -> int:
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = make()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        del kept
        return after - before
    finally:
        tracemalloc.stop()


# ---- what they are


def test_requests_leave_in_the_order_in_which_they_came():
    runs = [whole(2, 5), (1 << 32 | 7, -100), whole(0, 0, 32), (LARGEST << 32 | LARGEST - MAX_BLOCK, -MAX_BLOCK)]
    requests = waiting(*runs)
    assert list(requests) == runs and len(requests) == 4
    for run in runs:
        assert requests.first == run
        requests.take(requests.first)
    assert requests.first is None and not requests


@pytest.mark.parametrize("before", [[], [(9, -1)], [(9, -1), (11, -1)]])
def test_a_run_that_continues_the_last_one_makes_it_longer(before):
    assert list(waiting(*before, whole(1, 3, 2), whole(1, 5, 4))) == [*before, whole(1, 3, 6)]


@pytest.mark.parametrize("before", [[], [(9, -1)], [(9, -1), (11, -1)]])
@pytest.mark.parametrize("pair", [
    (whole(1, SPAN_BLOCKS - 1), whole(1, SPAN_BLOCKS)),    # of another span
    (whole(1, 3), whole(1, 5)), (whole(1, 3), whole(1, 3)), (whole(1, 3), whole(2, 4)),
    ((3 * BLOCK_SIZE, -1), whole(0, 2)),                   # minus its length is no count
    ((BLOCK_SIZE - 1, -1), whole(0, 1)), ((BLOCK_SIZE - 5, -5), (BLOCK_SIZE, -5)), (whole(1, 3), (whole(1, 4)[0], -9)),
])
def test_other_runs_stay_apart(before, pair):
    assert list(waiting(*before, *pair)) == [*before, *pair]


def test_the_beginning_of_the_first_run_may_be_taken():
    requests = waiting(whole(1, 3, 9), (5, -1))
    requests.take(whole(1, 3, 4))
    assert list(requests) == [whole(1, 7, 5), (5, -1)]
    with pytest.raises(AssertionError):
        requests.take(whole(1, 7, 6))
    with pytest.raises(AssertionError):
        requests.take((5, -1))


def test_a_block_is_taken_back_from_the_beginning_the_middle_and_the_end_of_runs():
    requests = waiting((5, -1), whole(1, 3, 9), whole(0, 0, 2))
    assert [requests.cancel(whole(1, block)[0], BLOCK_SIZE) for block in (3, 11, 7, 7, 12, 2)] == [1, 1, 1, 0, 0, 0]
    assert list(requests) == [(5, -1), whole(1, 4, 3), whole(1, 8, 3), whole(0, 0, 2)]
    assert requests.cancel(5, 1) == 1
    assert requests.cancel(whole(1, 5)[0], BLOCK_SIZE) == 1
    assert list(requests) == [whole(1, 4), whole(1, 6), whole(1, 8, 3), whole(0, 0, 2)]


def test_a_block_that_waits_more_than_once_is_taken_back_everywhere():
    requests = waiting(whole(1, 3, 3), whole(1, 3, 2), (5, -1), whole(1, 0, 5), whole(1, 4))
    assert requests.cancel(whole(1, 4)[0], BLOCK_SIZE) == 4
    assert list(requests) == [whole(1, 3), whole(1, 5), whole(1, 3), (5, -1), whole(1, 0, 4)]


def test_only_the_very_request_is_taken_back():
    requests = waiting((5, -1), (5, -2), (5, -1), (BLOCK_SIZE + 1, -BLOCK_SIZE), whole(0, 1))
    assert requests.cancel(5, 3) == 0
    assert requests.cancel(BLOCK_SIZE, 1) == 0
    assert requests.cancel(BLOCK_SIZE + 2, BLOCK_SIZE) == 0
    assert requests.cancel(5, 1) == 2
    assert list(requests) == [(5, -2), (BLOCK_SIZE + 1, -BLOCK_SIZE), whole(0, 1)]
    assert requests.cancel(2 * BLOCK_SIZE, BLOCK_SIZE) == 0
    assert requests.cancel(BLOCK_SIZE, BLOCK_SIZE) == 1
    assert requests.cancel(BLOCK_SIZE + 1, BLOCK_SIZE) == 1
    assert list(requests) == [(5, -2)]


def test_what_was_taken_is_not_there_to_be_taken_back():
    requests = waiting(*[(2 * number + 1, -1) for number in range(10)])
    for _ in range(5):
        requests.take(requests.first)
    assert [requests.cancel(2 * number + 1, 1) for number in range(10)] == [0] * 5 + [1] * 5
    assert list(requests) == []


def plainly_appended(model: list[Run], key: int, count: int) -> None:
    if model and count > 0 and key % SPAN_BYTES:
        first, before = model[-1]
        if before > 0 and first + before * BLOCK_SIZE == key:
            model[-1] = (first, before + count)
            return
    model.append((key, count))


def plainly_cancelled(model: list[Run], key: int, length: int) -> tuple[list[Run], int]:
    kept, found = [], 0
    for first, count in model:
        keys = [first + place * BLOCK_SIZE for place in range(count)]
        if count == -length and first == key:
            found += 1
        elif length == BLOCK_SIZE and key in keys:
            place = keys.index(key)
            found += 1
            kept += [run for run in ((first, place), (key + BLOCK_SIZE, count - place - 1)) if run[1]]
        else:
            kept.append((first, count))
    return kept, found


places = st.tuples(st.sampled_from([0, 1, LARGEST]), st.integers(SPAN_BLOCKS - 4, SPAN_BLOCKS + 3))
whole_runs = st.builds(lambda place, count: whole(*place, min(count, SPAN_BLOCKS - place[1] % SPAN_BLOCKS)),
                       places, st.integers(1, 4))
odd_runs = st.one_of(
    st.builds(lambda place, offset, length: (whole(*place)[0] + offset, -length),
              places, st.integers(1, 2), st.sampled_from([1, BLOCK_SIZE, MAX_BLOCK])),
    st.builds(lambda place, length: (whole(*place)[0], -length), places, st.integers(1, 3)))
runs = st.one_of(whole_runs, odd_runs)
steps = st.one_of(
    st.tuples(st.just("append"), runs), st.tuples(st.just("append"), runs),
    st.tuples(st.just("take"), st.integers(1, 5)), st.tuples(st.just("cancel"), runs),
    st.tuples(st.just("many"), st.integers(1, 3 * MIN_GAP)), st.tuples(st.just("take many"), st.integers(1, 300)),
    st.tuples(st.just("clear"), st.none()))


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=30))
def test_it_behaves_as_a_plain_list_of_runs(deeds):
    requests, model = WaitingRequests(), []
    for deed, what in deeds:
        if deed == "append":
            requests.append(*what)
            plainly_appended(model, *what)
        elif deed == "many":
            for number in range(what):
                requests.append(2 * number + 1, -1)
                model.append((2 * number + 1, -1))
        elif deed == "take" and model:
            key, count = requests.first
            taken = min(count, what)
            requests.take(requests.first if taken == count else (key, taken))
            model[:1] = [] if taken == count else [(key + taken * BLOCK_SIZE, count - taken)]
        elif deed == "take many":
            for _ in range(min(what, len(model))):
                requests.take(requests.first)
            del model[:what]
        elif deed == "cancel":
            key, count = what
            model, found = plainly_cancelled(model, key, BLOCK_SIZE if count > 0 else -count)
            assert requests.cancel(key, BLOCK_SIZE if count > 0 else -count) == found
        elif deed == "clear":
            requests.clear()
            model.clear()
        assert len(requests) == len(model) and bool(requests) == bool(model)
        assert requests.first == (model[0] if model else None)
    assert list(requests) == model


# ---- what they cost


def test_thousands_of_single_bytes_take_little_memory():
    assert held(lambda: waiting(*[(number % 64 << 32 | 2 * number, -1) for number in range(MAX_WAITING)])) < 60_000


def test_who_asks_for_nothing_costs_no_more_than_an_empty_list():
    assert held(lambda: [WaitingRequests() for _ in range(1000)]) <= held(lambda: [[] for _ in range(1000)]) + 1000


@pytest.mark.parametrize("left", [3000, 1000, 100, 10, 1])
def test_what_is_taken_is_given_back(left):
    def shrunk() -> WaitingRequests:
        requests = waiting(*[(2 * number + 1, -1) for number in range(MAX_WAITING)])
        while len(requests) > left:
            requests.take(requests.first)
        return requests

    assert held(shrunk) < 2 * 13 * left + 13 * MIN_GAP + 800


def emptied_by_taking(requests: WaitingRequests) -> None:
    while requests:
        requests.take(requests.first)


def emptied_by_cancels(requests: WaitingRequests) -> None:
    for key, count in list(requests):
        requests.cancel(key, -count)


@pytest.mark.parametrize("empty", [WaitingRequests.clear, emptied_by_taking, emptied_by_cancels])
def test_an_emptied_one_holds_nothing(empty):
    def emptied() -> WaitingRequests:
        requests = waiting(*[(2 * number + 1, -1) for number in range(500)])
        empty(requests)
        return requests

    assert held(emptied) <= held(WaitingRequests) + 100
