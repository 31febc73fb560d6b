"""Settings on a command line."""

from __future__ import annotations

import pytest

from blobtorrent.cli.settingtext import chosen_settings, flattened, merge_patch, read_assignment
from blobtorrent.model.errors import Invalid, NotFound

SETTINGS = {
    "limits": {"down_bytes_per_s": 0, "alternative_schedule": []},
    "groups": {"tv": {"weight": 2}},
    "watch": [{"path": "/a"}, {"path": "/b", "start": False}],
}
FLAT = {
    "limits.down_bytes_per_s": 0, "limits.alternative_schedule": [], "groups.tv.weight": 2, "watch.0.path": "/a",
    "watch.1.path": "/b", "watch.1.start": False,
}


def test_every_setting_has_its_full_name():
    assert flattened(SETTINGS) == FLAT


def test_settings_are_chosen_by_name_or_section():
    assert chosen_settings(FLAT, ["groups"]) == {"groups.tv.weight": 2}
    assert list(chosen_settings(FLAT, ["watch.1", "limits.down_bytes_per_s"])) == [
        "watch.1.path", "watch.1.start", "limits.down_bytes_per_s"]


def test_a_misspelt_setting_gets_a_suggestion():
    with pytest.raises(NotFound, match=r"limits.down_byte_per_s; did you mean limits.down_bytes_per_s\?"):
        chosen_settings(FLAT, ["limits.down_byte_per_s"])
    with pytest.raises(NotFound, match="watc$"):
        chosen_settings(FLAT, ["watc"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=1", 1), ("a.b = true", True), ("a.b='x'", "x"), ("a.b=2 MiB/s", "2 MiB/s"), ("a.b=/srv", "/srv"),
        ("a.b=", ""), ("a.b=[1, 2]", [1, 2]), ("a.b=x=y", "x=y"), ('a.b=[{path="/a"}]', [{"path": "/a"}]),
    ],
)
def test_a_value_is_toml_or_text(text, value):
    assert read_assignment(text) == ("a.b", value)


@pytest.mark.parametrize("text", ["a.b", "=1", "a..b=1", ".a=1", "a.=1"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(Invalid):
        read_assignment(text)


def test_assignments_become_a_merge_patch():
    assert merge_patch({"a.b": 1, "a.c": None, "d": [2]}) == {"a": {"b": 1, "c": None}, "d": [2]}
    with pytest.raises(Invalid):
        merge_patch({"a": 1, "a.b": 2})
