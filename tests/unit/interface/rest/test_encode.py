"""Snapshots as JSON: plain numbers, seconds since 1970, null for what is absent, all members at one place."""

from __future__ import annotations

import json

import pytest

from blobtorrent.interface.rest.encode import (
    SHAPES,
    TORRENT,
    TORRENT_STATES,
    Shape,
    as_of,
    json_bytes,
    torrent_fields,
    whole_seconds,
)
from blobtorrent.interface.rest.schemas import COUNT, TEXT, nullable, one_of
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import GoalStatus
from tests.support.rest import info_hash, status_of


def test_json_is_ascii_and_compact_whatever_is_in_it():
    value = {"a": ["ä\n\u2028\udcff", 1.5, None, True]}
    assert json_bytes(value) == b'{"a":["\\u00e4\\n\\u2028\\udcff",1.5,null,true]}'


def test_a_shape_reads_the_attribute_of_the_name_or_what_it_is_told_to():
    shape: Shape[complex] = Shape({"real": COUNT, "length": (TEXT, abs)})
    assert shape.object_of(3 + 4j) == {"real": 3.0, "length": 5.0}
    assert shape.schema["required"] == ["real", "length"]


def test_a_time_that_never_was_is_null():
    assert (whole_seconds(0.0), whole_seconds(1000.9)) == (None, 1000)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_an_object_whose_members_are_all_there(name):
    shape = SHAPES[name]
    assert shape.schema["type"] == "object"
    assert list(shape.readers) == list(shape.schema["properties"]) == shape.schema["required"]


def test_what_is_absent_is_null():
    told = torrent_fields(status_of(1), wall=0.0)
    absent = {
        "info_hash_v2", "held_by", "error", "eta_s", "group", "added_at", "finished_at", "seeding", "upload_slots",
        "max_peers", "picker",
    }
    assert {name for name, value in told.items() if value is None} == absent
    json.dumps(told, allow_nan=False)


def test_a_torrent_is_told_in_whole_numbers():
    told = torrent_fields(status_of(
        2, info_hash=InfoHash(v1=bytes(20), v2=bytes(32)), downloaded_bytes=3, uploaded_bytes=1, down_bytes_per_s=3,
        added_at=5.9, goal=GoalStatus(1.0, None, None, "stop"), availability=1.23456), wall=0.0)
    assert (told["hash"], told["info_hash_v2"]) == ("0" * 40, "0" * 64)
    assert (told["ratio"], told["eta_s"], told["added_at"], told["availability"]) == (0.3333, 333, 5, 1.2346)
    assert told["seeding"] == {"ratio": 1.0, "time_s": None, "idle_s": None, "action": "stop"}


def test_seconds_are_counted_up_to_now_while_a_torrent_runs():
    running = status_of(1, state="seeding", active_s=10.0, seeding_s=5.0, counted_at=100.0)
    now = as_of(running, 130.0)
    assert (now.active_s, now.seeding_s, as_of(now, 130.0)) == (40.0, 35.0, now)
    stopped = status_of(1, active_s=10.0)
    assert as_of(stopped, 130.0) is stopped


def test_every_state_is_one_that_was_promised():
    assert TORRENT.schemas["state"]["enum"] == list(TORRENT_STATES)
    assert TORRENT.object_of(status_of(1))["hash"] == info_hash(1).hex


def test_null_is_added_to_a_schema_without_losing_what_it_says():
    assert nullable(COUNT) == {"type": ["integer", "null"], "minimum": 0}
    assert nullable(one_of(("a",))) == {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}
