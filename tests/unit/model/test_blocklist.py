"""Packed ranges answer as a look through all ranges would."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.blocklist import RUN, RangeBuilder, Ranges

BITS = {False: 32, True: 128}
MAPPED = 0xFFFF << 32


def packed(lines):
    builder, ranges = RangeBuilder(), Ranges()
    for line in lines:
        builder.add(*line)
    for _ in builder.pack(ranges):
        pass
    return ranges


@st.composite
def lines_and_numbers(draw):
    """Ranges that are near each other, and addresses at and beside their ends."""
    is_v6 = draw(st.booleans())
    top = (1 << BITS[is_v6]) - 1
    base = draw(st.sampled_from([0, 1 << 64, (1 << 64) - 40, 5 << 96] if is_v6 else [0, 1 << 24, top - 200]))
    offsets = st.integers(0, 100)
    lines = [
        (is_v6, min(base + first, top), min(base + first + length, top))
        for first, length in draw(st.lists(st.tuples(offsets, st.integers(0, 30)), max_size=20))
    ]
    ends = {number + step for _, *pair in lines for number in pair for step in (-1, 0, 1)} | {base, 0, top}
    return lines, [(is_v6, number) for number in ends if 0 <= number <= top]


@given(lines_and_numbers())
def test_an_address_is_covered_when_one_of_the_ranges_has_it(drawn):
    lines, numbers = drawn
    ranges = packed(lines)
    for is_v6, number in numbers:
        assert ranges.covers(is_v6, number) == any(first <= number <= last for _, first, last in lines)


@given(lines_and_numbers())
def test_ranges_that_touch_or_overlap_become_one(drawn):
    lines, _ = drawn
    numbers = sorted({number for _, first, last in lines for number in range(first, last + 1)})
    runs = sum(number - 1 != before for before, number in zip([-2, *numbers], numbers))
    ranges = packed(lines)
    assert ranges.num_v4 + ranges.num_v6 == runs


@pytest.mark.parametrize("is_v6", [False, True])
def test_more_ranges_than_one_run_holds_are_merged_in_order(is_v6):
    rng = random.Random(7)
    firsts = rng.sample(range(0, 40 * RUN, 2), 5 * RUN)
    ranges = packed([(is_v6, first, first) for first in firsts])
    assert ranges.num_v4 + ranges.num_v6 == len(firsts)
    known = set(firsts)
    assert all(ranges.covers(is_v6, number) == (number in known) for number in range(0, 40 * RUN, 7))


def test_no_step_of_packing_handles_many_more_ranges_than_a_run_has():
    """Also when every run spreads over everything."""
    builder, ranges, num_runs = RangeBuilder(), Ranges(), 100
    for run in range(num_runs):
        for number in range(RUN):
            first = number * 2 * num_runs + 2 * run
            builder.add(False, first, first)
    before, largest = 0, 0
    for _ in builder.pack(ranges):
        largest = max(largest, ranges.num_v4 - before)
        before = ranges.num_v4
    assert ranges.num_v4 == num_runs * RUN
    assert largest <= 2 * RUN


def test_the_two_families_have_nothing_to_do_with_each_other():
    ranges = packed([(False, 0, (1 << 32) - 1)])
    assert ranges.covers(False, 5)
    assert not ranges.covers(True, 5)


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4():
    ranges = packed([(True, MAPPED + 10, MAPPED + 20)])
    assert (ranges.num_v4, ranges.num_v6) == (1, 0)
    assert ranges.covers(False, 15) and not ranges.covers(False, 21)


@pytest.mark.parametrize("is_v6", [False, True])
def test_memory_is_given_back_a_run_at_a_time(is_v6):
    builder, rng = RangeBuilder(), random.Random(1)
    for _ in range(20 * RUN):
        first = rng.getrandbits(31)
        builder.add(is_v6, first, first)
    runs = builder._v6_runs if is_v6 else builder._v4_runs
    lengths = [len(runs)]
    for _ in builder.pack(Ranges()):
        lengths.append(len(runs))
    assert (lengths[0], lengths[-1]) == (20, 0)
    assert all(before - after <= 1 for before, after in zip(lengths, lengths[1:]))
