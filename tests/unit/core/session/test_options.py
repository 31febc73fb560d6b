"""What people may say about a torrent: read, or refused with the name of the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import RESET, FilePriority, GoalAction, SeedGoal, TorrentChanges
from blobtorrent.core.session.options import (
    MAX_LABELS,
    Fields,
    read_addition,
    read_changes,
    read_tiers,
    text,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Invalid


def test_an_addition_has_what_was_said_and_nothing_else():
    fields = Fields({
        "download_dir": "/srv/a", "peers": ["127.0.0.1:5", "[::1]:6", "127.0.0.1:5", "Node:7", "_bt._tcp.a.b"],
        "start": False,
        "skip_check": True, "split_files": False, "labels": ["b", "a", "b"], "group": None,
        "seeding": {"ratio": 2, "time_s": "1h", "action": "remove"},
    })
    assert read_addition(fields) == {
        "download_dir": Path("/srv/a"),
        "peers": (Endpoint("127.0.0.1", 5), Endpoint("::1", 6)), "peer_names": ("node:7", "_bt._tcp.a.b"),
        "start": False,
        "skip_check": True, "splits_files": False,
        "labels": ("b", "a"),
        "goal": SeedGoal(2.0, 3600.0, None, GoalAction.REMOVE),
    }
    fields.end()


def test_an_addition_has_the_custom_fields_of_front_ends():
    custom = {"custom1": "a%20b", "custom5": "", "custom.addtime": "17", "custom.ключ": "ü"}
    assert read_addition(Fields({"custom": custom})) == {"custom": custom}


@pytest.mark.parametrize("custom", [
    {"tied_to_file": "/etc/passwd"}, {"custom6": "x"}, {"custom.": "x"}, {"closed": "1"}, {"custom1": 1}, ["custom1"],
    {"custom1": "x" * (1 << 16)}])
def test_other_texts_than_custom_fields_are_refused(custom):
    with pytest.raises(Invalid, match="custom"):
        read_addition(Fields({"custom": custom}))


def test_changes_leave_alone_what_was_not_said():
    fields = Fields({
        "group": "slow", "priority": -3, "down_limit_bytes_per_s": "1 MiB/s", "up_limit_bytes_per_s": 5,
        "sequential": True, "file_priorities": {"0": "skip", "7": "high"},
        "picker": {"preset": "archive", "temperature": None, "weight_rarity": 2}, "super_seeding": True,
    })
    assert read_changes(fields) == TorrentChanges(
        group="slow", priority=-3, down_bytes_per_s=1 << 20, up_bytes_per_s=5, is_sequential=True,
        picker={"preset": "archive", "weight_rarity": 2.0}, super_seeding=True,
        file_priorities={0: FilePriority.SKIP, 7: FilePriority.HIGH},
    )


def test_a_null_is_back_to_the_default():
    fields = Fields({"group": None, "seeding": None, "upload_slots": None, "max_peers": 5, "labels": []})
    assert read_changes(fields) == TorrentChanges(
        group=RESET, goal=RESET, upload_slots=RESET, max_peers=5, labels=())
    fields.end()


def test_a_null_that_nobody_knows_is_refused():
    fields = Fields({"groop": None})
    assert read_changes(fields) == TorrentChanges()
    with pytest.raises(Invalid, match="groop"):
        fields.end()


def test_a_null_says_nothing_of_a_new_torrent():
    fields = Fields({"group": None, "start": False})
    assert read_addition(fields) == {"start": False}
    fields.end()


def test_trackers_come_in_tiers_and_one_alone_is_a_tier():
    assert read_tiers([["a", "b"], "c"]) == (("a", "b"), ("c",))
    for value in ("a", {"a": 1}, [1], [["a", 1]], [None]):
        with pytest.raises(ValueError):
            read_tiers(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upload_slots", -1), ("max_peers", 0), ("max_peers", 1.5),
        ("download_dir", "relative/path"), ("download_dir", 1), ("download_dir", "/a\0b"), ("download_dir", ""),
        ("peers", "127.0.0.1:5"), ("peers", ["example.org"]), ("peers", ["127.0.0.1:0"]), ("peers", [1]),
        ("peers", [f"a{number}:5" for number in range(21)]),
        ("start", 1), ("start", "yes"), ("labels", "a"), ("labels", [""]), ("labels", ["a\n"]), ("labels", [1]),
        ("labels", [str(number) for number in range(MAX_LABELS + 1)]), ("labels", ["a" * 300]), ("priority", 1.5),
        ("priority", 10**9), ("priority", True), ("seeding", 2), ("seeding", {"ratio": -1}), ("seeding", {"ration": 1}),
        ("seeding", {"action": "explode"}), ("down_limit_bytes_per_s", -1), ("down_limit_bytes_per_s", "fast"),
        ("sequential", "true"), ("picker", "archive"), ("picker", {"preset": "best"}), ("picker", {"guard": -1}),
        ("picker", {"weight": 1}), ("picker", {"temperature": 0}), ("file_priorities", []),
        ("file_priorities", {"x": "skip"}),
        ("file_priorities", {"0": 2}), ("file_priorities", {"99999999": "skip"}), ("file_priorities", {"-1": "skip"}),
        ("file_priorities", {"0": ["skip"]}),
    ],
)
def test_a_bad_value_is_told_with_its_field(name, value):
    with pytest.raises(Invalid, match=name):
        read_addition(Fields({name: value}))


def test_a_field_that_nobody_knows_is_refused():
    fields = Fields({"lables": ["a"]})
    assert read_addition(fields) == {}
    with pytest.raises(Invalid, match="lables"):
        fields.end()


def test_a_field_that_is_needed_is_asked_for():
    with pytest.raises(Invalid, match="source is missing"):
        Fields({"source": None}).take("source", text)
