"""How fields of answers look."""

from __future__ import annotations

import pytest

from blobtorrent.cli.fields import column_of, flat, local_time, shown, title_of
from blobtorrent.cli.paint import Style


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("size_bytes", 2048, "2.0 KiB"),
        ("down_bytes_per_s", 2048, "2.0 KiB/s"),
        ("down_limit_bytes_per_s", 0, "none"),
        ("down_limit_bytes_per_s", 1024, "1.0 KiB/s"),
        ("eta_s", 61, "1m 01s"),
        ("eta_s", None, ""),
        ("ratio", 1.234, "1.23"),
        ("private", True, "yes"),
        ("private", False, "no"),
        ("priority", -3, "-3"),
        ("labels", ["a", "b"], "a, b"),
        ("labels", [], ""),
        ("error", {"code": "a.b", "message": "broke"}, "broke (a.b)"),
        ("seeding", {"ratio": 2.0, "time_s": None, "action": "stop"}, "ratio 2.00, action stop"),
        ("peers_from", {"dht": {"known": 9, "connected": 0}, "tracker": {"known": 5, "connected": 2}},
         "dht 0 of 9, tracker 2 of 5"),
        ("name", "a\x1b[31m\nb", "a\\x1b[31m\\x0ab"),
        ("labels", ["\x07"], "\\x07"),
    ],
)
def test_the_name_of_a_field_says_what_it_holds(field, value, text):
    assert shown(field, value).text == text


def test_states_and_errors_have_colours():
    assert shown("state", "error").style is shown("error", {"code": "a", "message": "b"}).style is Style.BAD
    assert shown("state", "seeding").style is Style.GOOD
    assert shown("state", "never heard of").style is Style.PLAIN


def test_titles_have_no_units():
    assert list(map(title_of, ("down_bytes_per_s", "size_bytes", "added_at", "eta_s", "info_hash_v1", "name"))) == [
        "DOWN", "SIZE", "ADDED", "ETA", "INFO HASH V1", "NAME"]


def test_numbers_stand_to_the_right_and_only_texts_are_cut():
    assert column_of("size_bytes").is_number and not column_of("name").is_number
    assert column_of("name").is_text and not column_of("hash").is_text


def test_what_is_inside_a_value_is_told_with_its_full_name():
    value = {"ratio": 0.5, "list": [{"a_bytes": 1024}, {"a_bytes": 0}], "words": ["x", "y"], "gone": None}
    assert [(name, cell.text) for name, cell in flat("goal", value)] == [
        ("goal.ratio", "0.50"), ("goal.list.0.a_bytes", "1.0 KiB"), ("goal.list.1.a_bytes", "0 B"),
        ("goal.words", "x, y"), ("goal.gone", ""),
    ]


def test_a_time_beyond_all_calendars_is_a_number():
    assert local_time(1e300).endswith("seconds after 1970")
