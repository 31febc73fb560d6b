"""Values: numbers in text, truth, what may be kept, and what an answer shows."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.values import (
    LARGEST,
    MAX_VALUES,
    SMALLEST,
    Call,
    answered,
    is_true,
    joined,
    measured,
    parse_digits,
    parse_number,
    shown,
    signed,
)


@pytest.mark.parametrize(("text", "number"), [
    ("10", 10), ("0x1f", 31), ("010", 8), ("-5", -5), ("+5", 5), (" 5", 5), ("5\t", 5), ("1k", 1024), ("2M", 2 << 20),
    ("3g", 3 << 30), ("7b", 7), ("10k ", 10240), ("0", 0), ("0k", 0), ("0x1fk", 31 << 10), ("yes", 1), ("TRUE", 1),
    ("no", 0), ("False", 0), ("99999999999999999999", LARGEST), ("-99999999999999999999", SMALLEST),
    ("9999999999g", -7709325834783293440)])
def test_a_number_may_have_a_base_a_sign_and_a_suffix(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "zz", "10 k", "5kb", "k", "-", "--5", "- 5", "0xg", "08", "yess", " yes", "1_000",
                                  "٣", "9" * 5000 + "x"])
def test_other_text_is_no_number(text):
    assert parse_number(text) is None


def test_a_unit_counts_where_there_is_no_suffix():
    assert (parse_number("3", unit=1024), parse_number("3b", unit=1024)) == (3072, 3)


@pytest.mark.parametrize(("text", "base", "number"), [
    ("12", 16, 18), ("0x1f", 16, 31), ("0x1f", 0, 31), ("017", 0, 15), ("010", 10, 10), ("z", 36, 35), ("", 10, 0),
    ("0x1f", 10, None), ("12k", 10, None), ("zz", 10, None)])
def test_digits_of_a_base_have_no_suffix(text, base, number):
    assert parse_digits(text, base) == number


def test_numbers_wrap_at_64_bits():
    assert signed(LARGEST + 1) == SMALLEST
    assert signed(SMALLEST - 1) == LARGEST


@pytest.mark.parametrize(("value", "truth"), [
    (0, False), (-1, True), ("", False), ("0", True), (None, False), ([], False), ([0, 1], False), ([["a"]], True),
    (Call("value", ["1"]), False)])
def test_truth_is_that_of_the_first_element(value, truth):
    assert is_true(value) is truth


def test_joined_flattens_lists_and_leaves_nothing_out_but_nothing():
    assert joined(["a", 1, ["b", [2, None]], True]) == "a1b21"


def test_function_objects_and_maps_have_no_text():
    for value in (Call("cat", []), {"a": 1}):
        with pytest.raises(Fault, match="Invalid type"):
            joined([value])


def test_an_answer_shows_function_objects_as_lists():
    assert answered({"k": Call("cat", ["a", Call("d.name", [])])}) == {"k": ["cat", "a", ["d.name", None]]}


def test_a_list_that_holds_itself_over_and_over_is_not_kept():
    value = ["a", "b"]
    for _ in range(8):
        value = [value, value]
    assert measured(value) is value
    for _ in range(40):
        value = [value, value]
    with pytest.raises(Fault, match="Too large"):
        measured(value)
    with pytest.raises(Fault, match="Too large"):
        measured([0] * MAX_VALUES)


def test_bytes_that_are_no_utf8_are_shown_as_replacement_characters():
    assert shown("a\udcff😀") == "a\ufffd😀"
