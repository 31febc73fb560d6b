"""Rows as a whole: every column is read once, in turn, however many there are."""

from __future__ import annotations

from functools import partial
from operator import attrgetter

import pytest

from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.language.wholerow import MAX_UNROLLED, whole_row
from blobtorrent.interface.rtorrent.values import Value


@pytest.mark.parametrize("width", [0, 1, 2, MAX_UNROLLED, MAX_UNROLLED + 1])
def test_a_row_has_the_answers_of_all_columns_in_turn(width: int) -> None:
    asked: list[int] = []

    def read(number: int, target: str) -> Value:
        asked.append(number)
        return f"{number} of {target}"

    row = whole_row([partial(read, number) for number in range(width)])
    assert row("it", ()) == [f"{number} of it" for number in range(width)]
    assert asked == list(range(width))


@pytest.mark.parametrize("width", [3, MAX_UNROLLED + 3])
def test_the_first_fault_is_the_rows(width: int) -> None:

    def fail(number: int, target: str) -> Value:
        raise failed(f"{number} of {target}")

    with pytest.raises(Fault, match="^0 of it$"):
        whole_row([partial(fail, number) for number in range(width)])("it", ())


def test_attributes_are_read_as_their_getters_do() -> None:
    half = complex(1, 2)
    row = whole_row([attrgetter("real"), attrgetter("imag.real"), attrgetter("real", "imag")])
    assert row(half, ()) == [1.0, 2.0, (1.0, 2.0)]
    with pytest.raises(AttributeError):
        row("it", ())


def test_a_row_is_a_list_of_its_own() -> None:
    row = whole_row([len, str.upper])
    assert row("it", ()) == row("it", ()) == [2, "IT"]
    assert row("it", ()) is not row("it", ())


@pytest.mark.parametrize("width", [3, MAX_UNROLLED + 3])
def test_columns_that_are_kept_are_not_read(width: int) -> None:
    asked: list[int] = []

    def read(number: int, target: str) -> Value:
        asked.append(number)
        return target

    row = whole_row([partial(read, number) for number in range(width)], kept=(0, 2))
    assert row("new", ["old"] * width) == ["old", "new", "old", *["new"] * (width - 3)]
    assert asked == [1, *range(3, width)]
