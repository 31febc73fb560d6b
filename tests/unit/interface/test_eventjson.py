from __future__ import annotations

import json

import pytest

from blobtorrent.interface.eventjson import tell
from blobtorrent.model.eventnames import EVENT_NAMES
from blobtorrent.model.events import (
    DamageFound,
    Event,
    PieceVerified,
    SpaceLow,
    StateChanged,
    TorrentAdded,
    TorrentFailed,
    TorrentMoved,
    TorrentRemoved,
)
from blobtorrent.model.status import TorrentStatus
from tests.support.rest import info_hash, status_of

NAMES_OF_STRANGERS = [
    "a\nb", "a\r\n\r\nevent: torrent-removed", "\x1b[2J", "\u202egnp.exe", '"}', "</script>", "\x00", "\ud800", "\x85"
]


def told_as(event: Event, status: TorrentStatus | None = None) -> dict[str, object]:
    told = tell(event, status, number=7, event_id="ab-7", wall=1000.12345)
    fields = json.loads(told.json)
    assert isinstance(fields, dict)
    return fields


def test_an_event_of_a_torrent_says_whose_it_is_and_what_happened():
    event = StateChanged(info_hash(1), "downloading", "seeding")
    assert told_as(event, status_of(1, labels=("tv", "hd"))) == {
        "id": "ab-7", "type": "state-changed", "time": 1000.123, "hash": info_hash(1).hex, "name": "torrent 1",
        "labels": ["tv", "hd"], "download_dir": "/downloads", "old": "downloading", "new": "seeding",
    }


def test_an_event_of_the_session_has_no_torrent():
    assert told_as(SpaceLow("/data", 10, 64)) == {
        "id": "ab-7", "type": "space-low", "time": 1000.123, "path": "/data", "free_bytes": 10, "reserve_bytes": 64,
    }


def test_a_removed_torrent_has_the_labels_that_it_had():
    told = tell(TorrentRemoved(info_hash(1), "gone", ("tv",)), None, number=1, event_id="ab-1", wall=0.0)
    assert (told.labels, told.fields["name"], told.fields["labels"]) == (("tv",), "gone", ("tv",))
    assert "download_dir" not in told.fields


def test_a_moved_torrent_is_told_where_it_is_now():
    assert told_as(TorrentMoved(info_hash(1), "/new"), status_of(1))["download_dir"] == "/new"


def test_what_nobody_keeps_has_no_id():
    told = tell(PieceVerified(info_hash(1), 3), status_of(1), number=0, event_id=None, wall=0.0)
    assert "id" not in told.fields and told.fields["piece"] == 3


@pytest.mark.parametrize("name", NAMES_OF_STRANGERS)
def test_a_foreign_name_stays_on_its_line_and_in_its_string(name):
    told = tell(TorrentAdded(info_hash(1), name), status_of(1, name=name), number=1, event_id="ab-1", wall=0.0)
    assert told.json.isascii() and b"\n" not in told.json and b"\r" not in told.json
    assert json.loads(told.json)["name"] == name.replace("\ud800", "?")


def test_paths_that_are_not_utf_8_and_explanations_with_lone_surrogates_are_valid_json():
    for event, field in ((SpaceLow("/data/\udcff", 1, 2), "path"), (DamageFound("row", "\udcff", "x", "y"), "where")):
        text = told_as(event)[field]
        assert isinstance(text, str)
        text.encode()


def test_secrets_in_explanations_are_masked():
    detail = "http://tracker.example/0123456789abcdef0123/announce refused us"
    fields = told_as(TorrentFailed(info_hash(1), "tracker.refused", detail), status_of(1))
    assert "0123456789abcdef" not in str(fields["detail"]) and "tracker.example" in str(fields["detail"])


def test_every_event_can_be_told():
    samples = {str: "text", int: 1, float: 1.0}
    for kind in EVENT_NAMES:
        values = [
            info_hash(1) if name == "info_hash" else ("a",) if name == "labels" else samples[annotation]
            for name, annotation in kind.__annotations__.items()
        ]
        assert told_as(kind(*values))["type"] == EVENT_NAMES[kind]
